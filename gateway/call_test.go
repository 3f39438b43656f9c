package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"portico/internal/entry"
)

func TestCallsAreAnswered(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		const base = "/demo/orders/v1"
		bearer := "Authorization: Bearer " + goodKey
		for _, c := range []struct {
			name, method, path string
			headers            []string
			status             int
			code               string // of the problem, "" for an echo
			target             string // that the upstream saw
		}{
			{"bearer", "GET", base + "/orders", []string{bearer}, 200, "", "/orders"},
			{"header", "GET", base + "/orders", []string{"x-api-key: " + goodKey}, 200, "", "/orders"},
			{"query", "GET", base + "/orders?a=1&api_key=" + goodKey + "&b=%20", nil, 200, "", "/orders?a=1&b=%20"},
			{"query, encoded name", "GET", base + "/orders?api%5Fkey=" + goodKey, nil, 200, "", "/orders"},
			{"same key in two places", "GET", base + "/orders?api_key=" + goodKey, []string{bearer}, 200, "", "/orders"},
			{"different keys", "GET", base + "/orders?api_key=" + mint(2), []string{bearer}, 401, "credential_invalid", ""},
			{"no key", "GET", base + "/orders", nil, 401, "credential_missing", ""},
			{"other scheme", "GET", base + "/orders", []string{"Authorization: Basic YTpi"}, 401, "credential_missing", ""},
			{"unknown key", "GET", base + "/orders", []string{"X-API-Key: " + mint(7)}, 401, "credential_invalid", ""},
			{"mistyped key", "GET", base + "/orders", []string{"X-API-Key: " + goodKey[:60] + "x" + goodKey[61:]}, 401, "credential_invalid", ""},
			{"empty key", "GET", base + "/orders", []string{"X-API-Key: "}, 401, "credential_invalid", ""},
			{"parameter", "GET", base + "/orders/7", []string{bearer}, 200, "", "/orders/7"},
			{"encoded parameter", "GET", base + "/orders/a%20b%3Fc", []string{bearer}, 200, "", "/orders/a%20b%3Fc"},
			{"needless encoding", "GET", base + "/%6Frders", []string{bearer}, 200, "", "/orders"},
			{"operation not in plan", "GET", base + "/hidden", []string{bearer}, 403, "operation_not_in_plan", ""},
			{"no such path", "GET", base + "/nothing", []string{bearer}, 404, "no_route", ""},
			{"trailing slash", "GET", base + "/orders/", []string{bearer}, 404, "no_route", ""},
			{"no such API", "GET", "/demo/orders/v2/orders", []string{bearer}, 404, "no_route", ""},
			{"part of a mount's segment", "GET", "/demo/orders/v10/orders", []string{bearer}, 404, "no_route", ""},
			{"method", "DELETE", base + "/orders", []string{bearer}, 405, "method_not_allowed", ""},
			{"public", "GET", base + "/open", nil, 200, "", "/open"},
			{"key on a public route", "GET", base + "/open?api_key=" + goodKey, []string{bearer}, 200, "", "/open"},
			{"rest", "GET", base + "/files/a/b//c", nil, 200, "", "/files/a/b//c"},
			{"empty rest", "GET", base + "/files/", nil, 200, "", "/files/"},
			{"encoded slash", "GET", base + "/files/a%2Fb", nil, 400, "request_invalid", ""},
			{"encoded backslash", "GET", base + "/files/a%5Cb", nil, 400, "request_invalid", ""},
			{"dot segment", "GET", base + "/files/%2e%2e/b", nil, 400, "request_invalid", ""},
			{"double encoded", "GET", base + "/files/%252e%252e/b", nil, 400, "request_invalid", ""},
			{"NUL", "GET", base + "/files/%00", nil, 400, "request_invalid", ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				got := r.call(t, c.method, c.path, "", c.headers...)
				if got.status != c.status || got.code() != c.code {
					t.Fatalf("got %d %q, want %d %q: %s", got.status, got.code(), c.status, c.code, got.body)
				}
				if got.header.Get("X-Request-Id") == "" {
					t.Error("got no X-Request-Id")
				}
				if c.code != "" {
					return
				}
				echo := got.echo(t)
				if echo.Target != c.target {
					t.Errorf("the upstream saw %q, want %q", echo.Target, c.target)
				}
				for name, values := range echo.Header {
					if strings.Contains(strings.Join(values, " "), goodKey) {
						t.Errorf("the upstream saw the key in %s", name)
					}
				}
			})
		}
	})
}

