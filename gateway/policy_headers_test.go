package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portico/internal/entry"
)

func headersCase(t *testing.T, lane change) {
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.HeadersPolicy{
			Set: []entry.NamedValue{
				{Name: "X-Application", Value: "${caller.application}"},
				{Name: "X-Application-Id", Value: "${caller.application_id}"},
				{Name: "X-Order", Value: "${api.operation} ${param.id} by ${request.method} from ${client.address}, page ${query.page}, $${x}"},
				{Name: "X-Copy", Value: "${header.X-Secret}"},
				{Name: "X-Id", Value: "${request.id}"},
			},
			Add:    []entry.NamedValue{{Name: "X-Tag", Value: "b"}, {Name: "X-Tag", Value: "c"}},
			Rename: []entry.Renaming{{From: "X-Old", To: "X-New"}},
			Remove: []string{"X-Secret", "X-Internal-*"},
		}})
	})
	got := r.call(t, "GET", "/demo/orders/v1/orders/a%20b?page=2%2F3", "", "X-API-Key: "+goodKey, "X-Secret: s", "x-internal-a: 1", "X-Internal-B: 2",
		"X-Old: new", "X-New: old", "X-Tag: a", "X-Application: forged", "X-Application: twice")
	if got.status != 200 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	seen := http.Header(got.echo(t).Header)
	for name, want := range map[string]string{
		"X-Application": "App", "X-Application-Id": uuid(301), "X-Order": "show a b by GET from 127.0.0.1, page 2/3, ${x}", "X-Copy": "s",
		"X-Id": got.header.Get("X-Request-Id"), "X-Tag": "a,b,c", "X-New": "new", "X-Old": "", "X-Secret": "", "X-Internal-A": "", "X-Internal-B": "",
	} {
		if got := strings.Join(seen.Values(name), ","); got != want {
			t.Errorf("the upstream saw %s %q, want %q", name, got, want)
		}
	}
	got = r.call(t, "GET", "/demo/orders/v1/open", "", "X-Application: forged")
	if forged := http.Header(got.echo(t).Header).Values("X-Application"); len(forged) > 0 {
		t.Errorf("nobody was identified, and the upstream saw X-Application %q", forged)
	}
	for _, smuggled := range []string{"/orders/x%0d%0aX-Evil:%20y", "/orders/x?page=1%0aX-Evil:y", "/orders/x%7f"} {
		if got := r.call(t, "GET", "/demo/orders/v1"+smuggled, "", "X-API-Key: "+goodKey); got.status != 400 || got.code() != "request_invalid" {
			t.Errorf("%s: got %d %s", smuggled, got.status, got.body)
		}
	}
}

func answerHeadersCase(t *testing.T, lane change) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "secret/1.0")
		w.Header().Set("X-Internal-Host", "10.0.0.7")
		w.Header().Set("X-Old", "new")
		w.Header().Set("X-New", "old")
		if r.URL.Path == "/do/missing" {
			w.WriteHeader(404)
		}
		fmt.Fprint(w, "body")
	}))
	t.Cleanup(up.Close)
	r := governed(t, lane, func(api *entry.API) {
		api.Upstreams[0].Targets[0].URL = up.URL
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.AnswerHeadersPolicy{
			Set:    []entry.NamedValue{{Name: "X-Operation", Value: "${api.operation} ${param.what}"}, {Name: "X-Frame-Options", Value: "DENY"}},
			Rename: []entry.Renaming{{From: "X-Old", To: "X-New"}}, Remove: []string{"Server", "X-Internal-*"}, Statuses: "200-299, 401", Own: true,
		}}, entry.Policy{Config: &entry.AnswerHeadersPolicy{Add: []entry.NamedValue{{Name: "X-Upstream", Value: "yes"}}}})
	})
	got := r.call(t, "GET", "/demo/orders/v1/do/echo", "")
	for name, want := range map[string]string{"X-Operation": "get echo", "X-Frame-Options": "DENY", "Server": "", "X-Internal-Host": "", "X-Old": "", "X-New": "new", "X-Upstream": "yes"} {
		if h := strings.Join(got.header.Values(name), ","); h != want {
			t.Errorf("got %s %q, want %q", name, h, want)
		}
	}
	if got.status != 200 || got.body != "body" || got.header.Get("X-Request-Id") == "" {
		t.Errorf("got %d %q with %v", got.status, got.body, got.header)
	}
	if got := r.call(t, "HEAD", "/demo/orders/v1/do/echo", ""); got.status != 200 || got.header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("HEAD: got %d with %v", got.status, got.header)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/do/missing", ""); got.status != 404 || got.header.Get("X-Frame-Options") != "" || got.header.Get("X-Upstream") != "yes" {
		t.Errorf("of another status: got %d with %v", got.status, got.header)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", ""); got.status != 401 || got.header.Get("X-Frame-Options") != "DENY" || got.header.Get("X-Upstream") != "" {
		t.Errorf("a refusal: got %d with %v", got.status, got.header)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/do/x%0d%0aSet-Cookie:%20a=b", ""); got.status != 400 || got.header.Get("Set-Cookie") != "" {
		t.Errorf("smuggled: got %d with %v", got.status, got.header)
	}
}

