// Package export sends spans of sampled calls to an OpenTelemetry collector,
// over OTLP/HTTP. It is the only place that knows OpenTelemetry.
//
// A call hands over a plain trace.Call and goes on; everything else happens
// behind a queue of a bounded length. When the collector is slow or away the
// queue fills, and what does not fit is counted and dropped.
//
// # Why the batches are our own
//
// The SDK's batch processor does the same, and tells nobody what it drops.
package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"

	"portico/gateway/trace"
)

// Bounds of what is kept, and of how long a collector may take.
const (
	queued    = 2048 // calls
	batch     = 256  // calls
	batchWait = time.Second
	sendTime  = 5 * time.Second
	lastTime  = 2 * time.Second // for what is left when the node ends
)

// Exporter takes calls and sends their spans. Make one with New; it is safe for
// concurrent use.
type Exporter struct {
	log    *slog.Logger
	client *otlptrace.Exporter
	queue  chan trace.Call
	tracer api.Tracer
	ended  []sdk.ReadOnlySpan // of the batch; Run's own

	sent, dropped, failed atomic.Uint64 // calls
}

// New returns an exporter to a collector's address, such as
// http://collector:4318; a path is taken as it is, and /v1/traces without one.
// Nothing is sent before Run. Headers for the collector stand in
// OTEL_EXPORTER_OTLP_HEADERS, as its users know.
func New(endpoint, node, environment, build string, log *slog.Logger) (*Exporter, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address of the OTLP collector is not an http or https address")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	client := otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(u.String()), otlptracehttp.WithTimeout(sendTime),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
	e := &Exporter{log: log, client: otlptrace.NewUnstarted(client), queue: make(chan trace.Call, queued)}
	about := resource.NewSchemaless(
		attribute.String("service.name", "portico-gateway"), attribute.String("service.version", build),
		attribute.String("service.instance.id", node), attribute.String("deployment.environment.name", environment))
	e.tracer = sdk.NewTracerProvider(sdk.WithResource(about), sdk.WithSampler(sdk.AlwaysSample()), sdk.WithIDGenerator(ids{}), sdk.WithSpanProcessor((*collected)(e))).Tracer("portico/gateway")
	return e, nil
}

// Call takes a call. It never blocks.
func (e *Exporter) Call(c trace.Call) {
	select {
	case e.queue <- c:
	default:
		e.dropped.Add(1)
	}
}

// Run sends until ctx ends, and then what is left, for a short while.
func (e *Exporter) Run(ctx context.Context) error {
	if err := e.client.Start(ctx); err != nil {
		return fmt.Errorf("export spans: %w", err)
	}
	tick := time.NewTicker(batchWait)
	defer tick.Stop()
	calls := 0
	send := func(ctx context.Context) {
		if calls > 0 {
			e.send(ctx, calls)
		}
		calls = 0
	}
	for {
		select {
		case c := <-e.queue:
			e.spans(c)
			if calls++; calls == batch {
				send(ctx)
			}
		case <-tick.C:
			send(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTime)
			defer cancel()
			for len(e.queue) > 0 && last.Err() == nil {
				e.spans(<-e.queue)
				if calls++; calls == batch {
					send(last)
				}
			}
			send(last)
			return e.client.Shutdown(last)
		}
	}
}

func (e *Exporter) send(ctx context.Context, calls int) {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	err := e.client.ExportSpans(ctx, e.ended)
	clear(e.ended)
	e.ended = e.ended[:0]
	if err != nil {
		e.failed.Add(uint64(calls))
		e.log.Debug("spans not taken", "calls", calls, "error", err)
		return
	}
	e.sent.Add(uint64(calls))
}

