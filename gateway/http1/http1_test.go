package http1_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portico/gateway/http1"
)

func TestHeadIsReadInPlace(t *testing.T) {
	raw := []byte("POST /a/b?c=d HTTP/1.1\r\nHost: Example:80\r\nContent-Length: 12\r\nConnection: keep-alive, Close\r\nExpect: 100-Continue\r\nUpgrade: x\r\nEmpty:\r\nSpaced: \t a b \t\r\n\r\n")
	var h http1.Head
	if err := h.Parse(raw); err != nil {
		t.Fatal(err)
	}
	if h.Method != "POST" || h.Path != "/a/b" || h.Query != "c=d" || h.Host != "Example:80" || h.Length != 12 || !h.Close || !h.Expects || !h.Upgrade || h.Minor != 1 {
		t.Errorf("got %+v", h)
	}
	if h.Count != 7 || h.Fields[5].Value != "" || h.Fields[6].Value != "a b" {
		t.Errorf("got %d fields: %v", h.Count, h.Fields[:h.Count])
	}
	if n := testing.AllocsPerRun(100, func() {
		if h.Parse(raw) != nil {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}

func TestAuthorities(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "a.b-c_d:80": true, "127.0.0.1": true, "[::1]": true, "[::1]:8080": true, "A": true,
		"": false, ":80": false, "a:": false, "a:0": false, "a:65536": false, "a:8x": false, "a b": false, "a/b": false, "u@a": false,
		"[]": false, "[::1": false, "[::1]x": false, "[::1]:": false, "[a/b]": false, "a,b": false, "a:1:2": false, "a%00": false,
	} {
		if got := http1.ValidAuthority(s); got != want {
			t.Errorf("%q: got %v", s, got)
		}
	}
}

// stream reads bytes through a Conn, in pieces of the given size.
func stream(t fataler, raw []byte, piece int) (passed []byte, conn *http1.Conn) {
	t.Helper()
	conn = http1.NewConn(&pieces{raw: raw, size: piece}, "/refused-1234", http1.Times{Head: time.Hour, Body: time.Hour})
	passed, _ = io.ReadAll(conn) // how it ended is what Malformed says
	return passed, conn
}

// pieces is a connection whose bytes arrive a few at a time.
type pieces struct {
	net.Conn
	raw  []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.raw) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.raw[:min(p.size, len(p.raw))])
	p.raw = p.raw[n:]
	return n, nil
}

func (*pieces) SetReadDeadline(time.Time) error { return nil }

func TestValidBytesPassUnchangedHoweverTheyArrive(t *testing.T) {
	raw := []byte("GET /a HTTP/1.1\r\nHost: x\r\n\r\n" +
		"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe\r\nl" +
		"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n" +
		"GET /d HTTP/1.1\r\nHost: x\r\n\r\n")
	for size := 1; size <= len(raw); size++ {
		got, conn := stream(t, raw, size)
		if !bytes.Equal(got, raw) || conn.Malformed() != nil {
			t.Fatalf("in pieces of %d: got %q, %v", size, got, conn.Malformed())
		}
	}
}

func TestRefusalStandsInPlaceOfTheRequest(t *testing.T) {
	good := "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	raw := []byte(good + "GET /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + good)
	for size := 1; size <= len(raw); size++ {
		got, conn := stream(t, raw, size)
		want := good + "GET /refused-1234 HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n"
		if string(got) != want {
			t.Fatalf("in pieces of %d: got %q, want %q", size, got, want)
		}
		if conn.Refused("/a") != nil || conn.Refused("/refused-1234") == nil {
			t.Fatal("the refusal is not told from a client's own request")
		}
	}
}

// agree holds a Conn to net/http's reading of what it lets pass: as many
// requests, with the same framing, none refused.
func agree(t fataler, raw []byte) {
	t.Helper()
	passed, conn := stream(t, raw, 64<<10)
	if piecewise, other := stream(t, raw, 3); !bytes.Equal(passed, piecewise) || (other.Malformed() == nil) != (conn.Malformed() == nil) {
		t.Fatalf("%q: how it arrives changes what passes: %q, %q", raw, passed, piecewise)
	}
	in := bufio.NewReader(bytes.NewReader(passed))
	for {
		req, err := http.ReadRequest(in)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return
		}
		if err != nil {
			t.Fatalf("%q passes, and net/http refuses it: %v", passed, err)
		}
		if len(req.TransferEncoding) > 0 && req.Header.Get("Content-Length") != "" {
			t.Fatalf("%q passes with two framings", passed)
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			if conn.Malformed() == nil && isWhole(passed) {
				t.Fatalf("%q passes, and net/http refuses its body: %v", passed, err)
			}
			return
		}
	}
}

// isWhole reports whether the last body has ended. One that has not may hold
// what net/http refuses before we have seen enough of it.
func isWhole(passed []byte) bool {
	var s http1.Stream
	for len(passed) > 0 {
		if s.AtHead() {
			passed = bytes.TrimLeft(passed, "\r\n")
			end, refused := http1.EndOfHead(passed, 0)
			if end == 0 || refused != nil || s.Begin(passed[:end]) != nil {
				return true
			}
			passed = passed[end:]
		}
		n, refused := s.Body(passed)
		if refused != nil {
			return true
		}
		passed = passed[n:]
	}
	return s.AtHead()
}

func TestWhatPassesIsReadByNetHTTPAsWell(t *testing.T) {
	line := rapid.SampledFrom([]string{"GET / HTTP/1.1", "POST /a?b=%zz HTTP/1.1", "OPTIONS * HTTP/1.1", "GET http://x/a HTTP/1.1", "GET  / HTTP/1.1", "GET /%zz HTTP/1.1", "M@ / HTTP/1.1", "PUT //a HTTP/1.0", "GET http://x HTTP/1.1", "GET /\"<>^`{|}\xff HTTP/1.1"})
	field := rapid.SampledFrom([]string{"Host: x", "Host: x", "Host: X", "Content-Length: 3", "Content-Length: 3", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "X: y", " folded", "Connection: close", "Trailer: X", "X-\x80: 1", "Expect: 100-continue", "X: \x7f", "Content-Length: 03"})
	end := rapid.SampledFrom([]string{"\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n"})
	body := rapid.SampledFrom([]string{"", "abc", "3\r\nabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "0\r\n\r\n", "0\r\nA: b\r\n\r\n", "3;x\r\nabc\r\n0\r\n\r\n", "g\r\n"})
	rapid.Check(t, func(t *rapid.T) {
		var raw strings.Builder
		for range rapid.IntRange(1, 3).Draw(t, "requests") {
			raw.WriteString(line.Draw(t, "line") + end.Draw(t, "end"))
			for _, f := range rapid.SliceOfN(field, 1, 4).Draw(t, "fields") {
				raw.WriteString(f + end.Draw(t, "end"))
			}
			raw.WriteString("\r\n" + body.Draw(t, "body"))
		}
		agree(t, []byte(raw.String()))
	})
}

// fataler is what a test, a fuzz target and a property have in common.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func FuzzConn(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n000", "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n000",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { agree(t, raw) })
}

func BenchmarkParse(b *testing.B) {
	raw := []byte("GET /demo/orders/v1/orders/4711?x=y HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer portico_live_0123456789ab\r\nConnection: keep-alive\r\n\r\n")
	var h http1.Head
	b.ReportAllocs()
	for b.Loop() {
		if h.Parse(raw) != nil {
			b.Fatal("refused")
		}
	}
}
