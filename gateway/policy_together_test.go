package gateway_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"portico/internal/entry"
)

// TestAnswersAreChangedBeforeTheyArePacked declares compression before what reads
// bodies: at the API with an operation's transform, and with an environment's.
func TestAnswersAreChangedBeforeTheyArePacked(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		omit := []entry.Policy{{Config: &entry.JSONAnswer{Omit: []string{"/secret"}}}}
		env := environment()
		env.Policies = []entry.Policy{{Config: &entry.JSONAnswer{Merge: json.RawMessage(`{"by":"environment"}`)}}}
		r := governed(t, lane, func(api *entry.API) {
			api.Upstreams[0].Targets[0].URL = answering(t, serveDocument)
			api.Policies = append(api.Policies, entry.Policy{Config: &entry.CompressPolicy{MinBytes: 1}})
			for i := range api.Routes {
				api.Routes[i].Policies = omit
			}
		}, item(t, 2, env))
		got := r.call(t, "GET", "/demo/orders/v1/do/document", "", "Accept-Encoding: gzip")
		if got.status != 200 || got.header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("got %d %v %s", got.status, got.header, got.body)
		}
		if text := unpack(t, "gzip", got.body); text != `{"by":"environment","items":[{"n":1.50,"secret":2}]}` {
			t.Errorf("got %s", text)
		}
	})
}

// TestRefusalsOfAnswersGetTheErrorPage puts the page before what refuses.
func TestRefusalsOfAnswersGetTheErrorPage(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		page := &entry.ErrorPage{Statuses: []string{"4xx", "5xx"}, Upstream: true, JSON: json.RawMessage(`{"code":"${problem.code}"}`)}
		r := shaped(t, lane, serveDocument, page, &entry.JSONAnswer{Omit: []string{"/secret"}, Statuses: []string{"2xx"}})
		for what, want := range map[string]struct {
			status int
			body   string
		}{
			"bad": {502, `{"code":"answer_unusable"}`}, "failed": {500, `{"code":"upstream_answered"}`}, "document": {200, `{"items":[{"n":1.50,"secret":2}]}`},
		} {
			if got := r.call(t, "GET", "/demo/orders/v1/do/"+what, ""); got.status != want.status || got.body != want.body {
				t.Errorf("%s: got %d %s", what, got.status, got.body)
			}
		}
	})
}

// TestBodiesThatWereReadAreUnpackedToo puts policies that read a body before one
// that unpacks it.
func TestBodiesThatWereReadAreUnpackedToo(t *testing.T) {
	contract := &entry.Contract{
		Body:    []entry.ContractContent{{Type: "application/json", Schema: json.RawMessage(`{"type":"object"}`)}},
		Answers: []entry.ContractAnswer{{Status: "200"}},
	}
	for name, before := range map[string]entry.PolicyConfig{
		"whole":     &entry.Validate{},
		"beginning": &entry.Validate{MaxBytes: 10, Large: "pass"},
		"firewall":  &entry.WAF{Mode: "block", Paranoia: 1, Threshold: 5, ExcludeRules: []int{920450}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			o.do(echoes)
			r := governed(t, noLane, func(api *entry.API) {
				api.Upstreams[0].Targets[0].URL = o.URL
				for i := range api.Routes {
					if api.Routes[i].Operation == "do" {
						api.Routes[i].Contract = contract
						api.Routes[i].Policies = []entry.Policy{{Config: before}, {Config: &entry.DecompressPolicy{Requests: true}}}
					}
				}
			})
			for range 2 {
				got := r.call(t, "POST", echoPath, pack(t, "gzip", `{"text":"what was packed"}`), asJSON, "Content-Encoding: gzip", "User-Agent: curl/8", "Accept: */*")
				if got.status != 200 || got.body != `{"text":"what was packed"}` || got.header.Get("X-Encoding") != "" {
					t.Fatalf("got %d %q %v", got.status, got.body, got.header)
				}
			}
		})
	}
}

// TestPackedAttackIsFound sends one whose bytes look harmless.
func TestPackedAttackIsFound(t *testing.T) {
	r := shaped(t, noLane, nil, &entry.WAF{Mode: "block", Paranoia: 1, Threshold: 5, ExcludeRules: []int{920450}})
	for _, coding := range []string{"gzip", "br", "zstd", "deflate"} {
		got := r.call(t, "POST", echoPath, pack(t, coding, "q=1' OR 1=1 UNION SELECT password FROM users--"),
			"Content-Type: application/x-www-form-urlencoded", "Content-Encoding: "+coding, "User-Agent: curl/8", "Accept: */*")
		if got.status != 403 || got.code() != "request_blocked" {
			t.Errorf("%s: got %d %s", coding, got.status, got.body)
		}
	}
	if got := r.call(t, "POST", echoPath, "x", asJSON, "Content-Encoding: rot13", "User-Agent: curl/8", "Accept: */*"); got.status != 415 {
		t.Errorf("of a coding that nobody knows: got %d %s", got.status, got.body)
	}
}

// TestRefreshGoesTheWayOfTheCall fetches anew what a cache between policies holds,
// where a mock stands beside it.
func TestRefreshGoesTheWayOfTheCall(t *testing.T) {
	o := newOrigin(t, "Cache-Control: max-age=10, stale-while-revalidate=60")
	r, time := caching(t, noLane, o, entry.CachePolicy{}, func(api *entry.API) {
		path := &entry.PathPolicy{Pattern: "^", Replacement: "/v2"}
		api.Policies = []entry.Policy{api.Policies[0], {Config: path}, api.Policies[1]}
		for i := range api.Routes {
			if api.Routes[i].Operation == "list" {
				api.Routes[i].Contract = mockContract()
				api.Routes[i].Policies = []entry.Policy{{Config: &entry.Mock{Pending: true}}}
			}
		}
	})
	const path = "/demo/orders/v1/orders"
	r.call(t, "GET", path, "", "X-API-Key: "+goodKey)
	time.pass(20 * second)
	var seen http.Header
	asked := make(chan string, 1)
	o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
		seen = r.Header
		asked <- r.URL.Path
		says("Cache-Control: max-age=10")(w, r, n)
	})
	if got := r.call(t, "GET", path, "", "X-API-Key: "+goodKey, "Range: bytes=0-2"); got.status != 206 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	if at := <-asked; at != "/v2/orders" {
		t.Errorf("the refresh asked for %s", at)
	}
	if seen.Get("Range") != "" {
		t.Errorf("the refresh asked for a part: %v", seen)
	}
	wait(t, "the new answer", func() bool { return r.call(t, "GET", path, "", "X-API-Key: "+goodKey).body == "answer 0002" })
}
