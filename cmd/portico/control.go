package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/egress"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/internal/web"
	"portico/manager"
	"portico/manager/authz"
	"portico/manager/collect"
	"portico/manager/console"
	"portico/manager/issuer"
	"portico/manager/publish"
	"portico/manager/rest"
	"portico/manager/store"
	"portico/portal"
)

// control is the control plane: the use cases, and what works behind them.
type control struct {
	store     *store.Store
	authz     *authz.Authorizer
	line      *bus.Bus
	publisher *publish.Publisher
	collector *collect.Collector

	catalog *manager.Catalog
	access  *manager.Access
	tenants *manager.Tenants
	fleet   *manager.Fleet
}

// addresses are where people find the parts, without a slash at the end.
type addresses struct{ gateway, portal, console, nats string }

// controlOptions are what the control plane is made of.
type controlOptions struct {
	Database string // as store.Open takes it
	At       addresses
	Line     *bus.Bus
	Operator *bus.Operator // nil: the only node is this process's own
	Guard    *egress.Guard
	Box      *secret.Box // nil in a portal
	SignUp   string
	// UsageDays is how long usage is kept by the minute.
	UsageDays int
	Log       *slog.Logger
}

// openControl opens the database and wires the use cases. Nothing runs yet.
func openControl(ctx context.Context, o controlOptions) (*control, error) {
	c, core, err := openCore(ctx, o)
	if err != nil {
		return nil, err
	}
	c.publisher = publish.New(publish.Options{Store: c.store, Bus: o.Line, Log: o.Log})
	c.collector = collect.New(collect.Options{Store: c.store, Bus: o.Line, Written: c.publisher.WrittenAt, Head: c.publisher.Head, KeepUsage: time.Duration(o.UsageDays) * 24 * time.Hour, Log: o.Log})
	core.Nudge, core.Live = c.publisher.Nudge, c.collector
	c.wire(core, c.collector, o)
	c.catalog.Ways, c.catalog.Try = c.collector, gateways().Client(egress.Upstream)
	if o.Operator != nil {
		c.fleet.Users = o.Operator
	}
	return c, nil
}

// openPortal is openControl for a portal on its own: a manager delivers, and
// hears the nodes.
func openPortal(ctx context.Context, o controlOptions) (*control, error) {
	c, core, err := openCore(ctx, o)
	if err != nil {
		return nil, err
	}
	core.Nudge = o.Line.Nudge
	c.wire(core, &collect.Remote{Bus: o.Line}, o)
	return c, nil
}

func openCore(ctx context.Context, o controlOptions) (*control, manager.Core, error) {
	db, err := store.Open(ctx, o.Database)
	if err != nil {
		return nil, manager.Core{}, err
	}
	allow, err := authz.New(ctx, db)
	if err != nil {
		return nil, manager.Core{}, errors.Join(fmt.Errorf("read the roles: %w", err), db.Close())
	}
	allow.Tell = o.Line.TellMembersChanged
	return &control{store: db, authz: allow, line: o.Line}, manager.Core{
		Store: db, Authz: allow, Now: time.Now, Log: o.Log, Box: o.Box,
		PortalURL: o.At.portal, ConsoleURL: o.At.console,
	}, nil
}

func (c *control) wire(core manager.Core, confirm manager.Confirmations, o controlOptions) {
	c.catalog = &manager.Catalog{Core: core, Fetch: o.Guard.Client(egress.Control), Confirm: confirm, Purges: commands{o.Line}}
	c.catalog.Health, _ = confirm.(manager.UpstreamHealths) // a portal asks a manager, and shows none
	if c.collector != nil {
		c.catalog.Counts = c.collector
	}
	c.access = &manager.Access{Core: core, Prover: issuer.New(o.Guard.Client(egress.Control), time.Now)}
	c.tenants = &manager.Tenants{Core: core, OpenSignUp: o.SignUp == "open"}
	c.fleet = &manager.Fleet{Core: core, Confirm: confirm, Commands: commands{o.Line}}
}

// gateways is the way out to environments' own gateways, whose addresses the
// operator gave: they may be private ones. Metadata addresses stay closed.
func gateways() *egress.Guard {
	return &egress.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
}

// commands tells nodes what to do, over the bus.
type commands struct{ line *bus.Bus }

func (c commands) Command(ctx context.Context, environment, node string, do entry.CommandKind) error {
	return c.line.Environment(environment).Command(ctx, node, entry.Command{Do: do})
}

