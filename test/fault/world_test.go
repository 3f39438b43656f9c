package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/egress"
	"portico/internal/secret"
	"portico/manager"
	"portico/manager/authz"
	"portico/manager/collect"
	"portico/manager/publish"
	"portico/manager/store"
	"portico/test/fake"
)

var operator = apim.Actor{System: true, Name: "test"}

// world is an installation whose parts end and come back one by one.
type world struct {
	t      *testing.T
	dir    string
	up     *fake.Upstream
	server *bus.Server
	line   *bus.Bus
	*plane

	tenant  apim.Tenant
	version apim.Version
	plan    apim.Plan // manual
	app     apim.Application
	key     string // of app, whose subscription is active
}

// plane is a running control plane.
type plane struct {
	store   *store.Store
	catalog *manager.Catalog
	access  *manager.Access
	tenants *manager.Tenants
	fleet   *manager.Fleet
	end     func()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// newWorld is an installation with one API, of which an application's key may
// call everything.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), up: fake.NewUpstream(t)}
	var err error
	if w.server, err = bus.StartServer(bus.ServerOptions{Dir: filepath.Join(w.dir, "bus")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.server.Stop)
	w.line = w.connect()
	w.startManager()
	t.Cleanup(func() { w.stopManager() })
	ctx := t.Context()
	w.tenant = must(w.tenants.CreateTenant(ctx, operator, "demo", "Demo"))(t)
	w.version = w.live("orders", w.up.URL)
	product := must(w.catalog.CreateProduct(ctx, operator, w.tenant.ID, manager.ProductInput{Slug: "orders", Name: new("Orders"), Visibility: new(apim.VisiblePublic), Listed: new(true), Versions: &[]apim.ID{w.version.ID}}))(t)
	plan, _, err := w.catalog.CreatePlan(ctx, operator, w.tenant.ID, product.ID, manager.PlanInput{Slug: "all", Name: new("All"), Approval: new(apim.Manual), State: new(apim.PlanPublished)})
	if err != nil {
		t.Fatal(err)
	}
	w.plan = plan
	w.app, w.key = w.caller("first")
	w.approve(w.app)
	return w
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// connect makes a connection of its own to the bus.
func (w *world) connect() *bus.Bus {
	w.t.Helper()
	line := must(bus.Connect(bus.Options{Server: w.server, Name: "test"}))(w.t)
	w.t.Cleanup(line.Close)
	return line
}

// startManager opens the database and runs publisher and collector.
func (w *world) startManager() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	db := must(store.Open(ctx, filepath.Join(w.dir, "portico.db")))(w.t)
	allow := must(authz.New(ctx, db))(w.t)
	publisher := publish.New(publish.Options{Store: db, Bus: w.line, Log: quiet(), Look: 300 * time.Millisecond})
	collector := collect.New(collect.Options{Store: db, Bus: w.line, Written: publisher.WrittenAt, Head: publisher.Head, Log: quiet()})
	core := manager.Core{Store: db, Authz: allow, Now: time.Now, Log: quiet(), Nudge: publisher.Nudge, Box: must(secret.NewBox(copyKey))(w.t), PortalURL: "http://portal.example", ConsoleURL: "http://console.example"}
	w.plane = &plane{
		store:   db,
		catalog: &manager.Catalog{Core: core, Fetch: http.DefaultClient, Confirm: collector}, access: &manager.Access{Core: core},
		tenants: &manager.Tenants{Core: core}, fleet: &manager.Fleet{Core: core, Confirm: collector},
	}
	if _, err := w.fleet.EnsureEnvironment(ctx, "production", "Production", apim.Production, "http://gateway.example", false); err != nil {
		w.t.Fatal(err)
	}
	var parts sync.WaitGroup
	parts.Go(func() { _ = publisher.Run(ctx) })
	parts.Go(func() { _ = collector.Run(ctx) })
	ended := false
	w.end = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		parts.Wait()
		if err := db.Close(); err != nil {
			w.t.Error(err)
		}
	}
}

// stopManager ends publisher, collector and database.
func (w *world) stopManager() { w.end() }

// live imports and publishes an API.
func (w *world) live(slug, upstream string) apim.Version {
	w.t.Helper()
	ctx, document := w.t.Context(), fmt.Sprintf(`{"openapi":"3.0.0","info":{"title":"T","version":"1"},"servers":[{"url":%q}],"paths":{"/do/{what}":{"get":{"operationId":"get","responses":{}}}}}`, upstream)
	staged := must(w.catalog.StageImport(ctx, operator, w.tenant.ID, manager.Upload{FileName: "a.json", Body: strings.NewReader(document)}))(w.t)
	version := must(w.catalog.AcceptImport(ctx, operator, w.tenant.ID, staged.ID, manager.AcceptImport{Name: slug, Slug: slug, Label: "v1"}))(w.t)
	return must(w.catalog.Publish(ctx, operator, w.tenant.ID, version.ID, "production", ""))(w.t).Version
}

