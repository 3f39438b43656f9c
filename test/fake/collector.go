package fake

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	collect "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// Collector is an OpenTelemetry collector that takes spans over OTLP/HTTP. It
// can be made to hang or to refuse.
type Collector struct {
	URL string

	mu     sync.Mutex
	spans  []Span        // guarded by mu
	raw    []byte        // all that came; guarded by mu
	status int           // 0: 200; guarded by mu
	hang   chan struct{} // closed to go on; guarded by mu
}

// Span is a span that a collector took. Ids are hexadecimal.
type Span struct {
	Name, Trace, ID, Parent string

	Kind       string // "SPAN_KIND_SERVER"
	Attributes map[string]string
	Failed     bool
	Took       time.Duration
	Resource   map[string]string
}

// NewCollector starts one, and stops it when the test ends.
func NewCollector(t testing.TB) *Collector {
	c := &Collector{}
	server := httptest.NewServer(c)
	c.URL = server.URL
	t.Cleanup(func() { c.Hang(false); server.Close() })
	return c
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	hang, status := c.hang, c.status
	c.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
			return
		}
	}
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	raw, err := io.ReadAll(body)
	var in collect.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(raw, &in)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "no spans", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.raw = append(c.raw, raw...)
	for _, of := range in.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, Span{
					Name: s.Name, Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
					Kind: s.Kind.String(), Attributes: texts(s.Attributes), Failed: s.Status.GetCode() == 2,
					Took: time.Duration(s.EndTimeUnixNano - s.StartTimeUnixNano), Resource: texts(of.Resource.GetAttributes()),
				})
			}
		}
	}
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func texts(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		text := kv.Value.GetStringValue()
		if text == "" {
			text = kv.Value.String()
		}
		out[kv.Key] = text
	}
	return out
}

// Spans returns what has come so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span{}, c.spans...)
}

// Raw returns the bytes of all that has come so far.
func (c *Collector) Raw() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte{}, c.raw...)
}

// Refuse makes the collector answer with a status; 0 ends that.
func (c *Collector) Refuse(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// Hang makes calls wait, or go on.
func (c *Collector) Hang(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case yes && c.hang == nil:
		c.hang = make(chan struct{})
	case !yes && c.hang != nil:
		close(c.hang)
		c.hang = nil
	}
}
