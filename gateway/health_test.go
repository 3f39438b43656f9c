package gateway_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"portico/internal/entry"
)

// checked is a target of one protocol that says how it is when it is asked, by
// HTTP and by gRPC.
type checked struct {
	*httptest.Server
	sick   atomic.Bool
	health *grpchealth.Server
}

func newChecked(t *testing.T, name, protocol string) *checked {
	o := &checked{health: grpchealth.NewServer()}
	serving := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(serving, o.health)
	o.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/grpc.health.v1.Health/"):
			serving.ServeHTTP(w, r)
		case r.URL.Path == "/healthz" && o.sick.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/healthz":
			fmt.Fprint(w, "well, by ", r.Proto)
		default:
			_, _ = io.WriteString(w, name)
		}
	}))
	o.Config.ErrorLog = log.New(io.Discard, "", 0)
	o.Config.Protocols = new(http.Protocols)
	o.Config.Protocols.SetHTTP1(protocol == "" || protocol == "auto, of an old server")
	o.Config.Protocols.SetHTTP2(protocol == "http2" || protocol == "auto")
	o.Config.Protocols.SetUnencryptedHTTP2(protocol == "h2c")
	if o.EnableHTTP2 = protocol == "http2" || protocol == "auto"; o.EnableHTTP2 || strings.HasPrefix(protocol, "auto") {
		o.StartTLS()
	} else {
		o.Start()
	}
	t.Cleanup(func() {
		o.CloseClientConnections()
		o.Close()
	})
	return o
}

func (o *checked) set(sick bool) {
	o.sick.Store(sick)
	status := grpc_health_v1.HealthCheckResponse_SERVING
	if sick {
		status = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
	o.health.SetServingStatus("orders.v1.Orders", status)
}

// TestChecksSpeakTheProtocolOfCalls has targets of each protocol asked over HTTP
// and by gRPC: one that is well gets all calls, and one that is sick none.
func TestChecksSpeakTheProtocolOfCalls(t *testing.T) {
	byHTTP := entry.HealthCheck{Kind: "http", Path: "/healthz", Body: "well, by HTTP", IntervalMS: 100, Healthy: 1, Unhealthy: 1}
	byGRPC := entry.HealthCheck{Kind: "grpc", Service: "orders.v1.Orders", IntervalMS: 100, Healthy: 1, Unhealthy: 1}
	for _, c := range []struct {
		protocol string
		check    entry.HealthCheck
		why      string
	}{
		{"", byHTTP, "check: status 503"},
		{"h2c", byHTTP, "check: status 503"},
		{"http2", byHTTP, "check: status 503"},
		{"auto", byHTTP, "check: status 503"},
		{"auto, of an old server", byHTTP, "check: status 503"},
		{"h2c", byGRPC, "check: it says NOT_SERVING"},
		{"http2", byGRPC, "check: it says NOT_SERVING"},
		{"auto", byGRPC, "check: it says NOT_SERVING"},
	} {
		t.Run(c.check.Kind+" "+c.protocol, func(t *testing.T) {
			well, sick := newChecked(t, "well", c.protocol), newChecked(t, "sick", c.protocol)
			well.set(false)
			sick.set(true)
			s := startSpread(t, 0, entry.Traffic{Health: c.check})
			up := &s.api.Upstreams[0]
			up.Protocol, _, _ = strings.Cut(c.protocol, ",")
			up.Targets = []entry.Target{{URL: well.URL}, {URL: sick.URL}}
			if strings.HasPrefix(well.URL, "https") {
				up.TLS = &entry.UpstreamTLS{Unverified: true}
			}
			s.publish(t)
			wait(t, "the check of the sick one", func() bool { return len(s.Status().Upstreams) > 0 })
			h := s.Status().Upstreams[0]
			if h.Targets != 2 || h.Unfit != 1 || h.Panic || h.Worst[0].URL != sick.URL || h.Worst[0].Why != c.why {
				t.Fatalf("the status says %+v, want the sick one alone, for %s", h, c.why)
			}
			if got := s.gets(t, 6); got["well"] != 6 {
				t.Errorf("one is sick: %v", got)
			}
			sick.set(false)
			wait(t, "it to be well again", func() bool { return len(s.Status().Upstreams) == 0 })
			if got := s.gets(t, 6); got["well"] != 3 || got["sick"] != 3 {
				t.Errorf("both are well: %v", got)
			}
		})
	}
}

// TestConnectingIsACheck has targets asked by connecting alone: one that is down
// gets no calls, whatever it would say.
func TestConnectingIsACheck(t *testing.T) {
	s := startSpread(t, 2, entry.Traffic{
		Health: entry.HealthCheck{Kind: "tcp", IntervalMS: 100, Healthy: 1, Unhealthy: 2}, Ejection: entry.Ejection{Off: true},
	})
	s.targets[1].status.Store(503) // of no account here
	if got := s.gets(t, 4); got["t0"] != 2 || got["503 "] != 2 {
		t.Errorf("both can be connected to: %v", got)
	}
	address := s.targets[1].Listener.Addr().String()
	s.targets[1].stop()
	wait(t, "the check to fail", func() bool { return len(s.Status().Upstreams) > 0 })
	if h := s.Status().Upstreams[0]; h.Unfit != 1 || h.Worst[0].URL != s.targets[1].URL || !strings.Contains(h.Worst[0].Why, "check: connect: connection refused") {
		t.Errorf("the status says %+v", h)
	}
	if got := s.gets(t, 6); got["t0"] != 6 {
		t.Errorf("one is down: %v", got)
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	newTarget(t, "t1", listener)
	wait(t, "it to be well again", func() bool { return len(s.Status().Upstreams) == 0 })
	if got := s.gets(t, 6); got["t1"] != 3 {
		t.Errorf("both are up again: %v", got)
	}
}
