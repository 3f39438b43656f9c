package gateway_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/entry"
)

// otherKey is of another application, on a subscription of its own.
func otherKey() string { return mint(2) }

// planned starts a demo whose plan has policies and is subscribed to twice; every
// operation asks for a key and is in the plan.
func planned(t *testing.T, lane change, edit func(*entry.API), policies ...entry.PolicyConfig) *running {
	t.Helper()
	terms, other := demoTerms(), demoGrant()
	terms.APIs[0].Operations = nil
	for _, c := range policies {
		terms.Policies = append(terms.Policies, entry.Policy{Config: c})
	}
	other.Credential, other.Application, other.Subscriptions[0].ID = uuid(310), uuid(311), uuid(313)
	return governed(t, lane, func(api *entry.API) {
		for i := range api.Routes {
			api.Routes[i].Public = false
		}
		if edit != nil {
			edit(api)
		}
	}, item(t, 2, terms), grantItem(t, 2, otherKey(), other))
}

// TestPlansBoundTheCallsOfASubscriptionAtOnce: a place is held until the answer
// has ended, and other subscriptions have their own.
func TestPlansBoundTheCallsOfASubscriptionAtOnce(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := planned(t, lane, nil, &entry.ConcurrencyLimit{Calls: 1, By: "subscription"})
		stream, err := r.get(do + "sse?api_key=" + goodKey)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Body.Close()
		got := r.call(t, "GET", do+"echo", "", "X-API-Key: "+goodKey)
		if got.status != 429 || got.code() != "concurrency_limited" || got.header.Get("Retry-After") != "1" || !strings.Contains(got.body, "Too many calls for the plan Orders, Trial.") {
			t.Errorf("beside a stream: got %d %s", got.status, got.body)
		}
		if got := r.call(t, "GET", do+"echo", "", "X-API-Key: "+otherKey()); got.status != 200 {
			t.Errorf("another's: got %d %s", got.status, got.body)
		}
		go func() {
			for range 3 {
				r.upstream.Release()
			}
		}()
		if text, err := io.ReadAll(stream.Body); err != nil || string(text) != "data: 0\n\ndata: 1\n\ndata: 2\n\n" {
			t.Errorf("the stream was %q, %v", text, err)
		}
		wait(t, "a free place", func() bool { return r.call(t, "HEAD", "/demo/orders/v1/open", "", "X-API-Key: "+goodKey).status == 200 })
	})
}

// TestLimitsOfPlanAPIAndOperationCombine: all must admit, the tightest is told, and
// a refusal says whose limit it was.
func TestLimitsOfPlanAPIAndOperationCombine(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		limit := func(requests int, by string) *entry.RateLimit {
			return &entry.RateLimit{Requests: requests, PeriodMS: 3_600_000, Algorithm: entry.AlgorithmSlidingWindow, By: by}
		}
		r := planned(t, lane, func(api *entry.API) {
			api.Policies = append(api.Policies, entry.Policy{Config: limit(3, "subscription")})
			for i := range api.Routes {
				if api.Routes[i].Operation == "show" {
					api.Routes[i].Policies = []entry.Policy{{Config: limit(1, "subscription")}}
				}
			}
		}, limit(5, "subscription"), &entry.RateLimit{Requests: 2, PeriodMS: 60_000, By: "header", Name: "X-User"})
		for i, c := range []struct {
			path, user, key string
			status          int
			limit, whose    string
		}{
			{"orders/1", "a", goodKey, 200, `"subscription-3600s";r=0;`, ""},
			{"orders/1", "a", goodKey, 429, `"subscription-3600s";r=0;`, "for this operation"},
			{"orders", "a", goodKey, 200, `"header-60s";r=0;`, ""},
			{"orders", "a", goodKey, 429, `"header-60s";r=0;`, "for the plan Orders, Trial"},
			{"orders", "a", otherKey(), 200, `"header-60s";r=1;`, ""}, // the same user of another subscription
			{"orders", "b", goodKey, 200, `"subscription-3600s";r=0;`, ""},
			{"orders", "c", goodKey, 429, `"subscription-3600s";r=0;`, "for this API"}, // what was refused took nothing
			{"orders", "a", otherKey(), 200, `"header-60s";r=0;`, ""},
		} {
			got := r.call(t, "GET", "/demo/orders/v1/"+c.path, "", "X-API-Key: "+c.key, "X-User: "+c.user)
			if got.status != c.status || !strings.HasPrefix(got.header.Get("RateLimit"), c.limit) || c.whose != "" && !strings.Contains(got.body, "Too many calls "+c.whose+".") {
				t.Errorf("%d: got %d, RateLimit %s, %s", i, got.status, got.header.Get("RateLimit"), got.body)
			}
		}
	})
}

