package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portico/gateway"
	"portico/gateway/trace/export"
	"portico/internal/entry"
	"portico/test/fake"
)

const (
	foreignTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	foreignParent = "00f067aa0ba902b7"
	foreign       = "traceparent: 00-" + foreignTrace + "-" + foreignParent + "-0"
)

// startTracing runs a node whose environment traces, with an exporter to a
// collector.
func startTracing(t *testing.T, lane change, perMillion int, trusted ...string) (*running, *fake.Collector, *export.Exporter) {
	t.Helper()
	collector := fake.NewCollector(t)
	spans, err := export.New(collector.URL, "node-1", "production", "test", slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- spans.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	r := startDemo(t, lane, func(c *gateway.Config) { c.Spans = spans })
	env := environment()
	env.Tracing, env.TracePerMillion, env.TrustedProxies = true, perMillion, trusted
	r.carrier.Put(item(t, 2, env), entry.Mark(entry.HeadKey, at(2)))
	wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
	return r, collector, spans
}

func parentOf(t *testing.T, e fake.Echo) (trace, span, flags string) {
	t.Helper()
	if n := len(e.Header["Traceparent"]); n != 1 {
		t.Fatalf("the upstream saw %d traceparents: %v", n, e.Header)
	}
	parts := strings.Split(e.Header["Traceparent"][0], "-")
	return parts[1], parts[2], parts[3]
}

func TestTraceContextGoesOn(t *testing.T) { inEachLane(t, traceContextCase) }

func traceContextCase(t *testing.T, lane change) {
	for _, c := range []struct {
		name       string
		perMillion int
		trusted    bool
		headers    []string
		same       bool   // the caller's trace goes on
		flags      string // towards the upstream
		state      string
	}{
		{"none", 0, false, nil, false, "00", ""},
		{"all sampled", 1_000_000, false, nil, false, "01", ""},
		{"a caller's", 0, false, []string{foreign + "0", "tracestate: a=1"}, true, "00", "a=1"},
		{"a caller's wish to be sampled", 0, false, []string{foreign + "1"}, true, "00", ""},
		{"a caller's wish not to be", 1_000_000, false, []string{foreign + "0"}, true, "01", ""},
		{"a trusted proxy's sample", 0, true, []string{foreign + "1"}, true, "01", ""},
		{"a trusted proxy's refusal", 1_000_000, true, []string{foreign + "0"}, true, "00", ""},
		{"invalid", 0, false, []string{foreign + "x", "tracestate: a=1"}, false, "00", ""},
		{"two", 0, false, []string{foreign + "0", foreign + "0", "tracestate: a=1"}, false, "00", ""},
		{"a state that is invalid", 0, false, []string{foreign + "0", "tracestate: A=1"}, true, "00", ""},
		{"a state without a parent", 0, false, []string{"tracestate: a=1"}, false, "00", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			trusted := []string{}
			if c.trusted {
				trusted = append(trusted, "127.0.0.0/8", "::1/128")
			}
			r, _, _ := startTracing(t, lane, c.perMillion, trusted...)
			echo := r.call(t, "GET", "/demo/orders/v1/open", "", c.headers...).echo(t)
			id, span, flags := parentOf(t, echo)
			if (id == foreignTrace) != c.same || span == foreignParent || flags != c.flags || len(id) != 32 || len(span) != 16 {
				t.Errorf("the upstream saw %v", echo.Header["Traceparent"])
			}
			if got := strings.Join(echo.Header["Tracestate"], "|"); got != c.state {
				t.Errorf("the upstream saw the state %q, want %q", got, c.state)
			}
		})
	}
}

// TestTraceContextIsNotTakenAwayByConnection sends what HTTP/2 has no words for.
func TestTraceContextIsNotTakenAwayByConnection(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r, _, _ := startTracing(t, lane, 0)
		echo := r.call(t, "GET", "/demo/orders/v1/open", "", foreign+"0", "Connection: traceparent").echo(t)
		if id, span, flags := parentOf(t, echo); id != foreignTrace || span == foreignParent || flags != "00" {
			t.Errorf("the upstream saw %v", echo.Header["Traceparent"])
		}
	})
}

func TestTraceContextIsPassedOnUntouchedWhereNobodyTraces(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		echo := r.call(t, "GET", "/demo/orders/v1/open", "", "traceparent: anything", "tracestate: AT ALL").echo(t)
		if echo.Header["Traceparent"][0] != "anything" || echo.Header["Tracestate"][0] != "AT ALL" {
			t.Errorf("the upstream saw %v", echo.Header)
		}
	})
}

