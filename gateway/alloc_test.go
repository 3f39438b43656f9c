//go:build !race

// The race detector makes sync.Pool forget on purpose, so that what it lends
// would count here.

package gateway_test

import (
	"bufio"
	"bytes"
	"net"
	"runtime"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
	"portico/test/fake"
)

// TestCallAllocatesNothing makes calls over real connections, with key, plan
// limit and counters, from a client and to an upstream that allocate nothing
// themselves, and counts what the whole process allocates.
func TestCallAllocatesNothing(t *testing.T) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n" + string(bytes.Repeat([]byte("x"), 1000)))
	up := fake.NewRaw(t, func(conn net.Conn, _ *bufio.Reader) {
		buf := make([]byte, 8<<10)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			if bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) || bytes.HasSuffix(buf[:n], []byte("body!")) {
				if _, err := conn.Write(answer); err != nil {
					return
				}
			}
		}
	})
	for name, request := range map[string]string{
		"GET":  "GET /demo/orders/v1/orders/4711?a=b HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test\r\nAccept: */*\r\nX-API-Key: " + goodKey + "\r\n\r\n",
		"POST": "POST /demo/orders/v1/orders HTTP/1.1\r\nHost: example.com\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nX-API-Key: " + goodKey + "\r\n\r\nbody!",
	} {
		t.Run(name, func(t *testing.T) {
			r := onUpstream(t, up.URL, func(c *gateway.Config) { c.UsageDir = t.TempDir() })
			r.carrier.Ledger().Down(true) // it would read in this process what is sent
			defer r.carrier.Ledger().Down(false)
			terms := demoTerms()
			terms.Limits = []entry.RateLimit{{Requests: 1_000_000, PeriodMS: 1000}}
			key, _ := entry.TermsKey(uuid(200))
			it, err := entry.Encode(key, at(3), terms)
			if err != nil {
				t.Fatal(err)
			}
			r.carrier.Put(it, entry.Mark(entry.HeadKey, at(3)))
			wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 3 })
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(time.Minute))
			raw, buf := []byte(request), make([]byte, 8<<10)
			call := func() {
				if _, err := conn.Write(raw); err != nil {
					t.Fatal(err)
				}
				for n := 0; ; {
					took, err := conn.Read(buf[n:])
					if err != nil {
						t.Fatal(err)
					}
					if n += took; bytes.HasSuffix(buf[:n], []byte("xxxx")) && bytes.Count(buf[:n], []byte("x")) >= 1000 {
						break
					}
				}
				if !bytes.HasPrefix(buf, []byte("HTTP/1.1 200 OK\r\n")) {
					t.Fatalf("got %q", buf[:300])
				}
			}
			for range 200 {
				call()
			}
			// The node's own routine (a report every second, its sweepers) runs
			// beside the calls: the quietest of some rounds is the calls' own.
			least := 1.0
			for range 10 {
				const calls = 2000
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for range calls {
					call()
				}
				runtime.ReadMemStats(&after)
				least = min(least, float64(after.Mallocs-before.Mallocs)/calls)
			}
			t.Logf("%.3f allocations per call", least)
			if least > 0.05 {
				t.Errorf("got %.3f allocations per call", least)
			}
		})
	}
}
