package gateway_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"portico/internal/entry"
	"portico/test/fake"
)

// putAPI makes an API live and waits until the node has it.
func (r *running) putAPI(t *testing.T, sequence uint64, apis ...entry.API) {
	t.Helper()
	var items []entry.Item
	for _, a := range apis {
		key, err := entry.APIKey(a.Version)
		if err != nil {
			t.Fatal(err)
		}
		it, err := entry.Encode(key, at(sequence), a)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, it)
	}
	r.carrier.Put(append(items, entry.Mark(entry.HeadKey, at(sequence)))...)
	wait(t, "applied", func() bool { return r.Status().Applied.Sequence == sequence })
	if refused := r.Status().Refused; len(refused) > 0 {
		t.Fatalf("refused: %+v", refused)
	}
}

func splitAPI(own, candidate string, perMille int) entry.API {
	a := demoAPI(own)
	a.Upstreams = append(a.Upstreams, entry.Upstream{Name: "candidate", Targets: []entry.Target{{URL: candidate}}})
	a.Split = &entry.Split{Run: "r1", Candidates: map[string]string{"main": "candidate"}, PerMille: perMille}
	return a
}

func TestExplanationSaysWhichSideACallGoesTo(t *testing.T) {
	r := startExplaining(t)
	candidate := fake.NewUpstream(t)
	for step, want := range []string{"to what is live; the candidate gets 0 %", "to the candidate, which gets 100 %"} {
		r.putAPI(t, uint64(3+step), splitAPI(r.upstream.URL, candidate.URL, 1000*step))
		_, way := r.explain(t, token(), "GET", "/demo/orders/v1/open", "")
		found := false
		for _, s := range way.Steps {
			found = found || s.Step == "split" && strings.HasPrefix(s.Detail, want)
		}
		if !found {
			t.Errorf("%d ‰: got %s, want a step split: %s", 1000*step, line(way), want)
		}
	}
}

func TestShareMovesWithOneEntry(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		candidate := fake.NewUpstream(t)
		for step, perMille := range []int{0, 1000, 0} { // blue, green, and back
			r.putAPI(t, uint64(2+step), splitAPI(r.upstream.URL, candidate.URL, perMille))
			before := candidate.Calls()
			for range 20 {
				if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
					t.Fatalf("got %d", got.status)
				}
			}
			if got := candidate.Calls() - before; got != perMille/50 {
				t.Errorf("at %d ‰ %d of 20 calls went to the candidate", perMille, got)
			}
		}
		r.putAPI(t, 9, splitAPI(r.upstream.URL, candidate.URL, 1000))
		if got := r.call(t, "GET", "/demo/orders/v1/do/status099", ""); got.status != 502 {
			t.Errorf("got %d of a candidate that talks nonsense", got.status)
		}
		report := r.Status().Splits[0]
		if report.Live.Classes[2] != 40 || report.Candidate.Classes[2] != 20 || report.Candidate.Classes[5] != 1 || report.Candidate.Quantile(0.99) == 0 {
			t.Errorf("got %+v and %+v", report.Live, report.Candidate)
		}
	})
}

func TestMirrorCostsNothingHoweverBadItIs(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		for name, answer := range map[string]func(net.Conn){
			"dead":    nil,
			"silent":  func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
			"garbage": func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-nothing\r\n\r\n")) },
			"reset":   func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) },
			"cut":     func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")) },
			"endless": func(c net.Conn) {
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
				for {
					if _, err := c.Write(make([]byte, 64<<10)); err != nil {
						return
					}
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				r := startDemo(t, lane)
				a := demoAPI(r.upstream.URL)
				a.Upstreams = append(a.Upstreams, entry.Upstream{Name: "mirror", Targets: []entry.Target{{URL: "http://" + bad(t, answer)}}})
				a.Mirror = &entry.Mirror{Run: "m", Upstream: "mirror", PerMille: 1000, MaxBodyBytes: 1 << 10, Concurrency: 2, AllMethods: true}
				r.putAPI(t, 2, a)
				start := time.Now()
				for range 30 {
					if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
						t.Fatalf("got %d", got.status)
					}
					if got := r.call(t, "POST", "/demo/orders/v1/do/echo", "0123456789"); got.status != 200 || got.echo(t).Body != "0123456789" {
						t.Fatalf("got %d %q", got.status, got.body)
					}
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("60 calls took %v", took)
				}
				if r.upstream.Calls() != 60 {
					t.Errorf("the API's own upstream was called %d times", r.upstream.Calls())
				}
			})
		}
	})
}

