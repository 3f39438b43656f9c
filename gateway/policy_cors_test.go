package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"portico/gateway"
	"portico/internal/entry"
)

const shop = "https://shop.example.com"

func shopCORS() *entry.CORSPolicy {
	return &entry.CORSPolicy{
		Origins: []string{shop, "https://*.preview.example.com"}, Headers: []string{"X-API-Key", "Content-Type"},
		ExposedHeaders: []string{"X-Request-Id"}, Credentials: true, MaxAgeMS: 600_000, PrivateNetwork: true,
	}
}

func preflight(origin, method string, more ...string) []string {
	return append(more, "Origin: "+origin, "Access-Control-Request-Method: "+method)
}

func corsCase(t *testing.T, lane change) {
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: shopCORS()},
			entry.Policy{Config: &entry.RateLimit{Requests: 3, PeriodMS: 3_600_000, By: "address"}})
	})
	const orders = "/demo/orders/v1/orders"
	got := r.call(t, "OPTIONS", orders, "", preflight(shop, "POST", "Access-Control-Request-Headers: content-type,x-api-key", "Access-Control-Request-Private-Network: true")...)
	if got.status != 204 || got.body != "" || r.upstream.Calls() != 0 {
		t.Fatalf("preflight: got %d %s, upstream called %d times", got.status, got.body, r.upstream.Calls())
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": shop, "Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "X-API-Key, Content-Type",
		"Access-Control-Allow-Credentials": "true", "Access-Control-Max-Age": "600", "Access-Control-Allow-Private-Network": "true",
		"Access-Control-Expose-Headers": "",
	} {
		if h := got.header.Get(name); h != want {
			t.Errorf("preflight: got %s %q, want %q", name, h, want)
		}
	}
	if !varies(got.header, "Origin") {
		t.Errorf("preflight: got Vary %q", got.header.Values("Vary"))
	}
	allowed := func(what string, got reply, status int, origin string) {
		t.Helper()
		if got.status != status || got.header.Get("Access-Control-Allow-Origin") != origin || !varies(got.header, "Origin") {
			t.Errorf("%s: got %d, Access-Control-Allow-Origin %q, Vary %q: %s", what, got.status, got.header.Get("Access-Control-Allow-Origin"), got.header.Values("Vary"), got.body)
		}
	}
	for i := range 20 { // questions are not counted by the limit
		if got := r.call(t, "OPTIONS", orders, "", preflight(shop, "GET")...); got.status != 204 {
			t.Fatalf("preflight %d: got %d %s", i, got.status, got.body)
		}
	}
	key := "X-API-Key: " + goodKey
	allowed("called", r.call(t, "GET", orders, "", key, "Origin: "+shop), 200, shop)
	allowed("by a preview", r.call(t, "GET", orders, "", key, "Origin: https://pr-7.preview.example.com"), 200, "https://pr-7.preview.example.com")
	allowed("by another origin", r.call(t, "GET", orders, "", key, "Origin: https://evil.example.com"), 200, "")
	allowed("over the limit", r.call(t, "GET", orders, "", key, "Origin: "+shop), 429, shop)
	for name, c := range map[string]struct {
		headers []string
		status  int
		code    string
	}{
		"another origin":    {preflight("https://evil.example.com", "GET"), 403, "cors_refused"},
		"another's ending":  {preflight("https://evilshop.example.com", "GET"), 403, "cors_refused"},
		"no label":          {preflight("https://.preview.example.com", "GET"), 403, "cors_refused"},
		"two labels":        {preflight("https://a.b.preview.example.com", "GET"), 403, "cors_refused"},
		"null":              {preflight("null", "GET"), 403, "cors_refused"},
		"another header":    {preflight(shop, "GET", "Access-Control-Request-Headers: authorization"), 403, "cors_refused"},
		"no such method":    {preflight(shop, "DELETE"), 405, "method_not_allowed"},
		"method's case":     {preflight(shop, "get"), 405, "method_not_allowed"},
		"no preflight":      {[]string{"Origin: " + shop}, 405, "method_not_allowed"},
		"not of any origin": {[]string{"Access-Control-Request-Method: GET"}, 405, "method_not_allowed"},
	} {
		if got := r.call(t, "OPTIONS", orders, "", c.headers...); got.status != c.status || got.code() != c.code {
			t.Errorf("%s: got %d %s", name, got.status, got.body)
		}
	}
}

func varies(h http.Header, name string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(h.Values("Vary"), ","), ","), func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), name) })
}

func TestRefusalsAndBadUpstreamsMayBeReadByPages(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) { api.Policies = append(api.Policies, entry.Policy{Config: shopCORS()}) })
		for path, status := range map[string]int{
			"/demo/orders/v1/orders":     401,
			"/demo/orders/v1/do/reset":   502,
			"/demo/orders/v1/do/garbage": 502,
			"/demo/orders/v1/open":       200,
			"/demo/orders/v1/nothing":    404,
		} {
			got := r.call(t, "GET", path, "", "Origin: "+shop)
			if got.status != status || got.header.Get("Access-Control-Allow-Origin") != shop || got.header.Get("Access-Control-Expose-Headers") != "X-Request-Id" {
				t.Errorf("%s: got %d with %v", path, got.status, got.header)
			}
		}
		if got := r.call(t, "DELETE", "/demo/orders/v1/orders", "", "Origin: "+shop); got.status != 405 || got.header.Get("Access-Control-Allow-Origin") != shop {
			t.Errorf("without the method: got %d with %v", got.status, got.header)
		}
		large := r.call(t, "POST", "/demo/orders/v1/do/echo", strings.Repeat("x", 2<<20), "Origin: "+shop)
		if large.status != 413 || large.header.Get("Access-Control-Allow-Origin") != shop {
			t.Errorf("too large: got %d with %v", large.status, large.header)
		}
	})
}

