package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/websocket"

	"portico/gateway"
	"portico/test/fake"
)

const upgrade = "Host: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

// switching is an upstream that switches protocols when it is asked to, says
// hello with the answer's head, and sends back what it gets until that ends;
// then it says goodbye.
func switching(t *testing.T) *fake.Raw {
	return fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
		for {
			req, ok := fake.ReadRequest(in)
			if !ok {
				return
			}
			if !strings.EqualFold(req.Header.Get("Upgrade"), "websocket") || !strings.EqualFold(req.Header.Get("Connection"), "upgrade") || strings.HasSuffix(req.URL.Path, "plain") {
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
				continue
			}
			fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Saw: %s\r\n\r\nhello", req.Header.Get("Sec-WebSocket-Key"))
			io.Copy(conn, in)
			io.WriteString(conn, "goodbye")
			return
		}
	})
}

// connect makes a connection by HTTP/1.1, also where the node listens by TLS.
func (r *running) connect(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(r.url, "https:") {
		conn = tls.Client(conn, &tls.Config{RootCAs: r.client.TLSClientConfig.RootCAs, ServerName: "127.0.0.1", NextProtos: []string{"http/1.1"}})
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn, bufio.NewReader(conn)
}

// open switches protocols on a new connection, and sends first along.
func (r *running) open(t *testing.T, first string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, in := r.connect(t)
	fmt.Fprint(conn, "GET "+do+"ws HTTP/1.1\r\n"+upgrade+"\r\n"+first)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" || res.Header.Get("Connection") != "Upgrade" || res.Header.Get("X-Saw") == "" || res.Header.Get("X-Request-Id") == "" {
		t.Fatalf("got %d %v", res.StatusCode, res.Header)
	}
	expect(t, in, "hello"+first)
	return conn, in
}

func expect(t *testing.T, in io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(in, got); err != nil || string(got) != want {
		t.Fatalf("got %.100q %v, want %.100q", got, err, want)
	}
}

func inHTTP1AndTLS(t *testing.T, test func(*testing.T, change)) {
	inHTTP1(t, test)
	t.Run("TLS", func(t *testing.T) { test(t, func(c *gateway.Config) { c.Build = byHTTP2 }) })
}

func TestSwitchedProtocolsPassUnchanged(t *testing.T) {
	inHTTP1AndTLS(t, func(t *testing.T, lane change) {
		r := onUpstream(t, switching(t).URL, lane)
		conn, in := r.open(t, "sent with the head")
		for _, text := range []string{
			"\x81\x05Hello",                            // a text frame
			"\x01\x03Hel\x80\x02lo",                    // in fragments
			"\x89\x00\x8a\x00",                         // ping and pong
			"GET / HTTP/1.1\r\nHost: x\r\n\r\n",        // what would be a request
			"\x88\x02\x03\xe8",                         // close
			strings.Repeat("0123456789abcdef", 64<<10), // a megabyte
		} {
			go io.WriteString(conn, text)
			expect(t, in, text)
		}
		conn.(interface{ CloseWrite() error }).CloseWrite()
		expect(t, in, "goodbye")
		if b, err := in.ReadByte(); err != io.EOF {
			t.Errorf("after the end got %q %v", b, err)
		}
	})
}

func TestWebSocketClientAndServerTalk(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		up := httptest.NewServer(websocket.Handler(func(ws *websocket.Conn) {
			for {
				var m []byte
				if websocket.Message.Receive(ws, &m) != nil {
					return
				}
				if websocket.Message.Send(ws, bytes.ToUpper(m)) != nil {
					return
				}
			}
		}))
		defer up.Close()
		r := onUpstream(t, up.URL, lane)
		ws, err := websocket.Dial("ws://"+r.address+do+"ws", "", "http://"+strings.TrimPrefix(up.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer ws.Close()
		for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
			sent := strings.Repeat("a", size)
			if err := websocket.Message.Send(ws, sent); err != nil {
				t.Fatal(err)
			}
			var got string
			if err := websocket.Message.Receive(ws, &got); err != nil || got != strings.ToUpper(sent) {
				t.Fatalf("size %d: got %d bytes, %v", size, len(got), err)
			}
		}
	})
}

func TestSwitchIsAskedForOnlyByWhoMayCall(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := onUpstream(t, switching(t).URL, lane)
		conn, in := r.connect(t)
		for i, c := range []struct {
			request string
			status  int
			body    string
		}{
			{"GET /demo/orders/v1/orders HTTP/1.1\r\n" + upgrade + "\r\n", 401, `"code":"credential_missing"`},
			{"GET /nowhere HTTP/1.1\r\n" + upgrade + "\r\n", 404, `"code":"no_route"`},
			// An upstream that does not want to, a wish that is none, and HTTP/2.
			{"GET " + do + "plain HTTP/1.1\r\n" + upgrade + "\r\n", 200, "plain"},
			{"GET " + do + "ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", 200, "plain"},
			{"POST " + do + "ws HTTP/1.1\r\nContent-Length: 2\r\n" + upgrade + "\r\nab", 200, "plain"},
			{"GET " + do + "ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 200, "plain"},
			{"GET " + do + "ws HTTP/1.1\r\nHost: x\r\n\r\n", 200, "plain"},
		} {
			// The connection goes on: the next request comes with this one.
			fmt.Fprint(conn, c.request)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%d: %v", i, err)
			}
			if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != c.status || !strings.Contains(string(text), c.body) {
				t.Fatalf("%d: got %d %s %v", i, res.StatusCode, text, err)
			}
		}
	})
}

