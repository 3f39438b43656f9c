package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
)

const do = "/demo/orders/v1/do/"

func TestBadUpstreamsAreTold(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		for _, c := range []struct {
			behaviour string
			status    int
			code      string
		}{
			{"reset", 502, "upstream_unreachable"},
			{"garbage", 502, "upstream_invalid"},
			{"status099", 502, "upstream_invalid"},
			{"slow", 504, "upstream_timeout"},
		} {
			t.Run(c.behaviour, func(t *testing.T) {
				got := r.call(t, "GET", do+c.behaviour, "")
				if got.status != c.status || got.code() != c.code {
					t.Errorf("got %d %s, want %d %s", got.status, got.body, c.status, c.code)
				}
				if host := strings.TrimPrefix(r.upstream.URL, "http://"); strings.Contains(got.body, host) {
					t.Errorf("the answer names the upstream: %s", got.body)
				}
			})
		}
		wait(t, "the slow call to be given up", func() bool { return r.upstream.Cancelled("slow") == 1 })
	})
}

func TestRefusingUpstreamIs502(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		closed, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := closed.Addr().String()
		closed.Close()
		r := startDemo(t, lane)
		r.carrier.Put(item(t, 2, demoAPI("http://"+address)), entry.Mark(entry.HeadKey, at(2)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
		if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.code() != "upstream_unreachable" || strings.Contains(got.body, address) {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}

func TestBlackHoleIs504WithinConnectTimeout(t *testing.T) {
	for name, dial := range map[string]func(context.Context) error{
		"by the call's clock":   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"by the socket's clock": func(context.Context) error { return &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded} },
	} {
		t.Run(name, func(t *testing.T) {
			inEachLaneAtOnce(t, func(t *testing.T, lane change) {
				r := startDemo(t, lane, func(c *gateway.Config) {
					c.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, dial(ctx) }
				})
				begin := time.Now()
				got := r.call(t, "GET", "/demo/orders/v1/open", "")
				if got.code() != "upstream_timeout" || got.status != 504 || time.Since(begin) > 5*time.Second {
					t.Errorf("got %d %s after %v", got.status, got.body, time.Since(begin))
				}
			})
		})
	}
}

func TestAnswerThatBreaksOffIsNotWhole(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		res, err := r.get(do + "cut")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if text, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("got %q and no error", text)
		}
	})
}

func TestEventsArriveAsTheyAreSent(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		res, err := r.get(do + "sse")
		for range 3 { // the head must be there before the first event
			if err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(res.Body)
			for i := range 3 {
				r.upstream.Release()
				if line, err := in.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
					t.Fatalf("got %q %v", line, err)
				}
				if _, err := in.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			res.Body.Close()
			res, err = r.get(do + "sse")
		}
		res.Body.Close()
	})
}

// TestAnswerMayPause has an upstream send nothing for longer than a client may take
// over a write: a client that takes all there is is not slow.
func TestAnswerMayPause(t *testing.T) {
	inEachLaneAtOnce(t, func(t *testing.T, lane change) {
		up := serveH2C(t, func(w http.ResponseWriter, _ *http.Request) {
			for i := range 3 {
				if i > 0 {
					time.Sleep(1200 * time.Millisecond)
				}
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
			}
		})
		r := onProtocol(t, up, "", lane, func(c *gateway.Config) { c.Times.Write = 300 * time.Millisecond })
		got := r.call(t, "GET", do+"events", "")
		if got.body != "data: 0\n\ndata: 1\n\ndata: 2\n\n" {
			t.Errorf("got %q", got.body)
		}
	})
}

