package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/manager"
	"portico/manager/authz"
	"portico/manager/rest"
	"portico/manager/store"
	"portico/openapi/contract"
	"portico/openapi/spec"
	"portico/test/fake"
)

const ordersYAML = `openapi: 3.1.0
info: {title: Orders, version: 1.2.0}
servers: [{url: "https://orders.upstream.example"}]
paths:
  /orders:
    get: {operationId: list_orders, responses: {"200": {description: OK}}}
  no-slash:
    get: {operationId: odd, responses: {"200": {description: OK}}}
`

// oneNode confirms every change at once.
type oneNode struct{}

func (oneNode) Applied(_ context.Context, c apim.Change) (apim.Applied, error) {
	return apim.Applied{Change: c, Done: true, TookMS: 7, Nodes: []apim.NodeApplied{{Name: "gw-1", State: "applied", AppliedMS: 7}}}, nil
}

func (n oneNode) Wait(ctx context.Context, c apim.Change) (apim.Applied, error) {
	return n.Applied(ctx, c)
}

func (oneNode) Nodes(_ context.Context, environment string) ([]apim.Node, error) {
	return []apim.Node{{ID: apim.NewID(apim.PrefixNode, time.Now()), Name: "gw-1", Environment: environment, State: apim.NodeLive, Applied: 4, AppliedMS: 7}}, nil
}

// aBus lets every node in and tells it nothing.
type aBus struct{}

func (aBus) NodeUser(_, _, _ string) (string, error) { return "a credential", nil }

func (aBus) Command(context.Context, string, string, entry.CommandKind) error { return nil }

func (aBus) Purge(context.Context, string, entry.Purge) error { return nil }

// terminal is where commands of a test run: against a manager of its own, with
// an operator's token.
type terminal struct {
	t   *testing.T
	env map[string]string
	in  string
	dir string

	edge   *rest.Edge
	called map[string]bool // operations that were carried out
	ran    map[string]bool // commands that worked
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	ctx := t.Context()
	dir := t.TempDir()
	db, err := store.Open(ctx, filepath.Join(dir, "portico.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	auth, err := authz.New(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	box, err := secret.NewBox([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	core := manager.Core{
		Box: box, Store: db, Authz: auth, Now: time.Now, Log: slog.New(slog.DiscardHandler), Nudge: func(string) {},
		PortalURL: "http://localhost:8081", ConsoleURL: "http://localhost:8082",
	}
	edge := &rest.Edge{
		Catalog: &manager.Catalog{Core: core, Fetch: &http.Client{}, Confirm: oneNode{}, Purges: aBus{}}, Access: &manager.Access{Core: core, Prover: fake.Prover{}},
		Tenants: &manager.Tenants{Core: core}, Fleet: &manager.Fleet{Core: core, Confirm: oneNode{}, Commands: aBus{}, Users: aBus{}}, Log: core.Log,
	}
	const token = "an-operators-token-of-these-tests"
	_, err = edge.Fleet.EnsureEnvironment(ctx, "production", "Production", apim.Production, "http://localhost:8080", false)
	if err = errors.Join(err, edge.Tenants.EnsureBootstrapToken(ctx, token)); err != nil {
		t.Fatal(err)
	}
	if _, err := edge.Tenants.CreateTenant(ctx, apim.Actor{System: true}, "shop", "Shop"); err != nil {
		t.Fatal(err)
	}
	terms, err := contract.Load(spec.Management())
	if err != nil {
		t.Fatal(err)
	}
	tm := &terminal{t: t, dir: dir, edge: edge, called: map[string]bool{}, ran: map[string]bool{}}
	server := httptest.NewServer(tm.held(terms, edge.Handler()))
	t.Cleanup(server.Close)
	tm.env = map[string]string{"PORTICO_URL": server.URL, "PORTICO_TOKEN": token}
	return tm
}

// held holds every call to the management API's document, and notes which
// operation it was of.
func (tm *terminal) held(terms *contract.Contract, to http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			tm.t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(sent))
		got := httptest.NewRecorder()
		to.ServeHTTP(got, r)
		if err := terms.Check(r, sent, got.Code, got.Header(), got.Body.Bytes()); err != nil {
			tm.t.Errorf("the command's call is outside the document: %v", err)
		}
		id, err := terms.OperationID(r.Method, r.URL.Path)
		if err != nil {
			tm.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		if got.Code >= 200 && got.Code <= 299 {
			tm.called[id] = true
		}
		maps.Copy(w.Header(), got.Header())
		w.WriteHeader(got.Code)
		_, _ = w.Write(got.Body.Bytes())
	})
}

