package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway"
	"portico/gateway/upstream/discover"
	"portico/internal/entry"
	"portico/test/fake"
)

// target is a backend that says its name, and does as it is told.
type target struct {
	*httptest.Server
	name   string
	status atomic.Int64 // 0: 200
	hangs  atomic.Bool
	calls  atomic.Int64
	opened atomic.Int64 // connections
}

func newTarget(t *testing.T, name string, listener net.Listener) *target {
	o := &target{name: name}
	o.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.calls.Add(1)
		if o.hangs.Load() {
			<-r.Context().Done()
			return
		}
		if status := o.status.Load(); status != 0 {
			w.WriteHeader(int(status))
		}
		_, _ = io.WriteString(w, name)
	}))
	if listener != nil {
		o.Server.Listener.Close()
		o.Server.Listener = listener
	}
	o.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			o.opened.Add(1)
		}
	}
	o.Start()
	t.Cleanup(o.stop)
	return o
}

func (o *target) stop() {
	o.CloseClientConnections()
	o.Close()
}

// spread is a node with an API whose upstream has several targets.
type spread struct {
	*running
	targets  []*target
	api      entry.API
	sequence uint64
}

func startSpread(t *testing.T, n int, traffic entry.Traffic, change ...change) *spread {
	s := &spread{sequence: 1}
	for i := range n {
		s.targets = append(s.targets, newTarget(t, fmt.Sprint("t", i), nil))
	}
	s.api = demoAPI("")
	s.api.Upstreams[0].Targets, s.api.Upstreams[0].Traffic = nil, traffic
	for _, o := range s.targets {
		s.api.Upstreams[0].Targets = append(s.api.Upstreams[0].Targets, entry.Target{URL: o.URL})
	}
	carrier := fake.NewCarrier()
	carrier.Put(item(t, 1, environment()), item(t, 1, demoTerms()), item(t, 1, s.api), grantItem(t, 1, goodKey, demoGrant()),
		entry.Mark(entry.CompleteKey, at(1)), entry.Mark(entry.HeadKey, at(1)))
	s.running = start(t, carrier, change...)
	wait(t, "ready", func() bool { return s.Status().Ready && s.Status().Applied.Sequence == 1 })
	return s
}

// publish makes a changed API live.
func (s *spread) publish(t *testing.T) {
	t.Helper()
	s.sequence++
	s.carrier.Put(item(t, s.sequence, s.api), entry.Mark(entry.HeadKey, at(s.sequence)))
	wait(t, "the change to be live", func() bool { return s.Status().Applied.Sequence == s.sequence })
}

// gets makes n calls one after another and counts what came back.
func (s *spread) gets(t *testing.T, n int, header ...string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for range n {
		got := s.call(t, "GET", "/demo/orders/v1/open", "", header...)
		if got.status == 200 {
			out[got.body]++
		} else {
			out[fmt.Sprint(got.status, " ", got.code())]++
		}
	}
	return out
}

func TestHalfThePoolDeadFailsNoCall(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		s := startSpread(t, 4, entry.Traffic{Ejection: entry.Ejection{ForMS: 400, LongestMS: 400}}, lane)
		if got := s.gets(t, 40); len(got) != 4 || got["t0"] != 10 {
			t.Fatalf("at first: %v", got)
		}
		addresses := []string{s.targets[0].Listener.Addr().String(), s.targets[1].Listener.Addr().String()}
		s.targets[0].stop()
		s.targets[1].stop()
		got := s.gets(t, 200)
		if got["t2"]+got["t3"] != 200 {
			t.Errorf("half the pool is dead: %v, want 200 answers of t2 and t3", got)
		}
		if h := s.Status().Upstreams; len(h) != 1 || h[0].Unfit != 2 || h[0].Targets != 4 || len(h[0].Worst) != 2 || h[0].Worst[0].Why != "cannot be connected to" {
			t.Errorf("the status says %+v", h)
		}
		// Even those that may not be sent twice: nothing was sent.
		for range 20 {
			if got := s.call(t, "POST", "/demo/orders/v1/do/echo", strings.Repeat("x", 100)); got.status != 200 {
				t.Fatalf("POST: %d %s", got.status, got.body)
			}
		}
		// They come back by themselves.
		for i, address := range addresses {
			listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			s.targets[i] = newTarget(t, fmt.Sprint("t", i), listener)
		}
		wait(t, "the dead to be called again", func() bool { got := s.gets(t, 8); return got["t0"] == 2 && got["t1"] == 2 })
		if h := s.Status().Upstreams; len(h) != 0 {
			t.Errorf("all are well, and the status says %+v", h)
		}
	})
}

