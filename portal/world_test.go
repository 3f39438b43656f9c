package portal_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/internal/web"
	"portico/manager"
	"portico/manager/authz"
	"portico/manager/store"
	"portico/portal"
	"portico/test/fake"
)

// world is a portal over the real use cases on SQLite, with a provider's
// tenant in it. Its nodes are one that confirms everything at once.
type world struct {
	t       *testing.T
	catalog *manager.Catalog
	access  *manager.Access
	tenants *manager.Tenants
	fleet   *manager.Fleet
	url     string

	provider       apim.Actor
	providerTenant apim.Tenant

	mu  sync.Mutex // guards now
	now time.Time
}

// confirmed is a fleet of one node that applies every change in 12 ms.
type confirmed struct{}

func (confirmed) Applied(_ context.Context, c apim.Change) (apim.Applied, error) {
	return apim.Applied{Change: c, Done: true, TookMS: 12, Nodes: []apim.NodeApplied{{Name: "node-1", State: "applied", AppliedMS: 12}}}, nil
}

func (f confirmed) Wait(ctx context.Context, c apim.Change) (apim.Applied, error) {
	return f.Applied(ctx, c)
}

func (confirmed) Nodes(context.Context, string) ([]apim.Node, error) {
	return []apim.Node{{Name: "node-1", State: apim.NodeLive}}, nil
}