// run runs a command and returns what it wrote and its exit code.
func (tm *terminal) run(args ...string) (out, errs string, code int) {
	tm.t.Helper()
	for _, name := range []string{"PORTICO_URL", "PORTICO_TENANT", "PORTICO_TOKEN"} {
		tm.t.Setenv(name, tm.env[name])
	}
	if tm.env["PORTICO_TENANT"] == "" {
		if err := os.Unsetenv("PORTICO_TENANT"); err != nil {
			tm.t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	parser, err := kong.New(&ctlCommands{}, kong.Name("portico"), kong.Writers(&stdout, &stderr), kong.Exit(func(int) {}))
	if err != nil {
		tm.t.Fatal(err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return "", err.Error(), exitUsage
	}
	io := &ctlIO{In: strings.NewReader(tm.in), Out: &stdout, Err: &stderr, Getenv: func(name string) string { return tm.env[name] }}
	parsed.BindTo(tm.t.Context(), (*context.Context)(nil))
	if code = ctlExit(&stderr, parsed.Run(io)); code == 0 && tm.ran != nil {
		tm.ran[commandOf(parsed.Selected())] = true
	}
	return stdout.String(), stderr.String(), code
}

// commandOf returns the words of a command.
func commandOf(node *kong.Node) string {
	words := []string{}
	for ; node != nil && node.Type != kong.ApplicationNode; node = node.Parent {
		words = append([]string{node.Name}, words...)
	}
	return strings.Join(words, " ")
}

// ok runs a command that must work and returns its output.
func (tm *terminal) ok(args ...string) string {
	tm.t.Helper()
	out, errs, code := tm.run(args...)
	if code != 0 {
		tm.t.Fatalf("portico %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// field runs a command with --json and returns a field of the answer.
func (tm *terminal) field(name string, args ...string) string {
	tm.t.Helper()
	out := tm.ok(append(args, "--json")...)
	var answer map[string]any
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		tm.t.Fatalf("portico %s --json: %v\n%s", strings.Join(args, " "), err, out)
	}
	value, _ := answer[name].(string)
	if value == "" {
		tm.t.Fatalf("portico %s --json has no %s: %s", strings.Join(args, " "), name, out)
	}
	return value
}

func (tm *terminal) file(name, text string) string {
	tm.t.Helper()
	path := filepath.Join(tm.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tm.t.Fatal(err)
	}
	return path
}

func wants(t *testing.T, what, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, got)
		}
	}
}

func TestCommandsTakeADocumentToAKey(t *testing.T) {
	tm := newTerminal(t)
	out := tm.ok("import", tm.file("orders.yaml", ordersYAML), "--publish", "--wait", "--note", "first")
	wants(t, "import", out, "Orders 1.2.0, OpenAPI 3.1.0, 2 operations.", "warning: line 7", "Findings: 1 warning",
		"Made orders v1 (ver_", "Published orders v1 r1 to production.", "In force on 1 of 1 nodes, 7 ms.", "It answers at http://localhost:8080/shop/orders/v1")
	wants(t, "apis", tm.ok("apis"), "API     NAME", "orders  Orders  v1 published  v1 production r1")
	wants(t, "apis show", tm.ok("apis", "show", "orders"), "VERSION", "v1", "r1", "ver_")

	tm.ok("products", "create", "Orders", "--version", "orders/v1", "--public", "--summary", "Place orders.")
	wants(t, "plans create", tm.ok("plans", "create", "orders", "Trial", "--limit", "60/1m/20", "--wait"), "Made plan trial", "published", "In force on 1 of 1")
	tm.ok("plans", "create", "orders", "Business", "--approval", "manual", "--limit", "100/1s", "--price", "40 a month")
	wants(t, "products", tm.ok("products"), "orders v1", "trial, business", "public")
	wants(t, "products show", tm.ok("products", "show", "orders"), "60 per 1m, 20 at once", "100 per 1s", "40 a month", "manual")

	tm.ok("apps", "create", "Till")
	wants(t, "subscribe", tm.ok("subscribe", "till", "orders", "trial"), "The subscription to Orders, Trial is active")
	tm.ok("apps", "create", "Second till")
	pending := tm.field("id", "subscribe", "second-till", "shop/orders", "business", "--reason", "to sell")
	wants(t, "requests", tm.ok("requests"), "Second till", "to sell", pending)
	wants(t, "approve", tm.ok("approve", pending, "--note", "welcome", "--wait"), "Second till: the subscription to Orders, Business is active.", "In force on 1 of 1")
	wants(t, "requests", tm.ok("requests"), "None.")
	wants(t, "apps", tm.ok("apps"), "second-till", "till")

	key := tm.field("key", "keys", "create", "till", "first")
	if !strings.HasPrefix(key, "portico_live_") {
		t.Errorf("key %q", key)
	}
	printed := tm.ok("keys", "create", "till")
	if first, _, _ := strings.Cut(printed, "\n"); !strings.HasPrefix(first, "portico_live_") || strings.Contains(first, " ") {
		t.Errorf("the key is not alone on the first line: %q", printed)
	}
	listed := tm.ok("keys", "list", "till")
	if wants(t, "keys list", listed, "first", "works"); strings.Contains(listed, key) {
		t.Error("the list shows a whole key")
	}
	id := tm.field("id", "keys", "create", "till", "third")
	wants(t, "keys revoke", tm.ok("keys", "revoke", id, "--wait"), "Revoked "+id+".", "In force on 1 of 1 nodes, 7 ms.")
	wants(t, "apps show", tm.ok("apps", "show", "till"), "shop/orders", "trial", "revoked")
	wants(t, "nodes", tm.ok("nodes"), "gw-1", "live", "#4", "7 ms")
	wants(t, "status", tm.ok("status"), "operator", "Tenants: shop", "production", "http://localhost:8080", "1 of 1")
}

func TestVersionIsMovedByCommands(t *testing.T) {
	tm := newTerminal(t)
	tm.in = ordersYAML
	tm.ok("import", "-", "--slug", "orders", "--label", "v1", "--upstream", "https://other.example", "--mount", "/shop/first", "--access", "document")
	tm.ok("publish", "orders", "v1")
	tm.ok("import", "-", "--api", "orders", "--label", "v2")
	wants(t, "publish", tm.ok("publish", "orders", "v2", "--wait"), "Published orders v2 r1 to production.")
	tm.ok("import", "-", "--api", "orders", "--label", "v1")
	wants(t, "publish", tm.ok("publish", "orders", "v1", "--note", "again"), "r2", "Published as #")
	wants(t, "roll-back", tm.ok("versions", "roll-back", "orders", "v1", "1"), "orders v1 is back at r1 on production.")
	wants(t, "deprecate", tm.ok("versions", "deprecate", "orders", "v1", "--sunset", "2099-06-30", "--reason", "v2"), "orders v1 is deprecated.")
	wants(t, "retire", tm.ok("versions", "retire", "orders", "v1"), "orders v1 is retired.")
	_, errs, code := tm.run("publish", "orders")
	if wants(t, "publish without a label", errs, "v1", "v2"); code != exitUsage {
		t.Errorf("exit %d, want %d", code, exitUsage)
	}
}

func TestEveryListIsJSONToo(t *testing.T) {
	tm := newTerminal(t)
	for _, args := range [][]string{{"apis"}, {"products"}, {"apps"}, {"requests"}, {"nodes"}, {"status"}} {
		out := tm.ok(append(args, "--json")...)
		if !json.Valid([]byte(out)) || !strings.HasPrefix(out, "{") {
			t.Errorf("%v: %s", args, out)
		}
	}
	wants(t, "an empty list", tm.ok("apis", "--json"), `"items": []`)
	out := tm.ok("import", tm.file("orders.yaml", ordersYAML), "--publish", "--json")
	for _, part := range []string{"import", "version", "revision"} {
		var all map[string]map[string]any
		if err := json.Unmarshal([]byte(out), &all); err != nil || all[part]["id"] == nil {
			t.Errorf("import --json has no %s: %v", part, err)
		}
	}
}

func TestExitCodesSayWhatHappened(t *testing.T) {
	tm := newTerminal(t)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" && r.URL.Path == "/elsewhere" {
			t.Error("the token was taken along a redirect")
		}
		if r.URL.Path == "/api/v1/whoami" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte("<html>hello"))
	}))
	defer page.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	good := tm.env["PORTICO_URL"]
	document := tm.file("orders.yaml", ordersYAML)
	for name, c := range map[string]struct {
		url, token string
		args       []string
		code       int
		says       []string
	}{
		"not found":             {good, "", []string{"apis", "show", "nothing"}, exitRefused, []string{"(not_found)"}},
		"fields":                {good, "", []string{"products", "create", "Box", "--slug", "A B"}, exitRefused, []string{"(invalid)", "  slug: "}},
		"fields as JSON":        {good, "", []string{"products", "create", "Box", "--slug", "A B", "--json"}, exitRefused, []string{`{"type":`, `"field":"slug"`}},
		"bad token":             {good, "wrong", []string{"apis"}, exitRefused, []string{"(token_invalid)", "PORTICO_TOKEN"}},
		"no such plan":          {good, "", []string{"subscribe", "till", "shop/nothing", "x"}, exitRefused, []string{"(not_found)"}},
		"unknown flag":          {good, "", []string{"apis", "--colour"}, exitUsage, []string{"--colour"}},
		"token as a flag":       {good, "", []string{"apis", "--token", "x"}, exitUsage, []string{"--token"}},
		"unknown command":       {good, "", []string{"frobnicate"}, exitUsage, nil},
		"missing argument":      {good, "", []string{"approve"}, exitUsage, nil},
		"reject without reason": {good, "", []string{"reject", "sub_1"}, exitUsage, []string{"--reason"}},
		"no such file":          {good, "", []string{"import", "nothing.yaml"}, exitUsage, []string{"nothing.yaml"}},
		"wait for a draft":      {good, "", []string{"import", document, "--wait"}, exitUsage, []string{"--publish"}},
		"odd limit":             {good, "", []string{"plans", "create", "orders", "x", "--limit", "many"}, exitUsage, []string{"60/1m"}},
		"odd address":           {"localhost:8082", "", []string{"apis"}, exitUsage, []string{"PORTICO_URL"}},
		"odd token":             {good, "two words", []string{"apis"}, exitUsage, []string{"PORTICO_TOKEN"}},
		"nobody there":          {gone.URL, "", []string{"apis"}, exitUnreachable, []string{"no manager at", "PORTICO_URL"}},
		"not a manager":         {page.URL, "", []string{"apis"}, exitUnreachable, []string{"no manager"}},
		"a redirect":            {page.URL, "", []string{"status"}, exitUnreachable, []string{"no manager"}},
	} {
		t.Run(name, func(t *testing.T) {
			here := &terminal{t: t, dir: tm.dir, env: map[string]string{"PORTICO_URL": c.url, "PORTICO_TOKEN": tm.env["PORTICO_TOKEN"]}}
			if c.token != "" {
				here.env["PORTICO_TOKEN"] = c.token
			}
			out, errs, code := here.run(c.args...)
			if code != c.code {
				t.Errorf("exit %d, want %d\n%s%s", code, c.code, out, errs)
			}
			wants(t, "what it says", errs, c.says...)
			if strings.Contains(errs, here.env["PORTICO_TOKEN"]) {
				t.Error("the message holds the token")
			}
		})
	}
}

