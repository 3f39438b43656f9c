package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"portico/gateway"
	"portico/internal/entry"
	"portico/test/fake"
)

// dial connects to the node, for five seconds.
func (r *running) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	return conn.(*net.TCPConn)
}

const plainGet = "GET " + do + "x HTTP/1.1\r\nHost: x\r\n\r\n"

// TestEmptyLinesInPiecesAreIgnored sends the empty line that may stand before a
// request one byte at a time.
func TestEmptyLinesInPiecesAreIgnored(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		conn := r.dial(t)
		in := bufio.NewReader(conn)
		for range 2 {
			for _, piece := range []string{"\r", "\n", "\r", "\nGET /demo/orders/v1/open HTTP/1.1\r\nHost: x\r\n\r\n"} {
				io.WriteString(conn, piece)
				time.Sleep(20 * time.Millisecond)
			}
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.StatusCode != 200 {
				t.Fatalf("got %v %v", res, err)
			}
			io.Copy(io.Discard, res.Body)
		}
	})
}

// TestClientThatSendsNoMoreIsLetGo half-closes with the request, as nc -N does:
// the answer comes, and then the end.
func TestClientThatSendsNoMoreIsLetGo(t *testing.T) {
	r := startDemo(t)
	for range 20 {
		conn := r.dial(t)
		io.WriteString(conn, "GET /demo/orders/v1/open HTTP/1.1\r\nHost: x\r\n\r\n")
		conn.CloseWrite()
		if text, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 200 OK\r\n") {
			t.Fatalf("got %q %v", text, err)
		}
	}
}

// TestClientThatSendsNoMoreMayWait does the same where the upstream takes a
// while, at many moments of a second: no watchman takes it for one that is gone.
func TestClientThatSendsNoMoreMayWait(t *testing.T) {
	up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err == nil {
			time.Sleep(150 * time.Millisecond)
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	r := onUpstream(t, up.URL)
	var calls sync.WaitGroup
	for range 15 {
		conn := r.dial(t)
		calls.Go(func() {
			io.WriteString(conn, plainGet)
			conn.CloseWrite()
			if text, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 200 OK\r\n") {
				t.Errorf("got %q %v", text, err)
			}
		})
		time.Sleep(80 * time.Millisecond)
	}
	calls.Wait()
}

// TestClientThatEndsInTheMiddleOfAHeadIsLetGo does so as well.
func TestClientThatEndsInTheMiddleOfAHeadIsLetGo(t *testing.T) {
	r := startDemo(t, func(c *gateway.Config) { c.Times.Head = time.Minute })
	for range 20 {
		conn := r.dial(t)
		io.WriteString(conn, "GET /demo/ord")
		conn.CloseWrite()
		if _, err := io.ReadAll(conn); err != nil {
			t.Fatal(err)
		}
	}
}

// TestContinueAndEarlyLongAnswer lets an upstream ask for a body and answer in
// the same breath, at length: the answer must be whole.
func TestContinueAndEarlyLongAnswer(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		long := strings.Repeat("0123456789abcdef", 20<<10)
		up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
			if _, err := http.ReadRequest(in); err == nil {
				fmt.Fprintf(conn, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long[:1000])
				time.Sleep(30 * time.Millisecond)
				io.WriteString(conn, long[1000:])
				io.Copy(io.Discard, in)
			}
		})
		r := onUpstream(t, up.URL, lane)
		for range 5 {
			conn := r.dial(t)
			fmt.Fprintf(conn, "POST %sx HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n", do)
			text, err := io.ReadAll(conn)
			if err != nil || !bytes.HasSuffix(text, []byte(long)) {
				t.Fatalf("got %d bytes %.200q %v", len(text), text, err)
			}
		}
	})
}

