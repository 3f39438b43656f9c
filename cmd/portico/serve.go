package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"portico/cmd/portico/demo"
	"portico/gateway"
	"portico/gateway/trace/export"
	"portico/internal/bus"
	"portico/internal/egress"
	"portico/internal/secret"
)

// serveCommand runs all parts in this process.
type serveCommand struct {
	Config   `embed:""`
	Demo     bool   `help:"Load a demo API with its own upstream into an empty database."`
	DemoAddr string `env:"PORTICO_DEMO_ADDR" default:"127.0.0.1:8084" help:"Where the demo's upstream listens."`
}

// listeners are opened before anything else, so that a taken port is the first
// thing to be said, and addresses are known.
type listeners struct{ gateway, secure, portal, console, ops, demo net.Listener }

// Run starts everything, prints where it is, and ends when ctx does: the
// gateway first, which finishes the calls under way.
func (s *serveCommand) Run(ctx context.Context) error {
	began := time.Now()
	if err := s.check(); err != nil {
		return err
	}
	log := s.log()
	allow, err := s.allowed("127.0.0.0/8", "::1/128") // on its own it is for a laptop, whose upstreams are on it
	if err != nil {
		return err
	}
	open, err := s.listen()
	if err != nil {
		return err
	}
	defer open.close()
	at := addresses{gateway: urlOf(s.GatewayURL, open.gateway), portal: urlOf(s.PortalURL, open.portal), console: urlOf(s.ConsoleURL, open.console)}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	key, madeKey, err := secret.KeyFile(filepath.Join(s.Data, "key"))
	if err != nil {
		return err
	}
	log.Info("settings", "config", s.Config, "demo", s.Demo, "key_file_made", madeKey)

	server, err := bus.StartServer(bus.ServerOptions{Dir: filepath.Join(s.Data, "bus"), Log: log})
	if err != nil {
		return err
	}
	defer server.Stop()
	line, err := bus.Connect(bus.Options{Server: server, Name: "portico", Log: log})
	if err != nil {
		return err
	}
	defer line.Close()
	guard := &egress.Guard{Allow: allow}
	box, err := installationBox(key)
	if err != nil {
		return err
	}
	plane, err := openControl(ctx, controlOptions{
		Database: s.databaseAddress(), At: at, Line: line, Guard: guard, Box: box, SignUp: s.SignUp, UsageDays: s.UsageDays, Log: log,
	})
	if err != nil {
		return err
	}
	defer func() { _ = plane.store.Close() }() // everything is committed by then
	if err := plane.prepare(ctx, s.BootstrapToken, at, s.GatewayURL != ""); err != nil {
		return err
	}
	opens, err := bus.NodeKey(key).Box()
	if err != nil {
		return err
	}
	enrolled, err := plane.ownNode(ctx, bus.NodeKey(key))
	if err != nil {
		return err
	}
	sources, err := s.sources(log)
	if err != nil {
		return err
	}
	spans, err := s.spans(enrolled.Name, "production", log)
	if err != nil {
		return err
	}
	node, err := gateway.New(gateway.Config{
		Spans: spansOf(spans),
		Node:  enrolled.ID.UUID(), Name: enrolled.Name, Environment: "production", Build: version,
		Carrier: line.Environment("production"), DialContext: guard.Dialer(egress.Upstream).DialContext, Sources: sources,
		Fetch:   guard.Client(egress.Control),
		CopyDir: filepath.Join(s.Data, "gateway"), CopyKey: key, Box: opens, Log: log, DrainNotice: s.DrainNotice, ShedAfter: s.ShedAfter,
		CacheBytes: int64(s.CacheMB) << 20, UsageDir: s.usageDir(), UsageBytes: int64(s.UsageSpoolMB) << 20, UsageNoAddresses: s.UsageAddresses == "drop",
	})
	if err != nil {
		return err
	}
	return s.run(ctx, began, open, at, plane, node, spans, log)
}

// run starts the parts in the order in which they need one another, and ends
// them in the reverse.
func (s *serveCommand) run(ctx context.Context, began time.Time, open *listeners, at addresses, plane *control, node *gateway.Node, spans *export.Exporter, log *slog.Logger) error {
	behind, endBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer endBehind()
	background, behind := errgroup.WithContext(behind)
	background.Go(func() error { return plane.run(behind) })
	if spans != nil {
		background.Go(func() error { return spans.Run(behind) })
	}
	edges := []*http.Server{
		edge(open.console, plane.consoleHandler(at, log), background, log),
		edge(open.portal, plane.portalHandler(at, log), background, log),
		edge(open.ops, operators(node.Live(), node.Ready(), nodeMetrics(node, spans)...), background, log),
	}
	if open.demo != nil {
		edges = append(edges, edge(open.demo, demo.New(time.Now, time.Second), background, log))
	}
	serving, endServing := context.WithCancel(ctx)
	defer endServing()
	traffic, serving := errgroup.WithContext(serving)
	traffic.Go(func() error { return node.Run(serving, s.introduced(open.gateway), s.secure(open.secure)...) })
	traffic.Go(func() error { // a part that fails ends the process, not silently
		select {
		case <-behind.Done():
			return context.Cause(behind)
		case <-serving.Done():
			return nil
		}
	})

	note, err := s.announce(ctx, open, at, plane)
	if err == nil {
		err = waitReady(serving, node)
	}
	if err != nil {
		endServing()
	} else {
		note.print(os.Stdout, time.Since(began))
	}
	err = errors.Join(err, traffic.Wait())

	closing, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	for _, srv := range edges {
		_ = srv.Shutdown(closing) // what still runs then is ended with the process
	}
	endBehind()
	if bg := background.Wait(); bg != nil && !errors.Is(bg, context.Canceled) {
		err = errors.Join(err, bg)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // told to end
	}
	return err
}