func TestRetriesAreOnlyOfWhatMayBeSentTwice(t *testing.T) {
	inEachLaneAtOnce(t, func(t *testing.T, lane change) {
		s := startSpread(t, 2, entry.Traffic{
			Retry: entry.Retry{On: []string{"timeout", "503"}, TryTimeoutMS: 200}, Ejection: entry.Ejection{Off: true},
		}, lane)
		s.targets[0].status.Store(503)
		if got := s.gets(t, 20); got["t1"] != 20 {
			t.Errorf("GET: %v, want all from t1", got)
		}
		statuses := map[int]int{}
		for range 10 {
			statuses[s.call(t, "POST", "/demo/orders/v1/do/echo", "x").status]++
		}
		if statuses[503] != 5 || statuses[200] != 5 {
			t.Errorf("POST: %v, want the 503s as they are", statuses)
		}
		s.targets[0].status.Store(0)
		s.targets[0].hangs.Store(true)
		begin := time.Now()
		if got := s.gets(t, 4); got["t1"] != 4 {
			t.Errorf("one hangs: %v", got)
		}
		if took := time.Since(begin); took > 1500*time.Millisecond {
			t.Errorf("four calls took %v, want two tries of 200 ms beside", took)
		}
	})
}

func TestTotalTimeoutBoundsAllTries(t *testing.T) {
	inEachLaneAtOnce(t, func(t *testing.T, lane change) {
		s := startSpread(t, 3, entry.Traffic{
			Retry: entry.Retry{Attempts: 10, On: []string{"timeout"}, TryTimeoutMS: 300}, TotalTimeoutMS: 500, Ejection: entry.Ejection{Off: true},
		}, lane)
		for _, o := range s.targets {
			o.hangs.Store(true)
		}
		begin := time.Now()
		got := s.call(t, "GET", "/demo/orders/v1/open", "")
		if took := time.Since(begin); got.code() != "upstream_timeout" || took < 400*time.Millisecond || took > 1200*time.Millisecond {
			t.Errorf("got %d %s after %v, want 504 after about 500 ms", got.status, got.code(), took)
		}
	})
}

func TestBusyUpstreamRefusesAtOnce(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		s := startSpread(t, 1, entry.Traffic{Concurrency: entry.Concurrency{MaxRequests: 3}}, lane)
		s.targets[0].hangs.Store(true)
		var all sync.WaitGroup
		defer all.Wait()
		for range 3 {
			all.Go(func() { s.call(t, "GET", "/demo/orders/v1/open", "") })
		}
		wait(t, "three calls to hang", func() bool { return s.targets[0].calls.Load() == 3 })
		got := s.call(t, "GET", "/demo/orders/v1/open", "")
		if got.status != 503 || got.code() != "upstream_busy" || got.header.Get("Retry-After") == "" {
			t.Errorf("the fourth: %d %s, Retry-After %q", got.status, got.code(), got.header.Get("Retry-After"))
		}
		s.targets[0].hangs.Store(false)
		all.Wait() // by the header timeout
		if got := s.gets(t, 5); got["t0"] != 5 {
			t.Errorf("after: %v", got)
		}
	})
}

func TestBreakerOpensAndCloses(t *testing.T) {
	inEachLaneAtOnce(t, func(t *testing.T, lane change) {
		s := startSpread(t, 1, entry.Traffic{Breaker: entry.Breaker{ErrorPercent: 50, MinRequests: 6, OpenMS: 600, Probes: 1}}, lane)
		s.targets[0].status.Store(500)
		got := s.gets(t, 20)
		if got["500 "] != 6 || got["503 upstream_unavailable"] != 14 || s.targets[0].calls.Load() != 6 {
			t.Errorf("got %v, want 6 calls that fail and then none", got)
		}
		if h := s.Status().Upstreams; len(h) != 1 || !h[0].Open {
			t.Errorf("the status says %+v", h)
		}
		s.targets[0].status.Store(0)
		wait(t, "it to close", func() bool { return s.gets(t, 1)["t0"] == 1 })
		if got := s.gets(t, 10); got["t0"] != 10 {
			t.Errorf("closed again: %v", got)
		}
	})
}

