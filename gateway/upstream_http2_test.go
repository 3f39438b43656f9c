package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"portico/gateway"
	"portico/internal/entry"
	"portico/test/fake"
)

// frames is an upstream's side of a connection by h2c, where it may do what none
// should.
type frames struct {
	framer
	to *bytes.Buffer // what it says, until send
}

func (f *frames) send() error {
	_, err := f.conn.Write(f.to.Bytes())
	f.to.Reset()
	return err
}

// answers says the head of an answer, and its body where that is not "".
func (f *frames) answers(id uint32, body string, pairs ...string) {
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.head(pairs...), EndStream: body == "", EndHeaders: true})
	if body != "" {
		f.WriteData(id, true, []byte(body))
	}
}

// serveFrames starts an upstream by h2c that says exactly what serve does of each
// request, once its head is there. Of calls to …good it says "good".
func serveFrames(t *testing.T, serve func(f *frames, id uint32), settings ...http2.Setting) *fake.Raw {
	t.Helper()
	return fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
		if _, err := io.ReadFull(in, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		f := &frames{framer: framer{conn: conn}, to: &bytes.Buffer{}}
		f.Framer = http2.NewFramer(f.to, in)
		f.enc = hpack.NewEncoder(&f.text)
		f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		f.AllowIllegalWrites = true
		f.WriteSettings(settings...)
		for f.send() == nil {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					f.WriteSettingsAck()
				}
			case *http2.PingFrame:
				if !frame.IsAck() {
					f.WritePing(true, frame.Data)
				}
			case *http2.MetaHeadersFrame:
				if strings.HasSuffix(frame.PseudoValue("path"), "good") {
					f.answers(frame.StreamID, "good", ":status", "200")
				} else {
					serve(f, frame.StreamID)
				}
			}
		}
	})
}

// calledBy has the demo's upstream somewhere else, and called by a protocol.
// Answers must begin, and go on, within a second.
func calledBy(protocol, url string) func(*entry.API) {
	return func(api *entry.API) {
		u := &api.Upstreams[0]
		u.Targets, u.Protocol, u.HeaderTimeoutMS, u.IdleTimeoutMS = []entry.Target{{URL: url}}, protocol, 1000, 1000
	}
}

