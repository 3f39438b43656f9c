package check_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

func uuid(n int) string { return fmt.Sprintf("%032x", n) }

func goodAPI() entry.API {
	return entry.API{
		Version: uuid(1), API: uuid(2), Tenant: uuid(3), Name: "demo/orders v1", Revision: 1,
		Mounts:    []entry.Mount{{BasePath: "/demo/orders/v1"}},
		Upstreams: []entry.Upstream{{Name: "main", Targets: []entry.Target{{URL: "https://up.example/base"}}}},
		Policies:  []entry.Policy{{Config: &entry.KeyPolicy{Bearer: true}}},
		Routes: []entry.Route{
			{Operation: "list", Method: "GET", Path: "/orders", Upstream: "main"},
			{Operation: "show", Method: "GET", Path: "/orders/{id}", Upstream: "main", UpstreamPath: "/o/{id}"},
		},
	}
}

// want compares problems with "field: part of the reason" lines, in order.
func want(t *testing.T, got []check.Problem, lines ...string) {
	t.Helper()
	for i, p := range got {
		if i >= len(lines) {
			t.Errorf("got one too many: %s", p)
			continue
		}
		field, reason, _ := strings.Cut(lines[i], ": ")
		if p.Field != field || !strings.Contains(p.Reason, reason) {
			t.Errorf("got %s: %s, want %s", p.Field, p.Reason, lines[i])
		}
	}
	for _, line := range lines[min(len(got), len(lines)):] {
		t.Errorf("got nothing, want %s", line)
	}
}

func TestGoodEntriesPass(t *testing.T) {
	want(t, check.API(goodAPI()))
	want(t, check.Env(goodEnv()))
	want(t, check.Terms(goodTerms()))
	want(t, check.Grant(goodGrantKey, goodGrant()))
	want(t, check.Environment(goodItems(t)))
}