func TestSameKeyGoesToTheSameTarget(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		for by, header := range map[string]func(i int) []string{
			"header:X-Tenant": func(i int) []string { return []string{fmt.Sprint("X-Tenant: tenant ", i)} },
			"cookie:session":  func(i int) []string { return []string{fmt.Sprintf("Cookie: a=b; session=%d; c=d", i)} },
		} {
			s := startSpread(t, 4, entry.Traffic{Balance: entry.Balance{Algorithm: "hash", HashBy: by}}, lane)
			used := map[string]bool{}
			for i := range 16 {
				got := s.gets(t, 4, header(i)...)
				if len(got) != 1 {
					t.Fatalf("%s %d: %v, want one target", by, i, got)
				}
				for name := range got {
					used[name] = true
				}
			}
			if len(used) < 3 {
				t.Errorf("%s: 16 keys use %v alone", by, used)
			}
		}
		for _, by := range []string{"caller", "address"} {
			s := startSpread(t, 4, entry.Traffic{Balance: entry.Balance{Algorithm: "hash", HashBy: by}}, lane)
			got := map[string]bool{}
			for range 8 {
				got[s.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey).body] = true
			}
			if len(got) != 1 {
				t.Errorf("%s: %v, want one target", by, got)
			}
		}
	})
}

func TestWeightsAreKept(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		s := startSpread(t, 3, entry.Traffic{}, lane)
		s.api.Upstreams[0].Targets[0].Weight = 8
		s.publish(t)
		if got := s.gets(t, 100); got["t0"] < 77 || got["t0"] > 83 || got["t1"] < 7 {
			t.Errorf("got %v, want about 80, 10, 10", got)
		}
	})
}

func TestTargetsThatStayKeepTheirConnections(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		s := startSpread(t, 3, entry.Traffic{}, lane)
		s.gets(t, 30)
		gone := s.targets[2]
		s.api.Upstreams[0].Targets = s.api.Upstreams[0].Targets[:2]
		s.api.Upstreams[0].Traffic.Balance.Algorithm = "least_requests"
		s.publish(t)
		before := gone.calls.Load()
		if got := s.gets(t, 30); got["t0"]+got["t1"] != 30 || gone.calls.Load() != before {
			t.Errorf("after the change: %v", got)
		}
		for _, o := range s.targets[:2] {
			if n := o.opened.Load(); n != 1 {
				t.Errorf("%s was connected to %d times, want once", o.name, n)
			}
		}
	})
}

func TestUnhealthyTargetGetsNoCalls(t *testing.T) {
	inEachLaneAtOnce(t, func(t *testing.T, lane change) {
		s := startSpread(t, 3, entry.Traffic{Health: entry.HealthCheck{Kind: "http", Path: "/healthz", IntervalMS: 100, Healthy: 1, Unhealthy: 2}}, lane)
		s.targets[1].status.Store(500)
		wait(t, "the check to fail", func() bool { return s.gets(t, 6)["t1"]+s.gets(t, 6)["500 "] == 0 })
		h := s.Status().Upstreams
		if len(h) != 1 || h[0].Unfit != 1 || h[0].Worst[0].URL != s.targets[1].URL || h[0].Worst[0].Why != "check: status 500" {
			t.Errorf("the status says %+v", h)
		}
		// A new revision does not forget it, and one without a check does.
		s.api.Upstreams[0].Targets[0].Weight = 2
		s.publish(t)
		if got := s.gets(t, 12); got["500 "] > 0 {
			t.Errorf("after a new revision: %v", got)
		}
		s.targets[1].status.Store(0)
		wait(t, "it to be well again", func() bool { return s.gets(t, 8)["t1"] == 2 })
		s.targets[1].status.Store(500)
		wait(t, "the check to fail again", func() bool { return s.gets(t, 6)["500 "] == 0 })
		s.targets[1].status.Store(0)
		s.api.Upstreams[0].Traffic.Health = entry.HealthCheck{}
		s.publish(t)
		if got := s.gets(t, 8); got["t1"] != 2 {
			t.Errorf("without a check: %v", got)
		}
	})
}

