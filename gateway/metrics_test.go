package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"portico/gateway/policy"
	"portico/internal/entry"
	"portico/test/fake"
)

// scrape reads a node's metrics: "name label label" to value; of a histogram
// its count.
func scrape(t testing.TB, collector prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := []string{strings.TrimPrefix(f.GetName(), "portico_gateway_")}
			for _, l := range m.GetLabel() {
				name = append(name, l.GetValue())
			}
			out[strings.Join(name, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}

func TestMetricsTellWhatANodeDoes(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		config := testConfig(nil)
		lane(&config)
		used, unused := "fast", "full"
		if config.FullLane || config.Build != testConfig(nil).Build {
			used, unused = unused, used
		}
		r := startDemo(t, lane)
		const body = "twelve bytes"
		r.call(t, "POST", "/demo/orders/v1/do/upload", body)
		r.call(t, "GET", "/demo/orders/v1/open", "")
		r.call(t, "GET", "/demo/orders/v1/orders", "")
		r.call(t, "GET", "/nowhere", "")
		r.carrier.Put(item(t, 2, demoAPI("http://127.0.0.1:1")), entry.Mark(entry.HeadKey, at(2)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
		r.call(t, "GET", "/demo/orders/v1/open", "")
		wait(t, "all calls to be over", func() bool { return scrape(t, r.Collector())["requests_in_flight"] == 0 })
		got := scrape(t, r.Collector())
		for name, want := range map[string]float64{
			"requests_total demo/orders v1 2xx": 2, "requests_total demo/orders v1 4xx": 1, "requests_total demo/orders v1 5xx": 1, "requests_total  4xx": 1,
			"request_duration_seconds": 5, "own_duration_seconds": 5, "upstream_duration_seconds": 3, "body_bytes_total in": float64(len(body)),
			"refusals_total credential_missing": 1, "refusals_total no_route": 1, "refusals_total upstream_unreachable": 1,
			"compile_duration_seconds": 2, "build_info production " + config.Build: 1, "ready": 1, "apis": 1,
			"client_connections " + unused: 0, "explained_calls_total": 0,
		} {
			if got[name] != want {
				t.Errorf("%s: got %v, want %v", name, got[name], want)
			}
		}
		for _, name := range []string{"body_bytes_total out", "client_connections " + used, "upstream_connects_total connected", "upstream_connects_total failed"} {
			if got[name] <= 0 {
				t.Errorf("%s: got %v", name, got[name])
			}
		}
	})
}

// called makes one of many live.
func called(t testing.TB, r interface {
	Apply([]entry.Item, bool) error
}, n int, sequence uint64,
) {
	t.Helper()
	it, err := oneOf(n, sequence)
	if err == nil {
		err = r.Apply([]entry.Item{it}, true)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestEachSideOfASplitIsCounted(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		sick, mirror := newTarget(t, "candidate", nil), fake.NewUpstream(t)
		sick.status.Store(503)
		api := splitAPI(r.upstream.URL, sick.URL, 0)
		api.Split.Rules = []entry.SplitRule{{In: "header", Name: "X-Beta", Value: "yes", Candidate: true}}
		api.Upstreams[1].Traffic.Retry.Off = true
		api.Upstreams = append(api.Upstreams, entry.Upstream{Name: "mirror", Targets: []entry.Target{{URL: mirror.URL}}})
		api.Mirror = &entry.Mirror{Run: "m1", Upstream: "mirror", PerMille: 1000, Concurrency: 10}
		r.putAPI(t, 2, api)
		for i := range 7 {
			headers := []string{}
			if i < 3 {
				headers = append(headers, "X-Beta: yes")
			}
			r.call(t, "GET", "/demo/orders/v1/open", "", headers...)
		}
		want := map[string]float64{
			"split_requests_total demo/orders v1 live 2xx": 4, "split_requests_total demo/orders v1 candidate 5xx": 3,
			"split_requests_total demo/orders v1 mirror 2xx": 7,
		}
		wait(t, "all sides to be counted", func() bool {
			got := scrape(t, r.Collector())
			for key, n := range want {
				if got[key] != n {
					return false
				}
			}
			skipped, there := got["mirror_skipped_total demo/orders v1 busy"]
			return there && skipped == 0
		})
	})
}

func TestSeriesOfAPIsAreBoundedAndNeverGoDown(t *testing.T) {
	node := idle(t, "")
	if err := node.Apply(many(t, 1200, 0), true); err != nil {
		t.Fatal(err)
	}
	call := func(n int) {
		ex := &policy.Exchange{Method: "GET", Target: fmt.Sprintf("/demo/api%d/v1/nothing", n), Host: "x"}
		if err := node.Serve(t.Context(), ex); err != nil {
			t.Fatal(err)
		}
		node.Done(ex, nil)
	}
	series := func() (own int, other, all float64) {
		for name, v := range scrape(t, node.Collector()) {
			switch {
			case name == "requests_total other 4xx":
				other = v
				all += v
			case strings.HasPrefix(name, "requests_total demo/"):
				own++
				all += v
			}
		}
		return own, other, all
	}
	for n := range 1200 {
		call(n)
	}
	own, other, all := series()
	if own != 1000 || other != 200 || all != 1200 {
		t.Fatalf("got %d series, %v in other, %v in all", own, other, all)
	}
	// An API that ends takes its series along and makes room; what was in other
	// stays there.
	for n := range 1200 {
		key, err := entry.APIKey(uuid(10_000 + n))
		if err != nil {
			t.Fatal(err)
		}
		if err := node.Apply([]entry.Item{entry.Tombstone(key, at(2))}, true); err != nil {
			t.Fatal(err)
		}
	}
	if own, other, _ = series(); own != 0 || other != 200 {
		t.Errorf("after their end: %d series, %v in other", own, other)
	}
	called(t, node, 1, 3)
	call(1)
	if own, other, _ = series(); own != 1 || other != 200 {
		t.Errorf("after one began anew: %d series, %v in other", own, other)
	}
}

// BenchmarkScrape is a scrape of a node with 10,000 APIs, all of which are
// called.
func BenchmarkScrape(b *testing.B) {
	node := idle(b, "")
	if err := node.Apply(many(b, 10_000, 0), true); err != nil {
		b.Fatal(err)
	}
	for n := range 10_000 {
		ex := &policy.Exchange{Method: "GET", Target: fmt.Sprintf("/demo/api%d/v1/nothing", n), Host: "x"}
		if err := node.Serve(b.Context(), ex); err != nil {
			b.Fatal(err)
		}
		node.Done(ex, nil)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(node.Collector())
	for b.Loop() {
		if _, err := registry.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
