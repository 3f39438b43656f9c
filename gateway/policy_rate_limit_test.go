package gateway_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"portico/internal/entry"
)

func rateLimitCase(t *testing.T, lane change) {
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.RateLimit{Requests: 1, PeriodMS: 3_600_000, By: "address"}})
	})
	if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
		t.Errorf("the first: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 429 || got.code() != "rate_limited" || got.header.Get("Retry-After") != "3600" {
		t.Errorf("the second: got %d %s", got.status, got.body)
	}
}

// TestLimitsByHeaderAndQueryOfEveryLane, by both algorithms.
func TestLimitsByHeaderAndQueryOfEveryLane(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) {
			api.Policies = append(api.Policies,
				entry.Policy{Config: &entry.RateLimit{Requests: 1, PeriodMS: 3_600_000, Algorithm: entry.AlgorithmSlidingWindow, By: "header", Name: "X-Customer"}},
				entry.Policy{Config: &entry.RateLimit{Requests: 2, PeriodMS: 60_000, By: "query", Name: "shop"}},
			)
		})
		for i, c := range []struct {
			customer, query string
			status          int
			limit           string
		}{
			{"a", "shop=1", 200, `"header-3600s";r=0;t=`},
			{"a", "shop=1", 429, `"header-3600s";r=0;t=`},
			{"a", "shop=1", 429, `"header-3600s";r=0;t=`},
			{"b", "shop=%31", 200, `"header-3600s";r=0;t=`}, // the refused ones did not count
			{"c", "shop=1", 429, `"query-60s";r=0;t=`},
			{"c", "shop=2", 200, `"header-3600s";r=0;t=`}, // and c has its call still
		} {
			got := r.call(t, "GET", "/demo/orders/v1/open?"+c.query, "", "X-Customer: "+c.customer)
			limit := got.header.Get("RateLimit")
			if got.status != c.status || len(limit) < len(c.limit) || limit[:len(c.limit)] != c.limit {
				t.Errorf("%d: got %d and RateLimit %s, want %d and %s", i, got.status, limit, c.status, c.limit)
			}
			if got.status == 429 && got.code() != "rate_limited" {
				t.Errorf("%d: got %s", i, got.body)
			}
		}
	})
}

// TestCallsWaitInsteadOfBeingRefused sends a burst to a limit that smooths it.
func TestCallsWaitInsteadOfBeingRefused(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) {
			api.Policies = append(api.Policies, entry.Policy{Config: &entry.RateLimit{
				Requests: 20, PeriodMS: 1000, Burst: 1, By: "api", Queue: entry.Queue{Length: 10, WaitMS: 10_000},
			}})
		})
		began := time.Now()
		var group sync.WaitGroup
		for range 6 {
			group.Go(func() {
				if got := r.call(t, "POST", do+"echo", "body"); got.status != 200 || got.echo(t).Body != "body" {
					t.Errorf("got %d %s", got.status, got.body)
				}
			})
		}
		group.Wait()
		if took := time.Since(began); took < 250*time.Millisecond {
			t.Errorf("6 calls at 20 a second took %v", took)
		}
	})
}

// TestWaitingCallsOfCallersThatHangUpAreOver: they leave the queue, and are
// never sent to the upstream.
func TestWaitingCallsOfCallersThatHangUpAreOver(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) {
			api.Policies = append(api.Policies, entry.Policy{Config: &entry.RateLimit{
				Requests: 1, PeriodMS: 50_000, By: "api", Queue: entry.Queue{Length: 10, WaitMS: 60_000},
			}})
		})
		if got := r.call(t, "GET", do+"echo", ""); got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		ctx, hangUp := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			req, err := http.NewRequestWithContext(ctx, "GET", r.url+do+"echo", nil)
			if err == nil {
				var res *http.Response
				if res, err = r.client.RoundTrip(req); err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			}
			ended <- err
		}()
		wait(t, "one to wait", func() bool { return scrape(t, r.Collector())["limit_waiting_calls"] == 1 })
		hangUp()
		if err := <-ended; err == nil {
			t.Error("the call was answered")
		}
		wait(t, "nobody to wait", func() bool { return scrape(t, r.Collector())["limit_waiting_calls"] == 0 })
		wait(t, "the call to be over", func() bool { return scrape(t, r.Collector())["requests_in_flight"] == 0 })
		if r.upstream.Calls() != 1 {
			t.Errorf("%d calls reached the upstream", r.upstream.Calls())
		}
	})
}

// TestDrainAnswersWhatWaits: a node that ends sends waiting calls to another
// one, and does not hold itself up by them.
func TestDrainAnswersWhatWaits(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) {
			api.Policies = append(api.Policies, entry.Policy{Config: &entry.RateLimit{
				Requests: 1, PeriodMS: 19_000, By: "api", Queue: entry.Queue{Length: 10, WaitMS: 60_000},
			}})
		})
		if got := r.call(t, "GET", do+"echo", ""); got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if got := r.call(t, "GET", do+"echo", ""); got.status != 429 || got.code() != "rate_limited" || got.header.Get("Retry-After") == "" {
					t.Errorf("got %d %s", got.status, got.body)
				}
			})
		}
		wait(t, "three to wait", func() bool { return scrape(t, r.Collector())["limit_waiting_calls"] == 3 })
		began := time.Now()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		group.Wait()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the drain took %v", took)
		}
	})
}
