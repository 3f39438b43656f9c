package upstream

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// TestTLSDecidesByWhichProtocolAnUpstreamIsCalled takes each protocol to an
// upstream that offers HTTP/2 and to one that does not. It stands here for the
// roots of its certificates.
func TestTLSDecidesByWhichProtocolAnUpstreamIsCalled(t *testing.T) {
	serve := func(http2 bool) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s", r.Proto, body)
		}))
		s.EnableHTTP2 = http2
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	both, old := serve(true), serve(false)
	roots := x509.NewCertPool()
	roots.AddCert(both.Certificate())
	roots.AddCert(old.Certificate())
	dialled := 0
	set := NewSet(func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled++
		return new(net.Dialer).DialContext(ctx, network, address)
	}, Timeouts{Connect: 5 * time.Second, Header: 5 * time.Second, Idle: 5 * time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go set.Run(ctx)
	defer set.Close()
	for i, c := range []struct{ protocol, url, want string }{
		{"", both.URL, "HTTP/1.1 x"},
		{"http1", both.URL, "HTTP/1.1 x"},
		{"http2", both.URL, "HTTP/2.0 x"},
		{"auto", both.URL, "HTTP/2.0 x"},
		{"auto", old.URL, "HTTP/1.1 x"},
		{"http2", old.URL, "upstream_unreachable"},
	} {
		t.Run(c.protocol+" to "+c.want, func(t *testing.T) {
			u := set.Upstreams(entry.API{Version: fmt.Sprint(i), Upstreams: []entry.Upstream{
				{Name: "main", Protocol: c.protocol, Targets: []entry.Target{{URL: c.url}}, Traffic: entry.Traffic{Retry: entry.Retry{Off: true}}},
			}})["main"]
			for _, e := range u.all() {
				e.tls.RootCAs = roots
			}
			dialled = 0
			for range 3 {
				ex := &policy.Exchange{Method: "POST", UpstreamPath: "/x", Authority: "x", Body: policy.NewBody(strings.NewReader("x")), BodyLength: 1}
				err := u.Call(context.Background(), ex)
				if denied := (*policy.Denied)(nil); errors.As(err, &denied) && denied.Code == c.want {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(ex.Answer.Body)
				if ex.Answer.Body.Close(); err != nil || string(text) != c.want {
					t.Errorf("got %q %v, want %q", text, err, c.want)
				}
			}
			if dialled != 1 && !strings.HasPrefix(c.want, "upstream") {
				t.Errorf("connected %d times for three calls", dialled)
			}
		})
	}
}

// TestConnectionThatNobodyTakesIsClosed has a call go away once it has found out
// what the upstream speaks, and another whose upstream is gone by then.
func TestConnectionThatNobodyTakesIsClosed(t *testing.T) {
	var opened, closed atomic.Int32
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.EnableHTTP2 = true
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			closed.Add(1)
		}
	}
	s.StartTLS()
	defer s.Close()
	set := NewSet(new(net.Dialer).DialContext, Timeouts{Connect: 5 * time.Second, Header: 5 * time.Second, Idle: 5 * time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go set.Run(ctx)
	defer set.Close()
	u := set.Upstreams(entry.API{Version: "1", Upstreams: []entry.Upstream{{Name: "main", Protocol: "auto", Targets: []entry.Target{{URL: s.URL}}}}})["main"]
	e := u.all()[0]
	e.tls.RootCAs = x509.NewCertPool()
	e.tls.RootCAs.AddCert(s.Certificate())
	for i, before := range []func(){func() {}, func() { set.Drop("1") }} {
		before()
		if _, err := e.dial(ctx, 5*time.Second); !errors.Is(err, errSpeaksHTTP2) {
			t.Fatalf("got %v", err)
		}
		deadline := time.Now().Add(10 * time.Second)
		for n := int32(i + 1); opened.Load() != n || closed.Load() != n; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("of %d connections %d are closed", opened.Load(), closed.Load())
			}
		}
		e.far.speaks.Store(false)
	}
}

// TestUploadGoesToAnotherConnectionWhereNothingWasRead: net/http asks for the body
// again when the connection it had in mind takes no more calls, and a part that
// was read is gone.
func TestUploadGoesToAnotherConnectionWhereNothingWasRead(t *testing.T) {
	body := new(policy.Body)
	body.Reset(strings.NewReader("one two"))
	up := &farUpload{body: body, conn: newConn(stream{cancel: func() {}}, nil), now: new(atomic.Int64)}
	for range 2 {
		if again, err := up.again(); again != up || err != nil {
			t.Fatalf("got %v, %v, want the body that nobody has read", again, err)
		}
	}
	if n, err := up.Read(make([]byte, 3)); n != 3 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	if again, err := up.again(); again != nil || !errors.Is(err, errBegun) {
		t.Errorf("got %v, %v once a part is gone", again, err)
	}
}

// TestUploadThatIsNotReadHoldsOtherCallsUpForATimeOnly has an upstream grant it all
// the room there is, read no more, and go on with another call's answer: to read
// that is to write by the same connection. The time is a twentieth of what it is.
func TestUploadThatIsNotReadHoldsOtherCallsUpForATimeOnly(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.(*net.TCPConn).SetReadBuffer(64 << 10)
		if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		f := http2.NewFramer(c, c)
		err = errors.Join(f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}), f.WriteWindowUpdate(0, 1<<30))
		for begun := 0; begun < 2 && err == nil; {
			var frame http2.Frame
			if frame, err = f.ReadFrame(); err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					err = f.WriteSettingsAck()
				}
			case *http2.HeadersFrame:
				if begun++; begun == 1 {
					var head bytes.Buffer
					_ = hpack.NewEncoder(&head).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
					err = f.WriteHeaders(http2.HeadersFrameParam{StreamID: frame.StreamID, BlockFragment: head.Bytes(), EndHeaders: true})
				}
			}
		}
		for err == nil && t.Context().Err() == nil {
			err = f.WriteData(1, false, make([]byte, 8<<10))
			time.Sleep(50 * time.Millisecond)
		}
	}()
	set := NewSet(new(net.Dialer).DialContext, Timeouts{Connect: 5 * time.Second, Header: time.Second, Idle: time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go set.Run(ctx)
	defer set.Close()
	u := set.Upstreams(entry.API{Version: "1", Upstreams: []entry.Upstream{{Name: "main", Protocol: "h2c", Targets: []entry.Target{{URL: "http://" + l.Addr().String()}}}}})["main"]
	u.all()[0].far.transport.HTTP2.WriteByteTimeout /= 20
	read := &policy.Exchange{Method: "GET", UpstreamPath: "/x", Authority: "x"}
	if err := u.Call(ctx, read); err != nil {
		t.Fatal(err)
	}
	defer read.Answer.Body.Close()
	go func() {
		const bytes = 64 << 20
		sent := &policy.Exchange{Method: "POST", UpstreamPath: "/x", Authority: "x", Body: policy.NewBody(strings.NewReader(strings.Repeat("x", bytes))), BodyLength: bytes}
		if u.Call(ctx, sent) == nil {
			sent.Answer.Body.Close()
		}
	}()
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, read.Answer.Body)
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the answer was whole, but it has no end")
		}
	case <-time.After(5 * time.Second):
		t.Error("the answer is still waited for")
	}
}