// TestBytesThatNobodyAskedForAnswerNobody lets an upstream send a body where
// there is none, some time after the head. It must not be the answer to the
// next call.
func TestBytesThatNobodyAskedForAnswerNobody(t *testing.T) {
	const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	for _, c := range []struct{ method, head string }{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	} {
		t.Run(c.method, func(t *testing.T) {
			inHTTP1(t, func(t *testing.T, lane change) {
				up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
					for {
						req, ok := fake.ReadRequest(in)
						if !ok {
							return
						}
						if strings.HasSuffix(req.URL.Path, "good") {
							io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
							continue
						}
						io.WriteString(conn, c.head)
						time.Sleep(10 * time.Millisecond)
						io.WriteString(conn, poison)
					}
				})
				r := onUpstream(t, up.URL, lane)
				for range 3 {
					conn := r.dial(t)
					fmt.Fprintf(conn, "%s %sbad HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", c.method, do)
					io.ReadAll(conn)
					time.Sleep(150 * time.Millisecond)
					if got := r.begin(t, do+"good"); got.status != 200 || got.body != "good" {
						t.Errorf("got %d %q %v", got.status, got.body, got.err)
					}
				}
			})
		})
	}
}

// TestInterimAnswersAreForTheirOwnConnection holds RFC 9110 sections 7.6.1 and 8.6:
// neither a length goes on, nor what concerns the upstream's connection alone.
func TestInterimAnswersAreForTheirOwnConnection(t *testing.T) {
	old := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
		if _, ok := fake.ReadRequest(in); ok {
			io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\nConnection: x-own\r\nX-Own: 1\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	far := serveFrames(t, func(f *frames, id uint32) {
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.head(":status", "103", "content-length", "7", "connection", "x-own", "x-own", "1", "link", "</a>"), EndHeaders: true})
		f.answers(id, "ok", ":status", "200")
	})
	for protocol, url := range map[string]string{"http1": old.URL, "h2c": far.URL} {
		t.Run(protocol, func(t *testing.T) {
			inHTTP1(t, func(t *testing.T, lane change) {
				r := governed(t, lane, calledBy(protocol, url))
				conn := r.dial(t)
				fmt.Fprintf(conn, "GET %sx HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", do)
				text, err := io.ReadAll(conn)
				if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n") {
					t.Errorf("got %q %v", text, err)
				}
			})
		})
	}
}

// TestFloodOfConnectionOptionsIsRefused sends a header that names thousands of
// others, each of which would be looked for.
func TestFloodOfConnectionOptionsIsRefused(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		answer, closed := r.raw(t, "GET /demo/orders/v1/open HTTP/1.1\r\nHost: x\r\nConnection: "+strings.Repeat("a,", 10_000)+"\r\n\r\n")
		if answer == nil || answer.StatusCode != 431 || !closed {
			t.Errorf("got %v, closed %v", answer, closed)
		}
	})
}

// TestTrailersForOneConnectionGoNoFurther sends such trailers.
func TestTrailersForOneConnectionGoNoFurther(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		saw := make(chan string, 1)
		up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
			var all bytes.Buffer
			for !bytes.Contains(all.Bytes(), []byte("\r\n0\r\n")) || !bytes.HasSuffix(all.Bytes(), []byte("\r\n\r\n")) {
				b, err := in.ReadByte()
				if err != nil {
					return
				}
				all.WriteByte(b)
			}
			saw <- all.String()
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		})
		r := onUpstream(t, up.URL, lane)
		answer, _ := r.raw(t, "POST "+do+"x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\nConnection: close\r\n\r\n2\r\nab\r\n0\r\nX-T: 1\r\nProxy-Authorization: Basic eA==\r\nTE: trailers\r\n\r\n")
		if answer == nil || answer.StatusCode != 200 {
			t.Fatalf("got %v", answer)
		}
		if text := <-saw; !strings.Contains(text, "X-T: 1\r\n") || strings.Contains(text, "Proxy-Authorization") || strings.Contains(text, "TE:") {
			t.Errorf("the upstream got %q", text)
		}
	})
}

