package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
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
	"portico/manager/rest"
	"portico/manager/store"
	"portico/openapi/contract"
	"portico/openapi/spec"
	"portico/test/fake"
	"portico/test/postgres"
)

// world is the management API on a control plane with a database of its own.
type world struct {
	t        testing.TB
	edge     *rest.Edge
	handler  http.Handler
	contract *contract.Contract
	store    *store.Store
	authz    *authz.Authorizer
	nodes    *nodes
	sessions *web.Sessions
	log      *bytes.Buffer
	operator string // API token

	mu  sync.Mutex // guards now
	now time.Time
}

var theContract = sync.OnceValues(func() (*contract.Contract, error) { return contract.Load(spec.Management()) })

func newWorld(t testing.TB, place postgres.Place) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{t: t, nodes: newNodes(), log: &bytes.Buffer{}, now: time.Now().UTC()}
	var err error
	if w.contract, err = theContract(); err != nil {
		t.Fatal(err)
	}
	if w.store, err = store.Open(ctx, place(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if w.authz, err = authz.New(ctx, w.store); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	box, err := secret.NewBox([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	core := manager.Core{
		Store: w.store, Authz: w.authz, Now: w.clock, Log: slog.New(slog.DiscardHandler),
		Nudge:     func(string) {},
		Box:       box,
		PortalURL: "http://localhost:8081", ConsoleURL: "http://localhost:8082",
	}
	w.sessions = web.NewSessions("console", core.ConsoleURL, w.store.Sessions("console", w.clock), w.clock)
	w.edge = &rest.Edge{
		Catalog: &manager.Catalog{Core: core, Fetch: &http.Client{Timeout: 10 * time.Second}, Confirm: w.nodes, Health: w.nodes},
		Access:  &manager.Access{Core: core, Prover: fake.Prover{}}, Tenants: &manager.Tenants{Core: core, OpenSignUp: true},
		Fleet: &manager.Fleet{Core: core, Confirm: w.nodes}, Sessions: w.sessions, Log: log,
	}
	w.handler = w.edge.Handler()
	if _, err := w.edge.Fleet.EnsureEnvironment(ctx, "production", "Production", apim.Production, "http://localhost:8080", false); err != nil {
		t.Fatal(err)
	}
	w.operator = strings.Repeat("bootstrap-", 4)
	if err := w.edge.Tenants.EnsureBootstrapToken(ctx, w.operator); err != nil {
		t.Fatal(err)
	}
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

// person makes a member of a tenant and returns an API token of theirs.
func (w *world) person(tenant, name string, roles ...apim.Role) string {
	w.t.Helper()
	ctx := w.t.Context()
	at, err := w.edge.Tenants.Tenant(ctx, apim.Actor{System: true}, tenant)
	if err != nil {
		w.t.Fatal(err)
	}
	p := apim.Person{ID: apim.NewID(apim.PrefixPerson, w.clock()), Email: strings.ToLower(name) + "@" + tenant + ".example", Name: name, CreatedAt: w.clock(), Lock: 1}
	err = w.store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.System().InsertPerson(ctx, p, ""); err != nil {
			return err
		}
		return tx.Tenant(at.ID).InsertMember(ctx, apim.Member{Tenant: at.ID, Person: p.ID, Roles: roles, JoinedAt: w.clock()})
	})
	if err = errors.Join(err, w.authz.Reload(ctx)); err != nil {
		w.t.Fatal(err)
	}
	_, text, err := w.edge.Tenants.CreateToken(ctx, apim.Actor{Person: p.ID, Name: name}, at.ID, manager.NewToken{Name: "tests"})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// answer is what a call came back with.
type answer struct {
	t      testing.TB
	call   string
	Status int
	Header http.Header
	Body   []byte
}

// call sends a request as a token ("" is nobody) and holds it and its answer
// to the contract. body is JSON text, or anything that is made JSON of; headers
// are pairs.
func (w *world) call(token, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	text := ""
	switch b := body.(type) {
	case nil:
	case string:
		text = b
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		text = string(raw)
	}
	r := httptest.NewRequest(method, "http://localhost"+rest.Base+path, strings.NewReader(text))
	if text != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	a := answer{w.t, method + " " + path, rec.Code, rec.Header(), rec.Body.Bytes()}
	err := w.contract.Check(r, []byte(text), rec.Code, rec.Header(), a.Body)
	if errors.Is(err, contract.ErrNoOperation) {
		if rec.Code != http.StatusNotFound && rec.Code != http.StatusMethodNotAllowed {
			w.t.Errorf("%s: got %d for what the document does not have", a.call, rec.Code)
		}
	} else if err != nil {
		w.t.Error(err)
	}
	return a
}

// ok fails the test unless the status is as wanted, and reads the answer.
func (a answer) ok(status int) map[string]any {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("%s: got %d, want %d\n%s", a.call, a.Status, status, a.Body)
	}
	out := map[string]any{}
	if len(a.Body) > 0 {
		if err := json.Unmarshal(a.Body, &out); err != nil {
			a.t.Fatalf("%s: %v", a.call, err)
		}
	}
	return out
}

// refused fails the test unless the answer is a problem with a status, a code
// and the named fields.
func (a answer) refused(status int, code string, fields ...string) web.Problem {
	a.t.Helper()
	var p web.Problem
	if err := json.Unmarshal(a.Body, &p); err != nil || a.Header.Get("Content-Type") != "application/problem+json" {
		a.t.Fatalf("%s: got %d with no problem, want %d %s\n%s", a.call, a.Status, status, code, a.Body)
	}
	got := []string{}
	for _, f := range p.Errors {
		got = append(got, f.Field)
	}
	if a.Status != status || p.Code != code || !slices.Equal(got, append([]string{}, fields...)) {
		a.t.Errorf("%s: got %d %s %v (%s), want %d %s %v", a.call, a.Status, p.Code, got, p.Detail, status, code, fields)
	}
	return p
}

func text(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

func items(m map[string]any) []map[string]any {
	out := []map[string]any{}
	list, _ := m["items"].([]any)
	for _, i := range list {
		out = append(out, i.(map[string]any))
	}
	return out
}

// nodes is an honest fake of what gateway nodes confirm: each has applied up
// to a sequence; a stuck one applies no more.
type nodes struct {
	mu      sync.Mutex
	applied map[string]uint64 // by name; stuck ones keep theirs
	stuck   map[string]bool
	changed chan struct{}
}

func newNodes() *nodes {
	return &nodes{applied: map[string]uint64{"gw-1": 0, "gw-2": 0}, stuck: map[string]bool{}, changed: make(chan struct{})}
}

func (n *nodes) stick(name string, stuck bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stuck[name] = stuck
	close(n.changed)
	n.changed = make(chan struct{})
}

// Applied is manager.Confirmations'. Nodes that are not stuck apply what they
// are asked about.
func (n *nodes) Applied(_ context.Context, c apim.Change) (apim.Applied, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := apim.Applied{Change: c, Done: true, TookMS: 3}
	for _, name := range []string{"gw-1", "gw-2"} {
		if !n.stuck[name] {
			n.applied[name] = max(n.applied[name], c.Sequence)
		}
		node := apim.NodeApplied{Name: name, State: "applied", AppliedMS: 3}
		if n.applied[name] < c.Sequence {
			node.State, node.AppliedMS = "waiting", -1
			out.Done, out.TookMS = false, -1
		}
		out.Nodes = append(out.Nodes, node)
	}
	return out, nil
}

// Wait is manager.Confirmations'.
func (n *nodes) Wait(ctx context.Context, c apim.Change) (apim.Applied, error) {
	for {
		n.mu.Lock()
		changed := n.changed
		n.mu.Unlock()
		out, err := n.Applied(ctx, c)
		if err != nil || out.Done {
			return out, err
		}
		select {
		case <-ctx.Done():
			return out, nil
		case <-changed:
		}
	}
}

// Nodes is manager.Confirmations'.
func (n *nodes) Nodes(_ context.Context, environment string) ([]apim.Node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []apim.Node
	for i, name := range []string{"gw-1", "gw-2"} {
		node := apim.Node{
			ID: apim.NewID(apim.PrefixNode, time.Unix(int64(i), 0)), Name: name, Environment: environment, State: apim.NodeLive,
			Applied: n.applied[name], AppliedMS: 3, APIs: 1, Grants: 2, StartedAt: time.Unix(1_700_000_000, 0), HeardAt: time.Unix(1_700_000_100, 0),
		}
		if n.stuck[name] {
			node.State, node.AppliedMS, node.Refused = apim.NodeUnreachable, -1, []apim.NodeRefusal{{Key: "api.1", Reason: "routes overlap"}}
		}
		out = append(out, node)
	}
	return out, nil
}

// Upstreams is manager.UpstreamHealths'. The first node finds one address of
// two unfit, and the second says nothing.
func (n *nodes) Upstreams(context.Context, string, string) ([]apim.NodeUpstreams, error) {
	return []apim.NodeUpstreams{
		{Node: "gw-1", Reachable: true, HeardAt: time.Unix(1_700_000_100, 0).UTC(), Upstreams: []apim.UpstreamHealth{{
			Name: "main", Targets: 2, Unfit: 1, Worst: []apim.TargetHealth{{URL: "https://two.example", Why: "check: status 503", Since: time.Unix(1_700_000_000, 0).UTC(), Until: time.Unix(1_700_000_200, 0).UTC()}},
		}}},
		{Node: "gw-2"},
	}, nil
}

// Targets is manager.UpstreamHealths'. The first node knows one target, and the
// second does not answer.
func (n *nodes) Targets(_ context.Context, _ string, look entry.Look) ([]apim.NodeTargets, error) {
	one := apim.TargetState{URL: "https://two.example", Why: "check: status 503", Median: 41 * time.Millisecond, Calls: 7}
	if look.Check {
		one.Check = apim.TargetCheck{At: time.Unix(1_700_000_100, 0).UTC(), Took: 2 * time.Millisecond, Why: "check: status 503"}
	}
	return []apim.NodeTargets{
		{Node: "gw-1", Reachable: true, Answered: true, Upstreams: []apim.UpstreamTargets{{Name: "main", Targets: []apim.TargetState{one}}}},
		{Node: "gw-2", Reachable: true},
	}, nil
}
