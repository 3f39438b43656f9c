package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"portico/gateway"
	"portico/gateway/lane"
	"portico/internal/entry"
	"portico/test/fake"
)

// onUpstream starts the demo with an upstream of the test's own. An answer's
// head must come within a second.
func onUpstream(t *testing.T, url string, changes ...change) *running {
	t.Helper()
	r := startDemo(t, changes...)
	api := demoAPI(url)
	api.Upstreams[0].HeaderTimeoutMS = 1000
	api.Upstreams[0].IdleTimeoutMS = 1000
	r.carrier.Put(item(t, 2, api), entry.Mark(entry.HeadKey, at(2)))
	wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
	return r
}

// TestWhateverAnUpstreamSaysIsAnsweredOrBreaksOff gives answers byte for byte.
// Each connection is then kept open, so that nothing but the answer itself says
// where it ends; a good call must follow each bad one.
func TestWhateverAnUpstreamSaysIsAnsweredOrBreaksOff(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	broken := -1 // the answer began and was broken off
	for _, c := range []struct {
		name, says string
		closes     bool
		status     int
		code, body string
	}{
		{"a plain answer", ok + "Content-Length: 2\r\n\r\nok", false, 200, "", "ok"},
		{"lines that end with LF alone", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", false, 200, "", "ok"},
		{"no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", false, 200, "", "ok"},
		{"HTTP/1.0 until the end", "HTTP/1.0 200 OK\r\n\r\nok", true, 200, "", "ok"},
		{"HTTP/1.1 until the end", ok + "\r\nok", true, 200, "", "ok"},
		{"chunks", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n", false, 200, "", "ok"},
		{"padded chunks", ok + "Transfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0 \r\n\r\n", false, 200, "", "ok"},
		{"two equal lengths", ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", false, 200, "", "ok"},
		{"interim answers", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok", false, 200, "", "ok"},
		{"a body where there is none", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", false, 204, "", ""},
		{"more than it said", ok + "Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", false, 200, "", "ok"},
		{"more after the last chunk", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", false, 200, "", "ok"},
		{"nothing", "", true, 502, "upstream_unreachable", ""},
		{"nothing for long", "", false, 504, "upstream_timeout", ""},
		{"half a head", ok + "Content-", true, 502, "upstream_unreachable", ""},
		{"half a head for long", ok + "Content-", false, 504, "upstream_timeout", ""},
		{"another protocol", "SSH-2.0-nothing\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"HTTP/2", "HTTP/2 200 OK\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"status 099", "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"status 600", "HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"status of letters", "HTTP/1.1 2OO OK\r\nContent-Length: 0\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"another protocol that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"a flood of interim answers", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 1000) + ok + "\r\n", false, 502, "upstream_invalid", ""},
		{"a head without an end", ok + "X: " + strings.Repeat("a", 300<<10) + "\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"a flood of fields", ok + strings.Repeat("X: a\r\n", 2000) + "\r\n", false, 502, "upstream_invalid", ""},
		{"length and chunks", ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"two lengths", ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", false, 502, "upstream_invalid", ""},
		{"a list of lengths", ok + "Content-Length: 2, 2\r\n\r\nok", false, 502, "upstream_invalid", ""},
		{"a negative length", ok + "Content-Length: -2\r\n\r\nok", false, 502, "upstream_invalid", ""},
		{"chunks by HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true, 502, "upstream_invalid", ""},
		{"another transfer coding", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"a folded field", ok + "X-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"a field without a colon", ok + "X-A\r\nContent-Length: 0\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"a space before the colon", ok + "Content-Length : 0\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"NUL in a value", ok + "X-A: \x00\r\nContent-Length: 0\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"CR in a value", ok + "X-A: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n", false, 502, "upstream_invalid", ""},
		{"less than it said", ok + "Content-Length: 20\r\n\r\nok", true, broken, "", ""},
		{"less than it said, for long", ok + "Content-Length: 20\r\n\r\nok", false, broken, "", ""},
		{"chunks without an end", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", true, broken, "", ""},
		{"chunks that end with LF alone", ok + "Transfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n", false, broken, "", ""},
		{"half a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n8\r\nok", true, broken, "", ""},
		{"no chunk", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n", false, broken, "", ""},
		{"a chunk longer than it said", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n", false, broken, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inEachLane(t, func(t *testing.T, lane change) {
				up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
					for {
						req, ok := fake.ReadRequest(in)
						if !ok {
							return
						}
						if strings.HasSuffix(req.URL.Path, "good") {
							fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
							continue
						}
						if _, err := io.WriteString(conn, c.says); err != nil || c.closes {
							return
						}
					}
				})
				r := onUpstream(t, up.URL, lane)
				got := r.begin(t, do+"bad")
				switch {
				case c.status == broken && (got.err == nil || got.status != 200):
					t.Errorf("got %d %q %v, want an answer that breaks off", got.status, got.body, got.err)
				case c.status == broken:
				case got.err != nil || got.status != c.status || c.code != "" && !strings.Contains(got.body, `"code":"`+c.code+`"`) || c.code == "" && got.body != c.body:
					t.Errorf("got %d %q %v, want %d %s%s", got.status, got.body, got.err, c.status, c.code, c.body)
				}
				for range 2 {
					if got := r.begin(t, do+"good"); got.status != 200 || got.body != "good" {
						t.Errorf("after it: got %d %q %v", got.status, got.body, got.err)
					}
				}
			})
		})
	}
}

type begun struct {
	status int
	body   string
	err    error // of the body
}

// begin makes a call whose answer may break off.
func (r *running) begin(t *testing.T, path string) begun {
	t.Helper()
	res, err := r.get(path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return begun{res.StatusCode, string(text), err}
}

func TestAnswerThatDripsIsPassedOnWhole(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
			if _, ok := fake.ReadRequest(in); !ok {
				return
			}
			for _, b := range []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n") {
				conn.Write([]byte{b})
				time.Sleep(time.Millisecond)
			}
		})
		r := onUpstream(t, up.URL, lane)
		if got := r.begin(t, do+"x"); got.status != 200 || got.body != "hello world" || got.err != nil {
			t.Errorf("got %+v", got)
		}
	})
}

func TestEarlyHintsReachTheCaller(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
			if _, ok := fake.ReadRequest(in); ok {
				fmt.Fprint(conn, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nConnection: close\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		})
		r := onUpstream(t, up.URL, lane)
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintf(conn, "GET %sx HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", do)
		text, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n") {
			t.Errorf("got %q %v", text, err)
		}
	})
}

