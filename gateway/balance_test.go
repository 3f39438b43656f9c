package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/internal/entry"
)

// waiter is a backend that answers when it is told to, and counts what waits.
type waiter struct {
	*httptest.Server
	name         string
	under, calls atomic.Int64
	gate         chan struct{}
	open         func()

	mu    sync.Mutex
	conns map[string]bool // over which calls came; guarded by mu
}

func newWaiter(t *testing.T, name string) *waiter {
	o := &waiter{name: name, gate: make(chan struct{}), conns: map[string]bool{}}
	o.open = sync.OnceFunc(func() { close(o.gate) })
	o.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		o.conns[r.RemoteAddr] = true
		o.mu.Unlock()
		o.calls.Add(1)
		o.under.Add(1)
		defer o.under.Add(-1)
		select {
		case <-o.gate:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, name)
	}))
	o.Config.Protocols = new(http.Protocols)
	o.Config.Protocols.SetHTTP1(true)
	o.Config.Protocols.SetUnencryptedHTTP2(true)
	o.Start()
	t.Cleanup(func() {
		o.open()
		o.CloseClientConnections()
		o.Close()
	})
	return o
}

// connected is over how many connections calls came.
func (o *waiter) connected() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.conns)
}

// startWaiters is startSpread over backends that answer when they are told to.
func startWaiters(t *testing.T, n int, protocol string, traffic entry.Traffic, lane change) (*spread, []*waiter) {
	t.Helper()
	s := startSpread(t, 0, traffic, lane)
	var list []*waiter
	up := &s.api.Upstreams[0]
	up.Protocol, up.Targets = protocol, nil
	for i := range n {
		list = append(list, newWaiter(t, fmt.Sprint("t", i)))
		up.Targets = append(up.Targets, entry.Target{URL: list[i].URL})
	}
	s.publish(t)
	return s, list
}

// under is how many calls wait in each.
func under(list []*waiter) (out []int) {
	for _, o := range list {
		out = append(out, int(o.under.Load()))
	}
	return out
}

func sum(list []int) (out int) {
	for _, n := range list {
		out += n
	}
	return out
}

// calls makes n calls at once; what comes back goes into the channel.
func (s *spread) calls(t *testing.T, n int, header ...string) <-chan reply {
	if got := s.call(t, "GET", "/demo/orders/v1/nothing", ""); got.status != 404 { // one connection carries them by HTTP/2
		t.Fatalf("got %d", got.status)
	}
	out := make(chan reply, n)
	var all sync.WaitGroup
	for range n {
		all.Go(func() { out <- s.call(t, "GET", "/demo/orders/v1/open", "", header...) })
	}
	t.Cleanup(all.Wait)
	return out
}

func TestTargetThatComesStartsSlowly(t *testing.T) {
	for _, slow := range []int{0, 60_000} {
		t.Run(fmt.Sprint(slow, " ms"), func(t *testing.T) {
			inEachLane(t, func(t *testing.T, lane change) {
				s := startSpread(t, 3, entry.Traffic{Balance: entry.Balance{SlowStartMS: slow}}, lane)
				all := s.api.Upstreams[0].Targets
				s.api.Upstreams[0].Targets = all[:2]
				s.publish(t)
				s.api.Upstreams[0].Targets = all
				s.publish(t)
				got := s.gets(t, 90)
				if slow == 0 && got["t2"] != 30 || slow > 0 && (got["t2"] < 2 || got["t2"] > 8) {
					t.Errorf("got %v of the one that has come", got)
				}
			})
		})
	}
	t.Run("until it has its share", func(t *testing.T) {
		s := startSpread(t, 2, entry.Traffic{Balance: entry.Balance{SlowStartMS: 500}})
		all := s.api.Upstreams[0].Targets
		s.api.Upstreams[0].Targets = all[:1]
		s.publish(t)
		s.api.Upstreams[0].Targets = all
		began := time.Now()
		s.publish(t)
		wait(t, "an equal share", func() bool { got := s.gets(t, 20); return got["t0"] == 10 && got["t1"] == 10 })
		if took := time.Since(began); took < 300*time.Millisecond {
			t.Errorf("it had its share after %v", took)
		}
	})
}