// TestWhateverAnUpstreamSaysByHTTP2IsAnsweredOrBreaksOff gives answers frame by
// frame. A good call must follow each bad one.
func TestWhateverAnUpstreamSaysByHTTP2IsAnsweredOrBreaksOff(t *testing.T) {
	broken := -1 // the answer began and was broken off
	cut := -2    // it has as much of the body as it said; that there was more may be told by breaking off
	status := func(pairs ...string) func(*frames, uint32) {
		return func(f *frames, id uint32) { f.answers(id, "", append([]string{":status"}, pairs...)...) }
	}
	head := func(f *frames, id uint32, pairs ...string) {
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.head(append([]string{":status"}, pairs...)...), EndHeaders: true})
	}
	huge := func(fields ...string) func(*frames, uint32) {
		return func(f *frames, id uint32) {
			block := f.head(append([]string{":status", "200"}, fields...)...)
			for first := true; first || len(block) > 0; first = false {
				n := min(len(block), 16<<10)
				if first {
					f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:n], EndHeaders: n == len(block), EndStream: true})
				} else {
					f.WriteContinuation(id, n == len(block), block[:n])
				}
				block = block[n:]
			}
		}
	}
	for _, c := range []struct {
		name       string
		says       func(f *frames, id uint32)
		status     int
		code, body string
	}{
		{"a plain answer", func(f *frames, id uint32) { f.answers(id, "ok", ":status", "200") }, 200, "", "ok"},
		{"interim answers", func(f *frames, id uint32) {
			head(f, id, "102")
			head(f, id, "103", "link", "</a>")
			f.answers(id, "ok", ":status", "200")
		}, 200, "", "ok"},
		{"more than it said", func(f *frames, id uint32) { f.answers(id, "okpoison", ":status", "200", "content-length", "2") }, cut, "", "ok"},
		{"frames of no known kind", func(f *frames, id uint32) {
			f.WriteRawFrame(0xfa, 0, id, []byte("x"))
			f.answers(id, "ok", ":status", "200")
		}, 200, "", "ok"},
		{"nothing", func(f *frames, _ uint32) { f.conn.Close() }, 502, "upstream_unreachable", ""},
		{"nothing for long", func(*frames, uint32) {}, 504, "upstream_timeout", ""},
		{"pings for long", func(f *frames, _ uint32) { f.WritePing(false, [8]byte{1}) }, 504, "upstream_timeout", ""},
		{"a reset", func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeInternal) }, 502, "upstream_unreachable", ""},
		{"a goodbye that counts no call", func(f *frames, _ uint32) { f.WriteGoAway(0, http2.ErrCodeInternal, nil); f.send(); f.conn.Close() }, 502, "upstream_unreachable", ""},
		{"HTTP/1.1", func(f *frames, _ uint32) { io.WriteString(f.to, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") }, 502, "upstream_invalid", ""},
		{"garbage", func(f *frames, _ uint32) { f.to.Write(uploaded(4 << 10)) }, 502, "upstream_invalid", ""},
		{"a frame of 16 MB", func(f *frames, _ uint32) { f.to.Write([]byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1}) }, 502, "upstream_invalid", ""},
		{"a body before a head", func(f *frames, id uint32) { f.WriteData(id, true, []byte("ok")) }, 502, "upstream_invalid", ""},
		{"no status", func(f *frames, id uint32) { f.answers(id, "", "x-a", "1") }, 502, "upstream_invalid", ""},
		{"status 099", status("099"), 502, "upstream_invalid", ""},
		{"status 600", status("600"), 502, "upstream_invalid", ""},
		{"status of four digits", status("2000"), 502, "upstream_invalid", ""},
		{"status of letters", status("2OO"), 502, "upstream_invalid", ""},
		{"status with a sign", status("+200"), 502, "upstream_invalid", ""},
		{"status with a zero before it", status("0200"), 502, "upstream_invalid", ""},
		{"another protocol", func(f *frames, id uint32) { head(f, id, "101", "x-a", "1"); f.answers(id, "ok", ":status", "200") }, 502, "upstream_invalid", ""},
		{"an end with an interim answer", status("103"), 502, "upstream_invalid", ""},
		{"a flood of interim answers", func(f *frames, id uint32) {
			for range 1000 {
				head(f, id, "102")
			}
			f.answers(id, "ok", ":status", "200")
		}, 502, "upstream_invalid", ""},
		{"a huge head", huge("x", strings.Repeat("a", 300<<10)), 502, "upstream_invalid", ""},
		{"a flood of fields", huge(strings.Split(strings.Repeat("x,a,", 2000)+"x,a", ",")...), 502, "upstream_invalid", ""},
		{"a head without an end", func(f *frames, id uint32) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.head(":status", "200")})
			for range 200 {
				f.WriteContinuation(id, false, f.head("x", strings.Repeat("a", 15<<10)))
			}
		}, 502, "upstream_invalid", ""},
		{"NUL in a value", status("200", "x-a", "a\x00"), 502, "upstream_invalid", ""},
		{"lines in a value", status("200", "x-a", "a\r\nset-cookie: b"), 502, "upstream_invalid", ""},
		{"a space in a name", status("200", "x a", "b"), 502, "upstream_invalid", ""},
		{"less than it said", func(f *frames, id uint32) { f.answers(id, "ok", ":status", "200", "content-length", "20") }, broken, "", ""},
		{"less than it said, for long", func(f *frames, id uint32) {
			head(f, id, "200", "content-length", "20")
			f.WriteData(id, false, []byte("ok"))
		}, broken, "", ""},
		{"a reset in the midst", func(f *frames, id uint32) {
			head(f, id, "200")
			f.WriteData(id, false, []byte("ok"))
			f.WriteRSTStream(id, http2.ErrCodeInternal)
		}, broken, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inEachLane(t, func(t *testing.T, lane change) {
				r := governed(t, lane, calledBy("h2c", serveFrames(t, c.says).URL))
				got := r.begin(t, do+"bad")
				switch {
				case c.status == broken && (got.err == nil || got.status != 200):
					t.Errorf("got %d %q %v, want an answer that breaks off", got.status, got.body, got.err)
				case c.status == broken, c.status == cut && got.status == 200 && got.body == c.body:
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

// TestUploadThatAnUpstreamByHTTP2DoesNotTakeIsEnded gives no room for a body, nor
// for a call, and answers pings.
func TestUploadThatAnUpstreamByHTTP2DoesNotTakeIsEnded(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		t.Parallel()
		var group sync.WaitGroup
		defer group.Wait()
		for name, settings := range map[string][]http2.Setting{
			"as much room as there is at first": nil,
			"no room":                           {{ID: http2.SettingInitialWindowSize, Val: 0}},
			"no calls":                          {{ID: http2.SettingMaxConcurrentStreams, Val: 0}},
		} {
			up := calledBy("h2c", serveFrames(t, func(*frames, uint32) {}, settings...).URL)
			r := governed(t, lane, func(api *entry.API) {
				up(api)
				api.Upstreams[0].Traffic.Concurrency.MaxRequests = 1
			})
			group.Go(func() {
				begin := time.Now()
				got := r.call(t, "POST", do+"bad", strings.Repeat("x", 200_000))
				took, code := time.Since(begin), got.code()
				if code != "upstream_timeout" && (name != "no calls" || code != "upstream_unreachable") || took > 5*time.Second {
					t.Errorf("%s: got %d %s after %v", name, got.status, got.body, took)
				}
				if got := r.call(t, "GET", do+"good", ""); got.code() == "upstream_busy" {
					t.Errorf("%s: it keeps its place", name)
				}
			})
		}
	})
}

// TestUploadsByEveryProtocolArriveAsTheyWereSent sends to upstreams that are quick to
// read, that begin late, and that take longer than they may take to answer.
func TestUploadsByEveryProtocolArriveAsTheyWereSent(t *testing.T) {
	body := uploaded(700_077)
	want := fmt.Sprintf(" %d %x <nil>", len(body), sha256.Sum256(body))
	up := newBoth(t, func(w http.ResponseWriter, r *http.Request) {
		hash, n, pause := sha256.New(), int64(0), time.Duration(0)
		switch r.Header.Get("X-Reads") {
		case "late":
			time.Sleep(300 * time.Millisecond)
		case "slowly":
			pause = 250 * time.Millisecond
		}
		var err error
		for err == nil {
			var more int64
			more, err = io.CopyN(hash, r.Body, 100_000)
			n += more
			time.Sleep(pause)
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		fmt.Fprintf(w, "%s %d %x %v", r.Proto, n, hash.Sum(nil), err)
	})
	inEachLane(t, func(t *testing.T, lane change) {
		t.Parallel()
		var group sync.WaitGroup
		defer group.Wait()
		for protocol, proto := range map[string]string{"": "HTTP/1.1", "h2c": "HTTP/2.0", "http2": "HTTP/2.0", "auto": "HTTP/2.0"} {
			r := governed(t, lane, up.calledBy(protocol))
			for _, reads := range []string{"at once", "late", "slowly"} {
				if reads == "slowly" && protocol == "" {
					continue // the sockets between would take it all
				}
				group.Go(func() {
					if got := r.call(t, "POST", do+"upload", string(body), "X-Reads: "+reads); got.body != proto+want {
						t.Errorf("%q, %s: got %d %q, want %q", protocol, reads, got.status, got.body, proto+want)
					}
				})
			}
		}
	})
}

// TestUploadByEveryProtocolThatIsAnsweredEarlyIsAnswered lets an upstream answer in
// the midst of it, and read no more. The next call must not suffer from it.
func TestUploadByEveryProtocolThatIsAnsweredEarlyIsAnswered(t *testing.T) {
	up := newBoth(t, func(w http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, 100_000)
		w.WriteHeader(http.StatusConflict)
		io.WriteString(w, "early")
	})
	for _, protocol := range []string{"", "h2c", "http2"} {
		t.Run("upstream by "+protocol, func(t *testing.T) {
			inEachLane(t, func(t *testing.T, lane change) {
				r := governed(t, lane, up.calledBy(protocol))
				for range 3 {
					req, err := http.NewRequest("POST", r.url+do+"upload", io.LimitReader(endless{}, 1_000_000))
					if err != nil {
						t.Fatal(err)
					}
					req.ContentLength = 1_000_000
					res, err := r.client.RoundTrip(req)
					if err != nil {
						t.Fatal(err)
					}
					text, err := io.ReadAll(res.Body)
					if res.Body.Close(); res.StatusCode != 409 || string(text) != "early" || err != nil {
						t.Errorf("got %d %q %v", res.StatusCode, text, err)
					}
				}
				if got := r.call(t, "GET", do+"x", ""); got.status != 409 {
					t.Errorf("the next call: got %d %s", got.status, got.body)
				}
			})
		})
	}
}

// TestAnswerThatGoesOnWhileAnUpstreamByHTTP2ReadsNoMoreIsWhole has one answer for
// longer than it may take to read what it was sent.
func TestAnswerThatGoesOnWhileAnUpstreamByHTTP2ReadsNoMoreIsWhole(t *testing.T) {
	up := newBoth(t, func(w http.ResponseWriter, r *http.Request) {
		for range 16 {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			time.Sleep(100 * time.Millisecond)
		}
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	inHTTP2(t, func(t *testing.T, lane change) { // by HTTP/1.1 net/http's client sends no more once there is an answer
		t.Parallel()
		r := governed(t, lane, up.calledBy("h2c"))
		if got := r.call(t, "POST", do+"upload", strings.Repeat("x", 500_000)); got.body != strings.Repeat("x", 16)+"500000 <nil>" {
			t.Errorf("got %d %q", got.status, got.body)
		}
	})
}

// both is an upstream by HTTP/1.1, h2c and by HTTP/2 over TLS, which takes 64 KiB of a body
// before it reads them.
type both struct {
	plain, secure string
	roots         string
	opened        atomic.Int64 // connections by TLS
	closed        atomic.Int64
	end           func() // closes them
}

func newBoth(t *testing.T, handler http.HandlerFunc) *both {
	t.Helper()
	authority := fake.NewAuthority(t, "Backends")
	server := httptest.NewUnstartedServer(handler)
	b := &both{roots: authority.PEM, end: server.CloseClientConnections}
	small := &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}
	plain := httptest.NewUnstartedServer(handler)
	plain.Config.HTTP2, plain.Config.Protocols = small, new(http.Protocols)
	plain.Config.Protocols.SetHTTP1(true)
	plain.Config.Protocols.SetUnencryptedHTTP2(true)
	plain.Config.ErrorLog = log.New(io.Discard, "", 0)
	plain.Start()
	t.Cleanup(plain.Close)
	b.plain = plain.URL
	server.EnableHTTP2, server.Config.HTTP2 = true, small
	server.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Issue(t, "orders.internal").Pair}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			b.opened.Add(1)
		case http.StateClosed:
			b.closed.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	b.secure = server.URL
	return b
}

func (b *both) calledBy(protocol string) func(*entry.API) {
	return func(api *entry.API) {
		if protocol == "h2c" || protocol == "" {
			calledBy(protocol, b.plain)(api)
			return
		}
		calledBy(protocol, b.secure)(api)
		api.Upstreams[0].TLS = &entry.UpstreamTLS{Roots: b.roots, ServerName: "orders.internal"}
	}
}

// TestFirstCallsAtOnceByHTTP2AreAllAnswered has them find out what the upstream
// speaks at the same time. They must not leave it with a connection each.
func TestFirstCallsAtOnceByHTTP2AreAllAnswered(t *testing.T) {
	for _, protocol := range []string{"http2", "auto"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			inEachLane(t, func(t *testing.T, lane change) {
				up := newBoth(t, func(w http.ResponseWriter, r *http.Request) {
					body, err := io.ReadAll(r.Body)
					fmt.Fprint(w, r.Proto, " ", len(body), err)
				})
				r := governed(t, lane, up.calledBy(protocol))
				var group sync.WaitGroup
				for i := range 24 {
					group.Go(func() {
						bytes := []int{1, 100_000}[i%2]
						if got := r.call(t, "POST", do+"x", strings.Repeat("x", bytes)); got.body != fmt.Sprint("HTTP/2.0 ", bytes, nil) {
							t.Errorf("got %d %q", got.status, got.body)
						}
					})
				}
				group.Wait()
				wait(t, "the connections that nobody needs to be closed", func() bool { return up.opened.Load()-up.closed.Load() == 1 })
			})
		})
	}
}