// TestConnectionThatTheUpstreamClosedIsNotUsed lets an upstream end its side of
// each connection after one answer: by closing it, or by saying no more while
// it goes on reading.
func TestConnectionThatTheUpstreamClosedIsNotUsed(t *testing.T) {
	for name, end := range map[string]func(*net.TCPConn){
		"closed":      func(c *net.TCPConn) { c.Close() },
		"reset":       func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"half closed": func(c *net.TCPConn) { c.CloseWrite(); io.Copy(io.Discard, c) },
	} {
		t.Run(name, func(t *testing.T) {
			inEachLane(t, func(t *testing.T, lane change) {
				up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
					if _, ok := fake.ReadRequest(in); ok {
						fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
						end(conn.(*net.TCPConn))
					}
				})
				r := onUpstream(t, up.URL, lane)
				for i := range 6 {
					method := []string{"GET", "POST"}[i%2]
					if got := r.call(t, method, do+"x", "body"[:4*(i%2)]); got.status != 200 {
						t.Errorf("%s, call %d: got %d %s", method, i, got.status, got.body)
					}
					time.Sleep(5 * time.Millisecond) // the end must have arrived: what crosses it may fail a POST
				}
			})
		})
	}
}

func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	inHTTP1(t, func(t *testing.T, chosen change) {
		given := make(chan struct{})
		up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
			if _, ok := fake.ReadRequest(in); !ok {
				return
			}
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
			for piece := make([]byte, 64<<10); ; {
				if _, err := conn.Write(piece); err != nil {
					close(given)
					return
				}
			}
		})
		r := onUpstream(t, up.URL, chosen, func(c *gateway.Config) { c.Times = lane.Times{Write: 500 * time.Millisecond} })
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %sx HTTP/1.1\r\nHost: x\r\n\r\n", do)
		select {
		case <-given:
		case <-time.After(10 * time.Second):
			t.Fatal("the upstream still sends to a client that does not read")
		}
	})
}

// exhausted is a listener that cannot accept at first.
type exhausted struct {
	net.Listener
	left int
}