func TestTooFewWellTargetsIsAPanic(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		s := startSpread(t, 3, entry.Traffic{
			Health: entry.HealthCheck{Kind: "http", IntervalMS: 100, Healthy: 1, Unhealthy: 1}, Ejection: entry.Ejection{Off: true},
		}, lane)
		s.targets[1].status.Store(404)
		s.targets[2].status.Store(404)
		wait(t, "the checks to fail", func() bool { h := s.Status().Upstreams; return len(h) == 1 && h[0].Unfit == 2 })
		if got := s.gets(t, 9); got["t0"] != 9 || s.Status().Upstreams[0].Panic {
			t.Errorf("with no threshold: %v", got)
		}
		s.api.Upstreams[0].Traffic.Balance.PanicPercent = 50
		s.publish(t)
		if got := s.gets(t, 9); got["t0"] != 3 || got["404 "] != 6 {
			t.Errorf("a third of the targets is well, and fewer than half: %v, want all to be called", got)
		}
		if h := s.Status().Upstreams; len(h) != 1 || !h[0].Panic || h[0].Unfit != 2 {
			t.Errorf("the status says %+v", h)
		}
		s.targets[1].status.Store(0)
		wait(t, "one more to be well", func() bool { h := s.Status().Upstreams; return len(h) == 1 && h[0].Unfit == 1 })
		if got := s.gets(t, 10); got["t0"] != 5 || got["t1"] != 5 {
			t.Errorf("two thirds are well: %v", got)
		}
	})
}

func TestFasterTargetGetsMoreCalls(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		s := startSpread(t, 1, entry.Traffic{Balance: entry.Balance{Algorithm: "ewma"}}, lane)
		slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(300 * time.Millisecond)
			_, _ = io.WriteString(w, "slow")
		}))
		t.Cleanup(slow.Close)
		s.api.Upstreams[0].Targets = append(s.api.Upstreams[0].Targets, entry.Target{URL: slow.URL})
		s.publish(t)
		if got := s.gets(t, 40); got["slow"] < 1 || got["slow"] > 10 || got["t0"]+got["slow"] != 40 {
			t.Errorf("got %v, want almost all from the faster", got)
		}
	})
}

func TestLeastBusyTargetGetsTheCall(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		s, held := startWaiters(t, 3, "", entry.Traffic{Balance: entry.Balance{Algorithm: "least_requests"}}, lane)
		held[1].open()
		held[2].open()
		var waits <-chan reply
		wait(t, "a call to wait in the first", func() bool {
			if held[0].under.Load() == 0 && held[1].under.Load()+held[2].under.Load() == 0 && (waits == nil || len(waits) > 0) {
				waits = s.calls(t, 1)
			}
			return held[0].under.Load() == 1
		})
		if got := s.gets(t, 20); got["t1"]+got["t2"] != 20 || got["t1"] == 0 || got["t2"] == 0 {
			t.Errorf("one is busy: %v", got)
		}
		held[0].open()
		if got := <-waits; got.body != "t0" {
			t.Errorf("the one that waited: %d %s", got.status, got.body)
		}
	})
}

// TestConnectionsToATargetAreBounded holds the bound by HTTP/1.1, where each call
// under way is a connection, and by HTTP/2, where it is a stream.
func TestConnectionsToATargetAreBounded(t *testing.T) {
	for _, c := range []struct{ protocol, algorithm string }{{"", ""}, {"h2c", "least_requests"}, {"", "hash"}} {
		t.Run(c.protocol+" "+c.algorithm, func(t *testing.T) {
			inEachLane(t, func(t *testing.T, lane change) {
				traffic := entry.Traffic{Balance: entry.Balance{Algorithm: c.algorithm}, Concurrency: entry.Concurrency{MaxConnections: 2}}
				if c.algorithm == "hash" {
					traffic.Balance.HashBy = "header:X-Tenant"
				}
				s, held := startWaiters(t, 2, c.protocol, traffic, lane)
				got := s.calls(t, 4, "X-Tenant: one")
				wait(t, "four calls to wait", func() bool { return sum(under(held)) == 4 })
				if n := under(held); !slices.Equal(n, []int{2, 2}) {
					t.Errorf("%v calls wait in the targets, want two in each", n)
				}
				fifth := s.call(t, "GET", "/demo/orders/v1/open", "", "X-Tenant: one")
				if fifth.status != 503 || fifth.code() != "upstream_busy" || fifth.header.Get("Retry-After") == "" {
					t.Errorf("the fifth: %d %s", fifth.status, fifth.code())
				}
				held[1].open()
				for range 2 {
					if r := <-got; r.body != "t1" {
						t.Errorf("got %d %s", r.status, r.body)
					}
				}
				if got := s.gets(t, 6, "X-Tenant: one"); got["t1"] != 6 {
					t.Errorf("one is free again: %v", got)
				}
				for _, o := range held {
					if n := o.connected(); n > 2 {
						t.Errorf("%s was connected to %d times", o.name, n)
					}
				}
				held[0].open()
			})
		})
	}
}