func TestTenantIsNamedWhereThereAreSeveral(t *testing.T) {
	tm := newTerminal(t)
	tm.ok("apis")
	client := &http.Client{}
	req, err := http.NewRequestWithContext(t.Context(), "POST", tm.env["PORTICO_URL"]+rest.Base+"/tenants", strings.NewReader(`{"slug":"bank","name":"Bank"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+tm.env["PORTICO_TOKEN"])
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("make a second tenant: %v %v", res, err)
	}
	_ = res.Body.Close()
	_, errs, code := tm.run("apis")
	if wants(t, "the message", errs, "--tenant", "bank, shop"); code != exitUsage {
		t.Errorf("exit %d, want %d", code, exitUsage)
	}
	tm.ok("apis", "--tenant", "shop")
	tm.env["PORTICO_TENANT"] = "bank"
	tm.ok("apis")
}

func TestWhatOthersWroteDoesNotSteerTheTerminal(t *testing.T) {
	tm := newTerminal(t)
	tm.ok("import", tm.file("orders.yaml", ordersYAML), "--publish")
	tm.ok("products", "create", "Orders", "--version", "orders/v1")
	tm.ok("plans", "create", "orders", "Business", "--approval", "manual")
	tm.ok("apps", "create", "Till")
	tm.ok("subscribe", "till", "orders", "--reason", "please\x1b[2J\nsub_fake\u009b1m")
	out := tm.ok("requests")
	if wants(t, "requests", out, "please"); strings.ContainsAny(out, "\x1b\u009b") || strings.Count(out, "\n") != 2 {
		t.Errorf("control characters reach the terminal: %q", out)
	}
}

func TestHelpNamesSettingsAndExitCodes(t *testing.T) {
	for _, c := range []struct {
		args, says []string
	}{
		{[]string{"--help"}, []string{"PORTICO_TOKEN", "PORTICO_URL", "Exit codes: 0", "import", "requests", "Decide on access:", "  keys "}},
		{[]string{"help"}, []string{"PORTICO_TOKEN", "Exit codes: 0", "Installation:", "  environments "}},
		{[]string{"help", "keys"}, []string{"keys rotate", "keys end-secret"}},
		{[]string{"help", "values", "set"}, []string{"NAME=VALUE", "${NAME}", "standard input", "--environment"}},
	} {
		var out bytes.Buffer
		parser, err := kong.New(&cli{}, kong.Writers(&out, &out), kong.Exit(func(int) {}), kong.ConfigureHelp(helpOptions()))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = parser.Parse(helped(c.args)) // help is printed, and no command is left to run
		wants(t, strings.Join(c.args, " "), out.String(), c.says...)
	}
}
