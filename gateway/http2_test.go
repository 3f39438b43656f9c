package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"portico/gateway"
	"portico/internal/entry"
)

// framer is a client by HTTP/2 that may do what no client should.
type framer struct {
	*http2.Framer
	conn net.Conn
	text bytes.Buffer
	enc  *hpack.Encoder
	said bool // a GOAWAY has come
}

func (r *running) framer(t *testing.T) *framer {
	t.Helper()
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	conn = r.secured(conn, "h2")
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	f := &framer{Framer: http2.NewFramer(conn, conn), conn: conn}
	f.enc = hpack.NewEncoder(&f.text)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	io.WriteString(conn, http2.ClientPreface)
	f.WriteSettings()
	f.WriteWindowUpdate(0, 1<<30)
	return f
}

// secured is a connection over TLS where the node is called so, and the same where
// it is not.
func (r *running) secured(conn net.Conn, protocol string) net.Conn {
	if !strings.HasPrefix(r.url, "https:") {
		return conn
	}
	return tls.Client(conn, &tls.Config{RootCAs: r.client.TLSClientConfig.RootCAs, ServerName: "127.0.0.1", NextProtos: []string{protocol}})
}

// head encodes pairs of names and values.
func (f *framer) head(pairs ...string) []byte {
	f.text.Reset()
	for i := 0; i < len(pairs); i += 2 {
		f.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return bytes.Clone(f.text.Bytes())
}

func (f *framer) get(id uint32, pairs ...string) {
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.head(pairs...), EndStream: true, EndHeaders: true})
}

func request(path string, more ...string) []string {
	return append([]string{":method", "GET", ":scheme", "http", ":authority", "x", ":path", path}, more...)
}

// answer reads until a stream is answered or reset: then status is "".
func (f *framer) answer(t *testing.T, id uint32) (status, body string) {
	t.Helper()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatalf("stream %d: %v", id, err)
		}
		f.hear(frame)
		if frame.Header().StreamID != id {
			continue
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			status = frame.PseudoValue("status")
			if frame.StreamEnded() {
				return status, body
			}
		case *http2.DataFrame:
			if body += string(frame.Data()); frame.StreamEnded() {
				return status, body
			}
		case *http2.RSTStreamFrame:
			return "", ""
		}
	}
}

func (f *framer) hear(frame http2.Frame) {
	if _, ok := frame.(*http2.GoAwayFrame); ok {
		f.said = true
	}
}

// goodbye reads until the connection ends, and reports whether that was said.
func (f *framer) goodbye() (said bool) {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return f.said
		}
		f.hear(frame)
	}
}

// TestHTTP2IsHeldToTheRulesOfHTTP1 sends what would be refused by HTTP/1.1. A
// status of 0 is a stream that is reset, before anything of ours sees it.
func TestHTTP2IsHeldToTheRulesOfHTTP1(t *testing.T) {
	r := startDemo(t)
	open := "/demo/orders/v1/open"
	many := request(open)
	for i := range 101 {
		many = append(many, fmt.Sprintf("x-%d", i), "y")
	}
	f := r.framer(t)
	id := uint32(1)
	for _, c := range []struct {
		name   string
		pairs  []string
		status string
		code   string
	}{
		{"good", request(open, "te", "trailers"), "200", ""},
		{"equal host", request(open, "host", "X:80"), "200", ""},
		{"other host", request(open, "host", "y"), "400", "request_invalid"},
		{"two hosts", request(open, "host", "x", "host", "x"), "400", "request_invalid"},
		{"host alone", []string{":method", "GET", ":scheme", "http", ":path", open, "host", "x"}, "200", ""},
		{"no host", []string{":method", "GET", ":scheme", "http", ":path", open}, "400", "request_invalid"},
		{"bad authority", []string{":method", "GET", ":scheme", "http", ":authority", "x/y", ":path", open}, "400", "request_invalid"},
		{"authority with a user", []string{":method", "GET", ":scheme", "http", ":authority", "u@x", ":path", open}, "", ""},
		{"signed length", request(open, "content-length", "+2"), "400", "request_invalid"},
		{"two lengths", request(open, "content-length", "0", "content-length", "0"), "400", "request_invalid"},
		{"underscored length", request(open, "content_length", "2"), "400", "request_invalid"},
		{"underscored transfer-encoding", request(open, "transfer_encoding", "chunked"), "400", "request_invalid"},
		{"expectation", request(open, "expect", "magic"), "417", "request_invalid"},
		{"many fields", many, "431", "request_too_large"},
		{"large head", request(open, "x-a", strings.Repeat("a", 33<<10)), "431", "request_too_large"},
		{"encoded slash", request("/demo/orders/v1/files/a%2Fb"), "400", "request_invalid"},
		{"dot segment", request("/demo/orders/v1/files/../open"), "400", "request_invalid"},
		{"raw backslash", request("/demo\\orders"), "400", "request_invalid"},
		{"fragment", request("/a#b"), "400", "request_invalid"},
		{"absolute form", request("http://x/demo/orders/v1/open"), "400", "request_invalid"},
		{"no path", []string{":method", "GET", ":scheme", "http", ":authority", "x"}, "", ""},
		{"connect", []string{":method", "CONNECT", ":authority", "x:443"}, "400", "request_invalid"},
		{"websocket", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "x", ":path", open}, "", ""},
		{"method with a bracket", []string{":method", "G(T", ":scheme", "http", ":authority", "x", ":path", open}, "400", "request_invalid"},
		{"connection", request(open, "connection", "close"), "400", ""},
		{"upgrade", request(open, "upgrade", "websocket"), "400", ""},
		{"transfer-encoding", request(open, "transfer-encoding", "chunked"), "400", ""},
		{"te", request(open, "te", "gzip"), "400", ""},
		{"upper case", request(open, "X-A", "b"), "", ""},
		{"control in a value", request(open, "x-a", "a\x00b"), "", ""},
	} {
		f.get(id, c.pairs...)
		status, body := f.answer(t, id)
		if status != c.status || c.code != "" && !strings.Contains(body, `"code":"`+c.code+`"`) {
			t.Errorf("%s: got %q %s, want %q %s", c.name, status, body, c.status, c.code)
		}
		id += 2
	}
}

