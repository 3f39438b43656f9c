package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"golang.org/x/sync/errgroup"

	"portico/internal/bus"
)

// natsCommand runs a NATS server of our own.
type natsCommand struct {
	Dir              string `name:"setup" type:"existingdir" env:"PORTICO_SETUP" required:"" help:"Folder that 'portico init' wrote."`
	Listen           string `env:"PORTICO_NATS_ADDR" help:"Where to listen. Default: as in nats.conf."`
	OperatorSettings `embed:""`
}

// Run serves the bus until ctx ends.
func (c *natsCommand) Run(ctx context.Context) error {
	if err := checked(c.OperatorSettings); err != nil {
		return err
	}
	conf, err := secretFile(c.Dir, "", bus.ServerFile)
	if err != nil {
		return err
	}
	ops, err := listenAt("ops-addr", c.OpsAddr)
	if err != nil {
		return err
	}
	defer func() { _ = ops.Close() }()
	server, err := bus.StartServer(bus.ServerOptions{Config: conf, Listen: c.Listen, Log: c.log()})
	if err != nil {
		return err
	}
	defer server.Stop()
	fmt.Fprintf(os.Stdout, "\nPortico's NATS server %s is ready.\n\n  Bus       %s\n  Health    %s/readyz\n", version, server.URL(), urlOf("", ops))
	fmt.Fprint(os.Stdout, stopLine)
	background, behind := errgroup.WithContext(context.WithoutCancel(ctx))
	ready := readyWhile(func(context.Context) error { return nil })
	return serveEdges(ctx, background, behind.Done(), func() {}, []*http.Server{edge(ops, operators(http.HandlerFunc(alive), ready), background, c.log())})
}
