package gateway_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway"
	"portico/gateway/lane"
	"portico/gateway/policy"
	"portico/test/fake"
)

// FuzzAnswer has an upstream say whatever bytes, and close. What the caller gets
// must be one answer and nothing behind it: the gateway's refusal, or what
// net/http reads in the same bytes, its status, header and body. Of a body that
// breaks off the caller gets a part, and that it broke off.
func FuzzAnswer(f *testing.F) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, s := range []string{
		ok + "Content-Length: 2\r\n\r\nok", ok + "Transfer-Encoding: chunked\r\nTrailer: A\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nA: b\r\n\r\n", ok + "\r\nok",
		"HTTP/1.0 404 No\nConnection: keep-alive, X-A\nX-A: 1\nX-B: 1\nX-B: 2\n\nok", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok",
		ok + "Content-Length: 2\r\n\r\nok" + ok + "Content-Length: 6\r\n\r\npoison", ok + "Content-Length: 20\r\n\r\nok", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
		ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\nETag: \"a\"\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s), uint16(3), false)
		f.Add([]byte(s), uint16(60_000), true)
	}
	type answer struct {
		raw []byte
		cut int
	}
	var says atomic.Pointer[answer]
	up := fake.NewRaw(f, func(conn net.Conn, in *bufio.Reader) {
		if _, ok := fake.ReadRequest(in); !ok {
			return
		}
		a := says.Load()
		conn.Write(a.raw[:a.cut])
		if a.cut < len(a.raw) {
			time.Sleep(time.Millisecond)
		}
		conn.Write(a.raw[a.cut:])
	})
	carrier := fake.NewCarrier()
	carrier.Put(demo(f, up.URL)...)
	log := &panicLog{}
	r := start(f, carrier, func(c *gateway.Config) {
		c.Log = log.logger()
		c.Times = lane.Times{Head: time.Second, Body: time.Second, Idle: time.Second}
	})
	wait(f, "ready", func() bool { return r.Status().Ready })
	f.Fuzz(func(t *testing.T, raw []byte, cut uint16, head bool) {
		if len(raw) > 100<<10 {
			return
		}
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		says.Store(&answer{raw, min(int(cut), len(raw))})
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(8 * time.Second))
		io.WriteString(conn, method+" /demo/orders/v1/do/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		text, err := io.ReadAll(conn)
		if err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("%q hangs after %q", raw, text)
		}
		if said := log.said(); said != "" {
			t.Fatalf("%q: %s", raw, said)
		}
		got, gotBody, behind, err := readAnswer(text, method)
		if got == nil {
			t.Fatalf("%q is answered by %q: %v", raw, text, err)
		}
		if len(behind) > 0 {
			t.Fatalf("%q is answered by %q, and then %q", raw, text, behind)
		}
		if got.Header.Get("Content-Type") == "application/problem+json" && got.StatusCode == http.StatusBadGateway {
			return // refused
		}
		want, wantBody, _, broken := readAnswer(raw, method)
		switch {
		case want == nil:
			t.Fatalf("%q: net/http reads no answer, the caller %q", raw, text)
		case got.StatusCode != want.StatusCode:
			t.Fatalf("%q: the caller gets %d, net/http %d", raw, got.StatusCode, want.StatusCode)
		case broken == nil && err == nil && gotBody != wantBody, !strings.HasPrefix(wantBody, gotBody):
			t.Fatalf("%q: the caller gets %q, net/http %q", raw, gotBody, wantBody)
		case broken != nil && err == nil:
			t.Fatalf("%q: the caller gets all of what breaks off: %q", raw, text)
		}
		a, b := endToEnd(got), endToEnd(want)
		if want.Close { // net/http forgets then what Connection names
			maps.DeleteFunc(b, func(name string, _ []string) bool { return a[name] == nil })
		}
		if !maps.EqualFunc(a, b, slices.Equal) {
			t.Fatalf("%q: the caller gets %q, net/http %q", raw, a, b)
		}
	})
}

// readAnswer reads an answer behind interim ones, and what stands behind it. The
// error is of the body where there is an answer.
func readAnswer(raw []byte, method string) (res *http.Response, body string, behind []byte, err error) {
	in := bufio.NewReader(bytes.NewReader(raw))
	for {
		if res, err = http.ReadResponse(in, &http.Request{Method: method}); err != nil {
			return nil, "", nil, err
		}
		if res.StatusCode >= 200 || res.StatusCode < 100 {
			break
		}
	}
	read, err := io.ReadAll(res.Body)
	behind, rest := io.ReadAll(in)
	return res, string(read), behind, errors.Join(err, rest)
}

// endToEnd are an answer's fields that are the upstream's and for its caller.
func endToEnd(res *http.Response) http.Header {
	h := &policy.Header{}
	for name, values := range res.Header {
		for _, v := range values {
			h.Add(name, v)
		}
	}
	policy.StripHop(h)
	out := http.Header{}
	for _, f := range h.Fields() {
		switch f.Name {
		case "Date", "X-Request-Id", "Content-Length": // the gateway's own
		default:
			out.Add(f.Name, f.Value)
		}
	}
	return out
}
