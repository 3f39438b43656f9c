package gateway_test

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"strings"
	"testing"

	"portico/gateway"
	"portico/internal/entry"
	"portico/test/fake"
)

// throwing is a connection to an upstream that panics when it is to take more
// than heads of requests.
type throwing struct{ net.Conn }

// Write implements net.Conn.
func (c throwing) Write(p []byte) (int, error) {
	if !bytes.Contains(p, []byte(" HTTP/1.1\r\n")) {
		panic("on purpose")
	}
	return c.Conn.Write(p)
}

// TestPanicBesideACallIsThatCalls has an upload panic, which runs in a goroutine
// of its own that no lane watches.
func TestPanicBesideACallIsThatCalls(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		log := &panicLog{}
		r := startDemo(t, lane, func(c *gateway.Config) {
			c.Log = log.logger()
			dial := c.DialContext
			c.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				return throwing{conn}, err
			}
		})
		if got := r.call(t, "POST", do+"upload", strings.Repeat("x", 300<<10)); got.status != 500 || got.code() != "internal" {
			t.Errorf("got %d %s", got.status, got.body)
		}
		wait(t, "the log to say so", func() bool { return strings.Contains(log.said(), `panic="on purpose"`) })
		if got := r.call(t, "GET", do+"echo", ""); got.status != 200 {
			t.Errorf("the next call: got %d %s", got.status, got.body)
		}
	})
}

// TestPanicOfACopyIsNobodyElses has a mirrored call panic, which nobody waits for.
func TestPanicOfACopyIsNobodyElses(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		mirror := fake.NewUpstream(t)
		at, err := url.Parse(mirror.URL)
		if err != nil {
			t.Fatal(err)
		}
		log := &panicLog{}
		r := startDemo(t, lane, func(c *gateway.Config) {
			c.Log = log.logger()
			dial := c.DialContext
			c.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == at.Host {
					panic("on purpose")
				}
				return dial(ctx, network, address)
			}
		})
		a := demoAPI(r.upstream.URL)
		a.Upstreams = append(a.Upstreams, entry.Upstream{Name: "mirror", Targets: []entry.Target{{URL: mirror.URL}}})
		a.Mirror = &entry.Mirror{Run: "m", Upstream: "mirror", PerMille: 1000, MaxBodyBytes: 1 << 10, Concurrency: 2}
		r.putAPI(t, 2, a)
		for n := range uint64(3) { // two at once: the place of the first is free again
			if got := r.call(t, "GET", do+"echo", ""); got.status != 200 {
				t.Errorf("got %d %s", got.status, got.body)
			}
			wait(t, "the copy to be counted", func() bool { return r.Status().Splits[0].Mirrored.Classes[5] == n+1 })
		}
		if said := log.said(); strings.Count(said, "a copy of a call panicked") != 3 {
			t.Errorf("the log says %s", said)
		}
	})
}