func TestBadAPIsAreRefusedByField(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*entry.API)
		want   []string
	}{
		"ids":            {func(a *entry.API) { a.Version, a.API, a.Tenant = "x", "", strings.ToUpper(uuid(0xabc)) }, []string{"version: 32 lower-case", "api: 32", "tenant: 32"}},
		"name":           {func(a *entry.API) { a.Name, a.Revision = "", 0 }, []string{"name: 1 to 300", "revision: 1 or more"}},
		"no mounts":      {func(a *entry.API) { a.Mounts = nil }, []string{"mounts: want 1"}},
		"mount twice":    {func(a *entry.API) { a.Mounts = append(a.Mounts, a.Mounts[0]) }, []string{"mounts[1]: twice"}},
		"mount host":     {func(a *entry.API) { a.Mounts[0].Host = "API.example" }, []string{"mounts[0].host: lower case"}},
		"mount port":     {func(a *entry.API) { a.Mounts[0].Host = "a.example:80" }, []string{"mounts[0].host: not a host name"}},
		"mount path":     {func(a *entry.API) { a.Mounts[0].BasePath = "demo" }, []string{"mounts[0].base_path: begin with a slash"}},
		"mount slash":    {func(a *entry.API) { a.Mounts[0].BasePath = "/demo/" }, []string{"mounts[0].base_path: ends with a slash"}},
		"mount dots":     {func(a *entry.API) { a.Mounts[0].BasePath = "/a/../b" }, []string{"mounts[0].base_path: dot segment"}},
		"mount escape":   {func(a *entry.API) { a.Mounts[0].BasePath = "/a%20b" }, []string{"mounts[0].base_path: may not"}},
		"mount depth":    {func(a *entry.API) { a.Mounts[0].BasePath = "/1/2/3/4/5/6/7/8/9" }, []string{"mounts[0].base_path: more than 8"}},
		"operation":      {func(a *entry.API) { a.Routes[1].Operation = "list" }, []string{"routes[1].operation: twice"}},
		"no operation":   {func(a *entry.API) { a.Routes[0].Operation = "" }, []string{"routes[0].operation: empty"}},
		"method":         {func(a *entry.API) { a.Routes[0].Method = "get" }, []string{"routes[0].method: upper case"}},
		"connect":        {func(a *entry.API) { a.Routes[0].Method = "CONNECT" }, []string{"routes[0].method: CONNECT"}},
		"path":           {func(a *entry.API) { a.Routes[0].Path = "/{" }, []string{"routes[0].path: not closed"}},
		"upstream":       {func(a *entry.API) { a.Routes[0].Upstream = "other" }, []string{`routes[0].upstream: "other"`}},
		"upstream path":  {func(a *entry.API) { a.Routes[0].UpstreamPath = "/{id}" }, []string{`routes[0].upstream_path: parameter "id"`}},
		"not public":     {func(a *entry.API) { a.Policies = nil; a.Routes[0].Public = true }, []string{"routes[1]: no identify policy"}},
		"public and key": {func(a *entry.API) { a.Routes[0].Public = true; a.Routes[0].Policies = a.Policies }, []string{"routes[0].public: identify policy of its own"}},
		"same template":  {func(a *entry.API) { a.Routes[0].Path = "/orders/{name}" }, []string{"routes[1]: same request as GET /orders/{name}"}},
		"overlapping parts": {
			func(a *entry.API) { a.Routes[0].Path, a.Routes[1].Path = "/{x}.b", "/a.{id}" },
			[]string{`routes[1]: can match the same request`},
		},
		"predicates": {func(a *entry.API) {
			a.Routes[0].Predicates = []entry.Predicate{{In: "body", Name: "x"}, {In: "header", Name: "a b"}, {In: "query"}}
		}, []string{"routes[0].predicates[0].in: query", "routes[0].predicates[1].name: not a header", "routes[0].predicates[2].name: empty"}},
		"no place for a key": {func(a *entry.API) { a.Policies[0].Config.(*entry.KeyPolicy).Bearer = false }, []string{"policies[0]: no place"}},
		"header for a key":   {func(a *entry.API) { a.Policies[0].Config.(*entry.KeyPolicy).Header = "Content-Length" }, []string{"policies[0].header: another meaning"}},
		"managed header":     {func(a *entry.API) { a.Policies[0].Config.(*entry.KeyPolicy).Header = "X-Forwarded-Key" }, []string{"policies[0].header: another meaning"}},
		"header's name":      {func(a *entry.API) { a.Policies[0].Config.(*entry.KeyPolicy).Header = "a:b" }, []string{"policies[0].header: not a header"}},
		"query's name":       {func(a *entry.API) { a.Policies[0].Config.(*entry.KeyPolicy).Query = "a&b" }, []string{"policies[0].query: not usable"}},
		"two keys":           {func(a *entry.API) { a.Policies = append(a.Policies, a.Policies[0]) }, []string{"policies[1]: reads credentials from Authorization: Bearer"}},
		"empty policy":       {func(a *entry.API) { a.Policies = append(a.Policies, entry.Policy{}) }, []string{"policies[1]: no kind"}},
		"limit": {func(a *entry.API) {
			a.Policies = append(a.Policies, entry.Policy{Config: &entry.RateLimit{Requests: 0, PeriodMS: -1, Burst: -1, By: "moon"}})
		}, []string{"policies[1].requests: 1 to", "policies[1].period_ms: 1 to", "policies[1].burst: 0 to", "policies[1].by: moon"}},
		"limit beyond counting": {func(a *entry.API) {
			a.Policies = append(a.Policies, entry.Policy{Config: &entry.RateLimit{Requests: 1, PeriodMS: 366 * 24 * 3600 * 1000, Burst: 1_000_000_000, By: "api"}})
		}, []string{"policies[1].burst: 73 years"}},
		"limit too fast": {func(a *entry.API) {
			a.Policies = append(a.Policies, entry.Policy{Config: &entry.RateLimit{Requests: 1_000_000_000, PeriodMS: 1, By: "api"}})
		}, []string{"policies[1].requests: nanosecond"}},
		"window with a burst": {func(a *entry.API) {
			a.Policies = append(a.Policies,
				entry.Policy{Config: &entry.RateLimit{Requests: 1, PeriodMS: 1, Burst: 1, Algorithm: entry.AlgorithmSlidingWindow, By: "api"}},
				entry.Policy{Config: &entry.RateLimit{Requests: 1, PeriodMS: 1, Algorithm: "bucket", By: "api"}})
		}, []string{"policies[1].burst: a sliding window has none", "policies[2].algorithm: bucket"}},
		"limit by what has no name": {func(a *entry.API) {
			for _, l := range []entry.RateLimit{{By: "header"}, {By: "header", Name: "a b"}, {By: "query"}, {By: "query", Name: "a&b"}, {By: "address", Name: "X-A"}, {By: "claim"}, {By: "expression"}, {By: "expression", Expression: "secret + 1"}, {By: "caller", Expression: "request.method"}} {
				l.Requests, l.PeriodMS = 1, 1
				a.Policies = append(a.Policies, entry.Policy{Config: &l})
			}
		}, []string{
			"policies[1].name: not a header", "policies[2].name: not a header", "policies[3].name: not usable", "policies[4].name: not usable", "policies[5].name: by header, query or claim",
			"policies[6].name: not usable", "policies[7].expression: is empty", `policies[8].expression: "secret" is not known`, "policies[9].expression: by expression",
		}},
		"queues": {func(a *entry.API) {
			for i, q := range []entry.Queue{{Length: -1, WaitMS: -1}, {Length: 1001, WaitMS: 60_001}, {Length: 1}, {WaitMS: 1}} {
				a.Policies = append(a.Policies, entry.Policy{Config: &entry.RateLimit{Requests: 1 + i, PeriodMS: 1, By: "api", Queue: q}})
			}
		}, []string{
			"policies[1].queue.length: 0 to", "policies[1].queue.wait_ms: 0 to", "policies[2].queue.length: 0 to", "policies[2].queue.wait_ms: 0 to",
			"policies[3].queue.wait_ms: need a time", "policies[4].queue.length: 0 calls",
		}},
		"spike arrest": {func(a *entry.API) {
			a.Policies = append(a.Policies, entry.Policy{Config: &entry.SpikeArrest{Per: "hour", By: "moon", Queue: entry.Queue{Length: 1}}})
		}, []string{"policies[1].requests: 1 to", "policies[1].per: hour", "policies[1].by: moon", "policies[1].queue.wait_ms: need"}},
		"a limit twice": {func(a *entry.API) {
			limit := func(queue int) entry.Policy {
				return entry.Policy{Config: &entry.ConcurrencyLimit{Calls: 1, By: "api", Queue: entry.Queue{Length: queue, WaitMS: int64(queue)}}}
			}
			a.Policies = append(a.Policies, limit(0), limit(1))
			a.Routes[0].Policies = []entry.Policy{limit(0)} // it counts for itself
			gcra := entry.RateLimit{Requests: 10, PeriodMS: 60_000, By: "caller"}
			said := gcra
			said.Algorithm, said.Burst, said.Queue = entry.AlgorithmGCRA, 10, entry.Queue{Length: 1, WaitMS: 1}
			other, window := gcra, gcra
			other.Burst, window.Algorithm = 11, entry.AlgorithmSlidingWindow
			for _, l := range []entry.RateLimit{gcra, other, window, said} {
				a.Policies = append(a.Policies, entry.Policy{Config: &l})
			}
		}, []string{"policies[2]: the same limit as another concurrency before it", "policies[6]: the same limit as another rate_limit before it"}},
		"concurrency": {func(a *entry.API) {
			a.Policies = append(a.Policies, entry.Policy{Config: &entry.ConcurrencyLimit{By: "header", Queue: entry.Queue{WaitMS: 1}}})
		}, []string{"policies[1].calls: 1 to", "policies[1].name: not a header", "policies[1].queue.length: 0 calls"}},
		"timeouts":            {func(a *entry.API) { a.Upstreams[0].HeaderTimeoutMS = -1 }, []string{"upstreams[0].header_timeout_ms: 0 to"}},
		"a minute to connect": {func(a *entry.API) { a.Upstreams[0].ConnectTimeoutMS = 60_000 }, nil},
		"more to connect":     {func(a *entry.API) { a.Upstreams[0].ConnectTimeoutMS = 60_001 }, []string{"upstreams[0].connect_timeout_ms: 0 to 60000"}},
		"everything at once": {
			func(a *entry.API) {
				a.Name = ""
				a.Mounts[0].BasePath = "x"
				a.Routes[0].Method = ""
				a.Routes[1].Upstream = ""
			},
			[]string{"name: ", "mounts[0].base_path: ", "routes[0].method: ", "routes[1].upstream: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := goodAPI()
			c.change(&a)
			want(t, check.API(a), c.want...)
		})
	}
}

