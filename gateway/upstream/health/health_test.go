package health_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"portico/gateway/upstream/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var dial = (&net.Dialer{}).DialContext

func at(s *httptest.Server) health.Target {
	t := health.Target{Address: s.Listener.Addr().String(), Host: s.Listener.Addr().String()}
	if s.TLS != nil {
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		t.TLS, t.Host = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "example.com"}, "example.com"
	}
	return t
}

func serve(t *testing.T, secure bool, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetHTTP2(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.EnableHTTP2 = true
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

var ok = [][2]int{{200, 299}}

func TestHTTPAnswersAreJudged(t *testing.T) {
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/well":
			_, _ = io.WriteString(w, `{"status":"pass"}`)
		case "/sick":
			w.WriteHeader(503)
		case "/moved":
			http.Redirect(w, r, "/well", http.StatusFound)
		case "/slow":
			<-r.Context().Done()
		case "/asked":
			if r.Method != "HEAD" || r.URL.RawQuery != "deep=1" || r.Host == "" {
				w.WriteHeader(400)
			}
		}
	})
	for name, c := range map[string]struct {
		check health.Check
		want  string
	}{
		"well":             {health.Check{Method: "GET", Path: "/well", Statuses: ok}, ""},
		"body":             {health.Check{Method: "GET", Path: "/well", Statuses: ok, Body: `"pass"`}, ""},
		"other body":       {health.Check{Method: "GET", Path: "/well", Statuses: ok, Body: `"fail"`}, "does not hold"},
		"sick":             {health.Check{Method: "GET", Path: "/sick", Statuses: ok}, "status 503"},
		"sick is expected": {health.Check{Method: "GET", Path: "/sick", Statuses: [][2]int{{200, 204}, {503, 503}}}, ""},
		"redirect":         {health.Check{Method: "GET", Path: "/moved", Statuses: ok}, "status 302"},
		"slow":             {health.Check{Method: "GET", Path: "/slow", Statuses: ok}, "no answer within"},
		"method and query": {health.Check{Method: "HEAD", Path: "/asked?deep=1", Statuses: ok}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.check.Kind, c.check.Timeout = health.HTTP, 300*time.Millisecond
			expect(t, c.check, at(s), c.want)
		})
	}
	secure := serve(t, true, func(http.ResponseWriter, *http.Request) {})
	check := health.Check{Kind: health.HTTP, Method: "GET", Path: "/", Statuses: ok, Timeout: 5 * time.Second}
	expect(t, check, at(secure), "")
	wrong := at(secure)
	wrong.TLS.RootCAs = x509.NewCertPool()
	expect(t, check, wrong, "certificate")
}

func expect(t *testing.T, c health.Check, target health.Target, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), c.Timeout)
	defer cancel()
	got := c.Ask(ctx, dial, target)
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestConnectingIsEnoughForTCP(t *testing.T) {
	s := serve(t, false, func(http.ResponseWriter, *http.Request) {})
	check := health.Check{Kind: health.TCP, Timeout: 5 * time.Second}
	expect(t, check, at(s), "")
	secure := serve(t, true, func(http.ResponseWriter, *http.Request) {})
	expect(t, check, at(secure), "")
	target := at(s)
	target.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "x"}
	expect(t, check, target, "tls")
	s.Close()
	expect(t, check, at(s), "refused")
}

func TestGRPCHealthIsUnderstood(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := serve(t, secure, grpcHealth)
		for service, want := range map[string]string{
			"": "", "orders.v1.Orders": "", "sick": "NOT_SERVING", "who": `gRPC status "5" unknown service`, "empty": "UNKNOWN", "garbage": "no gRPC message",
		} {
			expect(t, health.Check{Kind: health.GRPC, Service: service, Timeout: 5 * time.Second}, at(s), want)
		}
	}
	plain := serve(t, false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	expect(t, health.Check{Kind: health.GRPC, Timeout: 5 * time.Second}, at(plain), "status 404")
}

func TestChecksAreMadeByTheProtocolOfCalls(t *testing.T) {
	for name, c := range map[string]struct {
		by     func(*http.Protocols)
		secure bool
		want   string
	}{
		"nothing said":  {func(*http.Protocols) {}, true, "HTTP/1.1"},
		"HTTP/1.1":      {func(p *http.Protocols) { p.SetHTTP1(true) }, true, "HTTP/1.1"},
		"HTTP/2":        {func(p *http.Protocols) { p.SetHTTP2(true) }, true, "HTTP/2.0"},
		"whatever goes": {func(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(true) }, true, "HTTP/2.0"},
		"h2c":           {func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }, false, "HTTP/2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.secure, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
			target := at(s)
			c.by(&target.Protocols)
			if c.secure { // as calls have it, whatever they are made by
				target.TLS.NextProtos = []string{"h2", "http/1.1"}
			}
			expect(t, health.Check{Kind: health.HTTP, Method: "GET", Path: "/", Statuses: ok, Body: c.want, Timeout: 5 * time.Second}, target, "")
		})
	}
}

func TestChecksThatWaitInVainLeaveNoConnection(t *testing.T) {
	var opened, closed atomic.Int64
	s := serve(t, false, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	counted := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		opened.Add(1)
		return &told{Conn: conn, closed: func() { closed.Add(1) }}, nil
	}
	target := at(s)
	target.Protocols.SetUnencryptedHTTP2(true)
	for _, kind := range []health.Kind{health.HTTP, health.GRPC} {
		check := health.Check{Kind: kind, Method: "GET", Path: "/", Statuses: ok, Timeout: 50 * time.Millisecond}
		ctx, cancel := context.WithTimeout(t.Context(), check.Timeout)
		if why := check.Ask(ctx, counted, target); !strings.Contains(why, "no answer within") {
			t.Errorf("got %q", why)
		}
		cancel()
	}
	if closed.Load() != 2 || opened.Load() != 2 {
		t.Errorf("%d connections were opened and %d closed, want 2", opened.Load(), closed.Load())
	}
}