// unhurried are policies that have no business with bodies.
func unhurried(api *entry.API) {
	api.Policies = append(api.Policies,
		entry.Policy{Config: &entry.CORSPolicy{Origins: []string{shop}}},
		entry.Policy{Config: &entry.AddressPolicy{Allow: []string{"127.0.0.0/8"}}},
		entry.Policy{Config: &entry.SizePolicy{BodyBytes: 100, Headers: 50}},
		entry.Policy{Config: &entry.BotsPolicy{Classes: []string{"crawler"}, Deny: []string{"scrape"}}},
		entry.Policy{Config: &entry.HeadersPolicy{Set: []entry.NamedValue{{Name: "X-Client", Value: "${client.address}"}}, Remove: []string{"Sec-Fetch-*"}}},
		entry.Policy{Config: &entry.QueryPolicy{Remove: []string{"utm_*"}}},
		entry.Policy{Config: &entry.PathPolicy{Prefix: "/nowhere", Replacement: "/elsewhere"}},
		entry.Policy{Config: &entry.AnswerHeadersPolicy{Set: []entry.NamedValue{{Name: "X-Via", Value: "gateway"}}, Remove: []string{"X-Internal-*"}, Own: true}},
	)
}

func TestTunnelsPassPoliciesOfHeaders(t *testing.T) {
	inHTTP1AndTLS(t, func(t *testing.T, lane change) {
		up := switching(t)
		r := governed(t, lane, func(api *entry.API) {
			api.Upstreams[0].Targets[0].URL = up.URL
			unhurried(api)
		})
		r.open(t, "first")
	})
}

func TestEventsPassPoliciesOfHeadersAtOnce(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, unhurried)
		res, err := r.get("/demo/orders/v1/do/sse")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.Header.Get("X-Via") != "gateway" {
			t.Errorf("got %v", res.Header)
		}
		for i := range 3 {
			r.upstream.Release()
			expect(t, res.Body, fmt.Sprintf("data: %d\n\n", i))
		}
	})
}

func TestPoliciesAtTheDoorAreExplained(t *testing.T) {
	r := startExplaining(t)
	api := demoAPI(r.upstream.URL)
	unhurried(&api)
	r.put(t, 3, item(t, 3, api))
	got, x := r.explain(t, token(), "GET", "/demo/orders/v1/do/echo", "")
	told := map[string]string{}
	for _, s := range x.Steps {
		told[s.Step] += s.Detail + ";"
	}
	for step, want := range map[string]string{
		"cors": "no page of another origin calls", "address": "127.0.0.1 may call", "bots": "none of the bots", "headers": "1 set, 1 removed", "query": "1 removed", "path": "the upstream's path is /do/echo",
		"size": "no body",
	} {
		if !strings.Contains(told[step], want) {
			t.Errorf("%s: got %q, want %q", step, told[step], want)
		}
	}
	if got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	got, x = r.explain(t, token(), "OPTIONS", "/demo/orders/v1/orders", "", preflight(shop, "GET")...)
	if steps := line(x); got.status != 204 || steps != "route passed, cors passed, answer_headers passed, cors passed" || !strings.Contains(x.Steps[1].Detail, "may call") {
		t.Errorf("a preflight: got %d, %+v", got.status, x.Steps)
	}
}