func TestRoutesThatCanBeToldApartPass(t *testing.T) {
	header := func(name, value string) []entry.Predicate {
		return []entry.Predicate{{In: "header", Name: name, Value: value}}
	}
	route := func(op, method, path string, p []entry.Predicate) entry.Route {
		return entry.Route{Operation: op, Method: method, Path: path, Upstream: "main", Predicates: p}
	}
	for name, c := range map[string]struct {
		routes []entry.Route
		want   []string
	}{
		"other method":              {[]entry.Route{route("a", "GET", "/{x}", nil), route("b", "PUT", "/{y}", nil)}, nil},
		"static beside a template":  {[]entry.Route{route("a", "GET", "/{x}", nil), route("b", "GET", "/me", nil)}, nil},
		"other values of a header":  {[]entry.Route{route("a", "POST", "/", header("X-Amz-Target", "A")), route("b", "POST", "/", header("x-amz-target", "B"))}, nil},
		"with and without":          {[]entry.Route{route("a", "POST", "/", header("X-T", "A")), route("b", "POST", "/", nil)}, nil},
		"same value of a header":    {[]entry.Route{route("a", "POST", "/", header("X-T", "A")), route("b", "POST", "/", header("x-t", "A"))}, []string{"routes[1]: same request"}},
		"headers that may both be":  {[]entry.Route{route("a", "POST", "/", header("X-T", "A")), route("b", "POST", "/", header("X-U", "B"))}, []string{"routes[1]: same request"}},
		"presence beside a value":   {[]entry.Route{route("a", "POST", "/", header("X-T", "")), route("b", "POST", "/", header("X-T", "B"))}, []string{"routes[1]: same request"}},
		"same part, other literals": {[]entry.Route{route("a", "GET", "/{x}.json", nil), route("b", "GET", "/{x}.yaml", nil)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := goodAPI()
			a.Routes = c.routes
			want(t, check.API(a), c.want...)
		})
	}
}