func TestStreamsResetAtOnceEndTheConnection(t *testing.T) {
	r := startDemo(t)
	f := r.framer(t)
	go func() {
		for id := uint32(1); id < 1e6; id += 2 {
			f.get(id, request(do+"slow")...)
			if f.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
				return
			}
		}
	}()
	if !f.goodbye() {
		t.Error("the connection ended without a GOAWAY")
	}
	if n := r.upstream.Calls(); n > 2000 {
		t.Errorf("%d calls reached the upstream", n)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
		t.Errorf("after it: got %d", got.status)
	}
}

// TestCallsThatTheServerHasToResetEndTheConnection makes net/http reset each
// stream, by the frames that RFC 9113 forbids, as soon as its call is under way.
func TestCallsThatTheServerHasToResetEndTheConnection(t *testing.T) {
	const most = maxResets + maxStreams + 250 // those that time gives back on a slow machine
	r := startDemo(t)
	post := []string{":method", "POST", ":scheme", "http", ":authority", "x", ":path", do + "slow", "content-length", "9"}
	for _, c := range []struct {
		name  string
		pairs []string
		wrong func(f *framer, id uint32)
	}{
		{"window grows by nothing", request(do + "slow"), func(f *framer, id uint32) { f.WriteRawFrame(http2.FrameWindowUpdate, 0, id, make([]byte, 4)) }},
		{"window overflows", request(do + "slow"), func(f *framer, id uint32) { f.WriteWindowUpdate(id, 1<<31-1) }},
		{"data behind the end", request(do + "slow"), func(f *framer, id uint32) { f.WriteData(id, true, []byte("x")) }},
		{"head behind the end", request(do + "slow"), func(f *framer, id uint32) { f.get(id, "x", "y") }},
		{"stream depends on itself", request(do + "slow"), func(f *framer, id uint32) { f.WritePriority(id, http2.PriorityParam{StreamDep: id}) }},
		{"longer than it said", post, func(f *framer, id uint32) { f.WriteData(id, false, make([]byte, 10)) }},
		{"trailers that do not end", post, func(f *framer, id uint32) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.head("x", "y"), EndHeaders: true})
		}},
		{"trailers with a path", post, func(f *framer, id uint32) { f.get(id, ":path", "/") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := r.framer(t)
			f.AllowIllegalWrites = true
			for n := 0; ; n++ {
				if n == most {
					t.Fatalf("%d streams were reset, and the connection goes on", n)
				}
				id := uint32(2*n + 1)
				f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.head(c.pairs...), EndStream: c.pairs[1] == "GET", EndHeaders: true})
				c.wrong(f, id)
				if reset, err := f.resetOf(id); err != nil || !reset {
					if n < maxResets {
						t.Fatalf("stream %d: reset %v, %v", id, reset, err)
					}
					return
				}
			}
		})
	}
	if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
		t.Errorf("after it: got %d", got.status)
	}
}

