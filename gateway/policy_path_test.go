package gateway_test

import (
	"strings"
	"testing"

	"portico/gateway"
	"portico/internal/entry"
)

// rewritten serves the demo with a path policy at one operation.
func rewritten(operation string, config *entry.PathPolicy) func(*entry.API) {
	return func(api *entry.API) {
		for i := range api.Routes {
			if api.Routes[i].Operation == operation {
				api.Routes[i].Policies = append(api.Routes[i].Policies, entry.Policy{Config: config})
			}
		}
	}
}

func pathCase(t *testing.T, lane change) {
	r := startDemo(t, lane)
	for i, c := range []struct {
		name, operation string
		config          entry.PathPolicy
		paths           map[string]string // what the upstream sees; "" for a refusal
	}{
		{"template", "get", entry.PathPolicy{Template: "/v2/x-{what}.json"}, map[string]string{
			"/do/7": "/v2/x-7.json", "/do/a%20b%3Fc?q=%2f": "/v2/x-a%20b%3Fc.json?q=%2f", "/do/a%0d%0ab": "/v2/x-a%0D%0Ab.json",
		}},
		{"template that may become dots", "get", entry.PathPolicy{Template: "/v2/.{what}/x"}, map[string]string{"/do/a": "/v2/.a/x", "/do/.a": "/v2/..a/x", "/do/;x": ""}},
		{"rest", "files", entry.PathPolicy{Template: "/static/{rest...}"}, map[string]string{"/files/a/b//c": "/static/a/b//c", "/files/": "/static/", "/files//evil.example.com/x": "/static//evil.example.com/x"}},
		{"prefix", "files", entry.PathPolicy{Prefix: "/files", Replacement: "/internal/v2"}, map[string]string{"/files/a%20b": "/internal/v2/a%20b", "/files/": "/internal/v2/", "/files/files/x": "/internal/v2/files/x"}},
		{"prefix of whole segments", "files", entry.PathPolicy{Prefix: "/file", Replacement: "/x"}, map[string]string{"/files/a": "/files/a"}},
		{"prefix away", "files", entry.PathPolicy{Prefix: "/files"}, map[string]string{"/files/a/b": "/a/b"}},
		{"prefix before all", "files", entry.PathPolicy{Prefix: "/", Replacement: "/é"}, map[string]string{"/files/a": "/%C3%A9/files/a"}},
		{"pattern", "files", entry.PathPolicy{Pattern: `^/files/([0-9]+)-(?P<name>[a-z]+)$`, Replacement: "/items/${name}/$1"}, map[string]string{
			"/files/42-shoe": "/items/shoe/42", "/files/42": "/files/42", "/files/a/42-shoe": "/files/a/42-shoe",
		}},
		{"pattern of the middle", "files", entry.PathPolicy{Pattern: `x+`, Replacement: ""}, map[string]string{"/files/axxb/x": "/files/ab/x"}},
		{"pattern that makes dots", "files", entry.PathPolicy{Pattern: `x`, Replacement: ""}, map[string]string{"/files/.x./a": "", "/files/.x": "", "/files/a.x": "/files/a."}},
		{"pattern that cuts an escape", "files", entry.PathPolicy{Pattern: `20`, Replacement: ""}, map[string]string{"/files/a%20b": "", "/files/a%20": ""}},
		{"pattern that makes an escape", "files", entry.PathPolicy{Pattern: `25x`, Replacement: "2F"}, map[string]string{"/files/a%25xb": ""}},
		{"pattern that takes the slash", "files", entry.PathPolicy{Pattern: `^/`, Replacement: ""}, map[string]string{"/files/a": ""}},
	} {
		api := demoAPI(r.upstream.URL)
		rewritten(c.operation, &c.config)(&api)
		r.serve(t, uint64(i+2), item(t, uint64(i+2), api))
		for path, want := range c.paths {
			got := r.call(t, "GET", "/demo/orders/v1"+path, "")
			if want == "" {
				if got.status != 400 || got.code() != "request_invalid" {
					t.Errorf("%s: %s: got %d %s, want it refused", c.name, path, got.status, got.body)
				}
				continue
			}
			if got.status != 200 {
				t.Errorf("%s: %s: got %d %s", c.name, path, got.status, got.body)
			} else if echo := got.echo(t); echo.Target != want || echo.Host != strings.TrimPrefix(r.upstream.URL, "http://") {
				t.Errorf("%s: %s: the upstream %s saw %q, want %q", c.name, path, echo.Host, echo.Target, want)
			}
		}
	}
}

func TestUpstreamsOwnPathComesBeforeARewrittenOne(t *testing.T) {
	r := governed(t, func(*gateway.Config) {}, func(api *entry.API) {
		api.Upstreams[0].Targets[0].URL += "/base"
		rewritten("open", &entry.PathPolicy{Template: "/v2"})(api)
	})
	if got := r.call(t, "GET", "/demo/orders/v1/open?a=1", "").echo(t); got.Target != "/base/v2?a=1" {
		t.Errorf("the upstream saw %q", got.Target)
	}
}