func TestTooManySimilarRoutesAreRefusedInTime(t *testing.T) {
	a := goodAPI()
	a.Routes = nil
	for i := range 20_000 {
		a.Routes = append(a.Routes, entry.Route{
			Operation: fmt.Sprint(i), Method: "GET", Upstream: "main",
			Path: fmt.Sprintf("/%06d{x}%s{y}", i, strings.Repeat("a", 200)),
		})
	}
	begin := time.Now()
	got := check.API(a)
	if len(got) != 1 || !strings.Contains(got[0].Reason, "too much alike") {
		t.Errorf("got %d problems: %.3v", len(got), got)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestTargetsAreChecked(t *testing.T) {
	for raw, want := range map[string]string{
		"http://a":             "",
		"https://a.b:8443/x/y": "",
		"http://[::1]:80":      "",
		"ftp://a":              "http or https",
		"//a":                  "http or https",
		"http://":              "no host",
		"http:a":               "no host",
		"http://u:p@a":         "user name",
		"http://a?x=1":         "query",
		"http://a?":            "query",
		"http://a#f":           "fragment",
		"http://a#":            "fragment",
		"http://a/":            "slash",
		"http://a/b/":          "slash",
		"http://a:0":           "port",
		"http://a:":            "port",
		"http://a:70000":       "port",
		"http://a/../b":        "dot",
		"http://a/{x}":         "not allowed",
		"http://a b":           "not a URL",
		"":                     "http or https",
	} {
		got := ""
		if err := check.TargetURL(raw); err != nil {
			got = err.Error()
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}

func TestIndexKnowsWhoHoldsAMount(t *testing.T) {
	x := check.NewIndex()
	a, b := goodAPI(), goodAPI()
	b.Version, b.Name = uuid(9), "other/api v1"
	b.Mounts = append(b.Mounts, entry.Mount{Host: "api.example", BasePath: ""})
	x.Put(a)
	want(t, x.Conflicts(a))
	want(t, x.Conflicts(b), "mounts[0]: /demo/orders/v1 is taken by demo/orders v1")
	a.Mounts[0].BasePath = "/moved"
	x.Put(a)
	want(t, x.Conflicts(b))
	x.Put(b)
	a.Mounts[0] = entry.Mount{Host: "api.example", BasePath: ""}
	want(t, x.Conflicts(a), "mounts[0]: api.example/ is taken by other/api v1")
	if !x.Remove(b.Version) || x.Remove(b.Version) {
		t.Error("removing says something else than whether a mount became free")
	}
	want(t, x.Conflicts(a))
}

func BenchmarkOneAPIAmongTenThousand(b *testing.B) {
	x := check.NewIndex()
	for i := range 10_000 {
		a := goodAPI()
		a.Version, a.Mounts = uuid(i+10), []entry.Mount{{BasePath: fmt.Sprintf("/t/%d", i)}}
		x.Put(a)
	}
	a := goodAPI()
	a.Routes = nil
	for i := range 20 {
		a.Routes = append(a.Routes, entry.Route{Operation: fmt.Sprint(i), Method: "GET", Path: fmt.Sprintf("/r%d/{id}", i), Upstream: "main"})
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(check.API(a))+len(x.Conflicts(a)) > 0 {
			b.Fatal("refused")
		}
		x.Put(a)
	}
}
