package gateway_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/test/fake"
)

var soakTime = flag.Duration("soak", 3*time.Second, "how long TestEachAnswerBelongsToItsRequest takes, over both lanes")

// TestEachAnswerBelongsToItsRequest lets clients and an upstream do all at once
// what they may, and some of what they may not: lengths and chunks, pipelines,
// pauses, early answers, 100 Continue, ends at any moment, tiny buffers. Every
// answer that arrives must carry the number of its request, in a header and all
// over its body, and every request that arrives upstream in path, header and
// body alike.
func TestEachAnswerBelongsToItsRequest(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		s := &soak{}
		up := fake.NewRaw(t, s.serve)
		r := onUpstream(t, up.URL, lane)
		const enough = 100 // answers, however slow the machine is
		until := time.Now().Add(*soakTime / 2)
		over := func() bool {
			now := time.Now()
			return now.After(until) && (s.right.Load() >= enough || now.After(until.Add(time.Minute)))
		}
		var clients sync.WaitGroup
		for seed := range 12 {
			clients.Go(func() {
				c := &soakClient{soak: s, address: r.address, random: rand.New(rand.NewPCG(uint64(seed), 4711))}
				for !over() {
					c.session()
				}
			})
		}
		clients.Wait()
		for _, wrong := range s.wrong {
			t.Error(wrong)
		}
		if s.right.Load() < enough {
			t.Errorf("only %d answers came", s.right.Load())
		}
		wait(t, "all calls to be over", func() bool { return scrape(t, r.Collector())["requests_in_flight"] == 0 })
	})
}

// soak notes what was wrong on either side.
type soak struct {
	number atomic.Uint64
	right  atomic.Int64
	mu     sync.Mutex
	wrong  []string // guarded by mu
}