// inEachProtocol makes calls in each lane, to an upstream by each protocol. calls
// returns what looks at the spans, which come later.
func inEachProtocol(t *testing.T, calls func(t *testing.T, r *running, collector *fake.Collector) (look func())) {
	t.Helper()
	up := newBoth(t, fake.NewUpstream(t).ServeHTTP)
	inEachLane(t, func(t *testing.T, lane change) {
		t.Parallel()
		var looks []func()
		for _, protocol := range []string{"", "h2c", "http2", "auto"} {
			r, collector, _ := startTracing(t, lane, 1_000_000)
			api := demoAPI("")
			up.calledBy(protocol)(&api)
			r.serve(t, 3, item(t, 3, api))
			looks = append(looks, calls(t, r, collector))
		}
		for _, look := range looks {
			look()
		}
	})
}

func TestSpansArriveAtTheCollector(t *testing.T) {
	const canary = "c4n4ry"
	inEachProtocol(t, func(t *testing.T, r *running, collector *fake.Collector) func() {
		echo := r.call(t, "GET", "/demo/orders/v1/orders/"+canary+"?q="+canary, "", foreign+"0", "X-API-Key: "+goodKey, "X-Other: "+canary).echo(t)
		_, told, _ := parentOf(t, echo)
		r.call(t, "GET", "/demo/orders/v1/orders", "")
		return func() {
			wait(t, "the spans", func() bool { return len(collector.Spans()) == 3 })
			by := map[string]fake.Span{}
			for _, s := range collector.Spans() {
				by[s.Kind+" "+s.Attributes["error.type"]] = s
			}
			server, client, refused := by["SPAN_KIND_SERVER "], by["SPAN_KIND_CLIENT "], by["SPAN_KIND_SERVER credential_missing"]
			if server.Trace != foreignTrace || server.Parent != foreignParent || client.Trace != foreignTrace || client.Parent != server.ID || client.ID != told {
				t.Errorf("got %+v and %+v; the upstream was told %s", server, client, told)
			}
			for name, want := range map[string]string{
				"http.route": "/orders/{id}", "portico.api": "demo/orders v1", "portico.operation": "show", "portico.revision": "int_value:1", "portico.application": "App", "http.response.status_code": "int_value:200",
			} {
				if got := server.Attributes[name]; got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if server.Name != "GET /orders/{id}" || server.Took <= 0 || client.Took <= 0 || client.Took > server.Took || server.Resource["service.name"] != "portico-gateway" {
				t.Errorf("got %+v and %+v", server, client)
			}
			if refused.Trace == foreignTrace || refused.Parent != "" || refused.Attributes["http.response.status_code"] != "int_value:401" {
				t.Errorf("got %+v", refused)
			}
			if raw := collector.Raw(); bytes.Contains(raw, []byte(canary)) || bytes.Contains(raw, []byte(goodKey)) {
				t.Error("spans hold what the caller sent")
			}
		}
	})
}

func TestEveryCallToAnUpstreamHasASpan(t *testing.T) {
	inEachProtocol(t, func(t *testing.T, r *running, collector *fake.Collector) func() {
		if got := r.call(t, "GET", "/demo/orders/v1/files/reset", ""); got.status != http.StatusBadGateway {
			t.Fatalf("got %d", got.status)
		}
		return func() {
			wait(t, "the spans", func() bool { return len(collector.Spans()) >= 2 })
			kinds := map[string]int{}
			for _, s := range collector.Spans() {
				if kinds[s.Kind]++; !s.Failed {
					t.Errorf("got %+v, want it failed", s)
				}
			}
			if kinds["SPAN_KIND_CLIENT"] == 0 {
				t.Errorf("got %v", kinds)
			}
		}
	})
}

func TestACollectorThatIsSlowOrDeadCostsCallsNothing(t *testing.T) {
	r, collector, spans := startTracing(t, noLane, 1_000_000)
	registry := prometheus.NewRegistry()
	registry.MustRegister(spans)
	count := func(outcome string) float64 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range families[0].Metric {
			if m.Label[0].GetValue() == outcome {
				return m.Counter.GetValue()
			}
		}
		return 0
	}
	collector.Hang(true)
	began, calls := time.Now(), 0
	for count("dropped") == 0 {
		if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
			t.Fatalf("got %d", got.status)
		}
		if calls++; calls > 10_000 {
			t.Fatal("nothing is dropped: the queue has no bound")
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("%d calls took %v", calls, took)
	}
	collector.Hang(false)
	collector.Refuse(http.StatusServiceUnavailable)
	wait(t, "a batch that failed", func() bool { return count("failed") > 0 || count("sent") > 0 })
	collector.Refuse(0)
	r.call(t, "GET", "/demo/orders/v1/open", "")
	wait(t, "spans again", func() bool { return count("sent") > 0 })
}
