package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"testing"

	"portico/gateway/http1"
)

// wire is a connection whose bytes come a few at a time.
type wire struct {
	left  []byte
	size  int
	ahead []byte
}

func (w *wire) Buffered() []byte { return w.ahead }
func (w *wire) Discard(n int)    { w.ahead = w.ahead[n:] }

func (w *wire) Fill() error {
	if len(w.left) == 0 {
		return io.EOF
	}
	n := min(w.size, len(w.left))
	w.ahead = append(slices.Clone(w.ahead), w.left[:n]...)
	w.left = w.left[n:]
	return nil
}

func (w *wire) Direct(p []byte) (int, error) {
	if len(w.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, w.left[:min(w.size, len(w.left))])
	w.left = w.left[n:]
	return n, nil
}

// decode reads a body, and what stands behind it.
func decode(raw []byte, size, buffer int, length int64, strict bool) (body, rest []byte, trailers []http1.Field, err error) {
	w := &wire{left: raw, size: size}
	var b http1.Body
	b.Begin(length, strict)
	buf := make([]byte, buffer)
	for err == nil {
		var n int
		n, err = b.Read(buf, w)
		body = append(body, buf[:n]...)
	}
	if err == io.EOF {
		err = nil
	}
	return body, append(slices.Clone(w.ahead), w.left...), b.Trailers, err
}

// FuzzBody holds the chunked reader to three others: to itself however the
// bytes come, to the stream that the full lane follows, and to net/http's. What
// is accepted must mean the same to all.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		"0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\nrest", "5;a=\"b\"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n", "1\na\n0\n\n", "1 \r\na\r\n0\r\n\r\n",
		"-1\r\n", "zz\r\n", "\r\n", "2\r\nabc\r\n", "ffffffffffffffff1\r\n", "0\r\nContent-Length: 5\r\n\r\n", "0\r\nA: b\r\n c\r\n\r\n", "1\r\na\r\n", "0x2\r\nab\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s), 3, true)
		f.Add([]byte(s), 100, false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, size int, strict bool) {
		size = 1 + (size&0x7fffffff)%64
		body, rest, trailers, err := decode(raw, size, 7, http1.Chunked, strict)
		again, restAgain, trailersAgain, errAgain := decode(raw, len(raw)+1, 4096, http1.Chunked, strict)
		if !bytes.Equal(body, again) && err == nil || (err == nil) != (errAgain == nil) || err == nil && (!bytes.Equal(rest, restAgain) || !slices.Equal(trailers, trailersAgain)) {
			t.Fatalf("%q: in pieces of %d %q %q %v, at once %q %q %v", raw, size, body, rest, err, again, restAgain, errAgain)
		}
		if strict {
			var s http1.Stream
			if refused := s.Begin([]byte("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")); refused != nil {
				t.Fatal(refused)
			}
			n, refused := s.Body(raw)
			whole := refused == nil && s.AtHead()
			if whole != (err == nil) || whole && !bytes.Equal(raw[n:], rest) {
				t.Fatalf("%q: the stream says %v after %d bytes, the reader %v before %q", raw, refused, n, err, rest)
			}
		}
		if err != nil {
			return
		}
		theirs, failed := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(raw)))
		if failed != nil || !bytes.Equal(theirs, body) {
			t.Fatalf("%q: net/http reads %q %v, we %q", raw, theirs, failed, body)
		}
	})
}