func (l *exhausted) Accept() (net.Conn, error) {
	if l.left--; l.left >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestDescriptorsRunOutAndComeBack(t *testing.T) {
	carrier := fake.NewCarrier()
	up := fake.NewUpstream(t)
	carrier.Put(demo(t, up.URL)...)
	node, err := gateway.New(gateway.Config{
		Node: uuid(1), Name: "node-1", Environment: "production", Carrier: carrier,
		DialContext: new(net.Dialer).DialContext, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx, &exhausted{l, 4}) }()
	wait(t, "ready", func() bool { return node.Status().Ready })
	res, err := http.Get("http://" + l.Addr().String() + "/demo/orders/v1/open")
	if err != nil || res.StatusCode != 200 {
		t.Errorf("got %v %v", res, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestEarlyAnswerAndContinueDoNotMix lets an upstream ask for a body and answer
// in the same breath.
func TestEarlyAnswerAndContinueDoNotMix(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
			if _, err := http.ReadRequest(in); err == nil {
				fmt.Fprint(conn, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				io.Copy(io.Discard, in)
			}
		})
		r := onUpstream(t, up.URL, lane)
		for begin := time.Now(); time.Since(begin) < time.Second; {
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			fmt.Fprintf(conn, "POST %sx HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n", do)
			text, err := io.ReadAll(conn)
			conn.Close()
			answer := strings.TrimPrefix(string(text), "HTTP/1.1 100 Continue\r\n\r\n")
			if err != nil || !strings.HasPrefix(answer, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(answer, "\r\n\r\nok") || strings.Contains(answer, "100 Continue") {
				t.Fatalf("got %q %v", text, err)
			}
		}
	})
}

// TestBodyThatNobodyMayReadIsNoAnswerToTheNextCall has an upstream send one after
// the head of an answer that has none, in the form of an answer. Where it does not,
// its connection goes on.
func TestBodyThatNobodyMayReadIsNoAnswerToTheNextCall(t *testing.T) {
	const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	for name, c := range map[string]struct{ method, head, body string }{
		"HEAD":             {"HEAD", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(poison)), poison},
		"HEAD without one": {"HEAD", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(poison)), ""},
		"204":              {"GET", "HTTP/1.1 204 No Content\r\n\r\n", poison},
		"304":              {"GET", "HTTP/1.1 304 Not Modified\r\n\r\n", poison},
		"304 without one":  {"GET", "HTTP/1.1 304 Not Modified\r\n\r\n", ""},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " by TLS: ", secure), func(t *testing.T) {
				t.Parallel()
				u := newAfterwards(t, secure, c.head, c.body)
				r := governed(t, noLane, func(api *entry.API) {
					api.Upstreams[0].Targets[0].URL = u.url
					if secure {
						api.Upstreams[0].TLS = &entry.UpstreamTLS{Unverified: true}
					}
				})
				for range 20 {
					if got := r.call(t, c.method, "/demo/orders/v1/do/it", ""); got.body != "" {
						t.Fatalf("got %d %q", got.status, got.body)
					}
					u.headRead <- struct{}{}
					<-u.sent
					if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 || got.body != "good" {
						t.Fatalf("the next call got %d %q", got.status, got.body)
					}
				}
				if n := u.connections.Load(); c.body == "" && n != 1 {
					t.Errorf("there were %d connections, want 1", n)
				}
			})
		}
	}
}

// afterwards is an upstream that sends something once the head of its answer was
// read. At /open its answers are good.
type afterwards struct {
	url            string
	headRead, sent chan struct{}
	connections    atomic.Int64
}

func newAfterwards(t *testing.T, secure bool, head, body string) *afterwards {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &afterwards{url: "http://" + listener.Addr().String(), headRead: make(chan struct{}), sent: make(chan struct{})}
	if secure {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{fake.NewAuthority(t, "Backends").Issue(t, "x").Pair}})
		u.url = "https://" + listener.Addr().String()
	}
	t.Cleanup(func() { _ = listener.Close() })
	serve := func(conn net.Conn) {
		defer conn.Close()
		in := bufio.NewReader(conn)
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if req.URL.Path == "/open" {
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
				continue
			}
			io.WriteString(conn, head)
			<-u.headRead
			io.WriteString(conn, body)
			u.sent <- struct{}{}
		}
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			u.connections.Add(1)
			go serve(conn)
		}
	}()
	return u
}
