package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"golang.org/x/sync/errgroup"

	"portico/internal/bus"
	"portico/internal/egress"
	"portico/internal/secret"
)

// managerCommand runs the manager with the console and the management API. Any
// number may run on one database.
type managerCommand struct {
	Setup            string `type:"existingdir" env:"PORTICO_SETUP" required:"" help:"Folder that 'portico init' wrote."`
	OperatorSettings `embed:""`
	DatabaseSettings `embed:""`
	BusSettings      `embed:""`
	AddressSettings  `embed:""`
	ConsoleSettings  `embed:""`
	EgressSettings   `embed:""`
	NodesNATSURL     string `name:"nodes-nats-url" env:"PORTICO_NODES_NATS_URL" help:"Where gateway nodes find the NATS server, when that is another address. Default: nats-url."`
}

func (c *managerCommand) check(w *wrongs) {
	w.required("database-url", c.DatabaseURL.Reveal(), "give the address of a PostgreSQL, postgres://user:password@host/name")
	w.required("nats-url", c.NATSURL, "give the address of the NATS server, nats://host:4222")
	w.required("gateway-url", c.GatewayURL, "give the address at which consumers call the gateway")
}

// Run starts the manager, prints where it is, and ends when ctx does.
func (c *managerCommand) Run(ctx context.Context) error {
	if err := checked(c.OperatorSettings, c.DatabaseSettings, c.AddressSettings, c.ConsoleSettings, c); err != nil {
		return err
	}
	log := c.log()
	allow, err := c.allowed()
	if err != nil {
		return err
	}
	operatorFile, err := secretFile(c.Setup, "", bus.OperatorFile)
	if err != nil {
		return err
	}
	operator, err := bus.ReadOperator(operatorFile)
	if err != nil {
		return err
	}
	path, err := secretFile(c.Setup, "", keyFile)
	if err != nil {
		return err
	}
	key, err := secret.ReadKeyFile(path)
	if err != nil {
		return err
	}
	box, err := installationBox(key)
	if err != nil {
		return err
	}
	console, err := listenAt("console-addr", c.ConsoleAddr)
	if err != nil {
		return err
	}
	defer func() { _ = console.Close() }()
	ops, err := listenAt("ops-addr", c.OpsAddr)
	if err != nil {
		return err
	}
	defer func() { _ = ops.Close() }()
	log.Info("settings", "config", *c)
	line, err := bus.Connect(bus.Options{URL: c.NATSURL, Operator: operator, RootCAs: c.NATSRootCAs, Name: "portico manager", Log: log})
	if err != nil {
		return err
	}
	defer line.Close()
	at := addresses{gateway: c.GatewayURL, portal: c.PortalURL, console: urlOf(c.ConsoleURL, console), nats: c.NodesNATSURL}
	if at.nats == "" {
		at.nats = c.NATSURL
	}
	plane, err := openControl(ctx, controlOptions{
		Database: c.DatabaseURL.Reveal(), At: at, Line: line, Operator: operator, Guard: &egress.Guard{Allow: allow}, Box: box, SignUp: c.SignUp, UsageDays: c.UsageDays, Log: log,
	})
	if err != nil {
		return err
	}
	defer func() { _ = plane.store.Close() }() // everything is committed by then
	if err := plane.prepare(ctx, c.BootstrapToken, at, false); err != nil {
		return err
	}
	link, err := plane.tenants.FirstRunLink(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "\nPortico manager %s is ready.\n\n  Console   %-34s where you import, publish and approve\n  Health    %s/readyz\n", version, at.console, urlOf("", ops))
	if link != "" {
		fmt.Fprintf(os.Stdout, "\n  Become the operator, once and within 24 hours:\n  %s\n", link)
	}
	fmt.Fprint(os.Stdout, stopLine)
	return serveRole(ctx, log, plane.run, plane, []listening{{console, plane.consoleHandler(at, log)}}, ops)
}