// spans makes the spans of a call: one of the gateway, and below it one for
// each call to an upstream. The last of those has the id that the upstream was
// told.
func (e *Exporter) spans(c trace.Call) {
	ctx := context.Background()
	if c.Parent != [8]byte{} {
		ctx = api.ContextWithRemoteSpanContext(ctx, api.NewSpanContext(api.SpanContextConfig{
			TraceID: c.Trace, SpanID: c.Parent, TraceFlags: api.FlagsSampled, Remote: true,
		}))
	}
	own := c.Span
	if len(c.Tries) > 0 {
		own = trace.NewSpan()
	}
	name := c.Method
	if c.Route != "" {
		name += " " + c.Route
	}
	ctx, server := e.tracer.Start(with(ctx, c.Trace, own), name, api.WithSpanKind(api.SpanKindServer), api.WithTimestamp(c.Began), api.WithAttributes(about(c)...))
	for i, t := range c.Tries {
		id := c.Span
		if i < len(c.Tries)-1 {
			id = trace.NewSpan()
		}
		_, span := e.tracer.Start(with(ctx, c.Trace, id), c.Method, api.WithSpanKind(api.SpanKindClient), api.WithTimestamp(t.Began), api.WithAttributes(
			attribute.String("http.request.method", c.Method), attribute.String("server.address", t.Target), attribute.Bool("portico.connection.reused", t.Reused)))
		if t.Status > 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", t.Status))
		}
		if t.Outcome != "" || t.Status >= 400 {
			span.SetStatus(codes.Error, t.Outcome)
		}
		span.End(api.WithTimestamp(t.Began.Add(t.Took)))
	}
	if c.Status >= 500 || c.Broken {
		server.SetStatus(codes.Error, c.Code)
	}
	server.End(api.WithTimestamp(c.Ended))
}

// about are a call's attributes. None holds what a caller may want to keep to
// itself: no path, no query, no header.
func about(c trace.Call) []attribute.KeyValue {
	list := []attribute.KeyValue{
		attribute.String("http.request.method", c.Method), attribute.Int("http.response.status_code", c.Status),
		attribute.String("server.address", c.Host), attribute.String("portico.request.id", c.RequestID),
		attribute.Int64("http.request.body.size", c.RequestBytes),
	}
	if c.AnswerBytes >= 0 {
		list = append(list, attribute.Int64("http.response.body.size", c.AnswerBytes))
	}
	for name, value := range map[string]string{
		"http.route": c.Route, "portico.api": c.API, "portico.operation": c.Operation, "portico.application": c.Application, "error.type": c.Code,
	} {
		if value != "" {
			list = append(list, attribute.String(name, value))
		}
	}
	if c.Revision > 0 {
		list = append(list, attribute.Int("portico.revision", c.Revision))
	}
	return list
}

// collected takes the spans of the batch as they end.
type collected Exporter

// OnStart implements sdk.SpanProcessor.
func (*collected) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor.
func (c *collected) OnEnd(s sdk.ReadOnlySpan) { c.ended = append(c.ended, s) }

// Shutdown implements sdk.SpanProcessor.
func (*collected) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdk.SpanProcessor.
func (*collected) ForceFlush(context.Context) error { return nil }

// ids gives spans the ids that the call had.
type ids struct{}

type idsKey struct{}

type given struct {
	trace api.TraceID
	span  api.SpanID
}

func with(ctx context.Context, traceID [16]byte, span [8]byte) context.Context {
	return context.WithValue(ctx, idsKey{}, given{traceID, span})
}

// NewIDs implements sdk.IDGenerator.
func (ids) NewIDs(ctx context.Context) (api.TraceID, api.SpanID) {
	g, _ := ctx.Value(idsKey{}).(given)
	return g.trace, g.span
}

// NewSpanID implements sdk.IDGenerator.
func (ids) NewSpanID(ctx context.Context, _ api.TraceID) api.SpanID {
	g, _ := ctx.Value(idsKey{}).(given)
	return g.span
}

// Describe implements prometheus.Collector.
func (e *Exporter) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(e, out) }

// Collect implements prometheus.Collector.
func (e *Exporter) Collect(out chan<- prometheus.Metric) {
	desc := prometheus.NewDesc("portico_gateway_traced_calls_total", "Sampled calls by what became of their spans: sent, dropped for want of room, failed at the collector.", []string{"outcome"}, nil)
	for outcome, n := range map[string]uint64{"sent": e.sent.Load(), "dropped": e.dropped.Load(), "failed": e.failed.Load()} {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), outcome)
	}
}