func TestProblemSaysWhatToDo(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		got := r.call(t, "GET", "/demo/orders/v1/orders", "")
		if ct := got.header.Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("got content type %q", ct)
		}
		if h := got.header.Get("WWW-Authenticate"); !strings.HasPrefix(h, "Bearer ") {
			t.Errorf("got WWW-Authenticate %q", h)
		}
		for _, want := range []string{
			`"type":"http://127.0.0.1:8081/problems/credential_missing"`, `"title":"Unauthorized"`, `"status":401`,
			`the header X-API-Key`, `"request_id":"` + got.header.Get("X-Request-Id") + `"`,
		} {
			if !strings.Contains(got.body, want) {
				t.Errorf("got %s, want it to hold %s", got.body, want)
			}
		}
		if got := r.call(t, "DELETE", "/demo/orders/v1/orders", "").header.Get("Allow"); got != "GET, HEAD, POST" {
			t.Errorf("got Allow %q", got)
		}
	})
}

func TestHeadIsServedByGet(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		got := r.call(t, "HEAD", "/demo/orders/v1/open", "")
		if got.status != http.StatusOK || got.body != "" {
			t.Errorf("got %d %q", got.status, got.body)
		}
	})
}

func TestSubscriptionStandingIsTold(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		sequence := uint64(1)
		for _, c := range []struct {
			name   string
			change func(*entry.Grant)
			code   string
		}{
			{"pending", func(g *entry.Grant) { g.Subscriptions[0].State = entry.Pending }, "subscription_pending"},
			{"suspended", func(g *entry.Grant) { g.Subscriptions[0].State = entry.Suspended }, "subscription_suspended"},
			{"stopped", func(g *entry.Grant) { g.Subscriptions[0].State = entry.Stopped }, "subscription_stopped"},
			{"expired", func(g *entry.Grant) { g.Subscriptions[0].State = entry.Expired }, "subscription_expired"},
			{"ended", func(g *entry.Grant) { g.Subscriptions[0].EndsAt = 1000 }, "subscription_expired"},
			{"not started", func(g *entry.Grant) { g.Subscriptions[0].StartsAt = 4102444800 }, "subscription_not_started"},
			{"none", func(g *entry.Grant) { g.Subscriptions = nil }, "subscription_missing"},
			{"terms unknown", func(g *entry.Grant) { g.Subscriptions[0].Terms = uuid(999) }, "subscription_missing"},
			{"credential expired", func(g *entry.Grant) { g.ExpiresAt = 1000 }, "credential_expired"},
			{"one of two admits", func(g *entry.Grant) {
				g.Subscriptions = append([]entry.Subscription{{ID: uuid(304), Terms: uuid(200), State: entry.Suspended}}, g.Subscriptions...)
			}, ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				g := demoGrant()
				c.change(&g)
				sequence++
				r.carrier.Put(grantItem(t, sequence, goodKey, g), entry.Mark(entry.HeadKey, at(sequence)))
				wait(t, "applied", func() bool { return r.Status().Applied.Sequence == sequence })
				if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.code() != c.code {
					t.Errorf("got %d %s, want code %q", got.status, got.body, c.code)
				}
			})
		}
	})
}

func TestRevokedKeyIsRefused(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		r.carrier.Put(entry.Tombstone(grantKey(t, goodKey), at(2)), entry.Mark(entry.HeadKey, at(2)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.code() != "credential_invalid" {
			t.Errorf("got %d %s", got.status, got.body)
		}
		if n := r.Status().Grants; n != 0 {
			t.Errorf("got %d grants, want 0", n)
		}
		r.carrier.Put(grantItem(t, 1, goodKey, demoGrant()), entry.Mark(entry.HeadKey, at(3)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 3 })
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.code() != "credential_invalid" {
			t.Errorf("an older entry brought the key back: %d %s", got.status, got.body)
		}
	})
}

func TestPlanLimitHoldsAndIsTold(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		terms := demoTerms()
		terms.Limits = []entry.RateLimit{{Requests: 3, PeriodMS: 60_000}, {Requests: 1000, PeriodMS: 3_600_000}}
		r.carrier.Put(item(t, 2, terms), entry.Mark(entry.HeadKey, at(2)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
		for i := range 3 {
			got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey)
			if got.status != 200 {
				t.Fatalf("call %d: got %d %s", i, got.status, got.body)
			}
			if h := got.header.Get("RateLimit-Policy"); h != `"subscription-60s";q=3;w=60, "subscription-3600s";q=1000;w=3600` {
				t.Errorf("got RateLimit-Policy %s", h)
			}
			if h, want := got.header.Get("RateLimit"), `"subscription-60s";r=`+string(rune('2'-i)); !strings.HasPrefix(h, want) {
				t.Errorf("call %d: got RateLimit %s, want %s…", i, h, want)
			}
		}
		// An API's new revision leaves the limit and its state as they are.
		r.carrier.Put(item(t, 3, demoAPI(r.upstream.URL)), entry.Mark(entry.HeadKey, at(3)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 3 })
		got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey)
		if got.status != 429 || got.code() != "rate_limited" || got.header.Get("Retry-After") == "" {
			t.Errorf("got %d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
		}
		if h := got.header.Get("RateLimit"); !strings.HasPrefix(h, `"subscription-60s";r=0;t=`) {
			t.Errorf("got RateLimit %s", h)
		}
	})
}