// TestStreamsBeyondTheLimitAreRefused opens as many as the node says, and one
// more; then one whose place is free again.
func TestStreamsBeyondTheLimitAreRefused(t *testing.T) {
	for _, protocol := range []string{byH2C, byHTTP2} {
		t.Run(protocol, func(t *testing.T) {
			r := startDemo(t, func(c *gateway.Config) { c.Build = protocol })
			api := demoAPI(r.upstream.URL)
			api.Upstreams[0].HeaderTimeoutMS = 15_000
			r.carrier.Put(item(t, 2, api), entry.Mark(entry.HeadKey, at(2)))
			wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
			f := r.framer(t)
			frame, err := f.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			settings, ok := frame.(*http2.SettingsFrame)
			if !ok {
				t.Fatalf("got %v first, want settings", frame)
			}
			if n, _ := settings.Value(http2.SettingMaxConcurrentStreams); n != maxStreams {
				t.Fatalf("got %d streams offered, want %d", n, maxStreams)
			}
			f.WriteSettingsAck()
			for n := range uint32(maxStreams) {
				f.get(2*n+1, request(do+"slow")...)
			}
			wait(t, "all of them to arrive", func() bool { return r.upstream.Calls() == maxStreams })
			beyond := uint32(2*maxStreams + 1)
			f.get(beyond, request(do+"slow")...)
			if reset, err := f.resetOf(beyond); err != nil || !reset {
				t.Fatalf("one more: got reset %v, %v", reset, err)
			}
			f.WriteRSTStream(1, http2.ErrCodeCancel)
			f.get(beyond+2, request("/demo/orders/v1/open")...)
			if status, body := f.answer(t, beyond+2); status != "200" {
				t.Errorf("in a place that is free again: got %q %s", status, body)
			}
			if n := r.upstream.Calls(); n != maxStreams+1 {
				t.Errorf("%d calls arrived, want %d", n, maxStreams+1)
			}
		})
	}
}

// What a connection by HTTP/2 may do.
const (
	maxStreams = 250
	maxResets  = 500
)

// resetOf reads until a stream is reset, or the connection says goodbye.
func (f *framer) resetOf(id uint32) (bool, error) {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return false, err
		}
		switch frame := frame.(type) {
		case *http2.GoAwayFrame:
			return false, nil
		case *http2.RSTStreamFrame:
			if frame.StreamID == id {
				return true, nil
			}
		}
	}
}

func TestResetsOfWhoReadsItsAnswersAreFree(t *testing.T) {
	r := startDemo(t)
	f := r.framer(t)
	for id := uint32(1); id < 4000; id += 4 {
		f.get(id, request("/nowhere")...)
		if status, _ := f.answer(t, id); status != "404" {
			t.Fatalf("stream %d: got %q", id, status)
		}
		f.get(id+2, request("/nowhere")...)
		f.WriteRSTStream(id+2, http2.ErrCodeCancel)
	}
}

func TestFloodsEndTheConnection(t *testing.T) {
	r := startDemo(t)
	for name, flood := range map[string]func(*framer) error{
		"pings":      func(f *framer) error { return f.WritePing(false, [8]byte{}) },
		"settings":   func(f *framer) error { return f.WriteSettings() },
		"priorities": func(f *framer) error { return f.WritePriority(1, http2.PriorityParam{StreamDep: 3}) },
		"pieces of a head": func(f *framer) error {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.head(request("/")...), EndStream: true})
			for {
				if err := f.WriteContinuation(1, false, nil); err != nil {
					return err
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := r.framer(t)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for flood(f) == nil {
				}
			}()
			f.goodbye()
			select {
			case <-ended:
			case <-time.After(5 * time.Second):
				t.Error("the connection goes on")
			}
		})
	}
}

// TestHeadThatDoesNotEndIsCutOff sends the beginning of a head after the preface,
// and with it: then net/http has not settled the connection's deadlines yet.
func TestHeadThatDoesNotEndIsCutOff(t *testing.T) {
	r := startDemo(t)
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	var together bytes.Buffer
	together.WriteString(http2.ClientPreface)
	both := http2.NewFramer(&together, conn)
	both.WriteSettings()
	first := r.framer(t)
	head := http2.HeadersFrameParam{StreamID: 1, BlockFragment: first.head(request("/")...), EndStream: true}
	both.WriteHeaders(head)
	if _, err := conn.Write(together.Bytes()); err != nil {
		t.Fatal(err)
	}
	first.WriteHeaders(head)
	begin := time.Now()
	first.goodbye()
	(&framer{Framer: both}).goodbye()
	if took := time.Since(begin); took > 6*time.Second {
		t.Errorf("cut off after %v", took)
	}
}