func TestTargetsAreFoundAndKept(t *testing.T) {
	inEachLaneAtOnce(t, func(t *testing.T, lane change) {
		dns := fake.NewDNS(t)
		port := func(o *target) uint16 { return uint16(o.Listener.Addr().(*net.TCPAddr).Port) }
		s := startSpread(t, 2, entry.Traffic{}, lane, func(c *gateway.Config) {
			c.Sources.Resolver = &discover.Resolver{Servers: []string{dns.Address}, Dial: (&net.Dialer{}).DialContext}
		})
		s.api.Upstreams[0].Targets = []entry.Target{{URL: "http://orders.test"}}
		s.api.Upstreams[0].Traffic.Discovery = entry.Discovery{Kind: "srv", Service: "_http._tcp.orders.test"}
		s.publish(t)
		if got := s.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 503 || got.code() != "upstream_unavailable" {
			t.Errorf("nothing is found yet: %d %s", got.status, got.code())
		}
		wait(t, "the status to say why", func() bool {
			h := s.Status().Upstreams
			return len(h) == 1 && strings.Contains(h[0].Source, "no such name")
		})
		dns.Set("_http._tcp.orders.test.", 1, fake.SRV(1, 1, port(s.targets[0]), "a.orders.test."))
		dns.Set("a.orders.test.", 1, fake.A(127, 0, 0, 1))
		wait(t, "the first to be found", func() bool { return s.gets(t, 1)["t0"] == 1 })
		dns.Set("_http._tcp.orders.test.", 1, fake.SRV(1, 1, port(s.targets[0]), "a.orders.test."), fake.SRV(1, 1, port(s.targets[1]), "a.orders.test."))
		wait(t, "the second to be found", func() bool { return s.gets(t, 4)["t1"] == 2 })
		if n := s.targets[0].opened.Load(); n > 1 {
			t.Errorf("the first was connected to %d times, want once", n)
		}
		h := s.Status().Upstreams
		if len(h) != 1 || h[0].Targets != 2 || len(h[0].Found) != 2 || h[0].Source != "" {
			t.Errorf("the status says %+v", h)
		}
		// The source is away, and a new revision comes: what was found holds.
		dns.Silence(true)
		s.api.Upstreams[0].Traffic.Balance.Algorithm = "least_requests"
		s.publish(t)
		if got := s.gets(t, 20); got["t0"]+got["t1"] != 20 {
			t.Errorf("without the source: %v", got)
		}
		// One that says where its targets are is another again.
		s.api.Upstreams[0].Targets = []entry.Target{{URL: s.targets[1].URL}}
		s.api.Upstreams[0].Traffic = entry.Traffic{}
		s.publish(t)
		if got := s.gets(t, 4); got["t1"] != 4 {
			t.Errorf("by its address: %v", got)
		}
	})
}

func TestOverloadedNodeRefusesAPart(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		s := startSpread(t, 1, entry.Traffic{}, lane, func(c *gateway.Config) { c.ShedAfter = time.Nanosecond })
		var got reply
		wait(t, "a call to be refused", func() bool {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() { s.call(t, "GET", "/demo/orders/v1/open", "") })
			}
			all.Wait()
			got = s.call(t, "GET", "/demo/orders/v1/open", "")
			return got.status != 200
		})
		if got.status != 503 || got.code() != "overloaded" || got.header.Get("Retry-After") == "" {
			t.Errorf("got %d %s, Retry-After %q", got.status, got.code(), got.header.Get("Retry-After"))
		}
		for range 20 { // what costs nothing is told as ever
			if got := s.call(t, "GET", "/demo/orders/v1/orders", ""); got.status != 401 {
				t.Fatalf("without a key: %d %s", got.status, got.code())
			}
		}
	})
}