// TestSilentClientMayBeAnswered has a client that talks with its upstream send
// nothing for longer than it may pause before an answer: no longer than the answer
// itself may pause.
func TestSilentClientMayBeAnswered(t *testing.T) {
	up := serveH2C(t, func(w http.ResponseWriter, r *http.Request) {
		both := http.NewResponseController(w)
		both.EnableFullDuplex()
		both.Flush()
		for in := bufio.NewReader(r.Body); ; both.Flush() {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(w, strings.ToUpper(line))
		}
	})
	inEachLaneAtOnce(t, func(t *testing.T, lane change) {
		for _, protocol := range []string{"http1", "h2c"} {
			t.Run("upstream by "+protocol, func(t *testing.T) {
				t.Parallel()
				r := governed(t, func(c *gateway.Config) { lane(c); c.Times.Body = 300 * time.Millisecond }, func(api *entry.API) {
					calledBy(protocol, up)(api)
					api.Upstreams[0].IdleTimeoutMS = 2500
				})
				body, client := io.Pipe()
				defer client.Close()
				req, _ := http.NewRequest("POST", r.url+do+"talk", body)
				res, err := r.client.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				in := bufio.NewReader(res.Body)
				for i, text := range []string{"one\n", "two\n"} {
					if i > 0 {
						time.Sleep(1200 * time.Millisecond)
					}
					go io.WriteString(client, text)
					if line, err := in.ReadString('\n'); err != nil || line != strings.ToUpper(text) {
						t.Fatalf("got %q %v, want the answer to %q", line, err, text)
					}
				}
				began := time.Now()
				if _, err := in.ReadString('\n'); err == nil || time.Since(began) > 10*time.Second {
					t.Errorf("ended with %v after %v", err, time.Since(began))
				}
			})
		}
	})
}

func TestLargeBodiesPass(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		res, err := r.get(do + "big?n=50000000")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if n, err := io.Copy(io.Discard, res.Body); n != 50_000_000 || err != nil {
			t.Errorf("got %d bytes down, %v", n, err)
		}
		got := r.call(t, "POST", do+"upload", strings.Repeat("x", 1<<20))
		if got.body != "1048576 <nil>" {
			t.Errorf("got %d %q up", got.status, got.body)
		}
	})
}

func TestBodyBeyondTheLimitIsRefused(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		if got := r.call(t, "POST", do+"upload", strings.Repeat("x", 1<<20+1)); got.code() != "request_too_large" || got.status != 413 {
			t.Errorf("with a length: got %d %s", got.status, got.body)
		}
		req, _ := http.NewRequest("POST", r.url+do+"upload", io.LimitReader(endless{}, 3<<20))
		res, err := r.client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if text, _ := io.ReadAll(res.Body); res.StatusCode != 413 {
			t.Errorf("chunked: got %d %s", res.StatusCode, text)
		}
	})
}

func TestCallsAfterARefusedBodyAreAnswered(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		for i := range 100 {
			if got := r.call(t, "POST", "/demo/orders/v1/orders", "{}"); got.status != 401 {
				t.Fatalf("call %d: got %d %s", i, got.status, got.body)
			}
		}
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestUpstreamThatAnswersEarlyDoesNotHang(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		env := environment()
		env.MaxBodyBytes = 1 << 30
		r.carrier.Put(item(t, 2, env), entry.Mark(entry.HeadKey, at(2)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(conn, "POST %searly HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n", do)
		go func() {
			chunk := make([]byte, 32<<10)
			for {
				if _, err := conn.Write(chunk); err != nil {
					return
				}
			}
		}()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(res.Body); res.StatusCode != 413 || string(text) != "enoug" {
			t.Errorf("got %d %q %v", res.StatusCode, text, err)
		}
	})
}

func TestClientThatLeavesCancelsTheUpstream(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "GET", r.url+do+"slow", nil)
		done := make(chan error, 1)
		go func() {
			_, err := r.client.RoundTrip(req)
			done <- err
		}()
		wait(t, "the call to arrive", func() bool { return r.upstream.Calls() == 1 })
		cancel()
		<-done
		begin := time.Now()
		wait(t, "the upstream to be cancelled", func() bool { return r.upstream.Cancelled("slow") == 1 })
		if took := time.Since(begin); took > time.Second {
			t.Errorf("took %v, as long as a timeout", took)
		}
	})
}

func TestTrailersPassBothWays(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		req, _ := http.NewRequest("POST", r.url+do+"trailers", io.MultiReader(strings.NewReader("hello")))
		req.Trailer = http.Header{"X-Sum": {"5"}}
		res, err := r.client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || string(text) != "hello" || res.Trailer.Get("X-Sum") != "5" {
			t.Errorf("got %q, trailers %v, %v", text, res.Trailer, err)
		}
	})
}

func TestContinueIsAskedForOnlyWhenTheBodyIsWanted(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		ask := func(path, key string) (string, *bufio.Reader, net.Conn) {
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", path, key)
			in := bufio.NewReader(conn)
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(line), in, conn
		}
		line, _, conn := ask("/demo/orders/v1/orders", "wrong")
		conn.Close()
		if line != "HTTP/1.1 401 Unauthorized" {
			t.Errorf("with a bad key: got %q", line)
		}
		line, in, conn := ask("/demo/orders/v1/orders", goodKey)
		defer conn.Close()
		if line != "HTTP/1.1 100 Continue" {
			t.Fatalf("with a good key: got %q", line)
		}
		fmt.Fprint(conn, "hello")
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("got %v %v", res, err)
		}
		if text, _ := io.ReadAll(res.Body); !strings.Contains(string(text), `"body":"hello"`) {
			t.Errorf("got %s", text)
		}
	})
}