// caller makes an application with a key.
func (w *world) caller(slug string) (apim.Application, string) {
	w.t.Helper()
	app := must(w.access.CreateApplication(w.t.Context(), operator, w.tenant.ID, manager.ApplicationInput{Slug: slug, Name: new(slug)}))(w.t)
	return app, must(w.access.CreateKey(w.t.Context(), operator, w.tenant.ID, app.ID, manager.NewKey{Name: "k"}))(w.t).Key
}

// approve lets an application in.
func (w *world) approve(app apim.Application) apim.Change {
	w.t.Helper()
	s, _, err := w.access.Request(w.t.Context(), operator, w.tenant.ID, manager.RequestAccess{Application: app.ID, Plan: w.plan.ID, Reason: "to try"})
	if err != nil {
		w.t.Fatal(err)
	}
	_, change, err := w.access.Approve(w.t.Context(), operator, w.tenant.ID, s.ID, manager.Decision{Note: ""})
	if err != nil {
		w.t.Fatal(err)
	}
	return change
}

// applied waits until all enrolled nodes have confirmed.
func (w *world) applied(c apim.Change) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 15*time.Second)
	defer cancel()
	got, err := w.fleet.WaitApplied(ctx, operator, c)
	if err != nil || !got.Done {
		w.t.Fatalf("change %d was not confirmed: %+v, %v", c.Sequence, got, err)
	}
}

// node is a running gateway.
type node struct {
	*gateway.Node
	t   *testing.T
	url string
	end func() error
}

var copyKey = [32]byte{7, 1}

// node starts a gateway on a connection, with its copy in a folder, once it is
// there it need not be ready.
func (w *world) node(name string, line *bus.Bus) *node {
	w.t.Helper()
	id := apim.NewID(apim.PrefixNode, time.Now())
	if enrolled, err := w.fleet.EnsureNode(w.t.Context(), "production", name, must(bus.NodeKey(copyKey).BoxPublic())(w.t)); err == nil {
		id = enrolled.ID
	}
	guard := &egress.Guard{Allow: egress.Loopback()}
	n := must(gateway.New(gateway.Config{
		Node: id.UUID(), Name: name, Environment: "production", Build: "test", Carrier: line.Environment("production"),
		DialContext: guard.Dialer(egress.Upstream).DialContext, CopyDir: w.copyDir(name), CopyKey: copyKey, Box: must(bus.NodeKey(copyKey).Box())(w.t), Log: quiet(),
	}))(w.t)
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(w.t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx, listener) }()
	var once sync.Once
	var result error
	out := &node{Node: n, t: w.t, url: "http://" + listener.Addr().String()}
	out.end = func() error {
		once.Do(func() {
			cancel()
			if result = <-done; errors.Is(result, context.Canceled) {
				result = nil
			}
		})
		return result
	}
	w.t.Cleanup(func() {
		if err := out.end(); err != nil {
			w.t.Error(err)
		}
	})
	return out
}

func (w *world) copyDir(name string) string { return filepath.Join(w.dir, "gateway-"+name) }

// readyNode is a node that serves what there is.
func (w *world) readyNode(name string) *node {
	w.t.Helper()
	n := w.node(name, w.connect())
	n.eventually("it serves", func() bool { return n.status("orders", w.key) == http.StatusOK })
	return n
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("in 20 s it was not so that %s", what)
}

func (n *node) eventually(what string, holds func() bool) {
	n.t.Helper()
	eventually(n.t, what, holds)
}

func (n *node) call(api, key string) (int, string) {
	req, err := http.NewRequest(http.MethodGet, n.url+"/demo/"+api+"/v1/do/echo", nil)
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("X-API-Key", key)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(body)
}

func (n *node) status(api, key string) int {
	got, _ := n.call(api, key)
	return got
}

// ready asks /readyz.
func (n *node) ready() (int, string) {
	w := httptest.NewRecorder()
	n.Ready().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return w.Code, w.Body.String()
}

// load calls until it is stopped, which returns how many calls there were and
// fails the test for each that was not answered 200.
func (n *node) load(api, key string) (stop func() int64) {
	var calls, failed atomic.Int64
	done := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				status, body := n.call(api, key)
				calls.Add(1)
				if status != http.StatusOK && failed.Add(1) <= 3 {
					n.t.Errorf("a call was answered %d %s", status, body)
				}
			}
		})
	}
	return func() int64 {
		close(done)
		all.Wait()
		if f := failed.Load(); f > 0 {
			n.t.Errorf("%d of %d calls failed", f, calls.Load())
		}
		return calls.Load()
	}
}

func (n *node) refuses(key string) (reason string, ok bool) {
	for _, r := range n.Status().Refused {
		if string(r.Key) == key {
			return r.Reason, true
		}
	}
	return "", false
}
