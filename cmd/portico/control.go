package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/egress"
	"portico/internal/web"
	"portico/manager"
	"portico/manager/authz"
	"portico/manager/collect"
	"portico/manager/console"
	"portico/manager/publish"
	"portico/manager/rest"
	"portico/manager/store"
	"portico/portal"
)

// control is the control plane: the use cases, and what works behind them.
type control struct {
	store     *store.Store
	publisher *publish.Publisher
	collector *collect.Collector

	catalog *manager.Catalog
	access  *manager.Access
	tenants *manager.Tenants
	fleet   *manager.Fleet
}

// addresses are where people find the parts, without a slash at the end.
type addresses struct{ gateway, portal, console string }

// openControl opens the database and wires the use cases. Nothing runs yet.
func openControl(ctx context.Context, c Config, at addresses, line *bus.Bus, guard *egress.Guard, log *slog.Logger) (*control, error) {
	db, err := store.Open(ctx, c.database())
	if err != nil {
		return nil, err
	}
	allow, err := authz.New(ctx, db)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the roles: %w", err), db.Close())
	}
	publisher := publish.New(publish.Options{Store: db, Bus: line, Log: log})
	collector := collect.New(collect.Options{Store: db, Bus: line, Written: publisher.WrittenAt, Head: publisher.Head, Log: log})
	core := manager.Core{
		Store: db, Authz: allow, Now: time.Now, Log: log, Nudge: publisher.Nudge,
		PortalURL: at.portal, ConsoleURL: at.console,
	}
	return &control{
		store: db, publisher: publisher, collector: collector,
		catalog: &manager.Catalog{Core: core, Fetch: guard.Client(egress.Control), Confirm: collector},
		access:  &manager.Access{Core: core},
		tenants: &manager.Tenants{Core: core, OpenSignUp: c.SignUp == "open"},
		fleet:   &manager.Fleet{Core: core, Confirm: collector},
	}, nil
}

// prepare makes what an installation has from its first start on, and returns
// the node of this process.
func (c *control) prepare(ctx context.Context, cfg Config, at addresses) (apim.Node, error) {
	if _, err := c.fleet.EnsureEnvironment(ctx, "production", "Production", apim.Production, at.gateway); err != nil {
		return apim.Node{}, fmt.Errorf("make the environment: %w", err)
	}
	if token := cfg.BootstrapToken.Reveal(); token != "" {
		if err := c.tenants.EnsureBootstrapToken(ctx, token); err != nil {
			return apim.Node{}, fmt.Errorf("make the bootstrap token: %w", err)
		}
	}
	known, err := c.store.EnrolledNodes(ctx, "production")
	if err != nil {
		return apim.Node{}, fmt.Errorf("read the nodes: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return c.fleet.EnsureNode(ctx, "production", nodeName(host, known))
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
		c.publisher.Run, c.collector.Run, c.catalog.RunLoader, c.access.RunExpiry,
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

// consoleHandler is the console with the management API before it.
func (c *control) consoleHandler(at addresses, log *slog.Logger) http.Handler {
	sessions := web.NewSessions("console", at.console, c.store.Sessions("console", time.Now), time.Now)
	api := (&rest.Edge{
		Catalog: c.catalog, Access: c.access, Tenants: c.tenants, Fleet: c.fleet,
		Sessions: sessions, Log: log,
	}).Handler()
	pages := console.New(console.Config{
		Catalog: c.catalog, Access: c.access, Tenants: c.tenants, Fleet: c.fleet,
		Sessions: sessions, Log: log, Now: time.Now, PortalURL: at.portal, ConsoleURL: at.console,
	})
	mux := http.NewServeMux()
	mux.Handle(rest.Base+"/", api)
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