const password = "correct horse battery staple"

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{t: t, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	db, err := store.Open(ctx, filepath.Join(t.TempDir(), "portico.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	allow, err := authz.New(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	core := manager.Core{
		Store: db, Authz: allow, Now: w.clock, Log: log, Nudge: func(string) {},
		Box:       must[*secret.Box](t)(secret.NewBox([32]byte{1})),
		PortalURL: "http://localhost:8081", ConsoleURL: "http://localhost:8082",
	}
	w.catalog = &manager.Catalog{Core: core, Confirm: confirmed{}}
	w.access = &manager.Access{Core: core, Prover: fake.Prover{}}
	w.tenants = &manager.Tenants{Core: core, OpenSignUp: true}
	w.fleet = &manager.Fleet{Core: core, Confirm: confirmed{}}
	if _, err := w.fleet.EnsureEnvironment(ctx, "production", "Production", apim.Production, "http://localhost:8080", false); err != nil {
		t.Fatal(err)
	}
	w.firstRun()
	server := httptest.NewServer(portal.New(portal.Config{
		Catalog: w.catalog, Access: w.access, Tenants: w.tenants, Fleet: w.fleet, Log: log, Now: w.clock,
		Sessions: web.NewSessions("portal", "http://localhost:8081", db.Sessions("portal", w.clock), w.clock),
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// must stops the test when a step of its story fails.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *world) firstRun() {
	w.t.Helper()
	ctx := w.t.Context()
	address := must[string](w.t)(w.tenants.FirstRunLink(ctx))
	u := must[*url.URL](w.t)(url.Parse(address))
	token := u.Query().Get("token")
	if token == "" {
		token = u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	}
	person := must[apim.Person](w.t)(w.tenants.FirstRun(ctx, token, manager.FirstRun{
		Name: "Ada Provider", Email: "ada@meridian.example", Password: password, TenantName: "Meridian Logistics", TenantSlug: "meridian",
	}))
	w.provider = apim.Actor{Person: person.ID, Name: person.Name, Operator: true}
	w.providerTenant = must[apim.Tenant](w.t)(w.tenants.Tenant(ctx, w.provider, "meridian"))
}

// parcels is a small document with all that a reference shows.
const parcels = `openapi: 3.1.0
info:
  title: Parcels
  version: 1.4.0
  description: Track **parcels** from door to door. Second sentence.
servers:
  - url: https://upstream.example
paths:
  /parcels:
    get:
      operationId: list_parcels
      summary: List parcels
      tags: [Parcels]
      parameters:
        - {name: limit, in: query, description: How many to return., schema: {type: integer, maximum: 50, default: 20}}
      responses:
        '200':
          description: The parcels.
          content:
            application/json:
              schema: {type: array, items: {$ref: '#/components/schemas/Parcel'}}
              example: [{id: MRD4471920, status: out_for_delivery}]
    post:
      operationId: parcels/create
      summary: Create a parcel
      tags: [Parcels]
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Parcel'}
      responses:
        '201': {description: Created.}
  /parcels/{id}:
    get:
      operationId: get_parcel
      summary: Get a parcel
      tags: [Parcels]
      deprecated: true
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
      responses:
        '200': {description: One parcel.}
  /health:
    get:
      operationId: health
      summary: Health of the service
      security: []
      responses:
        '200': {description: It lives.}
components:
  schemas:
    Parcel:
      type: object
      required: [status]
      properties:
        id: {type: string, readOnly: true}
        status: {type: string, enum: [in_transit, out_for_delivery], description: Where it **is**.}
        to:
          type: object
          properties:
            country: {type: string}
`

// offer is what publish makes.
type offer struct {
	api       apim.API
	version   apim.Version
	product   apim.Product
	automatic apim.Plan
	manual    apim.Plan
}

// publish imports a document, publishes it and offers it in a product of the
// same name with an automatic and a manual plan.
func (w *world) publish(name, document string, visible apim.Visibility) offer {
	w.t.Helper()
	return w.publishFor(w.provider, w.providerTenant, name, document, visible)
}

func (w *world) publishFor(actor apim.Actor, tenant apim.Tenant, name, document string, visible apim.Visibility) offer {
	w.t.Helper()
	ctx := w.t.Context()
	staged := must[apim.Import](w.t)(w.catalog.StageImport(ctx, actor, tenant.ID, manager.Upload{FileName: "doc.yaml", Body: strings.NewReader(document)}))
	var o offer
	o.version = must[apim.Version](w.t)(w.catalog.AcceptImport(ctx, actor, tenant.ID, staged.ID, manager.AcceptImport{
		Name: name, Slug: apim.Slugify(name), Label: "v1", Upstream: "https://upstream.example", Access: "document",
	}))
	must[manager.PublishResult](w.t)(w.catalog.Publish(ctx, actor, tenant.ID, o.version.ID, "production", ""))
	listed, summary, description := true, "All of "+name+" in one subscription.", "For **everybody** who needs "+name+"."
	o.product = must[apim.Product](w.t)(w.catalog.CreateProduct(ctx, actor, tenant.ID, manager.ProductInput{
		Name: &name, Summary: &summary, Description: &description, Visibility: &visible, Listed: &listed, Versions: &[]apim.ID{o.version.ID},
	}))
	o.automatic = w.plan(actor, tenant, o.product.ID, "Sandbox", "", apim.Automatic)
	o.manual = w.plan(actor, tenant, o.product.ID, "Growth", "€ 0.80 / 1,000 calls", apim.Manual)
	detail := must[manager.VersionDetail](w.t)(w.catalog.Version(ctx, actor, tenant.ID, o.version.ID))
	o.api = detail.API
	return o
}

func (w *world) plan(actor apim.Actor, tenant apim.Tenant, product apim.ID, name, price string, approval apim.Approval) apim.Plan {
	w.t.Helper()
	state, limits := apim.PlanPublished, []apim.RateLimit{{Requests: 10, Period: time.Second, Burst: 20}}
	plan, _, err := w.catalog.CreatePlan(w.t.Context(), actor, tenant.ID, product, manager.PlanInput{
		Name: &name, Price: &price, Approval: &approval, Limits: &limits, State: &state,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return plan
}

// load runs the second phase of imports until it has nothing to do.
func (w *world) load(version apim.Version) {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.catalog.RunLoader(ctx) }()
	defer func() {
		stop()
		<-ended
	}()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		detail := must[manager.VersionDetail](w.t)(w.catalog.Version(ctx, w.provider, version.Tenant, version.ID))
		if detail.Document.State == apim.Loaded {
			return
		}
	}
	w.t.Fatal("the document was not loaded within 60 s")
}

// browser is a reader with cookies.
type browser struct {
	w      *world
	client *http.Client
	last   string // path and query of the page
	agent  string // what it calls itself; "" is Go's client
}

func (w *world) anonymous() *browser {
	jar := must[*cookiejar.Jar](w.t)(cookiejar.New(nil))
	return &browser{w: w, client: &http.Client{Jar: jar}}
}

// consumer is a new person in a tenant of their own, signed in.
func (w *world) consumer(name string) *browser {
	w.t.Helper()
	b := w.anonymous()
	p := b.post("/sign-up", "name", name, "email", strings.ToLower(strings.ReplaceAll(name, " ", "."))+"@halden.example", "password", password, "organisation", name+" Outfitters")
	if p.status != http.StatusOK || b.last != "/" {
		w.t.Fatalf("signing up led to %d at %s: %s", p.status, b.last, p.text())
	}
	return b
}

// actor returns who is behind a browser that signed up, and their tenant.
func (b *browser) actor(name string) (apim.Actor, apim.Tenant) {
	b.w.t.Helper()
	email := strings.ToLower(strings.ReplaceAll(name, " ", ".")) + "@halden.example"
	person := must[apim.Person](b.w.t)(b.w.tenants.SignIn(b.w.t.Context(), email, password, "127.0.0.1"))
	actor := apim.Actor{Person: person.ID, Name: person.Name}
	all := must[[]manager.Membership](b.w.t)(b.w.tenants.Memberships(b.w.t.Context(), actor))
	return actor, all[0].Tenant
}

// page is an answer.
type page struct {
	status int
	body   string
	header http.Header
}

func (b *browser) do(req *http.Request) page {
	b.w.t.Helper()
	if b.agent != "" {
		req.Header.Set("User-Agent", b.agent)
	}
	res := must[*http.Response](b.w.t)(b.client.Do(req))
	defer res.Body.Close()
	body := must[[]byte](b.w.t)(io.ReadAll(res.Body))
	b.last = res.Request.URL.RequestURI()
	return page{res.StatusCode, string(body), res.Header}
}

func (b *browser) get(path string) page {
	b.w.t.Helper()
	return b.do(must[*http.Request](b.w.t)(http.NewRequestWithContext(b.w.t.Context(), http.MethodGet, b.w.url+path, nil)))
}

func (b *browser) post(path string, pairs ...string) page {
	b.w.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	req := must[*http.Request](b.w.t)(http.NewRequestWithContext(b.w.t.Context(), http.MethodPost, b.w.url+path, strings.NewReader(form.Encode())))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	spans  = regexp.MustCompile(`</?span[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
	nonces = regexp.MustCompile(`name="nonce" value="([^"]+)"`)
)

// text is what a reader sees of a page, on one line.
func (p page) text() string {
	main := p.body
	if i := strings.Index(main, "<main"); i >= 0 {
		main = main[i:]
	}
	main = spans.ReplaceAllString(main, "")
	return spaces.ReplaceAllString(strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&amp;", "&").Replace(tags.ReplaceAllString(main, " ")), " ")
}

func (p page) nonce(t *testing.T) string {
	t.Helper()
	m := nonces.FindStringSubmatch(p.body)
	if m == nil {
		t.Fatalf("the page has no form: %s", p.text())
	}
	return m[1]
}

// wants fails the test unless the page has the status and shows every text.
func (p page) wants(t *testing.T, status int, texts ...string) {
	t.Helper()
	if p.status != status {
		t.Fatalf("got status %d, want %d: %s", p.status, status, p.text())
	}
	for _, want := range texts {
		if !strings.Contains(p.text(), want) {
			t.Errorf("the page does not show %q: %s", want, p.text())
		}
	}
}

// lacks fails the test when the page holds one of the texts anywhere.
func (p page) lacks(t *testing.T, texts ...string) {
	t.Helper()
	for _, unwanted := range texts {
		if strings.Contains(p.body, unwanted) {
			t.Errorf("the page holds %q", unwanted)
		}
	}
}

// subscribe gets access for a new application and returns the path of the
// application's page.
func (b *browser) subscribe(o offer, plan apim.Plan, application, reason string) string {
	b.w.t.Helper()
	form := fmt.Sprintf("/products/meridian/%s/subscribe", o.product.Slug)
	p := b.get(form)
	p = b.post(form, "nonce", p.nonce(b.w.t), "application", "new", "name", application, "plan", string(plan.ID), "reason", reason)
	if p.status != http.StatusOK || !strings.Contains(b.last, "/subscriptions/") {
		b.w.t.Fatalf("the request led to %d at %s: %s", p.status, b.last, p.text())
	}
	return b.last[:strings.Index(b.last, "/subscriptions/")]
}