// Purge implements manager.CachePurges.
func (c commands) Purge(ctx context.Context, environment string, purge entry.Purge) error {
	return c.line.Environment(environment).Command(ctx, entry.EveryNode, entry.Command{Do: entry.PurgeCache, Purge: &purge})
}

// installationBox opens and seals what the database keeps secret.
func installationBox(key [32]byte) (*secret.Box, error) {
	own, err := secret.Derive(key, "installation")
	if err != nil {
		return nil, err
	}
	return secret.NewBox(own)
}

// prepare makes what an installation has from its first start on. chosen says
// that the gateway's address was given, and not found.
func (c *control) prepare(ctx context.Context, bootstrap secret.Text, at addresses, chosen bool) error {
	if _, err := c.fleet.EnsureEnvironment(ctx, "production", "Production", apim.Production, at.gateway, chosen); err != nil {
		return fmt.Errorf("make the environment: %w", err)
	}
	if token := bootstrap.Reveal(); token != "" {
		if err := c.tenants.EnsureBootstrapToken(ctx, token); err != nil {
			return fmt.Errorf("make the bootstrap token: %w", err)
		}
	}
	return nil
}

// ownNode enrols the node of this process.
func (c *control) ownNode(ctx context.Context, key bus.NodeKey) (apim.Node, error) {
	known, err := c.store.EnrolledNodes(ctx, "production")
	if err != nil {
		return apim.Node{}, fmt.Errorf("read the nodes: %w", err)
	}
	public, err := key.BoxPublic()
	if err != nil {
		return apim.Node{}, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return c.fleet.EnsureNode(ctx, "production", nodeName(host, known), public)
}

// nodeName is the name of this process's node: the one that it had before,
// though the machine or the container is called otherwise by now (else the old
// name would count as an unreachable node for ever), and at first the host's,
// as far as it can stand in a name.
func nodeName(host string, known []apim.Node) string {
	if len(known) > 0 {
		return known[0].Name
	}
	host, _, _ = strings.Cut(host, ".")
	if name := apim.Slugify(host); name != "" {
		return name
	}
	return "gateway-1"
}

// run works until ctx ends: delivers, listens, loads documents, ends what is
// over.
func (c *control) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, part := range []func(context.Context) error{
		c.publisher.Run, c.collector.Run, c.collector.Serve, c.catalog.RunLoader, c.catalog.RunSplits, c.access.RunExpiry, c.follow,
	} {
		group.Go(func() error {
			if err := part(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			return nil
		})
	}
	return group.Wait()
}

// follow keeps up with memberships and roles that other processes change.
func (c *control) follow(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	changed := make(chan struct{}, 1)
	group.Go(func() error {
		return c.line.MembersChanged(ctx, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	})
	group.Go(func() error {
		tick := time.NewTicker(membersEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-changed:
			case <-tick.C:
			}
			_ = c.authz.Refresh(ctx) // what it was stays, and it is tried again
		}
	})
	return group.Wait()
}

// membersEvery is how often memberships are read again, should a word that they
// changed have been lost.
const membersEvery = 30 * time.Second

// consoleHandler is the console with the management API before it.
func (c *control) consoleHandler(at addresses, log *slog.Logger) http.Handler {
	sessions := web.NewSessions("console", at.console, c.store.Sessions("console", time.Now), time.Now)
	api := &rest.Edge{
		Catalog: c.catalog, Access: c.access, Tenants: c.tenants, Fleet: c.fleet,
		Sessions: sessions, Log: log,
	}
	pages := console.New(console.Config{
		Catalog: c.catalog, Access: c.access, Tenants: c.tenants, Fleet: c.fleet,
		Sessions: sessions, Log: log, Now: time.Now, PortalURL: at.portal, ConsoleURL: at.console,
	})
	mux := http.NewServeMux()
	mux.Handle(rest.Base+"/", api.Handler())
	mux.Handle(rest.EnrolPath, api.Enrol(at.nats))
	mux.Handle("/", pages)
	return mux
}

// portalHandler is the portal.
func (c *control) portalHandler(at addresses, log *slog.Logger) http.Handler {
	return portal.New(portal.Config{
		Catalog: c.catalog, Access: c.access, Tenants: c.tenants, Fleet: c.fleet,
		Sessions: web.NewSessions("portal", at.portal, c.store.Sessions("portal", time.Now), time.Now),
		Log:      log, Now: time.Now, ConsoleURL: at.console,
	})
}