func TestUpstreamsOwnCORSIsReplaced(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("access-control-allow-methods", "TRACE")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Vary", "Accept, origin")
		fmt.Fprint(w, r.Method)
	}))
	t.Cleanup(up.Close)
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) {
			api.Upstreams[0].Targets[0].URL = up.URL
			api.Policies = append(api.Policies, entry.Policy{Config: &entry.CORSPolicy{Origins: []string{shop}}})
			api.Routes = append(api.Routes, entry.Route{Operation: "options", Method: "OPTIONS", Path: "/open", Upstream: "main", Public: true},
				entry.Route{Operation: "any", Method: "GET", Path: "/any", Upstream: "main", Public: true, Policies: []entry.Policy{{Config: &entry.CORSPolicy{Origins: []string{"*"}, Headers: []string{"*"}}}}})
		})
		for origin, want := range map[string]string{shop: shop, "https://other.example.com": "", "": ""} {
			got := r.call(t, "GET", "/demo/orders/v1/open", "", "Origin: "+origin)
			if got.body != "GET" || got.header.Get("Access-Control-Allow-Origin") != want || got.header.Get("Access-Control-Allow-Methods") != "" || got.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("from %q: got %d with %v", origin, got.status, got.header)
			}
			if vary := got.header.Values("Vary"); len(vary) != 1 || vary[0] != "Accept, origin" {
				t.Errorf("from %q: got Vary %q, want what the upstream says already", origin, vary)
			}
		}
		if got := r.call(t, "OPTIONS", "/demo/orders/v1/open", ""); got.body != "OPTIONS" {
			t.Errorf("an operation OPTIONS: got %d %s", got.status, got.body)
		}
		if got := r.call(t, "OPTIONS", "/demo/orders/v1/open", "", preflight(shop, "GET")...); got.status != 204 || got.header.Get("Access-Control-Allow-Methods") != "GET" {
			t.Errorf("a preflight beside an operation OPTIONS: got %d with %v", got.status, got.header)
		}
		got := r.call(t, "OPTIONS", "/demo/orders/v1/any", "", preflight("https://other.example.com", "GET", "Access-Control-Request-Headers: authorization,x-a")...)
		if got.status != 204 || got.header.Get("Access-Control-Allow-Origin") != "*" || got.header.Get("Access-Control-Allow-Headers") != "authorization,x-a" {
			t.Errorf("the operation's own policy: got %d with %v", got.status, got.header)
		}
	})
}

func TestPreflightReachesVersionsAndRoutesThatHeadersSelect(t *testing.T) {
	r := governed(t, func(*gateway.Config) {}, func(api *entry.API) {
		api.Mounts[0].Select = entry.Selector{In: "header", Name: "X-Version", Value: "2"}
		api.Policies = append(api.Policies, entry.Policy{Config: shopCORS()})
		api.Routes = append(api.Routes, entry.Route{
			Operation: "beta", Method: "PUT", Path: "/beta", Upstream: "main", Public: true,
			Predicates: []entry.Predicate{{In: "header", Name: "X-Beta", Value: "yes"}},
		})
	})
	for path, method := range map[string]string{"/orders": "GET", "/beta": "PUT"} {
		if got := r.call(t, "OPTIONS", "/demo/orders/v1"+path, "", preflight(shop, method)...); got.status != 204 {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Origin: "+shop); got.code() != "version_missing" {
		t.Errorf("a call: got %d %s", got.status, got.body)
	}
}

func TestEnvironmentsCORSHoldsWhereNoOtherDoes(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		env := environment()
		env.Policies = []entry.Policy{{Config: &entry.CORSPolicy{Origins: []string{"*"}}}}
		r := governed(t, lane, func(api *entry.API) {
			for i := range api.Routes {
				if api.Routes[i].Operation == "open" {
					api.Routes[i].Policies = []entry.Policy{{Config: &entry.CORSPolicy{Origins: []string{shop}}}}
				}
			}
		}, item(t, 2, env))
		for path, want := range map[string]string{"/demo/orders/v1/open": "", "/demo/orders/v1/do/echo": "*", "/nowhere": "*"} {
			got := r.call(t, "GET", path, "", "Origin: https://other.example.com")
			if h := got.header.Get("Access-Control-Allow-Origin"); h != want {
				t.Errorf("%s: got %d, Access-Control-Allow-Origin %q, want %q", path, got.status, h, want)
			}
		}
		if got := r.call(t, "OPTIONS", "/demo/orders/v1/do/echo", "", preflight("https://other.example.com", "POST")...); got.status != 204 {
			t.Errorf("preflight: got %d %s", got.status, got.body)
		}
		if got := r.call(t, "OPTIONS", "/demo/orders/v1/open", "", preflight("https://other.example.com", "GET")...); got.code() != "cors_refused" {
			t.Errorf("preflight of the stricter: got %d %s", got.status, got.body)
		}
	})
}