// TestPlansSmoothWhatASubscriptionSends: its calls wait their turn, those of
// another do not wait for them.
func TestPlansSmoothWhatASubscriptionSends(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := planned(t, lane, nil, &entry.SpikeArrest{Requests: 10, Per: "second", By: "subscription", Queue: entry.Queue{Length: 3, WaitMS: 10_000}})
		began := time.Now()
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if got := r.call(t, "POST", do+"echo", "body", "X-API-Key: "+goodKey); got.status != 200 || got.echo(t).Body != "body" {
					t.Errorf("got %d %s", got.status, got.body)
				}
			})
		}
		if got := r.call(t, "GET", do+"echo", "", "X-API-Key: "+otherKey()); got.status != 200 {
			t.Errorf("another's: got %d %s", got.status, got.body)
		}
		group.Wait()
		if took := time.Since(began); took < 300*time.Millisecond {
			t.Errorf("4 calls, 100 ms apart, took %v", took)
		}
	})
}

// TestPlansPoliciesKeepTheirCountsThroughAChange of the plan and of the API.
func TestPlansPoliciesKeepTheirCountsThroughAChange(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		limit := &entry.RateLimit{Requests: 1, PeriodMS: 3_600_000, By: "subscription"}
		r := planned(t, lane, nil, limit)
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		terms := demoTerms()
		terms.Name, terms.Policies = "Orders, Basic", []entry.Policy{{Config: &entry.ConcurrencyLimit{Calls: 9, By: "credential"}}, {Config: limit}}
		r.serve(t, 3, item(t, 3, terms), item(t, 3, demoAPI(r.upstream.URL)))
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.status != 429 || !strings.Contains(got.body, "the plan Orders, Basic.") {
			t.Errorf("got %d %s", got.status, got.body)
		}
		terms.Policies = nil
		r.serve(t, 4, item(t, 4, terms))
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.status != 200 {
			t.Errorf("without it: got %d %s", got.status, got.body)
		}
	})
}

// TestPlansPoliciesHoldBesideASubscriptionsOwnLimits, which take the place of the
// plan's numbers alone.
func TestPlansPoliciesHoldBesideASubscriptionsOwnLimits(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		terms, grant := demoTerms(), demoGrant()
		terms.Limits = []entry.RateLimit{{Requests: 1, PeriodMS: 3_600_000}}
		terms.Policies = []entry.Policy{{Config: &entry.RateLimit{Requests: 3, PeriodMS: 3_600_000, By: "subscription"}}}
		grant.Subscriptions[0].Limits = []entry.RateLimit{{Requests: 100, PeriodMS: 3_600_000}}
		r.serve(t, 2, item(t, 2, terms), grantItem(t, 2, goodKey, grant))
		var got []int
		for range 4 {
			got = append(got, r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey).status)
		}
		if fmt.Sprint(got) != "[200 200 200 429]" {
			t.Errorf("got %v", got)
		}
	})
}

// TestPlansPoliciesOfOtherStagesAreRefused: the node keeps the plan that it has.
func TestPlansPoliciesOfOtherStagesAreRefused(t *testing.T) {
	r := startDemo(t)
	terms := demoTerms()
	terms.Policies = []entry.Policy{{Config: &entry.CORSPolicy{Origins: []string{"https://app.example.com"}}}}
	r.carrier.Put(item(t, 2, terms), entry.Mark(entry.HeadKey, at(2)))
	wait(t, "refused", func() bool { return len(r.Status().Refused) == 1 })
	if why := fmt.Sprint(r.Status().Refused); !strings.Contains(why, "policies[0]: is of the stage admit; a plan takes policies of the stage limit") {
		t.Errorf("refused: %s", why)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