// TestSlowBodyIsNotHeldAgainstTheUpstream lets clients take longer to send a
// body than all tries may take together.
func TestSlowBodyIsNotHeldAgainstTheUpstream(t *testing.T) {
	up := newBoth(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		time.Sleep(150 * time.Millisecond)
		io.WriteString(w, "ok")
	})
	inHTTP1(t, func(t *testing.T, lane change) {
		t.Parallel()
		var group sync.WaitGroup
		defer group.Wait()
		for _, protocol := range []string{"", "h2c", "auto"} {
			r := governed(t, lane, func(api *entry.API) {
				up.calledBy(protocol)(api)
				api.Upstreams[0].Traffic = entry.Traffic{TotalTimeoutMS: 400}
			})
			for name, length := range map[string]int{"whole": 100, "streamed": 20_000} {
				conn := r.dial(t)
				group.Go(func() {
					fmt.Fprintf(conn, "POST %secho HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", do, length)
					io.WriteString(conn, strings.Repeat("a", length-1))
					time.Sleep(600 * time.Millisecond)
					io.WriteString(conn, "a")
					if text, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 200 ") {
						t.Errorf("%s by %q: got %.200q %v", name, protocol, text, err)
					}
				})
			}
		}
	})
}

// TestAnswerBeforeADrainIsNotLost goes on sending after a drain has begun: the
// last answer must arrive rather than a reset.
func TestAnswerBeforeADrainIsNotLost(t *testing.T) {
	inEachLaneAtOnce(t, func(t *testing.T, lane change) {
		asked, answer := make(chan struct{}, 1), make(chan struct{})
		up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
			if _, ok := fake.ReadRequest(in); ok {
				asked <- struct{}{}
				<-answer
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		})
		r := onUpstream(t, up.URL, lane)
		send, last := r.sender(t)
		send()
		select {
		case <-asked:
		case <-time.After(10 * time.Second):
			got, err := last()
			t.Fatalf("the upstream got no call: %q %v", got, err)
		}
		over := make(chan error, 1)
		go func() { over <- r.stop() }()
		time.Sleep(50 * time.Millisecond)
		close(answer)
		time.Sleep(50 * time.Millisecond)
		for range 5 { // it does not know yet
			send()
			time.Sleep(10 * time.Millisecond)
		}
		if got, err := last(); err != nil || got != "200 ok" {
			t.Errorf("got %q %v", got, err)
		}
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

// sender is a client that sends a request whenever it is told to. last reads
// its first answer, and then to the connection's end, which it closes.
func (r *running) sender(t *testing.T) (send func(), last func() (string, error)) {
	t.Helper()
	if r.http2 {
		f, id := r.framer(t), uint32(1)
		send = func() {
			f.get(id, request(do+"x")...)
			id += 2
		}
		return send, func() (string, error) {
			defer f.conn.Close()
			status, body := f.answer(t, 1)
			if !f.goodbye() {
				return "", errors.New("the connection ended without a GOAWAY")
			}
			return status + " " + body, nil
		}
	}
	conn := r.dial(t)
	return func() { io.WriteString(conn, plainGet) }, func() (string, error) {
		defer conn.Close()
		in := bufio.NewReader(conn)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return "", err
		}
		more, err := io.ReadAll(in)
		return fmt.Sprint(res.StatusCode, " ", string(body), string(more)), err
	}
}

// panics is a dialler that does.
func panics(count *atomic.Int32) change {
	return func(c *gateway.Config) {
		dial := c.DialContext
		c.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if count.Add(-1) >= 0 {
				panic("on purpose")
			}
			return dial(ctx, network, address)
		}
	}
}

// TestCallThatPanicsLeavesNothingBehind makes calls panic where there is room
// for two at once: a third must find it, and all must be counted.
func TestCallThatPanicsLeavesNothingBehind(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		var left atomic.Int32
		r := startDemo(t, lane, panics(&left))
		api := demoAPI(r.upstream.URL)
		api.Upstreams[0].Traffic = entry.Traffic{Concurrency: entry.Concurrency{MaxRequests: 2}}
		r.carrier.Put(item(t, 2, api), entry.Mark(entry.HeadKey, at(2)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
		left.Store(3)
		for range 3 {
			conn := r.dial(t)
			io.WriteString(conn, plainGet)
			if text, _ := io.ReadAll(conn); len(text) > 0 {
				t.Errorf("got %q", text)
			}
		}
		if got := r.call(t, "GET", do+"echo", ""); got.status != 200 {
			t.Errorf("got %d %s", got.status, got.body)
		}
		wait(t, "all calls to be over", func() bool { return scrape(t, r.Collector())["requests_in_flight"] == 0 })
	})
}
