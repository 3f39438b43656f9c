package gateway_test

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway"
	"portico/gateway/lane"
	"portico/test/fake"
)

// FuzzNode gives a whole node whatever bytes as one connection's. Nothing may
// panic or hang; what comes back must be answers and nothing else; and what
// reaches the upstream must be what net/http reads in the same bytes, in order.
func FuzzNode(f *testing.F) {
	const path = "/demo/orders/v1/do/echo"
	for _, s := range []string{
		"GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"\r\n\r\nGET " + path + " HTTP/1.1\r\nHost: x\r\n\r\nPOST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST " + path + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
		"POST " + path + " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
		"GET http://x" + path + "?a=b HTTP/1.1\r\nHost: X:80\r\nConnection: close, a\r\n\r\n",
		"GET " + path + " HTTP/1.0\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "\r", "HEAD / HTTP/1.1\r\n",
		"POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s), uint16(3))
		f.Add([]byte(s), uint16(60_000))
	}
	r, saw, log := fuzzed(f)
	from := addresses()
	f.Fuzz(func(t *testing.T, raw []byte, cut uint16) {
		if len(raw) > 100<<10 || bytes.Contains(bytes.ToLower(raw), []byte("upgrade")) || bytes.Contains(raw, []byte("PRI ")) {
			return // the other lane's
		}
		own := from()
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: own}}).Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(8 * time.Second))
		at := min(int(cut), len(raw))
		conn.Write(raw[:at])
		if at < len(raw) {
			time.Sleep(time.Millisecond)
		}
		conn.Write(raw[at:])
		conn.(*net.TCPConn).CloseWrite()
		text, err := io.ReadAll(conn)
		if err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("%q hangs after %q", raw, text)
		}
		for in := bufio.NewReader(bytes.NewReader(text)); ; {
			if _, err := in.Peek(1); err != nil {
				break
			}
			// The method may be HEAD, whose answer has no body to skip.
			if res, err := http.ReadResponse(in, nil); err != nil {
				if !bytes.Contains(raw, []byte("HEAD")) {
					t.Fatalf("%q is answered by %q: %v", raw, text, err)
				}
				break
			} else if res.StatusCode >= 200 {
				if _, err := io.Copy(io.Discard, res.Body); err != nil && !bytes.Contains(raw, []byte("HEAD")) {
					t.Fatalf("%q is answered by %q: %v", raw, text, err)
				}
			}
		}
		if said := log.said(); said != "" {
			t.Fatalf("%q: %s", raw, said)
		}
		var theirs []string
		for in := bufio.NewReader(bytes.NewReader(raw)); ; {
			for b, err := in.Peek(2); err == nil && string(b) == "\r\n"; b, err = in.Peek(2) {
				in.Discard(2) // RFC 9112 section 2.2; net/http does not
			}
			req, err := http.ReadRequest(in)
			if err != nil {
				break
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				break
			}
			theirs = append(theirs, req.Method+" "+string(body))
		}
		for _, got := range saw(own) {
			for len(theirs) > 0 && theirs[0] != got {
				theirs = theirs[1:] // refused by the node
			}
			if len(theirs) == 0 {
				t.Fatalf("%q: the upstream got %q, which net/http does not read there", raw, got)
			}
			theirs = theirs[1:]
		}
	})
}

// fuzzed runs a node for whoever sends it anything. saw returns method and body
// of each call from an address that has reached the upstream and was not asked
// for before.
func fuzzed(f *testing.F) (r *running, saw func(from net.IP) []string, log *panicLog) {
	type reached struct{ from, what string }
	calls := make(chan reached, 1000)
	up := fake.NewRaw(f, func(conn net.Conn, in *bufio.Reader) {
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			calls <- reached{req.Header.Get("X-Forwarded-For"), req.Method + " " + string(body)}
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	carrier := fake.NewCarrier()
	carrier.Put(demo(f, up.URL)...)
	log = &panicLog{}
	r = start(f, carrier, func(c *gateway.Config) {
		c.Log = log.logger()
		c.Times = lane.Times{Head: time.Second, Body: time.Second, Idle: time.Second}
	})
	wait(f, "ready", func() bool { return r.Status().Ready })
	return r, func(from net.IP) (those []string) {
		for len(calls) > 0 {
			if call := <-calls; call.from == from.String() {
				those = append(those, call.what)
			}
		}
		return those
	}, log
}

// addresses gives each input an address of its own: calls of the input before may
// be late.
func addresses() func() net.IP {
	var number atomic.Uint32
	return func() net.IP {
		n := number.Add(1)
		return net.IPv4(127, byte(1+n>>16&0x7f), byte(n>>8), byte(n))
	}
}

// panicLog keeps what a node logs of errors.
type panicLog struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *panicLog) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelError}))
}

// Write implements io.Writer.
func (l *panicLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *panicLog) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
