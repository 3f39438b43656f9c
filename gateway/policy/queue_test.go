package policy_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// queued is a chain whose calls come at the bubble's time.
type queued struct {
	limited
	began time.Time
}

func queues(configs ...entry.PolicyConfig) queued { return queued{limits(configs...), time.Now()} }

func (q queued) call(ctx context.Context, line *policy.Line) (*policy.Exchange, error) {
	ex := &policy.Exchange{Scope: scope(), Mono: epoch + int64(time.Since(q.began)), Client: netip.MustParseAddr("192.0.2.1"), Line: line}
	return ex, q.Run(ctx, ex)
}

func TestCallsThatWaitGoOnAtThePaceOfTheLimitInTheirOrder(t *testing.T) {
	for name, config := range map[string]entry.PolicyConfig{
		"rate_limit":   &entry.RateLimit{Requests: 10, PeriodMS: 1000, Burst: 1, By: "api", Queue: entry.Queue{Length: 20, WaitMS: 10_000}},
		"spike_arrest": &entry.SpikeArrest{Requests: 10, Per: "second", By: "api", Queue: entry.Queue{Length: 20, WaitMS: 10_000}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := queues(config)
				var mu sync.Mutex
				var order []int
				var at []time.Duration
				var group sync.WaitGroup
				for i := range 21 {
					group.Go(func() {
						if _, err := q.call(context.Background(), nil); err != nil {
							t.Errorf("call %d: %v", i, err)
						}
						mu.Lock()
						defer mu.Unlock()
						order, at = append(order, i), append(at, time.Since(q.began))
					})
					synctest.Wait() // so that it is there before the next one
				}
				if got := q.limiter.Waiting(); got != 20 {
					t.Errorf("%d wait, want 20", got)
				}
				group.Wait()
				if !slices.IsSorted(order) {
					t.Errorf("they went on in the order %v", order)
				}
				for i, d := range at {
					if want := time.Duration(i) * 100 * time.Millisecond; d != want {
						t.Errorf("call %d went on after %v, want %v", i, d, want)
					}
				}
				if got := q.limiter.Waiting(); got != 0 {
					t.Errorf("%d still wait", got)
				}
			})
		})
	}
}

func TestQueueIsBoundedInLengthAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queues(&entry.ConcurrencyLimit{Calls: 1, By: "api", Queue: entry.Queue{Length: 2, WaitMS: 3000}})
		first, err := q.call(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				_, err := q.call(context.Background(), nil)
				if got := code(err); got != "concurrency_limited" || time.Since(q.began) != 3*time.Second {
					t.Errorf("one that waits: got %s after %v", got, time.Since(q.began))
				}
			})
		}
		synctest.Wait()
		if _, err := q.call(context.Background(), nil); code(err) != "concurrency_limited" || time.Since(q.began) != 0 {
			t.Errorf("one too many: got %v after %v", err, time.Since(q.began))
		}
		group.Wait()
		first.Release()
		if _, err := q.call(context.Background(), nil); err != nil {
			t.Errorf("after all: %v", err)
		}
	})
}

// TestCallThatWouldWaitTooLongIsRefusedAtOnce, and hears when to come again.
func TestCallThatWouldWaitTooLongIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queues(&entry.SpikeArrest{Requests: 1, Per: "second", By: "api", Queue: entry.Queue{Length: 100, WaitMS: 3500}})
		var admitted atomic.Int64
		var group sync.WaitGroup
		for i := range 6 {
			group.Go(func() {
				_, err := q.call(context.Background(), nil)
				if err == nil {
					admitted.Add(1)
					return
				}
				denied := (*policy.Denied)(nil)
				if !errors.As(err, &denied) || denied.Code != "spike_arrested" || denied.RetryAfter != 4*time.Second || time.Since(q.began) != 0 {
					t.Errorf("call %d: got %+v after %v", i, denied, time.Since(q.began))
				}
			})
			synctest.Wait()
		}
		group.Wait()
		if got := admitted.Load(); got != 4 || time.Since(q.began) != 3*time.Second {
			t.Errorf("%d were admitted in %v", got, time.Since(q.began))
		}
	})
}