func (s *serveCommand) listen() (*listeners, error) {
	open := &listeners{}
	for _, l := range []struct {
		into *net.Listener
		addr string
		name string
	}{
		{&open.gateway, s.GatewayAddr, "gateway-addr"},
		{&open.secure, s.TLSAddr, "gateway-tls-addr"},
		{&open.portal, s.PortalAddr, "portal-addr"},
		{&open.console, s.ConsoleAddr, "console-addr"},
		{&open.ops, s.OpsAddr, "ops-addr"},
		{&open.demo, s.DemoAddr, "demo-addr"},
	} {
		if l.into == &open.demo && !s.Demo || l.addr == "" {
			continue
		}
		var err error
		if *l.into, err = listenAt(l.name, l.addr); err != nil {
			open.close()
			return nil, err
		}
	}
	return open, nil
}

// close closes what no server has closed before.
func (l *listeners) close() {
	for _, one := range []net.Listener{l.gateway, l.secure, l.portal, l.console, l.ops, l.demo} {
		if one != nil {
			_ = one.Close() // closed by its server already
		}
	}
}

// waitReady returns when the node serves.
func waitReady(ctx context.Context, node *gateway.Node) error {
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		if node.Status().Ready {
			tick.Stop()
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// announcement is what serve prints once it is ready.
type announcement struct {
	at               addresses
	ops, demo        string
	secure           string // where the gateway speaks TLS; "": nowhere
	firstRun, key    string
	data             string
	apart            bool // the database is not in data
	loopbackUpstream bool
}

func (s *serveCommand) announce(ctx context.Context, open *listeners, at addresses, plane *control) (announcement, error) {
	note := announcement{at: at, ops: urlOf("", open.ops), data: s.Data, apart: s.DatabaseURL != "", loopbackUpstream: len(s.UpstreamAllow) == 0}
	if open.secure != nil {
		note.secure = secureURL(open.secure)
	}
	if open.demo != nil {
		note.demo = urlOf("", open.demo)
		key, err := (&seeder{tenants: plane.tenants, catalog: plane.catalog, access: plane.access, fleet: plane.fleet}).seed(ctx, note.demo)
		if err != nil {
			return note, err
		}
		note.key = key
	}
	link, err := plane.tenants.FirstRunLink(ctx)
	note.firstRun = link
	return note, err
}

func (a announcement) print(w io.Writer, took time.Duration) {
	fmt.Fprintf(w, "\nPortico %s is ready, after %.1f s.\n\n", version, took.Seconds())
	fmt.Fprintf(w, "  Portal    %-34s what developers see\n", a.at.portal)
	fmt.Fprintf(w, "  Console   %-34s where you import, publish and approve\n", a.at.console)
	fmt.Fprintf(w, "  Gateway   %-34s what their programs call\n", a.at.gateway)
	if a.secure != "" {
		fmt.Fprintf(w, "  TLS       %-34s the same, by the certificates of the environment\n", a.secure)
	}
	fmt.Fprintf(w, "  Health    %-34s for operators\n", a.ops+"/readyz")
	if a.demo != "" {
		fmt.Fprintf(w, "  Upstream  %-34s behind the demo's API\n", a.demo)
	}
	if a.firstRun != "" {
		fmt.Fprintf(w, "\n  Become the operator, once and within 24 hours:\n  %s\n", a.firstRun)
	}
	if a.key != "" {
		fmt.Fprintf(w, "\n  Call the demo:\n  curl -H 'X-API-Key: %s' %s/demo/parcels/v1/parcels\n", a.key, a.at.gateway)
	}
	where := "Data is in " + a.data
	if a.apart {
		where = "Data is in PostgreSQL, the bus and the gateway's disk copy in " + a.data
	}
	fmt.Fprintf(w, "\n  %s; its file \"key\" encrypts the gateway's disk copy.\n", where)
	if a.loopbackUpstream {
		fmt.Fprintln(w, "  Upstreams and imports may be on this machine (loopback); --upstream-allow changes that.")
	}
	fmt.Fprintln(w, "  Stop with Ctrl-C.")
}