// TestConnectionThatNoCallNeededIsNotUsedOnceItIsClosed makes one: two first calls
// connect at the same time, and both go by the connection that is there first. Then
// the upstream closes both.
func TestConnectionThatNoCallNeededIsNotUsedOnceItIsClosed(t *testing.T) {
	first, second := make(chan struct{}), make(chan struct{})
	up := newBoth(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	var dials atomic.Int32
	r := governed(t, func(c *gateway.Config) {
		c.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			switch dials.Add(1) {
			case 1:
				<-first
			case 2:
				<-second
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}, up.calledBy("auto"))
	answers := make(chan reply, 2)
	for range 2 {
		go func() { answers <- r.call(t, "POST", do+"x", "x") }()
	}
	wait(t, "both to connect", func() bool { return dials.Load() == 2 })
	close(first)
	one := <-answers
	close(second)
	if two := <-answers; one.body != "ok" || two.body != "ok" || dials.Load() != 2 {
		t.Fatalf("got %q and %q over %d connections", one.body, two.body, dials.Load())
	}
	up.end()
	time.Sleep(50 * time.Millisecond) // the end must have arrived: what crosses it may fail a POST
	if got := r.call(t, "POST", do+"x", "x"); got.body != "ok" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// TestSlowReaderOfInterimAnswersHoldsNobodyUp has an upstream by HTTP/2 say more of
// them to a caller who reads nothing than the sockets between take, and answer
// another by the same connection. What waits has a bound.
func TestSlowReaderOfInterimAnswersHoldsNobodyUp(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		up := serveFrames(t, func(f *frames, id uint32) {
			for range 32 {
				block := f.head(":status", "103", "link", strings.Repeat("a", 240<<10))
				f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:16<<10]})
				for block = block[16<<10:]; len(block) > 0; block = block[min(len(block), 16<<10):] {
					f.WriteContinuation(id, len(block) <= 16<<10, block[:min(len(block), 16<<10)])
				}
			}
		})
		r := governed(t, lane, func(api *entry.API) {
			calledBy("h2c", up.URL)(api)
			api.Upstreams[0].HeaderTimeoutMS = 10_000 // for so long others would be held up
		})
		if got := r.begin(t, do+"good"); got.body != "good" { // it is connected
			t.Fatalf("got %+v", got)
		}
		slow := r.dial(t)
		fmt.Fprintf(slow, "GET %sbad HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", do)
		var began [1]byte
		if _, err := slow.Read(began[:]); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			begin := time.Now()
			if got := r.begin(t, do+"good"); got.body != "good" || time.Since(begin) > 8*time.Second {
				t.Fatalf("got %+v after %v", got, time.Since(begin))
			}
		}
		if n := up.Accepted(); n != 1 {
			t.Errorf("there were %d connections, want 1", n)
		}
		text, _ := io.ReadAll(slow)
		if _, answer, _ := strings.Cut(string(text), "\r\n\r\nHTTP/1.1 502 "); !strings.Contains(answer, `"code":"upstream_invalid"`) {
			t.Errorf("the slow one got %d bytes that end with %q", len(text), text[max(len(text)-300, 0):])
		}
	})
}
