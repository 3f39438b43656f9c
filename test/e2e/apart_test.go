package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"portico/test/fake"
	"portico/test/postgres"
	"portico/test/process"
)

// apart starts an installation with its roles apart, which ends with the test.
func apart(t *testing.T, managers int) *process.Apart {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 90*time.Second)
	defer stop()
	a, err := process.StartApart(ctx, binary, postgres.Database(t), token, "http://gateway.example", managers)
	if a != nil {
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("portico said:\n%s", a.Output())
			}
			a.Close()
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func gatewayOf(t *testing.T, a *process.Apart, name string, env ...string) *process.Process {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 60*time.Second)
	defer stop()
	p, err := a.Gateway(ctx, name, "production", env...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// echo is an upstream that says its name.
func echo(t *testing.T, name string) *httptest.Server {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	t.Cleanup(web.Close)
	return web
}

// states are those of an environment's nodes, by name, as a manager tells them.
func states(t *testing.T, a api) map[string]string {
	t.Helper()
	var all struct {
		Items []struct{ Name, State string }
	}
	if err := a.Do(t.Context(), http.MethodGet, "/environments/production/nodes", nil, &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, n := range all.Items {
		out[n.Name] = n.State
	}
	return out
}

func status(t *testing.T, url string) int {
	t.Helper()
	got, _ := call(t, url, "")
	return got
}

// Two managers, two nodes and a portal in processes of their own, from the
// first enrolment to a node's removal.
func TestRolesRunApart(t *testing.T) {
	a := apart(t, 2)
	one, two := api{t, a.Managers[0].API(token)}, api{t, a.Managers[1].API(token)}
	gw1, gw2 := gatewayOf(t, a, "gw-1"), gatewayOf(t, a, "gw-2")
	m, err := one.Market(t.Context(), "acme", echo(t, "hello").URL)
	if err != nil {
		t.Fatal(err)
	}
	everywhere := func(what string, want int) {
		t.Helper()
		for _, gw := range []*process.Process{gw1, gw2} {
			if got, body := call(t, gw.Gateway+m.Path, m.Key); got != want {
				t.Errorf("%s: %s answered %d %s, want %d", what, gw.Gateway, got, body, want)
			}
		}
	}
	everywhere("before a request", 403)
	sub, err := two.Request(t.Context(), m) // at one manager, decided at the other: whichever delivers
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		for _, manager := range []api{one, two} {
			path := "/tenants/acme/subscriptions/" + sub
			if round == 0 && manager == one {
				path += "/approve?wait=applied"
			} else {
				path += "/resume?wait=applied"
			}
			if round > 0 || manager == two {
				if got := manager.do("POST", "/tenants/acme/subscriptions/"+sub+"/suspend?wait=applied", map[string]any{"reason": "to see"}); !got.Applied.Done {
					t.Errorf("suspended: not confirmed by all nodes")
				}
				everywhere("suspended", 403)
			}
			if got := manager.do("POST", path, nil); !got.Applied.Done || got.Applied.TookMS > 1000 {
				t.Errorf("%s: got %+v", path, got.Applied)
			}
			everywhere("active", 200)
		}
	}
	for _, manager := range []api{one, two} {
		if got := states(t, manager); got["gw-1"] != "live" || got["gw-2"] != "live" {
			t.Errorf("the nodes are %v", got)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	portal, err := a.Portal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got, body := call(t, portal.Portal+"/", ""); got != 200 || !strings.Contains(body, "Echo") {
		t.Errorf("the portal's catalog: got %d %.300s", got, body)
	}
	testPortalApart(t, a, portal)
	testDrain(t, a, one, gw1)
	testLeaving(t, a, one, gw2, m)
	testRemoval(t, a, one, gw1, m)
}

// testPortalApart registers an issuer's tokens, whose issuer is where the operator
// lets the portal ask, and makes a signing secret by the command that the portal
// names.
func testPortalApart(t *testing.T, a *process.Apart, portal *process.Process) {
	t.Helper()
	issuer := fake.NewIssuer(t, "ES256")
	issuer.Discover()
	browser := signedUp(t, portal, "outfit")
	page := func(what, path string, form url.Values, want string) string {
		t.Helper()
		res, err := browser.Get(portal.Portal + path)
		if form != nil {
			res, err = browser.PostForm(portal.Portal+path, form)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Fatalf("%s: got %d %v, want %q in %s", what, res.StatusCode, err, want, body)
		}
		return string(body)
	}
	page("an application", "/applications", url.Values{"name": {"Till"}, "nonce": {"n-app"}}, "Till")
	page("an issuer's tokens", "/applications/till/keys", url.Values{
		"kind": {"jwt"}, "issuer": {issuer.Name}, "subject": {"client"}, "token": {issuer.Token(t, "ES256", nil)}, "name": {"Tokens"}, "nonce": {"n-jwt"},
	}, "Tokens is registered.")
	command := regexp.MustCompile(`portico (keys create till --kind signature [^<]*)`).FindStringSubmatch(page("the form", "/applications/till/keys/new", nil, "keys create"))
	if command == nil {
		t.Fatal("the form does not say what makes a signing secret")
	}
	if out, err := a.Run(t.Context(), strings.Fields(command[1])...); err != nil || !strings.Contains(out, "Sign with it as key id sig_") {
		t.Errorf("%s: %v\n%s", command[0], err, out)
	}
}

func testDrain(t *testing.T, a *process.Apart, manager api, gw *process.Process) {
	t.Helper()
	if out, err := a.Run(t.Context(), "nodes", "drain", "gw-1"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	eventually(t, "it is drained", 20*time.Second, func() bool { return status(t, gw.Ops+"/readyz") == 503 && states(t, manager)["gw-1"] == "draining" })
	if out, err := a.Run(t.Context(), "nodes", "resume", "gw-1"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	eventually(t, "it is resumed", 20*time.Second, func() bool { return status(t, gw.Ops+"/readyz") == 200 && states(t, manager)["gw-1"] == "live" })
}

// A node that ends in good order does not count until it is back; then it has
// what was changed meanwhile.
func testLeaving(t *testing.T, a *process.Apart, manager api, gw *process.Process, m process.Market) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if err := gw.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is left", 20*time.Second, func() bool { return states(t, manager)["gw-2"] == "left" })
	revoked := manager.do("POST", "/tenants/acme/credentials/"+m.Credential+"/revoke?wait=applied", nil)
	if !revoked.Applied.Done {
		t.Error("a node that left is waited for")
	}
	back, err := a.Again(ctx, gw, false)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is back", 20*time.Second, func() bool { return states(t, manager)["gw-2"] == "live" })
	if got, body := call(t, back.Gateway+m.Path, m.Key); got != 401 {
		t.Errorf("the key that was revoked meanwhile: got %d %s", got, body)
	}
}

// A removed node ends, and neither its key nor its token lets it come back.
func testRemoval(t *testing.T, a *process.Apart, manager api, gw *process.Process, m process.Market) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if out, err := a.Run(ctx, "nodes", "remove", "gw-1"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	select {
	case <-gw.Done():
	case <-ctx.Done():
		t.Fatalf("the removed node runs on:\n%s", gw.Output())
	}
	if _, there := states(t, manager)["gw-1"]; there {
		t.Error("the removed node is listed")
	}
	if _, err := a.Again(ctx, gw, true); err == nil || !strings.Contains(err.Error(), "removed") && !strings.Contains(err.Error(), "token") {
		t.Errorf("the removed node came back: %v", err)
	}
	if version := manager.do("POST", "/tenants/acme/versions/"+m.Version+"/publish?wait=applied", map[string]any{}); !version.Applied.Done {
		t.Error("the removed node is waited for")
	}
}