// bad is the address of an upstream that does as told with each connection; nil
// is one that nobody listens at.
func bad(t *testing.T, do func(net.Conn)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if do == nil {
		_ = listener.Close()
		return listener.Addr().String()
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				do(c)
			}()
		}
	}()
	return listener.Addr().String()
}

func TestMirrorGetsACopy(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		mirror := fake.NewUpstream(t)
		a := demoAPI(r.upstream.URL)
		a.Upstreams = append(a.Upstreams, entry.Upstream{Name: "mirror", Targets: []entry.Target{{URL: mirror.URL}}})
		a.Mirror = &entry.Mirror{Run: "m", Upstream: "mirror", PerMille: 1000, MaxBodyBytes: 1 << 10, Concurrency: 10, AllMethods: true}
		r.putAPI(t, 2, a)
		for _, body := range []string{"short", strings.Repeat("x", 1<<10), strings.Repeat("y", 1<<10+1)} {
			if got := r.call(t, "POST", "/demo/orders/v1/do/upload", body); got.status != 200 {
				t.Fatalf("got %d", got.status)
			}
		}
		wait(t, "copies", func() bool { return r.Status().Splits[0].Mirrored.Classes[2] == 2 })
		if skipped := r.Status().Splits[0].Skipped; skipped.Body != 1 || mirror.Calls() != 2 {
			t.Errorf("got %+v and %d calls", skipped, mirror.Calls())
		}
	})
}

func TestVersionIsSelectedAndAnnounced(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		second := fake.NewUpstream(t)
		v1, v2 := demoAPI(r.upstream.URL), demoAPI(second.URL)
		v2.Version, v2.Name = uuid(110), "demo/orders v2"
		shared := func(value string) entry.Mount {
			return entry.Mount{BasePath: "/demo/orders", Select: entry.Selector{In: "header", Name: "X-Version", Value: value}}
		}
		v1.Mounts = append(v1.Mounts, shared("1"))
		v2.Mounts = []entry.Mount{shared("2"), {BasePath: "/demo/orders", Default: true}}
		v1.DeprecatedAt = 1_700_000_000
		r.putAPI(t, 2, v1, v2)
		for _, c := range []struct {
			path, header      string
			status            int
			code              string
			deprecation, vary string
			second            bool
		}{
			{"/demo/orders/v1/open", "", 200, "", "@1700000000", "", false},
			{"/demo/orders/open", "X-Version: 1", 200, "", "@1700000000", "X-Version", false},
			{"/demo/orders/open", "X-Version: 2", 200, "", "", "X-Version", true},
			{"/demo/orders/open", "", 200, "", "", "X-Version", true},
			{"/demo/orders/open", "X-Version: 3", 400, "version_unknown", "", "X-Version", false},
			{"/demo/orders/moon", "X-Version: 1", 404, "no_route", "@1700000000", "X-Version", false},
			{"/demo/orders/orders", "X-Version: 1", 401, "credential_missing", "@1700000000", "X-Version", false},
			{"/demo/orders/v1/orders", "", 401, "credential_missing", "@1700000000", "", false},
		} {
			before := second.Calls()
			var headers []string
			if c.header != "" {
				headers = []string{c.header}
			}
			got := r.call(t, "GET", c.path, "", headers...)
			if got.status != c.status || got.code() != c.code || (second.Calls() > before) != c.second {
				t.Errorf("%s %s: got %d %q, second %v", c.path, c.header, got.status, got.code(), second.Calls() > before)
			}
			if d, v := got.header.Get("Deprecation"), got.header.Get("Vary"); d != c.deprecation || v != c.vary {
				t.Errorf("%s %s: got Deprecation %q and Vary %q", c.path, c.header, d, v)
			}
		}
	})
}