func TestSlowBodyByHTTP2IsCutOff(t *testing.T) {
	r := startDemo(t)
	f := r.framer(t)
	head := f.head(":method", "POST", ":scheme", "http", ":authority", "x", ":path", do+"upload", "content-length", "100")
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head, EndHeaders: true})
	f.WriteData(1, false, []byte("ab"))
	begin := time.Now()
	status, body := f.answer(t, 1)
	if took := time.Since(begin); took > 8*time.Second || status != "400" {
		t.Errorf("got %q %s after %v", status, body, took)
	}
	f.get(3, request("/demo/orders/v1/open")...)
	if status, _ := f.answer(t, 3); status != "200" {
		t.Errorf("beside it: got %q", status)
	}
}

func TestClientThatTakesNothingByHTTP2IsCutOff(t *testing.T) {
	r := startDemo(t, func(c *gateway.Config) { c.Times.Write = time.Second })
	f := r.framer(t)
	f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	f.get(1, request("/demo/orders/v1/open")...)
	begin := time.Now()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if _, reset := frame.(*http2.RSTStreamFrame); reset {
			break
		}
	}
	if took := time.Since(begin); took > 6*time.Second {
		t.Errorf("cut off after %v", took)
	}
}

func TestDrainSaysGoodbyeByHTTP2(t *testing.T) {
	r := startDemo(t)
	f := r.framer(t)
	f.get(1, request(do+"sse")...)
	wait(t, "the call", func() bool { return r.upstream.Calls() == 1 })
	drained := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		drained <- r.Drain(ctx)
	}()
	for said := false; !said; {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		_, said = frame.(*http2.GoAwayFrame)
	}
	go func() {
		for range 3 {
			r.upstream.Release()
		}
	}()
	if _, body := f.answer(t, 1); !strings.HasSuffix(body, "data: 2\n\n") {
		t.Errorf("the stream under way ended with %q", body)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestStreamsEndWithTheDrainsDeadline(t *testing.T) {
	r := startDemo(t)
	f := r.framer(t)
	f.get(1, request(do+"sse")...)
	wait(t, "the call", func() bool { return r.upstream.Calls() == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := r.Drain(ctx); err == nil {
		t.Error("a drain that gave a stream up said nothing")
	}
	if n := scrape(t, r.Collector())["requests_in_flight"]; n != 0 {
		t.Errorf("%v calls go on after the drain", n)
	}
	if !f.goodbye() {
		t.Error("the connection ended without a GOAWAY")
	}
}

func TestEarlyHintsPassInEveryProtocol(t *testing.T) {
	for _, to := range []string{"", "h2c"} {
		t.Run("upstream by "+to, func(t *testing.T) {
			inEachLane(t, func(t *testing.T, lane change) {
				up := serveH2C(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Link", "</style.css>; rel=preload")
					w.WriteHeader(http.StatusEarlyHints)
					w.WriteHeader(http.StatusEarlyHints)
					w.Header().Del("Link")
					io.WriteString(w, "done")
				})
				r := onProtocol(t, up, to, lane)
				hints := 0
				ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
					Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
						if code == 103 && h.Get("Link") != "" {
							hints++
						}
						return nil
					},
				})
				req, _ := http.NewRequestWithContext(ctx, "GET", r.url+do+"x", nil)
				res, err := r.client.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if text, err := io.ReadAll(res.Body); hints != 2 || string(text) != "done" || res.Header.Get("Link") != "" || err != nil {
					t.Errorf("got %d hints, %q %v %v", hints, text, res.Header, err)
				}
			})
		})
	}
}

// serveH2C starts an upstream by HTTP/1.1 and h2c.
func serveH2C(t *testing.T, handler http.HandlerFunc) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String()
}

// onProtocol runs a node whose API is at an upstream that is called by a
// protocol.
func onProtocol(t *testing.T, url, protocol string, changes ...change) *running {
	t.Helper()
	r := startDemo(t, changes...)
	api := demoAPI(url)
	api.Upstreams[0].Protocol = protocol
	api.Upstreams[0].HeaderTimeoutMS, api.Upstreams[0].IdleTimeoutMS = 1000, 5000
	r.carrier.Put(item(t, 2, api), entry.Mark(entry.HeadKey, at(2)))
	wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
	return r
}
