package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"portico/test/fake"
	"portico/test/process"
)

// shell runs the binary as somebody at a command line does.
type shell struct {
	t   *testing.T
	env []string
}

func shellOf(t *testing.T, p *process.Process) shell {
	env := []string{"PORTICO_URL=" + p.Console, "PORTICO_TOKEN=" + token, "PORTICO_TENANT=demo"}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PORTICO_") {
			env = append(env, kv)
		}
	}
	return shell{t, env}
}

func (s shell) run(stdin string, args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), binary, args...)
	cmd.Env, cmd.Stdin = s.env, strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// ok runs a command with --json, whose answer must be JSON and nothing else.
func (s shell) ok(into any, args ...string) {
	s.t.Helper()
	stdout, stderr, code := s.run("", append(args, "--json")...)
	if code != 0 || stderr != "" {
		s.t.Fatalf("%v: exit %d, %s%s", args, code, stdout, stderr)
	}
	if into == nil {
		into = new(any)
	}
	if err := json.Unmarshal([]byte(stdout), into); err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, stdout)
	}
}

func TestCommandLineTakesADocumentToACall(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	s, up := shellOf(t, p), fake.NewUpstream(t)
	file := filepath.Join(t.TempDir(), "backend.json")
	if err := os.WriteFile(file, []byte(backendDocument(up.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	var made struct {
		Import  staged
		Version process.Object
	}
	s.ok(&made, "import", file, "--slug", "backend")
	if made.Import.Document.Operations != 3 || made.Version.ID == "" {
		t.Errorf("got %+v", made)
	}
	var published process.Object
	s.ok(&published, "publish", "backend", "v1", "--wait", "--note", "first")
	if !published.Applied.Done {
		t.Errorf("publish --wait: got %+v, want it confirmed", published)
	}
	s.ok(nil, "apis")
	s.ok(nil, "apis", "list", "--state", "published")
	s.ok(nil, "apis", "show", "backend")
	s.ok(nil, "products", "create", "Backend", "--version", "backend/v1", "--public")
	var plan process.Object
	s.ok(&plan, "plans", "create", "backend", "Reviewed", "--approval", "manual", "--limit", "600/1m/100", "--wait")
	s.ok(nil, "products")
	s.ok(nil, "products", "show", "backend")
	s.ok(nil, "apps", "create", "Scanner")
	s.ok(nil, "apps")
	var asked process.Object
	s.ok(&asked, "subscribe", "scanner", "backend", "--reason", "to scan")
	if asked.State != "pending" {
		t.Errorf("subscribe: got %q, want pending", asked.State)
	}
	var waiting struct{ Items []process.Object }
	s.ok(&waiting, "requests")
	if len(waiting.Items) != 1 || waiting.Items[0].ID != asked.ID {
		t.Errorf("requests: got %+v, want the one", waiting)
	}
	s.ok(&asked, "approve", asked.ID, "--wait", "--note", "welcome")
	var key process.Object
	s.ok(&key, "keys", "create", "scanner", "laptop", "--wait")
	if status, body := call(t, p.Gateway+"/demo/backend/v1/do/echo", key.Key); status != http.StatusOK {
		t.Errorf("the call: got %d %s", status, body)
	}
	s.ok(nil, "keys", "list", "scanner")
	s.ok(nil, "apps", "show", "scanner")
	s.ok(nil, "nodes")
	s.ok(nil, "status")
	s.ok(nil, "keys", "revoke", key.ID, "--wait")
	if status, _ := call(t, p.Gateway+"/demo/backend/v1/do/echo", key.Key); status != http.StatusUnauthorized {
		t.Errorf("after keys revoke: got %d, want 401", status)
	}
	s.ok(nil, "publish", "backend")
	s.ok(nil, "versions", "roll-back", "backend", "v1", "1", "--wait")
	s.ok(nil, "versions", "deprecate", "backend", "--reason", "v2 is there", "--wait")
	s.ok(nil, "versions", "retire", "backend", "--reason", "over", "--wait")
	s.ok(nil, "apps", "delete", "scanner")
	if said := p.Output(); strings.Contains(said, key.Key) || strings.Contains(said, token) {
		t.Error("the log holds a key or a token")
	}
}

// TestCommandLineImportsAFolderAndAgain: a document in several files, which is
// called, and imported again without losing what was edited.
func TestCommandLineImportsAFolderAndAgain(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	s, up := shellOf(t, p), fake.NewUpstream(t)
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("openapi.yaml", "openapi: 3.1.0\ninfo: {title: Parts, version: '1'}\nservers: [{url: '"+up.URL+"'}]\npaths:\n  /echo: {$ref: echo.yaml}\n")
	write("echo.yaml", "get:\n  operationId: echo\n  responses: {'200': {description: Fine}}\n")
	write("notes.txt", "no document")
	stdout, stderr, code := s.run("", "import", folder, "--slug", "parts", "--label", "v1", "--publish", "--wait")
	if code != 0 || !strings.Contains(stdout+stderr, "In 2 files; it begins in openapi.yaml.") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	s.ok(nil, "products", "create", "Parts", "--version", "parts/v1", "--public")
	s.ok(nil, "plans", "create", "parts", "Open", "--wait")
	s.ok(nil, "apps", "create", "Caller")
	s.ok(nil, "subscribe", "caller", "parts")
	var key process.Object
	s.ok(&key, "keys", "create", "caller", "laptop", "--wait")
	if status, body := call(t, p.Gateway+"/demo/parts/v1/echo", key.Key); status != http.StatusOK {
		t.Fatalf("the call: got %d %s", status, body)
	}
	write("openapi.yaml", "openapi: 3.1.0\ninfo: {title: Parts, version: '2'}\nservers: [{url: 'https://elsewhere.example'}]\npaths:\n  /echo: {$ref: echo.yaml}\n")
	write("echo.yaml", "get:\n  operationId: answer\n  responses: {'200': {description: Fine}}\n")
	stdout, stderr, code = s.run("", "import", folder, "--api", "parts", "--label", "v1", "--upstream", up.URL, "--publish", "--wait")
	if code != 0 || !strings.Contains(stdout+stderr, "renamed: echo to answer") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	stdout, stderr, code = s.run("", "import", folder, "--api", "parts", "--label", "v1", "--publish", "--wait")
	if code != 0 || !strings.Contains(stdout+stderr, "0 added, 0 removed, 0 changed, 0 renamed") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	if status, body := call(t, p.Gateway+"/demo/parts/v1/echo", key.Key); status != http.StatusOK {
		t.Errorf("after the import that would have another upstream: got %d %s", status, body)
	}
	write("other.yaml", "openapi: 3.0.0\npaths: {}\n")
	if _, stderr, code = s.run("", "import", folder, "--slug", "x"); code == 0 || !strings.Contains(stderr, "openapi.yaml, other.yaml") {
		t.Errorf("two documents: exit %d, %s", code, stderr)
	}
	if _, stderr, code = s.run("", "import", folder, "--slug", "x", "--root", "openapi.yaml"); code != 0 {
		t.Errorf("with --root: exit %d, %s", code, stderr)
	}
}

// TestCommandLineKeepsAccess goes by command alone through environments, values,
// a change of plan, rotation and restriction, and looks at a call after each.
func TestCommandLineKeepsAccess(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	s, up := shellOf(t, p), fake.NewUpstream(t)
	file := filepath.Join(t.TempDir(), "backend.json")
	if err := os.WriteFile(file, []byte(backendDocument("http://127.0.0.1:1")), 0o600); err != nil {
		t.Fatal(err)
	}
	url, key := p.Gateway+"/demo/backend/v1/do/echo", ""
	expect := func(what string, status int, says string) {
		t.Helper()
		if got, body := call(t, url, key); got != status || !strings.Contains(body, says) {
			t.Errorf("%s: the call got %d %s, want %d and %q", what, got, body, status, says)
		}
	}
	// text is a command without --json, for people.
	text := func(stdin string, args ...string) string {
		t.Helper()
		out, errs, code := s.run(stdin, args...)
		if code != 0 || errs != "" {
			t.Fatalf("%v: exit %d, %s%s", args, code, out, errs)
		}
		return out
	}

	// A backend that is a value of the environment, with a secret header.
	text("", "values", "set", "backend="+up.URL)
	secret := "a-secret-for-the-backend-alone"
	if said := text(secret+"\n", "values", "set", "token", "--secret"); strings.Contains(said, secret) {
		t.Errorf("values set tells the secret: %s", said)
	}
	text("", "import", file, "--slug", "backend", "--upstream", "${backend}")
	text("", "versions", "set", "backend", "--header", "X-Backend-Token=${token}")
	text("", "publish", "backend", "--wait")
	text("", "products", "create", "Backend", "--version", "backend/v1", "--public")
	text("", "plans", "create", "backend", "Free", "--limit", "600/1m/100", "--wait")
	text("", "plans", "create", "backend", "Tight", "--approval", "manual", "--limit", "1/1h", "--wait")
	text("", "applications", "create", "Scanner")
	text("", "subscribe", "Scanner", "backend", "free", "--wait")
	key = strings.TrimSpace(text("", "keys", "create", "scanner", "laptop", "--quiet", "--wait"))
	expect("with a new key", 200, secret)

	// Another value of the environment reaches the nodes at once.
	text("", "values", "set", "backend=http://127.0.0.1:1", "--wait")
	expect("with the backend elsewhere", 502, "upstream_unreachable")
	text("", "values", "set", "backend="+up.URL, "--wait")
	expect("with the backend back", 200, secret)
	if _, errs, code := s.run("", "values", "unset", "backend"); code != 1 || !strings.Contains(errs, "value_in_use") {
		t.Errorf("values unset: exit %d %s, want the value to be in use", code, errs)
	}

	// An environment's setting, and an environment that this node is not in.
	text("", "environments", "set", "production", "--header-timeout", "20s", "--wait")
	text("", "environments", "create", "sandbox", "--kind", "sandbox", "--gateway-url", "http://127.0.0.1:1")
	here := key
	key = strings.TrimSpace(text("", "keys", "create", "scanner", "trial", "--environment", "sandbox", "--quiet"))
	if !strings.HasPrefix(key, "portico_test_") {
		t.Errorf("the sandbox's key is no test key")
	}
	expect("with a key of the sandbox", 401, "credential_")
	key = here

	// States, and a change of plan that a person approves.
	text("", "subscriptions", "suspend", "scanner/backend", "--reason", "odd calls", "--environment", "production", "--wait")
	expect("suspended in production", 403, "subscription_suspended")
	text("", "subscriptions", "resume", "scanner/backend", "--environment", "production", "--wait")
	expect("resumed", 200, secret)
	text("", "subscriptions", "stop", "scanner/backend", "--wait")
	expect("stopped", 403, "subscription_stopped")
	text("", "subscriptions", "start", "scanner/backend", "--wait")
	expect("started", 200, secret)
	text("", "subscriptions", "change-plan", "scanner/backend", "tight", "--reason", "we need less")
	expect("while the change waits", 200, secret)
	text("", "approve", "scanner/backend", "--wait")
	expect("the first call of the new plan", 200, secret)
	expect("the second call of the new plan", 429, "rate_limited")
	text("", "subscriptions", "terms", "scanner/backend", "--limit", "600/1m/100", "--wait")
	expect("with limits of its own", 200, secret)

	// Rotation, and where a key may be used.
	old := key
	key = strings.TrimSpace(text("", "keys", "rotate", "scanner/laptop", "--grace", "10m", "--quiet", "--wait"))
	expect("with the new secret", 200, secret)
	rotated := key
	key = old
	expect("with the old secret in its grace", 200, secret)
	text("", "keys", "end-secret", "scanner/laptop", "--wait")
	expect("with the old secret after its end", 401, "credential_invalid")
	key = rotated
	expect("with the new secret", 200, secret)
	text("", "keys", "set", "scanner/laptop", "--address", "10.0.0.0/8", "--wait")
	expect("from elsewhere", 403, "credential_restricted")
	text("", "keys", "set", "scanner/laptop", "--address", "127.0.0.1/32", "--address", "::1/128", "--wait")
	expect("from here", 200, secret)
	text("", "keys", "set", "scanner/laptop", "--any-address", "--referrer", "*.shop.example", "--wait")
	expect("without a referrer", 403, "credential_restricted")
	text("", "keys", "set", "scanner/laptop", "--unrestricted", "--wait")
	expect("from anywhere", 200, secret)

	text("", "subscriptions", "cancel", "scanner/backend", "--wait")
	expect("cancelled", 403, "subscription_missing")
	text("", "subscriptions", "renew", "scanner/backend", "--plan", "free", "--wait")
	expect("renewed", 200, secret)
	text("", "keys", "revoke", "scanner/laptop", "--wait")
	expect("revoked", 401, "credential_invalid")
	for _, hidden := range []string{secret, old, rotated, token} {
		if strings.Contains(p.Output(), hidden) {
			t.Error("the log holds a secret")
		}
	}
	if listed := text("", "values") + text("", "keys", "list", "scanner"); strings.Contains(listed, secret) || strings.Contains(listed, rotated) {
		t.Errorf("a list shows a secret:\n%s", listed)
	}
}

// TestCommandLineReadsForPeople: without --json there are sentences and tables,
// and a document comes by pipe as well.
func TestCommandLineReadsForPeople(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	s := shellOf(t, p)
	out, errs, code := s.run(ownYAML, "import", "-", "--slug", "own", "--upstream", named(t, "x"), "--publish", "--wait")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	for _, want := range []string{"Own YAML 2.1.0, OpenAPI 3.0.3, 3 operations.", "Made own v2", "Published own v2 r1 to production.", "In force on 1 of 1 nodes", p.Gateway + "/demo/own/v2"} {
		if !strings.Contains(out, want) {
			t.Errorf("got %s, want it to say %q", out, want)
		}
	}
	out, _, _ = s.run("", "apis")
	if !strings.Contains(out, "own") || !strings.Contains(out, "v2 published") {
		t.Errorf("got %s", out)
	}
}

func TestCommandLineSaysWhyAndExitsSo(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	s := shellOf(t, p)
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte(`{"openapi":"3.0.0","info":`), 0o600); err != nil {
		t.Fatal(err)
	}
	noServer := filepath.Join(dir, "server.json")
	if err := os.WriteFile(noServer, []byte(process.MinimalDocument("X", "/relative", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		env  string
		args []string
		code int
		says string
	}{
		{"a taken slug", "", []string{"import", noServer, "--slug", "parcels", "--upstream", "http://127.0.0.1:1"}, 1, "slug"},
		{"a missing upstream", "", []string{"import", noServer}, 1, "upstream"},
		{"half a document", "", []string{"import", bad}, 1, "document:1"},
		{"a private address", "", []string{"import", "http://10.0.0.1/x.json"}, 1, "url"},
		{"no such API", "", []string{"apis", "show", "nothing"}, 1, "no such API"},
		{"no such version", "", []string{"publish", "parcels", "v9"}, 1, "v9"},
		{"no such request", "", []string{"approve", "sub_00000000000000000000000000000000"}, 1, "not_found"},
		{"a bad slug", "", []string{"products", "create", "X", "--slug", "Not One"}, 1, "slug"},
		{"a bad token", "PORTICO_TOKEN=portico_token_nothing", []string{"apis"}, 1, "PORTICO_TOKEN"},
		{"no token", "PORTICO_TOKEN=", []string{"apis"}, 1, "PORTICO_TOKEN"},
		{"another tenant", "PORTICO_TENANT=nobody", []string{"apis"}, 1, "not_found"},
		{"no such command", "", []string{"improt"}, 2, "improt"},
		{"no such flag", "", []string{"apis", "--wat"}, 2, "--wat"},
		{"an argument left out", "", []string{"approve"}, 2, "subscription"},
		{"no such file", "", []string{"import", filepath.Join(dir, "nothing.json")}, 2, "nothing.json"},
		{"a bad limit", "", []string{"plans", "create", "parcels", "X", "--limit", "many"}, 2, "many"},
		{"a reason left out", "", []string{"reject", "sub_x"}, 2, "--reason"},
		{"no address", "PORTICO_URL=localhost:1", []string{"apis"}, 2, "PORTICO_URL"},
		{"nobody there", "PORTICO_URL=http://127.0.0.1:1", []string{"apis"}, 3, "127.0.0.1:1"},
		{"not a manager", "PORTICO_URL=" + named(t, "hello"), []string{"apis"}, 3, "manager"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shell{t, append(append([]string{}, s.env...), c.env)}
			out, errs, code := s.run("", c.args...)
			if code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("exit %d\n%s%s\nwant %d and %q", code, out, errs, c.code, c.says)
			}
			if strings.Contains(errs, "panic") || strings.Contains(out+errs, token) {
				t.Errorf("got %s%s", out, errs)
			}
		})
	}
}