// Through a tunnel to HTTP calls would pass that nobody has matched, asked or
// counted.
func TestATunnelNeverCarriesCalls(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) { // switches to whatever is asked for
			req, ok := fake.ReadRequest(in)
			if !ok {
				return
			}
			wishes := strings.Split(req.Header.Get("Upgrade"), ",")
			if wish := strings.TrimSpace(wishes[len(wishes)-1]); wish != "" {
				fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", wish)
			} else {
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
			}
		})
		r := onUpstream(t, up.URL, lane)
		for _, wish := range []string{"h2c", "H2C", "websocket, h2c", "websocket,H2c", "x,\th2c", "websocket, HTTP/2.0", "TLS/1.0, HTTP/1.1", "h2", "h2c, h2c"} {
			conn, in := r.connect(t)
			fmt.Fprint(conn, "GET "+do+"ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: "+wish+"\r\n\r\n")
			if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != 200 {
				t.Errorf("%s: got %v %v, want 200", wish, res, err)
			}
		}
		for _, wish := range []string{"websocket", "other/2, websocket", "spdy-like"} {
			conn, in := r.connect(t)
			fmt.Fprint(conn, "GET "+do+"ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "+wish+"\r\n\r\n")
			if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != 101 {
				t.Errorf("%s: got %v %v, want 101", wish, res, err)
			}
		}
	})
}

func TestTunnelEndsWhenNothingPasses(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := onUpstream(t, switching(t).URL, lane) // which idles for a second at most
		conn, in := r.open(t, "")
		begin := time.Now()
		for time.Since(begin) < 4*time.Second { // pings keep it
			fmt.Fprint(conn, "\x89\x00")
			expect(t, in, "\x89\x00")
			time.Sleep(500 * time.Millisecond)
		}
		begin = time.Now()
		text, _ := io.ReadAll(in)
		if took := time.Since(begin); took > 8*time.Second || took < 200*time.Millisecond {
			t.Errorf("ended after %v with %q", took, text)
		}
	})
}

func TestTunnelsEndWithTheirReasonWhenTheNodeStops(t *testing.T) {
	inHTTP1AndTLS(t, func(t *testing.T, lane change) {
		r := onUpstream(t, switching(t).URL, lane)
		// The upstream's hello is no frame: its length says that 0x65 bytes follow.
		between, in1 := r.open(t, strings.Repeat("x", 0x65-3))
		within, in2 := r.open(t, "")
		defer between.Close()
		defer within.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if err := r.Drain(ctx); err == nil {
			t.Error("a drain that ended tunnels said nothing")
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("took %v", took)
		}
		if text, _ := io.ReadAll(in1); string(text) != "\x88\x02\x03\xe9" {
			t.Errorf("between two frames got %q, want one that says 1001", text)
		}
		if text, _ := io.ReadAll(in2); len(text) > 0 {
			t.Errorf("within a frame got %q, want the end", text)
		}
	})
}

func TestWhatPassesATunnelIsRecorded(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := onUpstream(t, switching(t).URL, lane, func(c *gateway.Config) { c.UsageDir = t.TempDir() })
		conn, in := r.open(t, "first")
		fmt.Fprint(conn, "second")
		expect(t, in, "second")
		conn.(interface{ CloseWrite() error }).CloseWrite()
		expect(t, in, "goodbye")
		wait(t, "its record", func() bool {
			for _, u := range r.carrier.Ledger().Usages() {
				if len(u.Calls) == 0 {
					continue
				}
				call := u.Calls[0]
				if c := u.Callers[call.Caller]; c.Status != 101 || call.BytesIn != uint64(len("firstsecond")) || call.BytesOut != uint64(len("hellofirstsecondgoodbye")) {
					t.Fatalf("got %d, %d bytes in, %d out", c.Status, call.BytesIn, call.BytesOut)
				}
				return true
			}
			return false
		})
	})
}

func TestUpstreamThatSwitchesUnaskedIsInvalid(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
			if _, ok := fake.ReadRequest(in); ok {
				fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
			}
		})
		r := onUpstream(t, up.URL, lane)
		if got := r.call(t, "GET", do+"ws", ""); got.code() != "upstream_invalid" {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}

// WebSocket over HTTP/2 (RFC 8441) is not offered: net/http can only be told to
// by GODEBUG, for a whole process, and browsers use it wherever it is offered.
// So they open a connection by HTTP/1.1, and who asks all the same is refused as
// RFC 9113 says, without harm to others on the connection.
func TestWebSocketOverHTTP2IsNotOfferedAndRefusedClearly(t *testing.T) {
	r := startDemo(t)
	f := r.framer(t)
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: f.head(
		":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/demo/orders/v1/open", ":authority", "x", "sec-websocket-version", "13")})
	offered, refused := false, http2.ErrCodeNo
	for refused == http2.ErrCodeNo {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatalf("before a refusal: %v", err)
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			_, said := frame.Value(http2.SettingEnableConnectProtocol)
			offered = offered || said
		case *http2.RSTStreamFrame:
			refused = frame.ErrCode
		case *http2.MetaHeadersFrame:
			t.Fatalf("got %v, want a refusal", frame.Fields)
		}
	}
	if offered || refused != http2.ErrCodeProtocol {
		t.Errorf("offered %v, refused with %v", offered, refused)
	}
	f.get(3, request("/demo/orders/v1/open")...)
	if status, _ := f.answer(t, 3); status != "200" {
		t.Errorf("another call on the connection: got %s", status)
	}
}
