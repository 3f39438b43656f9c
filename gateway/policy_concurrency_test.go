package gateway_test

import (
	"io"
	"sync/atomic"
	"testing"
	"time"

	"portico/internal/entry"
)

// oneAtATime is a limit of a single call, by address.
func oneAtATime(queue entry.Queue) func(*entry.API) {
	return func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.ConcurrencyLimit{Calls: 1, By: "address", Queue: queue}})
	}
}

func concurrencyCase(t *testing.T, lane change) {
	r := governed(t, lane, oneAtATime(entry.Queue{}))
	stream, err := r.get(do + "sse")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if got := r.call(t, "GET", do+"echo", ""); got.status != 429 || got.code() != "concurrency_limited" || got.header.Get("Retry-After") != "1" {
		t.Errorf("beside a stream: got %d %s", got.status, got.body)
	}
	go func() {
		for range 3 {
			r.upstream.Release()
		}
	}()
	if text, err := io.ReadAll(stream.Body); err != nil || string(text) != "data: 0\n\ndata: 1\n\ndata: 2\n\n" {
		t.Errorf("the stream was %q, %v", text, err)
	}
	r.free(t)
}

// free waits until a call finds a place.
func (r *running) free(t *testing.T) {
	t.Helper()
	wait(t, "a free place", func() bool { return r.call(t, "GET", do+"echo", "").status == 200 })
}

// TestPlacesAreFreeAgainHoweverACallEnds: refused behind the limit, cut off by
// the upstream, given up by its caller, timed out.
func TestPlacesAreFreeAgainHoweverACallEnds(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, oneAtATime(entry.Queue{}))
		for _, behaviour := range []string{"reset", "garbage", "slow"} {
			if got := r.call(t, "GET", do+behaviour, ""); got.status < 500 {
				t.Errorf("%s: got %d %s", behaviour, got.status, got.body)
			}
			r.free(t)
		}
		if got := r.begin(t, do+"cut"); got.err == nil {
			t.Errorf("cut: got %+v", got)
		}
		r.free(t)
		if got := r.call(t, "HEAD", "/demo/orders/v1/open", ""); got.status != 200 {
			t.Errorf("HEAD: got %d", got.status)
		}
		r.free(t)
		stream, err := r.get(do + "sse")
		if err != nil {
			t.Fatal(err)
		}
		if got := r.call(t, "GET", do+"echo", ""); got.status != 429 {
			t.Errorf("beside a stream: got %d", got.status)
		}
		stream.Body.Close()
		r.free(t)
	})
}

// TestPlacesAreFreeAgainAfterAPanic of the call.
func TestPlacesAreFreeAgainAfterAPanic(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		var left atomic.Int32
		r := startDemo(t, lane, panics(&left))
		api := demoAPI(r.upstream.URL)
		oneAtATime(entry.Queue{})(&api)
		r.serve(t, 2, item(t, 2, api))
		left.Store(1)
		if res, err := r.get(do + "echo"); err == nil {
			t.Errorf("got %d", res.StatusCode)
			res.Body.Close()
		}
		r.free(t)
	})
}

// TestTunnelsHoldTheirPlace until they end.
func TestTunnelsHoldTheirPlace(t *testing.T) {
	inHTTP1AndTLS(t, func(t *testing.T, lane change) {
		up := switching(t)
		r := onUpstream(t, up.URL, lane)
		api := demoAPI(up.URL)
		oneAtATime(entry.Queue{})(&api)
		r.serve(t, 3, item(t, 3, api))
		conn, in := r.open(t, "")
		if got := r.call(t, "GET", do+"plain", ""); got.status != 429 || got.code() != "concurrency_limited" {
			t.Errorf("beside a tunnel: got %d %s", got.status, got.body)
		}
		conn.(interface{ CloseWrite() error }).CloseWrite()
		expect(t, in, "goodbye")
		conn.Close()
		wait(t, "a free place", func() bool { return r.call(t, "GET", do+"plain", "").status == 200 })
	})
}

// TestCallsWaitForAPlace, and get it when it is free.
func TestCallsWaitForAPlace(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, oneAtATime(entry.Queue{Length: 1, WaitMS: 20_000}))
		stream, err := r.get(do + "sse")
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Body.Close()
		waited := make(chan reply, 1)
		go func() { waited <- r.call(t, "GET", do+"echo", "") }()
		wait(t, "one to wait", func() bool { return scrape(t, r.Collector())["limit_waiting_calls"] == 1 })
		if got := r.call(t, "GET", do+"echo", ""); got.status != 429 {
			t.Errorf("one too many: got %d %s", got.status, got.body)
		}
		go func() {
			for range 3 {
				r.upstream.Release()
			}
		}()
		if _, err := io.ReadAll(stream.Body); err != nil {
			t.Error(err)
		}
		select {
		case got := <-waited:
			if got.status != 200 {
				t.Errorf("the one that waited: got %d %s", got.status, got.body)
			}
		case <-time.After(15 * time.Second):
			t.Fatal("the one that waited did not get the place")
		}
	})
}

// TestWaitingHoldsNobodyElseUp: other keys' calls pass beside those that wait.
func TestWaitingHoldsNobodyElseUp(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) {
			api.Policies = append(api.Policies, entry.Policy{Config: &entry.ConcurrencyLimit{
				Calls: 1, By: "header", Name: "Customer", Queue: entry.Queue{Length: 100, WaitMS: 60_000},
			}})
		})
		stream, err := r.get(do + "sse") // by address
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Body.Close()
		ended := make(chan struct{}, 20)
		for range 20 {
			go func() {
				r.call(t, "GET", do+"echo", "")
				ended <- struct{}{}
			}()
		}
		wait(t, "20 to wait", func() bool { return scrape(t, r.Collector())["limit_waiting_calls"] == 20 })
		for range 20 {
			wait(t, "another's call", func() bool { return r.call(t, "GET", do+"echo", "", "Customer: other").status == 200 })
		}
		stream.Body.Close()
		for range 20 {
			<-ended
		}
	})
}