func TestFreePlaceGoesToWhoeverWaitsLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queues(&entry.ConcurrencyLimit{Calls: 2, By: "api", Queue: entry.Queue{Length: 100, WaitMS: 60_000}})
		var mu sync.Mutex
		var order []int
		var under, most int
		var group sync.WaitGroup
		for i := range 50 {
			group.Go(func() {
				ex, err := q.call(context.Background(), nil)
				if err != nil {
					t.Errorf("call %d: %v", i, err)
					return
				}
				mu.Lock()
				order = append(order, i)
				under++
				most = max(most, under)
				mu.Unlock()
				time.Sleep(time.Duration(100+i) * time.Millisecond)
				mu.Lock()
				under--
				mu.Unlock()
				ex.Release()
			})
			synctest.Wait()
		}
		group.Wait()
		if !slices.IsSorted(order) || len(order) != 50 || most != 2 {
			t.Errorf("at most %d were under way, in the order %v", most, order)
		}
		if q.limiter.Waiting() != 0 {
			t.Errorf("%d still wait", q.limiter.Waiting())
		}
	})
}

// TestCallersThatHangUpLeaveTheQueue by either way in which a lane tells.
func TestCallersThatHangUpLeaveTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queues(
			&entry.RateLimit{Requests: 10, PeriodMS: 3_600_000, By: "address"},
			&entry.ConcurrencyLimit{Calls: 1, By: "api", Queue: entry.Queue{Length: 3, WaitMS: 60_000}},
		)
		first, err := q.call(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var gone atomic.Bool
		ctx, cancel := context.WithCancel(context.Background())
		var group sync.WaitGroup
		hangsUp := func(ctx context.Context, line *policy.Line) {
			_, err := q.call(ctx, line)
			if broken := (*policy.Broken)(nil); !errors.As(err, &broken) {
				t.Errorf("whose caller has hung up: got %v", err)
			}
		}
		group.Go(func() { hangsUp(ctx, nil) })
		group.Go(func() { hangsUp(context.Background(), &policy.Line{Gone: gone.Load}) })
		synctest.Wait()
		passed := make(chan error, 1)
		go func() {
			_, err := q.call(context.Background(), &policy.Line{Gone: func() bool { return false }})
			passed <- err
		}()
		synctest.Wait()
		cancel()
		gone.Store(true)
		group.Wait()
		if took := time.Since(q.began); took > time.Second || q.limiter.Waiting() != 1 {
			t.Errorf("after %v %d wait", took, q.limiter.Waiting())
		}
		first.Release()
		if err := <-passed; err != nil {
			t.Errorf("the one that stayed: %v", err)
		}
		// What the rate limit had taken of those two was given back.
		ex, _ := q.call(canceled(), nil)
		if got := left(ex); got != `"address-3600s";r=8;t=720` {
			t.Errorf("the rate limit has left %s", got)
		}
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestClosedLimiterAnswersWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queues(&entry.RateLimit{Requests: 1, PeriodMS: 60_000, By: "api", Queue: entry.Queue{Length: 3, WaitMS: 60_000}})
		if _, err := q.call(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if _, err := q.call(context.Background(), nil); code(err) != "rate_limited" {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		q.limiter.Close()
		group.Wait()
		if _, err := q.call(context.Background(), nil); code(err) != "rate_limited" {
			t.Errorf("afterwards: got %v", err)
		}
		if time.Since(q.began) != 0 {
			t.Errorf("it took %v", time.Since(q.began))
		}
	})
}

// TestQueuesOfKeysAreApart: nobody waits behind another key's calls.
func TestQueuesOfKeysAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queues(&entry.ConcurrencyLimit{Calls: 1, By: "header", Name: "Key", Queue: entry.Queue{Length: 1, WaitMS: 1000}})
		var group sync.WaitGroup
		for i := range 200 { // over all shards
			group.Go(func() {
				if _, got := q.at(epoch, fmt.Sprintf("Key: %d", i)); got != "ok" {
					t.Errorf("key %d: got %s", i, got)
				}
				if _, got := q.at(epoch, fmt.Sprintf("Key: %d", i)); got != "concurrency_limited" {
					t.Errorf("key %d again: got %s", i, got)
				}
			})
		}
		group.Wait()
		if took := time.Since(q.began); took != time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestWhatIsGivenBackLateIsWhatIsLeftOfIt lets a call wait, and be refused,