// portalCommand runs the developer portal. Any number may run on one database.
type portalCommand struct {
	Setup            string `type:"existingdir" env:"PORTICO_SETUP" help:"Folder with the portal.creds that 'portico init' wrote."`
	NATSCredentials  string `name:"nats-credentials" type:"existingfile" env:"PORTICO_NATS_CREDENTIALS" help:"The file portal.creds itself, where the folder is not at hand."`
	OperatorSettings `embed:""`
	DatabaseSettings `embed:""`
	BusSettings      `embed:""`
	AddressSettings  `embed:""`
	PortalSettings   `embed:""`
	EgressSettings   `embed:""`
	SignUp           string `env:"PORTICO_SIGN_UP" enum:"open,closed" default:"open" help:"Whether anybody may make an account in the portal: open or closed."`
}

func (c *portalCommand) check(w *wrongs) {
	w.required("database-url", c.DatabaseURL.Reveal(), "give the address of the managers' PostgreSQL, postgres://user:password@host/name")
	w.required("nats-url", c.NATSURL, "give the address of the NATS server, nats://host:4222")
	if c.Setup == "" && c.NATSCredentials == "" {
		w.add("nats-credentials", "is needed; 'portico init' writes portal.creds")
	}
}

// Run starts the portal, prints where it is, and ends when ctx does.
func (c *portalCommand) Run(ctx context.Context) error {
	if err := checked(c.OperatorSettings, c.DatabaseSettings, c.AddressSettings, c.PortalSettings, c); err != nil {
		return err
	}
	log := c.log()
	allow, err := c.allowed()
	if err != nil {
		return err
	}
	path, err := secretFile(c.Setup, c.NATSCredentials, bus.PortalFile)
	if err != nil {
		return err
	}
	as, err := bus.ReadCredentials(path)
	if err != nil {
		return err
	}
	listener, err := listenAt("portal-addr", c.PortalAddr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	ops, err := listenAt("ops-addr", c.OpsAddr)
	if err != nil {
		return err
	}
	defer func() { _ = ops.Close() }()
	log.Info("settings", "config", *c)
	line, err := bus.Connect(bus.Options{URL: c.NATSURL, Credentials: &as, Inbox: bus.PortalInbox, RootCAs: c.NATSRootCAs, Name: "portico portal", Log: log})
	if err != nil {
		return err
	}
	defer line.Close()
	at := addresses{portal: urlOf(c.PortalURL, listener), console: c.ConsoleURL}
	plane, err := openPortal(ctx, controlOptions{
		Database: c.DatabaseURL.Reveal(), At: at, Line: line, Guard: &egress.Guard{Allow: allow}, SignUp: c.SignUp, Log: log,
	})
	if err != nil {
		return err
	}
	defer func() { _ = plane.store.Close() }()
	fmt.Fprintf(os.Stdout, "\nPortico portal %s is ready.\n\n  Portal    %-34s what developers see\n  Health    %s/readyz\n", version, at.portal, urlOf("", ops))
	fmt.Fprint(os.Stdout, stopLine)
	return serveRole(ctx, log, plane.follow, plane, []listening{{listener, plane.portalHandler(at, log)}}, ops)
}

// serveRole runs a role of the control plane until ctx ends: its background
// work, its pages, and the operators' endpoints.
func serveRole(ctx context.Context, log *slog.Logger, work func(context.Context) error, plane *control, pages []listening, ops net.Listener) error {
	behind, endBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer endBehind()
	background, behind := errgroup.WithContext(behind)
	background.Go(func() error { return work(behind) })
	edges := []*http.Server{edge(ops, operators(http.HandlerFunc(alive), readyWhile(plane.store.Ping)), background, log)}
	for _, p := range pages {
		edges = append(edges, edge(p.listener, p.handler, background, log))
	}
	return serveEdges(ctx, background, behind.Done(), endBehind, edges)
}

// listening is a handler with where it listens.
type listening struct {
	listener net.Listener
	handler  http.Handler
}
