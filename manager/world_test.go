package manager_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/manager"
	"portico/manager/authz"
	"portico/manager/store"
	"portico/test/fake"
	"portico/test/postgres"
)

// world is a control plane on a database of its own, with a clock that the
// test moves.
type world struct {
	t       testing.TB
	store   *store.Store
	authz   *authz.Authorizer
	core    manager.Core
	tenants *manager.Tenants
	catalog *manager.Catalog
	access  *manager.Access
	fleet   *manager.Fleet

	mu     sync.Mutex // guards now and nudged
	now    time.Time
	nudged []string
}

const password = "correct horse battery"

var system = apim.Actor{System: true, Name: "test"}

func newWorld(t testing.TB, place postgres.Place) *world {
	t.Helper()
	ctx := t.Context()
	st, err := store.Open(ctx, place(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, store: st, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	if w.authz, err = authz.New(ctx, st); err != nil {
		t.Fatal(err)
	}
	w.core = manager.Core{
		Store: st, Authz: w.authz, Now: w.clock, Log: slog.New(slog.DiscardHandler), Nudge: w.nudge,
		Box:       must[*secret.Box](t)(secret.NewBox([32]byte{1})),
		PortalURL: "http://portal.example", ConsoleURL: "http://console.example",
	}
	w.tenants = &manager.Tenants{Core: w.core, OpenSignUp: true}
	w.catalog = &manager.Catalog{Core: w.core, Fetch: http.DefaultClient}
	w.access = &manager.Access{Core: w.core, Prover: fake.Prover{}}
	w.fleet = &manager.Fleet{Core: w.core}
	if _, err := w.fleet.EnsureEnvironment(ctx, "production", "Production", apim.Production, "http://gateway.example/", false); err != nil {
		t.Fatal(err)
	}
	return w
}

// another returns the people's use cases of a second manager on the same
// database.
func (w *world) another() (*manager.Tenants, error) {
	core := w.core
	var err error
	core.Authz, err = authz.New(w.t.Context(), w.store)
	return &manager.Tenants{Core: core}, err
}

// fillAudit writes many rows into a tenant's audit log.
func (w *world) fillAudit(tenant apim.ID, rows int) error {
	return w.store.Write(w.t.Context(), func(tx *store.Tx) error {
		for range rows {
			at := w.clock()
			row := apim.Audit{ID: apim.NewID(apim.PrefixAudit, at), Tenant: tenant, At: at.Truncate(time.Microsecond), Actor: system, Action: "test.row", Summary: "a row"}
			if err := tx.System().Audit(w.t.Context(), row); err != nil {
				return err
			}
		}
		return nil
	})
}

// clock goes on by a microsecond with every look at it, as if no two things
// happened at once.
func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Microsecond)
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) nudge(environment string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nudged = append(w.nudged, environment)
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// tenant makes an organisation without members.
func (w *world) tenant(slug string) apim.Tenant {
	w.t.Helper()
	return must[apim.Tenant](w.t)(w.tenants.CreateTenant(w.t.Context(), system, slug, strings.ToUpper(slug[:1])+slug[1:]))
}

// person makes a person with roles in a tenant. The password is not hashed:
// that is for tests of signing in.
func (w *world) person(tenant apim.Tenant, name string, roles ...apim.Role) apim.Actor {
	w.t.Helper()
	ctx := w.t.Context()
	p := apim.Person{ID: apim.NewID(apim.PrefixPerson, w.clock()), Email: strings.ToLower(name) + "@" + tenant.Slug + ".example", Name: name, CreatedAt: w.clock(), Lock: 1}
	err := w.store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.System().InsertPerson(ctx, p, ""); err != nil {
			return err
		}
		return tx.Tenant(tenant.ID).InsertMember(ctx, apim.Member{Tenant: tenant.ID, Person: p.ID, Roles: roles, JoinedAt: w.clock()})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.authz.Reload(ctx); err != nil {
		w.t.Fatal(err)
	}
	return apim.Actor{Person: p.ID, Name: name}
}

const ordersDocument = `openapi: 3.1.0
info: {title: Orders, version: 1.2.0, description: Orders of a shop.}
servers: [{url: "https://orders.upstream.example/base"}]
security: [{key: []}]
paths:
  /orders:
    get: {operationId: list_orders, summary: List orders, tags: [orders], responses: {"200": {description: OK}}}
    post: {operationId: create_order, summary: Create an order, tags: [orders], responses: {"201": {description: Made}}}
  /orders/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {operationId: get_order, summary: Get an order, tags: [orders], responses: {"200": {description: OK}}}
  /health:
    get: {operationId: health, summary: Health, security: [], responses: {"200": {description: OK}}}
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Key}
`

func (w *world) stage(actor apim.Actor, tenant apim.ID, document string) apim.Import {
	w.t.Helper()
	return must[apim.Import](w.t)(w.catalog.StageImport(w.t.Context(), actor, tenant, manager.Upload{FileName: "orders.yaml", Body: strings.NewReader(document)}))
}

// version imports the orders document as a draft.
func (w *world) version(actor apim.Actor, tenant apim.Tenant, slug string) apim.Version {
	w.t.Helper()
	staged := w.stage(actor, tenant.ID, ordersDocument)
	return must[apim.Version](w.t)(w.catalog.AcceptImport(w.t.Context(), actor, tenant.ID, staged.ID, manager.AcceptImport{Name: "Orders", Slug: slug, Access: "document"}))
}

// offer is a published version in a listed, public product with two plans.
type offer struct {
	version   apim.Version
	product   apim.Product
	automatic apim.Plan
	manual    apim.Plan
}

func (w *world) offer(actor apim.Actor, tenant apim.Tenant, slug string) offer {
	w.t.Helper()
	ctx := w.t.Context()
	var o offer
	o.version = w.version(actor, tenant, slug)
	o.version = must[manager.PublishResult](w.t)(w.catalog.Publish(ctx, actor, tenant.ID, o.version.ID, "production", "first")).Version
	o.product = must[apim.Product](w.t)(w.catalog.CreateProduct(ctx, actor, tenant.ID, manager.ProductInput{
		Slug: slug, Name: new("Orders " + slug), Summary: new("Orders of a shop."), Visibility: new(apim.VisiblePublic), Listed: new(true), Versions: &[]apim.ID{o.version.ID},
	}))
	o.automatic = w.plan(actor, o.product, "trial", apim.Automatic)
	o.manual = w.plan(actor, o.product, "business", apim.Manual)
	return o
}

func (w *world) plan(actor apim.Actor, p apim.Product, slug string, approval apim.Approval) apim.Plan {
	w.t.Helper()
	plan, _, err := w.catalog.CreatePlan(w.t.Context(), actor, p.Tenant, p.ID, manager.PlanInput{
		Slug: slug, Name: new(strings.ToUpper(slug[:1]) + slug[1:]), Approval: &approval, State: new(apim.PlanPublished),
		Limits: &[]apim.RateLimit{{Requests: 60, Period: time.Minute, Burst: 5}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return plan
}

func (w *world) application(actor apim.Actor, tenant apim.Tenant, slug string) apim.Application {
	w.t.Helper()
	return must[apim.Application](w.t)(w.access.CreateApplication(w.t.Context(), actor, tenant.ID, manager.ApplicationInput{Slug: slug, Name: new("App " + slug)}))
}

func (w *world) request(actor apim.Actor, tenant apim.Tenant, app apim.Application, plan apim.Plan) apim.Subscription {
	w.t.Helper()
	s, _, err := w.access.Request(w.t.Context(), actor, tenant.ID, manager.RequestAccess{Application: app.ID, Plan: plan.ID, Reason: "to try"})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// grant returns what the nodes are told of a key, and whether it is in force.
func (w *world) grant(minted manager.MintedKey) (entry.Grant, bool) {
	w.t.Helper()
	key := must[entry.Key](w.t)(entry.GrantKey(minted.Credential.Secrets[0].Hash))
	items := must[[]entry.Item](w.t)(w.store.LoadEntries(w.t.Context(), "production", []entry.Key{key}))
	if len(items) == 0 || items[0].Ended {
		return entry.Grant{}, false
	}
	return must[entry.Grant](w.t)(entry.Decode[entry.Grant](items[0])), true
}

// audited counts the rows of a tenant's audit log with an action.
func (w *world) audited(tenant apim.ID, action string) int {
	w.t.Helper()
	n, cursor := 0, ""
	for {
		page := must[apim.List[apim.AuditLink]](w.t)(w.tenants.AuditLog(w.t.Context(), system, tenant, apim.AuditFilter{}, apim.Page{Limit: 200, Cursor: cursor}))
		for _, a := range page.Items {
			if a.Action == action {
				n++
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			return n
		}
	}
}

// refused fails the test unless err is a refusal of a kind.
func refused(t testing.TB, err error, kind apim.ErrorKind) {
	t.Helper()
	if apim.KindOf(err) != kind {
		t.Fatalf("got %v (%s), want a refusal of kind %s", err, apim.KindOf(err), kind)
	}
}

// endAt gives a subscription an end, which no use case does yet.
func (w *world) endAt(s apim.Subscription, end time.Time) {
	w.t.Helper()
	err := w.store.Write(w.t.Context(), func(tx *store.Tx) error {
		s.EndsAt = end
		return tx.Tenant(s.Tenant).UpdateSubscription(w.t.Context(), &s)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func contextWithCancel(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// waitFor waits for a condition that another goroutine brings about.
func waitFor(t testing.TB, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within 20 s")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// takeDocument takes the next document as the loader does, and does no more.
func (w *world) takeDocument() {
	w.t.Helper()
	err := w.store.Write(w.t.Context(), func(tx *store.Tx) error {
		_, _, err := tx.System().NextDocument(w.t.Context())
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
