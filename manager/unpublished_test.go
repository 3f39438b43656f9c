package manager_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

func TestDraftSaysWhatIsUnpublished(t *testing.T) { postgres.Both(t, testDraftSaysWhatIsUnpublished) }

func testDraftSaysWhatIsUnpublished(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	changes := func() []manager.Unpublished {
		t.Helper()
		return must[manager.VersionDetail](t)(p.catalog.Version(t.Context(), p.provider, p.shop.ID, v.ID)).Changes
	}
	if got := changes(); len(got) != 0 {
		t.Errorf("got %+v before the first publish", got)
	}
	p.publish(v)
	if got := changes(); len(got) != 0 {
		t.Errorf("got %+v after a publish", got)
	}
	p.draft(v, manager.DraftChange{
		UpstreamURLs: &[]string{"http://two.example"}, Headers: &[]apim.UpstreamHeader{{Name: "X-Stage", Value: "hidden-value"}},
		Public: map[string]bool{"list_orders": true}, Off: map[string]bool{"create_order": true},
		Limits:        &[]apim.RateLimit{{Requests: 5, Period: time.Second, By: "address"}},
		Policies:      &[]apim.Policy{{Kind: "cors", Config: json.RawMessage(`{"origins":["https://a.example"]}`)}},
		RoutePolicies: map[string][]apim.Policy{"list_orders": {{Kind: "cache", Config: json.RawMessage(`{"default_ttl_ms":5000}`)}}},
	})
	got := map[string]string{}
	for _, c := range changes() {
		got[c.Of] = c.Text
	}
	for of, want := range map[string]string{
		"upstream main": "https://orders.upstream.example/base → http://two.example; headers changed", "rate limit": "none → 5 calls per second for each address",
		"policies of all operations": "cors added", "GET /orders": "needs no key; cache added", "POST /orders": "not served",
	} {
		if got[of] != want {
			t.Errorf("%s: got %q, want %q", of, got[of], want)
		}
	}
	if len(got) != 5 || strings.Contains(strings.Join(values(got), " "), "hidden") {
		t.Errorf("got %v, want these alone and no value of a header", got)
	}
	p.draft(v, manager.DraftChange{UpstreamURLs: &[]string{"https://orders.upstream.example/base"}, Headers: &[]apim.UpstreamHeader{}, Limits: &[]apim.RateLimit{}, Policies: &[]apim.Policy{}, Public: map[string]bool{"list_orders": false}, Off: map[string]bool{"create_order": false}, RoutePolicies: map[string][]apim.Policy{"list_orders": {}}})
	if got := changes(); len(got) != 0 {
		t.Errorf("got %+v, want nothing once all is as it was", got)
	}
	p.draft(v, manager.DraftChange{Limits: &[]apim.RateLimit{{Requests: 9, Period: time.Minute, By: "api"}, {Requests: 5, Period: time.Second, By: "address"}}})
	p.publish(v)
	p.draft(v, manager.DraftChange{Limits: &[]apim.RateLimit{{Requests: 8, Period: time.Minute, By: "api"}, {Requests: 5, Period: time.Second, By: "address"}}})
	if got, want := changes(), []manager.Unpublished{{Of: "rate limit", Text: "9 calls per minute for each API → 8 calls per minute for each API"}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func values(m map[string]string) (out []string) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

func TestPaceIsThatOfTheLastMinutes(t *testing.T) { postgres.Both(t, testPaceIsThatOfTheLastMinutes) }

func testPaceIsThatOfTheLastMinutes(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	p.publish(v)
	pace := func(environment string) manager.Pace {
		t.Helper()
		return must[manager.Pace](t)(p.catalog.Pace(t.Context(), p.provider, p.shop.ID, v.ID, environment))
	}
	if got := pace(""); got.Number != 0 || got.Within != 0 || len(got.Operations) != 0 || got.Of < 10*time.Minute || got.Of > 11*time.Minute {
		t.Errorf("got %+v before any call", got)
	}
	now := p.clock()
	line := func(operation string, ago time.Duration, calls int64, bucket int) apim.Usage {
		took := make([]int64, apim.UsageBuckets)
		took[bucket] = calls
		return apim.Usage{Minute: now.Add(-ago).Truncate(time.Minute), Version: v.ID, Operation: operation, Status: 200, Calls: calls, Took: took}
	}
	must[[]bool](t)(p.store.CountUsage(t.Context(), []apim.UsagePiece{{Environment: "production", Node: "n", Spool: "s", Segment: 1, To: 5, Lines: []apim.Usage{
		line("list_orders", time.Minute, 990, 2), line("list_orders", 2*time.Minute, 10, 6), line("create_order", 3*time.Minute, 6, 6), line("create_order", 3*time.Minute, 5, 12),
		line("list_orders", time.Hour, 5000, 0),
	}}}, now))
	got := pace("production")
	list, create := got.Operations["list_orders"], got.Operations["create_order"]
	if list.Number != 1000 || list.Within != 5*time.Millisecond || list.PerSecond != 1000/got.Of.Seconds() {
		t.Errorf("got %+v, want 99 of 100 within 5 ms", list)
	}
	if create.Number != 11 || create.Within != 0 {
		t.Errorf("got %+v, want what takes longer than is told apart", create)
	}
	if got.Number != 1011 || got.Within != 100*time.Millisecond {
		t.Errorf("got %+v of both together", got.Calls)
	}
	if _, err := p.catalog.Pace(t.Context(), p.provider, p.shop.ID, v.ID, "nowhere"); apim.KindOf(err) != apim.NotFound {
		t.Errorf("got %v for an environment that is not there", err)
	}
	stranger := p.person(p.tenant("elsewhere"), "Xi", apim.RoleOwner)
	if _, err := p.catalog.Pace(t.Context(), stranger, p.shop.ID, v.ID, ""); err == nil {
		t.Error("a stranger is told")
	}
}
