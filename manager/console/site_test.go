package console_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/internal/web"
	"portico/manager"
	"portico/manager/authz"
	"portico/manager/console"
	"portico/manager/rest"
	"portico/manager/store"
)

// site is the console on the real use cases and an SQLite database, with
// gateway nodes that answer as the test says.
type site struct {
	t       *testing.T
	server  *httptest.Server
	handler http.Handler
	api     http.Handler // management API, at the same address
	core    manager.Core
	catalog *manager.Catalog
	access  *manager.Access
	tenants *manager.Tenants
	fleet   *manager.Fleet
	nodes   *nodes
	clock   *clock
	log     *bytes.Buffer
	path    string // of the database
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// nodes are the environment's gateway nodes as the collector sees them. Those
// in behind have not confirmed the newest change.
type nodes struct {
	mu     sync.Mutex
	names  []string
	behind map[string]string // state by name: "waiting", "unreachable", "refused"
	sees   []apim.UpstreamHealth
	looks  []apim.UpstreamTargets
	silent map[string]bool // by name: does not answer
	checks int
	looked int    // how often they were asked, checks included
	more   bool   // than a status holds
	asked  string // target of the last check
}

func (n *nodes) Applied(_ context.Context, c apim.Change) (apim.Applied, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := apim.Applied{Change: c, Done: len(n.behind) == 0, TookMS: -1}
	for _, name := range n.names {
		node := apim.NodeApplied{Name: name, State: "applied", AppliedMS: 38}
		if state := n.behind[name]; state != "" {
			node.State, node.AppliedMS, node.Reason = state, -1, map[string]string{"refused": "two routes clash"}[state]
		}
		out.Nodes = append(out.Nodes, node)
	}
	if out.Done {
		out.TookMS = 38
	}
	return out, nil
}

func (n *nodes) Wait(ctx context.Context, c apim.Change) (apim.Applied, error) {
	return n.Applied(ctx, c)
}

func (n *nodes) Nodes(_ context.Context, environment string) ([]apim.Node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []apim.Node
	for _, name := range n.names {
		node := apim.Node{ID: apim.NewID(apim.PrefixNode, time.Now()), Name: name, Environment: environment, State: apim.NodeLive, Build: "0.1.0", AppliedMS: 38, APIs: 1, Grants: 2}
		if n.behind[name] == "unreachable" {
			node.State, node.Behind = apim.NodeUnreachable, 3
		}
		if n.behind[name] == "refused" {
			node.Refused = []apim.NodeRefusal{{Key: "api.0190", Reason: "two routes clash"}}
		}
		out = append(out, node)
	}
	return out, nil
}

// Upstreams says what sees makes each node say; without it all is well.
func (n *nodes) Upstreams(context.Context, string, string) ([]apim.NodeUpstreams, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []apim.NodeUpstreams
	for _, name := range n.names {
		out = append(out, apim.NodeUpstreams{Node: name, Reachable: n.behind[name] != "unreachable", Upstreams: n.sees, Partial: n.more})
	}
	return out, nil
}

// Targets says what looks makes each node say.
func (n *nodes) Targets(_ context.Context, _ string, look entry.Look) ([]apim.NodeTargets, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looked++
	if look.Check {
		n.checks++
		n.asked = look.Target
	}
	var out []apim.NodeTargets
	for _, name := range n.names {
		said := apim.NodeTargets{Node: name, Reachable: n.behind[name] != "unreachable"}
		if said.Answered = said.Reachable && !n.silent[name]; said.Answered {
			said.Upstreams = n.looks
		}
		out = append(out, said)
	}
	return out, nil
}

func (n *nodes) see(upstreams ...apim.UpstreamHealth) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sees = upstreams
}

func (n *nodes) look(upstreams ...apim.UpstreamTargets) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looks = upstreams
}

func (n *nodes) silence(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent = map[string]bool{name: true}
}

// target is what the last check was of.
func (n *nodes) target() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

// hideSome makes each node have more to tell than a status holds.
func (n *nodes) hideSome() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.more = true
}

func (n *nodes) asks() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.looked
}

