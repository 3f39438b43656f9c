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
	s.ok(nil, "apis", "roll-back", "backend", "v1", "1", "--wait")
	s.ok(nil, "apis", "deprecate", "backend", "--reason", "v2 is there", "--wait")
	s.ok(nil, "apis", "retire", "backend", "--reason", "over", "--wait")
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