// FuzzHead holds the request's parser to net/http's: what it accepts must be
// the same request to both.
func FuzzHead(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /a?b=c HTTP/1.1\r\nHost: x:80\r\nContent-Length: 5\r\n\r\n", "GET http://x/ HTTP/1.1\r\nHost: X:80\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.0\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: [::1]:80\r\nA:\r\nB: \t c \t\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-A\r\nX-A: 1\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		end, refused := http1.EndOfHead(raw, 0)
		if refused != nil || end == 0 {
			return
		}
		var h http1.Head
		if h.Parse(raw[:end]) != nil {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			t.Fatalf("%q: net/http refuses: %v", raw[:end], err)
		}
		length := req.ContentLength
		if h.Method != req.Method || h.Target != req.RequestURI || length != h.Length || !strings.EqualFold(strings.TrimSuffix(strings.TrimSuffix(h.Host, ":80"), ":443"), strings.TrimSuffix(strings.TrimSuffix(req.Host, ":80"), ":443")) {
			t.Fatalf("%q: we read %s %q %q %d, net/http %s %q %q %d", raw[:end], h.Method, h.Target, h.Host, h.Length, req.Method, req.RequestURI, req.Host, length)
		}
		if h.Minor != req.ProtoMinor || h.Minor == 1 && h.Close != req.Close {
			t.Fatalf("%q: we read HTTP/1.%d, close %v; net/http %s, %v", raw[:end], h.Minor, h.Close, req.Proto, req.Close)
		}
		if got, want := valuesOf(h.Fields[:h.Count]), withoutFraming(req.Header); !maps.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("%q: we read %q, net/http %q", raw[:end], got, want)
		}
	})
}

// framing are the fields that net/http takes out of a header.
var framing = []string{"Host", "Transfer-Encoding", "Trailer", "Content-Length"}

// valuesOf returns the other fields in net/http's form.
func valuesOf(fields []http1.Field) http.Header {
	h := http.Header{}
	for _, f := range fields {
		h[http.CanonicalHeaderKey(f.Name)] = append(h[http.CanonicalHeaderKey(f.Name)], f.Value)
	}
	return withoutFraming(h)
}

func withoutFraming(h http.Header) http.Header {
	for _, name := range framing {
		delete(h, name)
	}
	return h
}

// FuzzAnswerHead holds the answer's parser to net/http's.
func FuzzAnswerHead(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.0 404 Not Found\nA: b\n\n", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		f.Add([]byte(s), "GET")
		f.Add([]byte(s), "HEAD")
	}
	f.Fuzz(func(t *testing.T, raw []byte, method string) {
		if method != http.MethodHead {
			method = http.MethodGet
		}
		end := http1.EndOfAnswerHead(raw, 0)
		for from := range min(end, 300) {
			if again := http1.EndOfAnswerHead(raw, from); from < end-3 && again != end {
				t.Fatalf("%q: the head ends at %d, searched from %d at %d", raw, end, from, again)
			}
		}
		if end == 0 {
			return
		}
		var a http1.AnswerHead
		if refused := a.Parse(raw[:end], method); refused != nil {
			if errors.Is(refused, io.EOF) || refused.Detail == "" {
				t.Fatal("a refusal without a reason")
			}
			return
		}
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%q: net/http refuses: %v", raw[:end], err)
		}
		if a.Status != res.StatusCode {
			t.Fatalf("%q: we read %d, net/http %d", raw[:end], a.Status, res.StatusCode)
		}
		want := res.ContentLength // -1: chunked, or until the end
		switch {
		case method == http.MethodHead, a.Status < 200, a.Status == 204, a.Status == 304:
			want = 0
		case len(res.TransferEncoding) == 0 && want < 0:
			want = http1.UntilClose
		}
		if a.Length != want {
			t.Fatalf("%q: we read a body of %d, net/http of %d", raw[:end], a.Length, want)
		}
		got, theirs := valuesOf(a.Fields), withoutFraming(res.Header)
		delete(got, "Connection") // net/http takes out one that ends it
		delete(theirs, "Connection")
		if !maps.EqualFunc(got, theirs, slices.Equal) {
			t.Fatalf("%q: we read %q, net/http %q", raw[:end], got, theirs)
		}
		if a.Status >= 100 && res.Close && !a.Close { // what is below is refused by who calls
			t.Fatalf("%q: net/http says that the connection ends", raw[:end])
		}
	})
}