func (n *nodes) checked() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.checks
}

func (n *nodes) set(name, state string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if state == "" {
		delete(n.behind, name)
		return
	}
	n.behind[name] = state
}

func newSite(t *testing.T) *site {
	t.Helper()
	ctx := t.Context()
	s := &site{
		t: t, clock: &clock{now: time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC)}, log: &bytes.Buffer{},
		nodes: &nodes{names: []string{"gw-1", "gw-2", "gw-3"}, behind: map[string]string{}},
	}
	s.path = filepath.Join(t.TempDir(), "portico.db")
	db, err := store.Open(ctx, s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	allow, err := authz.New(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, rest.Base+"/") {
			s.api.ServeHTTP(w, r)
			return
		}
		s.handler.ServeHTTP(w, r)
	}))
	url := "http://" + s.server.Listener.Addr().String()
	log := slog.New(slog.NewTextHandler(s.log, nil))
	box, err := secret.NewBox([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	s.core = manager.Core{
		Store: db, Authz: allow, Now: s.clock.Now, Log: log, Nudge: func(string) {},
		Box:       box,
		PortalURL: "http://portal.example", ConsoleURL: url,
	}
	s.catalog = &manager.Catalog{Core: s.core, Fetch: http.DefaultClient, Confirm: s.nodes, Health: s.nodes}
	s.access = &manager.Access{Core: s.core}
	s.tenants = &manager.Tenants{Core: s.core}
	s.fleet = &manager.Fleet{Core: s.core, Confirm: s.nodes}
	if _, err := s.fleet.EnsureEnvironment(ctx, "production", "Production", apim.Production, "http://gateway.example", false); err != nil {
		t.Fatal(err)
	}
	sessions := web.NewSessions("console", url, db.Sessions("console", s.clock.Now), s.clock.Now)
	api := &rest.Edge{Catalog: s.catalog, Access: s.access, Tenants: s.tenants, Fleet: s.fleet, Sessions: sessions, Log: log}
	s.api = api.Handler()
	s.handler = console.New(console.Config{
		Catalog: s.catalog, Access: s.access, Tenants: s.tenants, Fleet: s.fleet, Sessions: sessions,
		Log: log, Now: s.clock.Now, PortalURL: s.core.PortalURL, ConsoleURL: url,
	})
	s.server.Start()
	t.Cleanup(s.server.Close)
	return s
}

func (s *site) browser() *browser { return newBrowser(s.t, s.server.URL) }

const password = "correct horse battery"

// operator goes through the first run and returns the operator's browser, who
// owns the tenant "acme".
func (s *site) operator() *browser {
	s.t.Helper()
	link, err := s.tenants.FirstRunLink(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	b := s.browser()
	path := strings.TrimPrefix(link, s.server.URL)
	b.get(path).shows(http.StatusOK, "Make the first operator")
	b.post(path, "name", "Ada Byron", "email", "ada@acme.example", "password", password, "tenant_name", "Acme", "tenant_slug", "acme").
		shows(http.StatusOK, "Overview")
	return b
}

// tenant makes another tenant with an owner of its own, and returns the
// owner's browser and actor.
func (s *site) consumer(slug string) (*browser, apim.Actor, apim.Tenant) {
	s.t.Helper()
	ctx := s.t.Context()
	s.tenants.OpenSignUp = true
	person, err := s.tenants.SignUp(ctx, manager.SignUp{Name: "Ines Aguilar", Email: slug + "@example.org", Password: password, Organisation: slug}, "127.0.0.1")
	if err != nil {
		s.t.Fatal(err)
	}
	actor := apim.Actor{Person: person.ID, Name: person.Name}
	memberships, err := s.tenants.Memberships(ctx, actor)
	if err != nil || len(memberships) == 0 {
		s.t.Fatalf("memberships of %s: %v, %v", slug, memberships, err)
	}
	b := s.browser()
	b.post("/sign-in", "email", slug+"@example.org", "password", password).shows(http.StatusOK)
	return b, actor, memberships[0].Tenant
}

// join makes a person a member of a tenant, with a role.
func (s *site) join(tenant, person apim.ID, role apim.Role) {
	s.t.Helper()
	ctx := s.t.Context()
	err := s.core.Store.Write(ctx, func(tx *store.Tx) error {
		return tx.Tenant(tenant).InsertMember(ctx, apim.Member{Tenant: tenant, Person: person, Roles: []apim.Role{role}, JoinedAt: s.clock.Now()})
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.core.Authz.Reload(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// system is the program itself, for setting up.
func system() apim.Actor { return apim.Actor{System: true, Name: "test"} }

func (s *site) tenantID(slug string) apim.ID {
	s.t.Helper()
	tenant, err := s.tenants.Tenant(s.t.Context(), system(), slug)
	if err != nil {
		s.t.Fatal(err)
	}
	return tenant.ID
}

const ordersDocument = `openapi: 3.1.0
info: {title: Orders, version: 1.4.0, description: Orders of the shop.}
servers:
  - url: https://orders.internal.example/v1
security:
  - key: []
paths:
  /orders:
    get:
      operationId: listOrders
      summary: List orders
      tags: [orders]
      responses: {"200": {description: OK}}
    post:
      operationId: createOrder
      summary: Create an order
      tags: [orders]
      responses: {"201": {description: Created}}
  /orders/{id}:
    get:
      operationId: getOrder
      summary: Read an order
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {"200": {description: OK}}
  /health:
    get:
      operationId: health
      summary: Is it up
      security: []
      responses: {"200": {description: OK}}
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Key}
`

// offer imports and publishes Orders v1 and offers it in the product "shop"
// with an automatic plan "trial" and a manual plan "growth".
func (s *site) offer(tenant apim.ID) (version, growth apim.ID) {
	s.t.Helper()
	ctx, actor := s.t.Context(), system()
	staged, err := s.catalog.StageImport(ctx, actor, tenant, manager.Upload{FileName: "orders.yaml", Body: strings.NewReader(ordersDocument)})
	if err != nil {
		s.t.Fatal(err)
	}
	v, err := s.catalog.AcceptImport(ctx, actor, tenant, staged.ID, manager.AcceptImport{
		Name: "Orders", Slug: "orders", Label: "v1", Upstream: "https://orders.internal.example/v1", Access: "document",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.catalog.Publish(ctx, actor, tenant, v.ID, "production", "First revision"); err != nil {
		s.t.Fatal(err)
	}
	public, listed, published := apim.VisiblePublic, true, apim.PlanPublished
	p, err := s.catalog.CreateProduct(ctx, actor, tenant, manager.ProductInput{
		Slug: "shop", Name: new("Shop"), Summary: new("Orders and their state"), Visibility: &public, Listed: &listed, Versions: &[]apim.ID{v.ID},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	automatic, manual := apim.Automatic, apim.Manual
	for slug, approval := range map[string]*apim.Approval{"trial": &automatic, "growth": &manual} {
		plan, _, err := s.catalog.CreatePlan(ctx, actor, tenant, p.ID, manager.PlanInput{
			Slug: slug, Name: new(map[string]string{"trial": "Trial", "growth": "Growth"}[slug]), Approval: approval, State: &published,
			Limits: &[]apim.RateLimit{{Requests: 100, Period: time.Minute, Burst: 20}}, Price: new("€ 49 a month"),
		})
		if err != nil {
			s.t.Fatal(err)
		}
		if slug == "growth" {
			growth = plan.ID
		}
	}
	return v.ID, growth
}

// ask makes an application of a tenant and asks for a plan.
func (s *site) ask(actor apim.Actor, tenant, plan apim.ID, name, reason string) apim.ID {
	s.t.Helper()
	app, err := s.access.CreateApplication(s.t.Context(), actor, tenant, manager.ApplicationInput{Name: &name})
	if err != nil {
		s.t.Fatal(err)
	}
	sub, _, err := s.access.Request(s.t.Context(), actor, tenant, manager.RequestAccess{Application: app.ID, Plan: plan, Reason: reason})
	if err != nil {
		s.t.Fatal(err)
	}
	return sub.ID
}