// told is a connection that tells when it is closed for the first time.
type told struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *told) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

// grpcHealth answers as a gRPC server does.
func grpcHealth(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.ProtoMajor != 2 || r.URL.Path != "/grpc.health.v1.Health/Check" || r.Header.Get("Content-Type") != "application/grpc" || len(body) < 5 {
		w.WriteHeader(400)
		return
	}
	service := ""
	if message := body[5:]; len(message) > 0 {
		service = string(message[2:])
	}
	w.Header().Set("Content-Type", "application/grpc")
	message := []byte{1 << 3, 1}
	switch service {
	case "sick":
		message = []byte{1 << 3, 2}
	case "empty":
		message = nil
	case "who":
		w.Header().Set("Grpc-Status", "5")
		w.Header().Set("Grpc-Message", "unknown service")
		return
	}
	w.Header().Set("Trailer", "Grpc-Status")
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	if service == "garbage" {
		frame = []byte("what?")
	}
	_, _ = w.Write(frame)
	w.Header().Set("Grpc-Status", "0")
}

func TestWantOfDescriptorsIsThisNodesOwn(t *testing.T) {
	named := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Name: "orders.test", Err: "dial udp 127.0.0.1:53: socket: too many open files"}}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, true},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.ENFILE)}, true},
		{named, true},
		{&net.DNSError{Name: "orders.test", Err: "no such host", IsNotFound: true}, false},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, false},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}, false}, // no IPv6 here
		{context.DeadlineExceeded, false},
		{nil, false},
	} {
		if got := health.Exhausted(c.err); got != c.want {
			t.Errorf("%v: got %t", c.err, got)
		}
	}
	// It is told to whoever asks, and counts for nothing.
	var short atomic.Bool
	scheduler := health.New(func(ctx context.Context, network, address string) (net.Conn, error) {
		if short.Load() {
			return nil, named
		}
		return dial(ctx, network, address)
	})
	run(t, scheduler)
	reports := make(chan string, 10)
	check := health.Check{Kind: health.TCP, Interval: time.Hour, Timeout: time.Second, Healthy: 1, Unhealthy: 1}
	watch := scheduler.Watch(at(serve(t, false, nil)), check, func(why string) { reports <- why })
	if why := within(t, 5*time.Second, "the first check", reports); why != "" {
		t.Fatalf("at first: %q", why)
	}
	short.Store(true)
	if f, ok := watch.Ask(t.Context()); !ok || !strings.Contains(f.Why, "this node has no descriptor left") || len(reports) > 0 {
		t.Errorf("got %+v and %d reports", f, len(reports))
	}
}

func TestThresholdsDecideWhatIsReported(t *testing.T) {
	var sick atomic.Bool
	var asked atomic.Int64
	s := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if sick.Load() {
			w.WriteHeader(500)
		}
	})
	scheduler := health.New(dial)
	run(t, scheduler)
	reports := make(chan string, 10)
	check := health.Check{
		Kind: health.HTTP, Method: "GET", Path: "/", Statuses: ok,
		Interval: 10 * time.Millisecond, Timeout: time.Second, Healthy: 2, Unhealthy: 3,
	}
	watch := scheduler.Watch(at(s), check, func(why string) { reports <- why })
	next := func() string {
		select {
		case why := <-reports:
			return why
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was reported")
			return ""
		}
	}
	if why := next(); why != "" {
		t.Errorf("at first: %q", why)
	}
	sick.Store(true)
	before := asked.Load()
	if why := next(); why != "check: status 500" {
		t.Errorf("sick: %q", why)
	}
	if n := asked.Load() - before; n < 3 {
		t.Errorf("told after %d checks, want 3", n)
	}
	sick.Store(false)
	before = asked.Load()
	if why := next(); why != "" {
		t.Errorf("well again: %q", why)
	}
	if n := asked.Load() - before; n < 2 {
		t.Errorf("told after %d checks, want 2", n)
	}
	watch.Stop()
	sick.Store(true)
	if len(reports) != 0 {
		t.Error("it reports after it was stopped")
	}
}

func TestNotTooManyAreAskedAtOnce(t *testing.T) {
	for tenants, limit := range map[int]int64{1: health.AtOnce / 4, 400: health.AtOnce} {
		var now, most atomic.Int64
		var left sync.WaitGroup
		scheduler := health.New(func(ctx context.Context, _, _ string) (net.Conn, error) {
			n := now.Add(1)
			defer now.Add(-1)
			for have := most.Load(); n > have && !most.CompareAndSwap(have, n); have = most.Load() {
			}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		run(t, scheduler)
		check := health.Check{Kind: health.TCP, Interval: time.Hour, Timeout: 20 * time.Millisecond, Healthy: 1, Unhealthy: 1}
		for i := range 400 {
			left.Add(1)
			scheduler.Watch(health.Target{Tenant: strconv.Itoa(i % tenants), Address: "x"}, check, func(why string) {
				if why == "" {
					t.Error("a target that cannot be connected to is well")
				}
				left.Done()
			})
		}
		all := make(chan string)
		go func() {
			left.Wait()
			close(all)
		}()
		within(t, 20*time.Second, "all were asked", all)
		if most.Load() > limit || most.Load() < limit/4 {
			t.Errorf("%d at once of %d tenants, want at most %d", most.Load(), tenants, limit)
		}
	}
}
