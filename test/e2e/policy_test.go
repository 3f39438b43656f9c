package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portico/test/fake"
)

// TestPoliciesAreInForceWhereTheyAreSet sets one limit after another, at an
// operation, at its version and at the environment, and takes each away.
func TestPoliciesAreInForceWhereTheyAreSet(t *testing.T) {
	p, base, key := behind(t, named(t, "backend"))
	a := apiOf(t, p)
	version := "/tenants/demo/versions/" + a.do("GET", "/tenants/demo/apis/backend", nil).Versions[0].ID
	limit := func(requests int, off bool) []any {
		return []any{map[string]any{"kind": "rate_limit", "off": off, "config": map[string]any{"requests": requests, "period_ms": 3_600_000, "burst": 1, "by": "api"}}}
	}
	draft := func(change map[string]any) {
		t.Helper()
		a.do("PATCH", version+"/draft", change)
		a.do("POST", version+"/publish?wait=applied", map[string]any{"environment": "production"})
	}
	environment := func(policies []any) {
		t.Helper()
		a.do("PATCH", "/environments/production?wait=applied", map[string]any{"settings": map[string]any{"policies": policies}})
	}
	want := func(when, path string, statuses ...int) {
		t.Helper()
		for i, status := range statuses {
			if got, body := call(t, base+path, key); got != status {
				t.Errorf("%s, call %d of %s: got %d %s, want %d", when, i+1, path, got, body, status)
			}
		}
	}
	const fine, limited = http.StatusOK, http.StatusTooManyRequests
	draft(map[string]any{"route_policies": map[string]any{"file": limit(1, false)}})
	want("at the operation", "/files/x", fine, limited)
	want("at another", "/do/x", fine, fine)
	draft(map[string]any{"policies": limit(2, false), "route_policies": map[string]any{"file": limit(1, true)}})
	want("at the version", "/files/x", fine, limited)
	want("at the version", "/do/x", limited)
	draft(map[string]any{"policies": limit(2, true)})
	want("switched off", "/do/x", fine, fine)
	environment(limit(3, false))
	want("at the environment", "/do/x", fine, limited)
	environment([]any{})
	want("taken away", "/do/x", fine, fine)
}

// TestUpstreamsLearnWhoCalls gives an upstream a password, another one, and then
// tokens, all from values of the environment.
func TestUpstreamsLearnWhoCalls(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if !ok {
			user, password = strings.Join(r.Header.Values("Authorization"), "|"), ""
		}
		_, _ = io.WriteString(w, user+" "+password)
	}))
	t.Cleanup(up.Close)
	p, base, key := behind(t, up.URL)
	a := apiOf(t, p)
	version := "/tenants/demo/versions/" + a.do("GET", "/tenants/demo/apis/backend", nil).Versions[0].ID
	value := func(name, text string) {
		t.Helper()
		a.do("PUT", "/tenants/demo/environments/production/values/"+name+"?wait=applied", map[string]any{"value": text, "secret": true})
	}
	publish := func(kind string, config map[string]any) {
		t.Helper()
		a.do("PATCH", version+"/draft", map[string]any{"policies": []any{map[string]any{"kind": kind, "config": config}}})
		a.do("POST", version+"/publish?wait=applied", map[string]any{"environment": "production"})
	}
	want := func(what, saw string) {
		t.Helper()
		if status, body := call(t, base+"/do/x", key); status != http.StatusOK || body != saw {
			t.Errorf("%s: got %d %q, want %q", what, status, body, saw)
		}
	}
	value("user", "gateway")
	value("password", "first")
	publish("upstream_basic", map[string]any{"username": "${user}", "password": "${password}"})
	want("a password", "gateway first")
	value("password", "second")
	want("another value", "gateway second")
	i := fake.NewTokens(t)
	publish("upstream_oauth", map[string]any{"token_url": i.URL, "client_id": "${user}", "client_secret": "${password}", "scopes": []string{"orders"}})
	want("a token", "Bearer token-1 ")
	want("the same for the next call", "Bearer token-1 ")
	value("password", "third")
	want("one by another secret", "Bearer token-2 ")
}
