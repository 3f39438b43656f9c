package upstream

import (
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
