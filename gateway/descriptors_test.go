package gateway_test

import (
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"portico/internal/entry"
)

// noDescriptors takes the right to open more descriptors from the process, until
// the test ends or what it returns is called.
func noDescriptors(t *testing.T) (back func()) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Error(err)
	}
	back = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(back)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: limit.Max}); err != nil {
		t.Error(err)
	}
	return back
}

// TestDescriptorsThatRunOutAreNotHeldAgainstUpstreams takes the last descriptor
// from a node that has to connect: callers are told that it is the node, and no
// target is ejected, found sick or kept from calls by a breaker.
func TestDescriptorsThatRunOutAreNotHeldAgainstUpstreams(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		s := startSpread(t, 3, entry.Traffic{
			Ejection: entry.Ejection{Failures: 1}, Breaker: entry.Breaker{ErrorPercent: 10, MinRequests: 2, OpenMS: 60_000},
			Health: entry.HealthCheck{Kind: "tcp", IntervalMS: 100, Healthy: 1, Unhealthy: 1},
		}, lane)
		far := newChecked(t, "far", "h2c")
		s.api.Upstreams = append(s.api.Upstreams, entry.Upstream{
			Name: "far", Protocol: "h2c", Targets: []entry.Target{{URL: far.URL}, {URL: far.URL + "/other"}}, Traffic: s.api.Upstreams[0].Traffic,
		})
		s.api.Routes = append(s.api.Routes, entry.Route{Operation: "far", Method: "GET", Path: "/far", Upstream: "far", Public: true})
		s.publish(t)
		if got := s.call(t, "GET", "/demo/orders/v1/nothing", ""); got.status != 404 { // the client is connected
			t.Fatalf("got %d", got.status)
		}
		back := noDescriptors(t)
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			for _, path := range []string{"open", "far"} {
				got := s.call(t, "GET", "/demo/orders/v1/"+path, "")
				if got.status != 503 || got.code() != "overloaded" || got.header.Get("Retry-After") != "1" {
					t.Fatalf("%s: got %d %s, Retry-After %q", path, got.status, got.code(), got.header.Get("Retry-After"))
				}
			}
		}
		if h := s.Status().Upstreams; len(h) != 0 {
			t.Errorf("the status says %+v", h)
		}
		back()
		if got := s.gets(t, 9); got["t0"] != 3 || got["t1"] != 3 || got["t2"] != 3 {
			t.Errorf("there are descriptors again: %v", got)
		}
		if got := s.call(t, "GET", "/demo/orders/v1/far", ""); got.body != "far" {
			t.Errorf("by h2c: %d %s", got.status, got.body)
		}
		// They are what is kept: with none left, calls go on.
		noDescriptors(t)
		if got := s.gets(t, 9); got["t0"] != 3 || got["t1"] != 3 || got["t2"] != 3 {
			t.Errorf("over connections that are there: %v", got)
		}
	})
}

// TestClientsWaitWhileDescriptorsRunOut connects to a node that cannot accept:
// it serves those that are connected, and the one that waits when it can again.
func TestClientsWaitWhileDescriptorsRunOut(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
			t.Fatalf("got %d", got.status)
		}
		other, limited := *r, make(chan func(), 1)
		other.client = r.client.Clone()
		t.Cleanup(other.client.CloseIdleConnections)
		other.client.DialContext = (&net.Dialer{Control: func(string, string, syscall.RawConn) error {
			limited <- noDescriptors(t) // its own socket is there
			return nil
		}}).DialContext
		answer := make(chan *http.Response, 1)
		go func() {
			res, err := other.get("/demo/orders/v1/open")
			if err != nil {
				t.Error(err)
			}
			answer <- res
		}()
		back := <-limited
		select {
		case res := <-answer:
			t.Fatalf("the node accepted without a descriptor: %v", res)
		case <-time.After(100 * time.Millisecond):
		}
		if got := r.call(t, "GET", "/demo/orders/v1/do/big?n=3000000", ""); got.status != 200 || len(got.body) != 3_000_000 {
			t.Errorf("who is connected: got %d and %d bytes", got.status, len(got.body))
		}
		if got := r.call(t, "POST", "/demo/orders/v1/do/upload", strings.Repeat("x", 500_000)); got.status != 200 || got.body != "500000 <nil>" {
			t.Errorf("who is connected, and sends: got %d %s", got.status, got.body)
		}
		back()
		select {
		case res := <-answer:
			if res == nil {
				return
			}
			if res.Body.Close(); res.StatusCode != 200 {
				t.Errorf("got %d", res.StatusCode)
			}
		case <-time.After(5 * time.Second):
			t.Error("who waits is not accepted")
		}
	})
}
