package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"portico/gateway"
	"portico/gateway/hugepage"
	"portico/internal/bus"
	"portico/internal/egress"
	"portico/internal/secret"
)

// By how many percent a gateway's heap may grow between collections, while it
// starts and from then on.
const (
	startGC = 50
	callGC  = 100
)

// gatewayCommand runs one gateway node.
type gatewayCommand struct {
	NodeKeyFile      string      `name:"node-key-file" env:"PORTICO_NODE_KEY_FILE" default:"node.key" help:"The node's private key; made where there is none. Keep it outside the data folder: it opens what lies there."`
	NodeName         string      `env:"PORTICO_NODE_NAME" help:"What the node is called. Default: the host's name."`
	ManagerURL       string      `env:"PORTICO_MANAGER_URL" help:"The console's address, to enrol there."`
	EnrolToken       secret.Text `env:"PORTICO_ENROL_TOKEN" help:"The one-time token to enrol with. Needed once."`
	EnrolTokenFile   string      `env:"PORTICO_ENROL_TOKEN_FILE" help:"A file that holds it."`
	OperatorSettings `embed:""`
	GatewaySettings  `embed:""`
	BusSettings      `embed:""`
	EgressSettings   `embed:""`
}

func (c *gatewayCommand) check(w *wrongs) {
	w.url("manager-url", c.ManagerURL)
	if c.EnrolToken != "" && c.EnrolTokenFile != "" {
		w.add("enrol-token-file", "means nothing beside enrol-token")
	}
	data, err := filepath.Abs(c.Data)
	if key, keyErr := filepath.Abs(c.NodeKeyFile); err == nil && keyErr == nil && filepath.Dir(key) == data {
		w.add("node-key-file", "%s lies in the data folder, which it is to protect; choose another place", c.NodeKeyFile)
	}
}

// Run enrols where that is needed, serves calls, and ends when ctx does, or
// when the node is removed.
func (c *gatewayCommand) Run(ctx context.Context) error {
	if err := checked(c.OperatorSettings, c.GatewaySettings, c); err != nil {
		return err
	}
	grown := make(chan struct{})
	whole := func() { close(grown) }
	if os.Getenv("GOGC") == "" {
		// A start with a hundred thousand keys would else take twice the memory.
		debug.SetGCPercent(startGC)
		whole = func() { debug.SetGCPercent(callGC); close(grown) }
	}
	log := c.log()
	allow, err := c.allowed()
	if err != nil {
		return err
	}
	listener, err := listenAt("gateway-addr", c.GatewayAddr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	var secure net.Listener
	if c.TLSAddr != "" {
		if secure, err = listenAt("gateway-tls-addr", c.TLSAddr); err != nil {
			return err
		}
		defer func() { _ = secure.Close() }()
	}
	ops, err := listenAt("ops-addr", c.OpsAddr)
	if err != nil {
		return err
	}
	defer func() { _ = ops.Close() }()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	raw, made, err := secret.KeyFile(c.NodeKeyFile)
	if err != nil {
		return err
	}
	key := bus.NodeKey(raw)
	log.Info("settings", "config", *c, "key_file_made", made)
	enrolled, err := c.enrolment(ctx, key, log)
	if err != nil {
		return err
	}
	as, err := key.Credentials(enrolled.User)
	if err != nil {
		return err
	}
	busURL := c.NATSURL
	if busURL == "" {
		busURL = enrolled.NATSURL
	}
	line, err := bus.Connect(bus.Options{
		URL: busURL, Credentials: &as, Inbox: bus.NodeInbox(enrolled.Node), RootCAs: c.NATSRootCAs, Name: "portico gateway " + enrolled.Name, Log: log,
		Gently: true,
	})
	if err != nil {
		return err
	}
	defer line.Close()
	opens, err := key.Box()
	if err != nil {
		return err
	}
	copyKey, err := key.Copy()
	if err != nil {
		return err
	}
	guard := &egress.Guard{Allow: allow}
	sources, err := c.sources(log)
	if err != nil {
		return err
	}
	spans, err := c.spans(enrolled.Name, enrolled.Environment, log)
	if err != nil {
		return err
	}
	node, err := gateway.New(gateway.Config{
		Spans: spansOf(spans), Whole: whole,
		Node: enrolled.Node, Name: enrolled.Name, Environment: enrolled.Environment, Build: version,
		Carrier: line.Environment(enrolled.Environment), DialContext: guard.Dialer(egress.Upstream).DialContext, Sources: sources,
		Fetch:   guard.Client(egress.Control),
		CopyDir: filepath.Join(c.Data, "copy"), CopyKey: copyKey, Box: opens, Leaves: true, Log: log, DrainNotice: c.DrainNotice, ShedAfter: c.ShedAfter,
		CacheBytes: int64(c.CacheMB) << 20, UsageDir: c.usageDir(), UsageBytes: int64(c.UsageSpoolMB) << 20, UsageNoAddresses: c.UsageAddresses == "drop",
	})
	if err != nil {
		return err
	}
	background, behind := errgroup.WithContext(context.WithoutCancel(ctx))
	health := edge(ops, operators(node.Live(), node.Ready(), nodeMetrics(node, spans)...), background, log)
	sending, endSending := context.WithCancel(behind)
	defer endSending()
	if spans != nil {
		background.Go(func() error { return spans.Run(sending) })
	}
	background.Go(func() error {
		select {
		case <-grown:
			return hugepage.Keep(sending)
		case <-sending.Done():
			return nil
		}
	})
	fmt.Fprintf(os.Stdout, "\nPortico gateway %s, node %s of %s, is started.\n\n  Gateway   %-34s what programs call\n",
		version, enrolled.Name, enrolled.Environment, urlOf("", listener))
	if secure != nil {
		fmt.Fprintf(os.Stdout, "  TLS       %-34s the same, by the certificates of the environment\n", secureURL(secure))
	}
	fmt.Fprintf(os.Stdout, "  Health    %s/readyz\n", urlOf("", ops))
	fmt.Fprint(os.Stdout, stopLine)
	err = node.Run(ctx, c.introduced(listener), c.secure(secure)...)
	closing, stop := context.WithTimeout(context.WithoutCancel(behind), time.Second)
	defer stop()
	_ = health.Shutdown(closing)
	endSending()
	if bg := background.Wait(); bg != nil && !errors.Is(bg, http.ErrServerClosed) {
		err = errors.Join(err, bg)
	}
	if errors.Is(err, gateway.ErrRemoved) {
		err = errors.Join(err, os.Remove(c.enrolmentFile()), os.RemoveAll(filepath.Join(c.Data, "copy")))
	}
	return err
}