func TestHeadersAreRebuilt(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		agent, scheme := "Go-http-client/1.1", "http"
		// What HTTP/2 does not know at all is refused there: TestHTTP2IsHeldToTheRulesOfHTTP1.
		hop := []string{"Connection: X-Hop, X-Forwarded-Host", "X-Hop: 1", "Keep-Alive: 1", "Te: gzip"}
		if r.http2 {
			agent, hop = "Go-http-client/2.0", []string{"Te: trailers"}
		}
		if strings.HasPrefix(r.url, "https:") {
			scheme = "https"
		}
		echo := r.call(t, "GET", "/demo/orders/v1/open", "", append(hop,
			"Host: API.Example.com:8080", "Forwarded: for=1.2.3.4", "X-Forwarded-For: 1.2.3.4", "X_Forwarded_For: 1.2.3.4",
			"X-Real-IP: 1.2.3.4", "X-Portico-Caller: root", "X-Request-Id: mine", "X-Forwarded-Proto: gopher", "X_Forwarded_Proto: gopher", "X-Forwarded-Host: evil", "X_Real_IP: 1.2.3.4",
			"Proxy-Authorization: secret", "X_Portico_Caller: root", "X-Kept: yes")...).echo(t)
		for name, want := range map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "X-Forwarded-Host": "API.Example.com:8080", "X-Forwarded-Proto": scheme,
			"Forwarded": `for=127.0.0.1;host="API.Example.com:8080";proto=` + scheme, "X-Kept": "yes",
			"X_forwarded_for": "", "X_forwarded_proto": "", "X_real_ip": "", "X_portico_caller": "", "X-Portico-Caller": "", "X-Hop": "", "Keep-Alive": "", "Proxy-Authorization": "", "Te": "", "User-Agent": agent,
		} {
			if got := strings.Join(echo.Header[name], "|"); got != want {
				t.Errorf("the upstream saw %s: %q, want %q", name, got, want)
			}
		}
		if id := echo.Header["X-Request-Id"]; len(id) != 1 || len(id[0]) != 32 {
			t.Errorf("the upstream saw X-Request-Id %q", id)
		}
		if want := strings.TrimPrefix(r.upstream.URL, "http://"); echo.Host != want {
			t.Errorf("the upstream saw Host %q, want %q", echo.Host, want)
		}
		got := r.call(t, "GET", "/demo/orders/v1/open", "")
		if got.header.Get("X-Secret-Hop") != "" || got.header.Get("Keep-Alive") != "" {
			t.Errorf("hop-by-hop headers of the upstream reached the caller: %v", got.header)
		}
	})
}

func TestTrustedProxyIsBelieved(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		env := environment()
		env.TrustedProxies = []string{"127.0.0.0/8", "10.0.0.0/8"}
		r.carrier.Put(item(t, 2, env), entry.Mark(entry.HeadKey, at(2)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
		echo := r.call(t, "GET", "/demo/orders/v1/open", "",
			"X-Forwarded-For: 6.6.6.6, 203.0.113.9", "X-Forwarded-For: 10.1.1.1", "X-Request-Id: from-proxy", "X-Forwarded-Proto: https").echo(t)
		for name, want := range map[string]string{
			"X-Real-Ip": "203.0.113.9", "X-Forwarded-For": "203.0.113.9, 127.0.0.1", "X-Request-Id": "from-proxy", "X-Forwarded-Proto": "https",
		} {
			if got := strings.Join(echo.Header[name], "|"); got != want {
				t.Errorf("the upstream saw %s: %q, want %q", name, got, want)
			}
		}
	})
}

func TestStaleConnectionIsRetriedForGetOnly(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		// An upstream that serves one request per connection and says it keeps it.
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
						fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					}
				}()
			}
		}()
		r := startDemo(t, lane)
		r.carrier.Put(item(t, 2, demoAPI("http://"+l.Addr().String())), entry.Mark(entry.HeadKey, at(2)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
		for i := range 200 {
			if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
				t.Fatalf("call %d: got %d %s", i, got.status, got.body)
			}
		}
	})
}