func TestCallsBeyondTheBulkheadWaitTheirTurn(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		s, held := startWaiters(t, 1, "", entry.Traffic{Concurrency: entry.Concurrency{MaxRequests: 1, Queue: 2, QueueMS: 10_000}}, lane)
		first := s.calls(t, 1)
		wait(t, "the first to wait for the upstream", func() bool { return held[0].under.Load() == 1 })
		others := s.calls(t, 3) // two wait for their turn, and there is no room for the last
		if got := <-others; got.status != 503 || got.code() != "upstream_busy" {
			t.Errorf("the one too many: %d %s", got.status, got.code())
		}
		if held[0].calls.Load() != 1 {
			t.Errorf("the upstream got %d calls at once, want one", held[0].calls.Load())
		}
		held[0].open()
		for _, c := range []<-chan reply{first, others, others} {
			if got := <-c; got.body != "t0" {
				t.Errorf("got %d %s", got.status, got.code())
			}
		}
		if n := held[0].connected(); n != 1 {
			t.Errorf("the upstream was connected to %d times for one call at once", n)
		}
		// Nobody waits longer than that.
		s, held = startWaiters(t, 1, "", entry.Traffic{Concurrency: entry.Concurrency{MaxRequests: 1, Queue: 2, QueueMS: 200}}, lane)
		s.calls(t, 1)
		wait(t, "the first to wait for the upstream", func() bool { return held[0].under.Load() == 1 })
		began := time.Now()
		got := s.call(t, "GET", "/demo/orders/v1/open", "")
		if took := time.Since(began); got.code() != "upstream_busy" || took < 150*time.Millisecond || took > 1800*time.Millisecond {
			t.Errorf("got %d %s after %v, want a refusal after 200 ms", got.status, got.code(), took)
		}
		held[0].open()
	})
}

func TestBoundedHashSpreadsACallerOfMany(t *testing.T) {
	for _, bound := range []int{0, 125} {
		t.Run(fmt.Sprint(bound, " %"), func(t *testing.T) {
			inEachLane(t, func(t *testing.T, lane change) {
				s, held := startWaiters(t, 4, "", entry.Traffic{Balance: entry.Balance{Algorithm: "hash", HashBy: "header:X-Tenant", BoundPercent: bound}}, lane)
				for i := range 8 {
					s.calls(t, 1, "X-Tenant: one")
					wait(t, "the next call to wait", func() bool { return sum(under(held)) == i+1 })
				}
				most := 8
				if bound > 0 {
					most = 3 // 125 in 100 of the average of 2, rounded up
				}
				if n := under(held); slices.Max(n) > most || bound == 0 && slices.Max(n) < 8 {
					t.Errorf("%v calls of one caller wait in the targets, want at most %d in each", n, most)
				}
				for _, o := range held {
					o.open()
				}
			})
		})
	}
}

func TestRetriesKeepToTheBudgetOfTheUpstream(t *testing.T) {
	for _, c := range []struct {
		name        string
		retry       entry.Retry
		least, most int64 // calls that the targets get
	}{
		{"a tenth", entry.Retry{Attempts: 2, On: []string{"503"}, BudgetPercent: 10, BudgetMin: 1}, 115, 121},
		{"half", entry.Retry{Attempts: 2, On: []string{"503"}, BudgetPercent: 50, BudgetMin: 1}, 155, 161},
		{"as many as there are", entry.Retry{Attempts: 2, On: []string{"503"}, BudgetPercent: 10, BudgetMin: 20}, 200, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachLane(t, func(t *testing.T, lane change) {
				s := startSpread(t, 2, entry.Traffic{Retry: c.retry, Ejection: entry.Ejection{Off: true}}, lane)
				for _, o := range s.targets {
					o.status.Store(503)
				}
				if got := s.gets(t, 100); got["503 "] != 100 {
					t.Errorf("got %v, want what the targets say", got)
				}
				if n := s.targets[0].calls.Load() + s.targets[1].calls.Load(); n < c.least || n > c.most {
					t.Errorf("100 calls became %d, want %d to %d", n, c.least, c.most)
				}
			})
		})
	}
}
