package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
)

// TestConnectionsThatIdleHoldNoBuffers compares connections that wait for their
// next request with the same ones in the middle of a head.
func TestConnectionsThatIdleHoldNoBuffers(t *testing.T) {
	const (
		n       = 200
		buffers = 20 << 10 // less than what a connection has while it is served
	)
	for name, build := range map[string]string{"plain": "test", "TLS": byHTTP2} {
		t.Run(name, func(t *testing.T) {
			r := startDemo(t, func(c *gateway.Config) { c.Build, c.Times.Head = build, time.Minute })
			empty := heap()
			conns := make([]net.Conn, n)
			send := func(text string, answered bool) {
				for _, c := range conns {
					if _, err := io.WriteString(c, text); err != nil {
						t.Fatal(err)
					}
					if !answered {
						continue
					}
					res, err := http.ReadResponse(bufio.NewReader(c), nil)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusNotFound {
						t.Fatalf("got %d, %v", res.StatusCode, err)
					}
				}
			}
			for i := range conns {
				conns[i] = r.dial(t)
				conns[i].SetDeadline(time.Now().Add(time.Minute))
				conns[i] = r.secured(conns[i], "http/1.1")
			}
			const half = "GET /nowhere HTTP/1.1\r\n"
			send(half+"Host: x\r\n\r\n", true)
			wait(t, "idle connections to hold less than buffers", func() bool { return heap() < empty+n*buffers })
			// What tests before this one have left behind may go meanwhile: then it is
			// looked at again.
			soon := func(holds func() bool) bool {
				for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
					if holds() {
						return true
					}
				}
				return false
			}
			for tries := 1; ; tries++ {
				idle := heap()
				send(half, false)
				held := soon(func() bool { return heap() > idle+n*buffers })
				send("Host: x\r\n\r\n", true)
				given := soon(func() bool { return heap() < idle+n*buffers/4 })
				if held && given {
					return
				}
				if tries == 5 {
					t.Fatalf("buffers are held while half a head is there: %t; given back afterwards: %t", held, given)
				}
			}
		})
	}
}

// heap returns how many bytes are in use, without what pools hold.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A WebSocket says nothing most of the time. Then it holds less than the buffers
// by which much is carried.
func TestTunnelsThatWaitHoldNoLargeBuffers(t *testing.T) {
	const (
		n    = 200
		most = 88 << 10 // of both clients and upstreams too; two large buffers are 64 KiB
	)
	inHTTP1AndTLS(t, func(t *testing.T, lane change) {
		up := switching(t).URL
		r := governed(t, lane, func(api *entry.API) {
			api.Upstreams[0].Targets[0].URL, api.Upstreams[0].IdleTimeoutMS = up, 60_000
		})
		r.open(t, "")
		empty, conns := heap(), make([]net.Conn, n)
		for i := range conns {
			var in io.Reader
			conns[i], in = r.open(t, "")
			if i%10 == 0 { // one that has carried much waits like others
				text := strings.Repeat("x", 256<<10)
				go io.WriteString(conns[i], text)
				expect(t, in, text)
				io.WriteString(conns[i], "y")
				expect(t, in, "y")
			}
		}
		if open := scrape(t, r.Collector())["client_connections full"]; open < n {
			t.Errorf("got %v open connections, want %d", open, n)
		}
		held := 0
		wait(t, "tunnels to hold little", func() bool {
			held = (int(heap()) - int(empty)) / n
			return held < most
		})
		t.Logf("a tunnel that waits holds %d bytes, its client and upstream included", held)
		runtime.KeepAlive(conns)
	})
}
