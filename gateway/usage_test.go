package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"portico/gateway"
)

// Whatever came in has its record, with what was decided and who it was: calls
// that were answered, refused, of no API, and that were no request at all.
func TestEveryRequestIsRecordedAlikeInEachLane(t *testing.T) {
	inEachLaneAtOnce(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane, func(c *gateway.Config) { c.UsageDir = t.TempDir() })
		r.call(t, "POST", "/demo/orders/v1/orders", "twelve bytes", "X-API-Key: "+goodKey)
		r.call(t, "GET", "/demo/orders/v1/hidden", "", "X-API-Key: "+goodKey)
		r.call(t, "GET", "/demo/orders/v1/orders", "")
		r.call(t, "GET", "/demo/orders/v1/open", "")
		r.call(t, "GET", "/demo/orders/v1/nowhere", "")
		r.call(t, "GET", "/no/such/api", "")
		r.malformed(t)

		none := uuid(0)
		lines := map[string]bool{}
		for _, want := range []string{
			fmt.Sprint("POST create 200 \"\" ", uuid(100), uuid(301), uuid(303), uuid(200), uuid(300), " in 12"),
			fmt.Sprint("GET hidden 403 \"operation_not_in_plan\" ", uuid(100), uuid(301), uuid(303), uuid(200), uuid(300), " in 0"),
			fmt.Sprint("GET list 401 \"credential_missing\" ", uuid(100), none, none, none, none, " in 0"),
			fmt.Sprint("GET open 200 \"\" ", uuid(100), none, none, none, none, " in 0"),
			fmt.Sprint("GET  404 \"no_route\" ", uuid(100), none, none, none, none, " in 0"),
			fmt.Sprint("GET  404 \"no_route\" ", none, none, none, none, none, " in 0"),
			fmt.Sprint("GET  400 \"request_invalid\" ", none, none, none, none, none, " in 0"),
		} {
			lines[want] = true
		}
		got := map[string]bool{}
		wait(t, "all records", func() bool {
			n := 0
			for _, u := range r.carrier.Ledger().Usages() {
				for _, call := range u.Calls {
					n++
					c := u.Callers[call.Caller]
					or := func(id string) string {
						if id == "" {
							return none
						}
						return id
					}
					got[fmt.Sprintf("%s %s %d %q %s%s%s%s%s in %d", c.Method, c.Operation, c.Status, c.Code, or(c.Version), or(c.Application), or(c.Subscription), or(c.Plan), or(c.Credential), call.BytesIn)] = true
					if call.Address != "127.0.0.1" || len(call.RequestID) != 32 || call.TookUS == 0 && c.Status == 200 || time.Since(time.UnixMicro(call.At)) > time.Minute {
						t.Errorf("got %+v", call)
					}
					if c.Status == 200 && (call.BytesOut == 0 || call.UpstreamUS == 0 || call.UpstreamUS > call.TookUS) {
						t.Errorf("got %d bytes out, %d µs of %d by the upstream", call.BytesOut, call.UpstreamUS, call.TookUS)
					}
					if c.Status >= 400 && call.BytesOut == 0 {
						t.Errorf("a refusal of no bytes: %+v", call)
					}
				}
			}
			return n == len(lines)
		})
		for line := range lines {
			if !got[line] {
				t.Errorf("no record says %s", line)
			}
		}
		for line := range got {
			if !lines[line] {
				t.Errorf("a record says %s", line)
			}
		}
	})
}

// malformed sends a GET that is none, by the protocol of the lane under test.
func (r *running) malformed(t *testing.T) {
	t.Helper()
	if r.http2 {
		f := r.framer(t)
		f.get(1, request("/x", "content_length", "2")...)
		if status, _ := f.answer(t, 1); status != "400" {
			t.Errorf("a malformed request: got %q", status)
		}
		return
	}
	if answer, _ := r.raw(t, "GET /x HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n"); answer == nil || answer.StatusCode != 400 {
		t.Errorf("a malformed request: got %v", answer)
	}
}

// A caller that hangs up is counted as one, once.
func TestCallerThatHangsUpIsRecorded(t *testing.T) {
	inEachLaneAtOnce(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane, func(c *gateway.Config) { c.UsageDir = t.TempDir() })
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/demo/orders/v1/do/slow", nil)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := r.client.RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v %v", res, err)
		}
		wait(t, "its record", func() bool { return r.carrier.Ledger().ByStatus()[499] == 1 })
	})
}

func TestMetricsSayWhatWaitsInTheSpool(t *testing.T) {
	r := startDemo(t, func(c *gateway.Config) { c.UsageDir = t.TempDir() })
	r.carrier.Ledger().Down(true)
	defer r.carrier.Ledger().Down(false) // and the drain need not wait
	r.call(t, "GET", "/demo/orders/v1/open", "")
	registry := prometheus.NewRegistry()
	registry.MustRegister(r.Collector())
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{"portico_gateway_usage_waiting_calls 1", "portico_gateway_usage_lost_calls_total 0", "portico_gateway_usage_folded_calls_total 0"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %q in the metrics", want)
		}
	}
}