// after it had taken one of a second's calls.
func TestWhatIsGivenBackLateIsWhatIsLeftOfIt(t *testing.T) {
	for _, c := range []struct {
		wait, between, after time.Duration // between: when another call comes; 0 none
		want                 string
	}{
		{500 * time.Millisecond, 0, 500 * time.Millisecond, "ok"},                                   // as if it had never come
		{500 * time.Millisecond, 0, 499 * time.Millisecond, "rate_limited"},                         // it is still in the queue
		{1500 * time.Millisecond, 1000 * time.Millisecond, 1500 * time.Millisecond, "rate_limited"}, // its time was over: the other one's is not given back
		{1500 * time.Millisecond, 1000 * time.Millisecond, 2000 * time.Millisecond, "ok"},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := queues(
				&entry.RateLimit{Requests: 1, PeriodMS: 1000, By: "api"},
				&entry.ConcurrencyLimit{Calls: 1, By: "header", Name: "Place", Queue: entry.Queue{Length: 1, WaitMS: c.wait.Milliseconds()}},
			)
			q.at(epoch-int64(time.Second), "Place: one") // it stays
			at := func(d time.Duration, place string) string {
				_, got := q.at(epoch+int64(d), "Place: "+place)
				return got
			}
			var group sync.WaitGroup
			group.Go(func() {
				if got := at(0, "one"); got != "concurrency_limited" {
					t.Errorf("the one that waits: got %s", got)
				}
			})
			synctest.Wait()
			if c.between > 0 {
				time.Sleep(c.between)
				if got := at(c.between, "two"); got != "ok" {
					t.Errorf("between: got %s", got)
				}
			}
			if c.after >= c.wait {
				group.Wait()
			}
			if got := at(c.after, "three"); got != c.want {
				t.Errorf("%v after one that waited for %v: got %s, want %s", c.after, c.wait, got, c.want)
			}
			group.Wait()
		})
	}
}

// TestWaitingCallsOfATenantAreBounded, however many keys they are of, and leave
// room for those of others.
func TestWaitingCallsOfATenantAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queues(&entry.ConcurrencyLimit{Calls: 1, By: "header", Name: "Key", Queue: entry.Queue{Length: 1000, WaitMS: 1000}})
		call := func(tenant, key int) string {
			ex := &policy.Exchange{Scope: scope(), Mono: epoch, Client: netip.MustParseAddr("192.0.2.1")}
			ex.Scope.Tenant, _ = policy.ParseID(uuid(tenant))
			ex.Header.Add("Key", fmt.Sprint(tenant, " ", key))
			return code(q.Run(context.Background(), ex))
		}
		const keys, most = 12, 10_000
		var group sync.WaitGroup
		fill := func(tenants ...int) {
			for _, tenant := range tenants {
				for key := range keys {
					call(tenant, key) // it stays
				}
			}
			for i := range most/4 + 500 {
				for _, tenant := range tenants {
					group.Go(func() { call(tenant, i%keys) })
				}
			}
			synctest.Wait()
		}
		fill(1)
		if got := q.limiter.Waiting(); got < most/4-64 || got > most/4 { // as many as ask at the same instant may find too few
			t.Errorf("%d of one tenant wait, want %d", got, most/4)
		}
		fill(2, 3, 4, 5)
		if got := q.limiter.Waiting(); got < most/2 || got > most*3/4 {
			t.Errorf("%d of five tenants wait, want at most %d", got, most*3/4)
		}
		call(6, 0) // it stays
		before := q.limiter.Waiting()
		group.Go(func() {
			if got := call(6, 0); got != "concurrency_limited" || time.Since(q.began) != time.Second {
				t.Errorf("the other's call: got %s after %v, want it to wait", got, time.Since(q.began))
			}
		})
		synctest.Wait()
		if got := q.limiter.Waiting(); got != before+1 {
			t.Errorf("%d wait, want one of the other's beside %d", got, before)
		}
		group.Wait()
		if got := q.limiter.Waiting(); got != 0 {
			t.Errorf("%d still wait", got)
		}
	})
}