func (s *soak) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrong) < 10 {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// pattern is a body that says everywhere whose it is.
func pattern(id string, n int) []byte {
	return bytes.Repeat([]byte("<"+id+">"), n/(len(id)+2)+1)[:n]
}

// isPattern reports whether a body, or what has come of it, is all of one id.
func isPattern(body []byte, id string) bool { return bytes.Equal(body, pattern(id, len(body))) }

// dice takes a length: mostly small, at times beyond every buffer.
func dice(r *rand.Rand) int {
	return []int{0, 1, 100, 1000, 9000, 70_000, 300_000}[min(r.IntN(9), 6)]
}

func chunked(r *rand.Rand, body []byte, trailer string) []byte {
	var b []byte
	for len(body) > 0 {
		n := min(1+r.IntN(1+len(body)), len(body))
		b = append(fmt.Appendf(b, "%x\r\n", n), body[:n]...)
		b = append(b, '\r', '\n')
		body = body[n:]
	}
	return append(append(append(b, "0\r\n"...), trailer...), '\r', '\n')
}

// inPieces writes with pauses now and then.
func inPieces(r *rand.Rand, to io.Writer, b []byte) error {
	for len(b) > 0 {
		n := len(b)
		if r.IntN(4) == 0 {
			n = 1 + r.IntN(len(b))
			time.Sleep(time.Duration(r.IntN(500)) * time.Microsecond)
		}
		if _, err := to.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// serve is the upstream's side of one connection.
func (s *soak) serve(conn net.Conn, in *bufio.Reader) {
	random := rand.New(rand.NewPCG(s.number.Add(1), 1))
	if random.IntN(3) == 0 {
		conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		conn.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		id := req.Header.Get("X-Id")
		if !strings.HasSuffix(req.URL.Path, "/"+id) || id == "" {
			s.fail("the upstream got %s with the number %q", req.URL, id)
		}
		early := random.IntN(8) == 0
		if req.Header.Get("Expect") != "" && !early {
			io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		if !early {
			body, err := io.ReadAll(req.Body)
			if !isPattern(body, id) {
				s.fail("the upstream got for %s %.60q", id, body)
			}
			if err != nil {
				return
			}
		}
		if random.IntN(30) == 0 {
			return
		}
		answer, last := answerTo(random, req, id)
		if random.IntN(40) == 0 {
			answer, last = answer[:random.IntN(len(answer))], true
		}
		if inPieces(random, conn, answer) != nil || last {
			return
		}
		if early {
			io.CopyN(io.Discard, in, int64(random.IntN(100_000)))
			return
		}
		if random.IntN(20) == 0 {
			return
		}
	}
}

// answerTo makes an answer; last says that its connection must end.
func answerTo(random *rand.Rand, req *http.Request, id string) (answer []byte, last bool) {
	var b []byte
	if random.IntN(10) == 0 {
		b = append(b, "HTTP/1.1 103 Early Hints\r\nX-Id: "+id+"\r\n\r\n"...)
	}
	body := pattern(id, dice(random))
	status := []string{"200 OK", "200 OK", "200 OK", "404 Not Found", "204 No Content", "304 Not Modified"}[random.IntN(6)]
	b = fmt.Appendf(b, "HTTP/1.1 %s\r\nX-Id: %s\r\nX-Pad: %s\r\n", status, id, bytes.Repeat([]byte("p"), random.IntN(2000)))
	bare := req.Method == http.MethodHead || status[0] == '3' || status[:3] == "204"
	switch kind := random.IntN(4); {
	case bare:
		return append(b, "\r\n"...), false
	case kind == 0:
		b = append(b, "Transfer-Encoding: chunked\r\n\r\n"...)
		return append(b, chunked(random, body, "X-Trailer: "+id+"\r\n")...), false
	case kind == 1:
		return append(append(b, "Connection: close\r\n\r\n"...), body...), true
	}
	return append(fmt.Appendf(b, "Content-Length: %d\r\n\r\n", len(body)), body...), false
}

// soakClient is one client with a connection at a time.
type soakClient struct {
	*soak
	address string
	random  *rand.Rand
}

// session makes some calls over one connection.
func (c *soakClient) session() {
	nc, err := net.Dial("tcp", c.address)
	if err != nil {
		c.fail("%v", err)
		return
	}
	defer nc.Close()
	conn := nc.(*net.TCPConn)
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if c.random.IntN(3) == 0 {
		conn.SetReadBuffer(4 << 10)
		conn.SetWriteBuffer(4 << 10)
	}
	var calls []*http.Request // pipelined
	var out []byte
	for range 1 + c.random.IntN(6) {
		id := "n" + strconv.FormatUint(c.number.Add(1), 10)
		req, raw := c.request(id)
		calls, out = append(calls, req), append(out, raw...)
	}
	end := c.random.IntN(10)
	if end == 0 {
		out = out[:c.random.IntN(len(out))]
	}
	sent := make(chan struct{})
	writes := rand.New(rand.NewPCG(c.random.Uint64(), 2))
	go func() {
		defer close(sent)
		if inPieces(writes, conn, out) == nil && end == 0 {
			conn.CloseWrite()
		}
	}()
	in := bufio.NewReader(conn)
	for _, req := range calls {
		if !c.read(in, req) || end == 1 {
			break
		}
	}
	conn.Close()
	<-sent
}

// read reads one answer and reports whether the connection goes on.
func (c *soakClient) read(in *bufio.Reader, req *http.Request) bool {
	id := req.Header.Get("X-Id")
	for {
		res, err := http.ReadResponse(in, req)
		if err != nil {
			if strings.Contains(err.Error(), "malformed") {
				c.fail("the answer to %s is none: %v", id, err)
			}
			if strings.Contains(err.Error(), "i/o timeout") {
				c.fail("no answer to %s", id)
			}
			return false
		}
		if got := res.Header.Get("X-Id"); got != id && (got != "" || res.StatusCode < 400 && res.StatusCode != 100) {
			c.fail("%s got the answer to %q, %d", id, got, res.StatusCode)
		}
		if res.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(res.Body)
		if res.Header.Get("X-Id") != "" && !isPattern(body, id) {
			c.fail("%s got the body %.60q", id, body)
		}
		if got := res.Trailer.Get("X-Trailer"); got != "" && got != id {
			c.fail("%s got the trailer of %s", id, got)
		}
		if err != nil {
			return false
		}
		c.right.Add(1)
		return !res.Close
	}
}

func (c *soakClient) request(id string) (*http.Request, []byte) {
	method := []string{"GET", "GET", "HEAD", "POST", "POST", "POST"}[c.random.IntN(6)]
	b := fmt.Appendf(nil, "%s %s%s HTTP/1.1\r\nHost: x\r\nX-Id: %s\r\n", method, do, id, id)
	if method == "POST" {
		body := pattern(id, dice(c.random))
		if c.random.IntN(6) == 0 {
			b = append(b, "Expect: 100-continue\r\n"...)
		}
		if c.random.IntN(2) == 0 {
			b = append(b, "Transfer-Encoding: chunked\r\n\r\n"...)
			b = append(b, chunked(c.random, body, "X-Trailer: "+id+"\r\n")...)
		} else {
			b = append(fmt.Appendf(b, "Content-Length: %d\r\n\r\n", len(body)), body...)
		}
	} else {
		b = append(b, "\r\n"...)
	}
	return &http.Request{Method: method, Header: http.Header{"X-Id": {id}}}, b
}
