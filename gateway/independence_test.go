package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portico/gateway"
	"portico/internal/entry"
	"portico/test/fake"
)

func newStopped() *fake.Carrier {
	c := fake.NewCarrier()
	c.Stop()
	return c
}

type ready struct {
	Ready      bool   `json:"ready"`
	Reason     string `json:"reason"`
	StaleSince string `json:"stale_since"`
	Stale      bool   `json:"stale"`
	FromDisk   bool   `json:"from_disk"`
}

func (r *running) ready() (code int, body ready) {
	w := httptest.NewRecorder()
	r.Ready().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	_ = json.Unmarshal(w.Body.Bytes(), &body)
	return w.Code, body
}

func onDisk(dir string) func(*gateway.Config) {
	return func(c *gateway.Config) { c.CopyDir, c.CopyKey = dir, [32]byte{1, 2, 3} }
}

func TestNodeServesOnWithoutItsCarrier(t *testing.T) {
	var ahead atomic.Int64
	r := startDemo(t, func(c *gateway.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	if code, body := r.ready(); code != 200 || body.StaleSince != "" {
		t.Errorf("connected: got %d %+v", code, body)
	}
	r.carrier.Stop()
	code, body := r.ready()
	if code != 200 || body.StaleSince == "" || body.Stale {
		t.Errorf("just cut off: got %d %+v", code, body)
	}
	ahead.Store(int64(time.Hour))
	if code, body = r.ready(); code != 200 || !body.Stale {
		t.Errorf("cut off for an hour: got %d %+v", code, body)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestStaleNodeRefusesWhereTheEnvironmentSaysSo(t *testing.T) {
	var ahead atomic.Int64
	r := startDemo(t, func(c *gateway.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	env := environment()
	env.RefuseStale, env.MaxStaleMS = true, 5000
	r.carrier.Put(item(t, 2, env), entry.Mark(entry.HeadKey, at(2)))
	wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
	r.carrier.Stop()
	ahead.Store(int64(4 * time.Second))
	if code, _ := r.ready(); code != 200 {
		t.Errorf("within max_stale: got %d", code)
	}
	ahead.Store(int64(8 * time.Second))
	if code, body := r.ready(); code != 503 || body.Reason != "stale" {
		t.Errorf("past max_stale: got %d %+v", code, body)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.code() != "not_ready" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	r.carrier.Start()
	wait(t, "ready again", func() bool { code, _ := r.ready(); return code == 200 })
}

func TestRestartServesFromDisk(t *testing.T) {
	dir := t.TempDir()
	first := startDemo(t, onDisk(dir))
	moved := demoAPI(first.upstream.URL)
	moved.Revision = 2
	first.carrier.Put(item(t, 2, moved), entry.Mark(entry.HeadKey, at(2)))
	wait(t, "applied", func() bool { return first.Status().Applied.Sequence == 2 })
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, newStopped(), onDisk(dir))
	code, body := second.ready()
	if code != 200 || !body.FromDisk || body.StaleSince == "" {
		t.Errorf("got %d %+v", code, body)
	}
	if got := second.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if s := second.Status(); s.Applied.Sequence != 2 || s.APIs != 1 || s.Grants != 1 {
		t.Errorf("got %+v", s)
	}
	// What the carrier brings later is newer.
	second.carrier.Put(entry.Tombstone(grantKey(t, goodKey), at(3)), entry.Mark(entry.HeadKey, at(3)))
	second.carrier.Start()
	wait(t, "applied", func() bool { return second.Status().Applied.Sequence == 3 && !second.Status().FromDisk })
	if got := second.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.code() != "credential_invalid" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// lateCarrier brings something while the node already ends.
type lateCarrier struct {
	*fake.Carrier
	last []entry.Item
}

func (c lateCarrier) Watch(ctx context.Context, apply func([]entry.Item, bool) error) error {
	err := c.Carrier.Watch(ctx, apply)
	time.Sleep(50 * time.Millisecond) // all else that ends has ended
	return errors.Join(err, apply(c.last, true))
}

func TestWhatComesWhileTheNodeEndsIsInItsCopy(t *testing.T) {
	dir := t.TempDir()
	first := startDemo(t, onDisk(dir), func(c *gateway.Config) {
		c.Carrier = lateCarrier{c.Carrier.(*fake.Carrier), []entry.Item{entry.Tombstone(grantKey(t, goodKey), at(2)), entry.Mark(entry.HeadKey, at(2))}}
	})
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, newStopped(), onDisk(dir))
	if s := second.Status(); s.Applied.Sequence != 2 || s.Grants != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestDamagedCopyStopsNobody(t *testing.T) {
	dir := t.TempDir()
	first := startDemo(t, onDisk(dir))
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "config-*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got files %v, %v", files, err)
	}
	for _, f := range files {
		if err := os.WriteFile(f, []byte("nothing of ours"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second := start(t, newStopped(), onDisk(dir))
	if code, _ := second.ready(); code != 503 {
		t.Errorf("got %d", code)
	}
	second.carrier.Put(demo(t, first.upstream.URL)...)
	second.carrier.Start()
	wait(t, "ready", func() bool { code, _ := second.ready(); return code == 200 })
}

// load keeps calling until it is stopped, and reports what did not go well.
func (r *running) load(t *testing.T, workers int, client *http.Client, until func() bool) (stop func() (calls int64, failed []string)) {
	t.Helper()
	var calls atomic.Int64
	var mu sync.Mutex
	var failed []string
	var group sync.WaitGroup
	done := make(chan struct{})
	end := sync.OnceFunc(func() { close(done) })
	t.Cleanup(end)
	for range workers {
		group.Go(func() {
			for !until() {
				select {
				case <-done:
					return
				default:
				}
				req, _ := http.NewRequest("GET", r.url+"/demo/orders/v1/orders/7", nil)
				req.Header.Set("X-API-Key", goodKey)
				res, err := client.Do(req)
				calls.Add(1)
				problem := ""
				if err != nil {
					problem = err.Error()
				} else {
					text, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err != nil || res.StatusCode != 200 {
						problem = fmt.Sprintf("%d %s %v", res.StatusCode, text, err)
					}
				}
				if problem != "" {
					mu.Lock()
					failed = append(failed, problem)
					mu.Unlock()
				}
			}
		})
	}
	return func() (int64, []string) {
		end()
		group.Wait()
		return calls.Load(), failed
	}
}

// crowd is many clients of the lane under test, who keep their connections.
func (r *running) crowd(t *testing.T) *http.Client {
	t.Helper()
	if r.http2 {
		return &http.Client{Transport: r.client} // streams of one connection
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func TestPublishingUnderLoadFailsNoCall(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		stop := r.load(t, 8, r.crowd(t), func() bool { return false })
		for sequence := uint64(2); sequence <= 200; sequence++ {
			api := demoAPI(r.upstream.URL)
			api.Revision = int(sequence)
			api.Mounts = append(api.Mounts, entry.Mount{BasePath: fmt.Sprintf("/more/%d", sequence%3)})
			r.carrier.Put(item(t, sequence, demoTerms()), item(t, sequence, api), grantItem(t, sequence, goodKey, demoGrant()), entry.Mark(entry.HeadKey, at(sequence)))
			wait(t, "applied", func() bool { return r.Status().Applied.Sequence == sequence })
		}
		wait(t, "some calls", func() bool { return r.upstream.Calls() > 100 })
		calls, failed := stop()
		if len(failed) > 0 || calls < 100 {
			t.Errorf("%d of %d calls failed: %.3q", len(failed), calls, failed)
		}
	})
}

// fresh makes one call and reports whether its connection was a new one.
func (r *running) fresh(t *testing.T) (fresh bool) {
	t.Helper()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { fresh = !c.Reused }})
	req, err := http.NewRequestWithContext(ctx, "GET", r.url+"/demo/orders/v1/open", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.client.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
		t.Errorf("got %d %s %v", res.StatusCode, text, err)
	}
	return fresh
}

func TestDrainFailsNoCall(t *testing.T) {
	inEachLaneAtOnce(t, func(t *testing.T, lane change) {
		const notice = 3 * time.Second
		r := startDemo(t, lane, func(c *gateway.Config) { c.DrainNotice = notice })
		api := demoAPI(r.upstream.URL)
		api.Upstreams[0].IdleTimeoutMS = 60_000
		r.putAPI(t, 2, api)
		// Clients behave as behind a load balancer: they leave when it has not been
		// ready for a while.
		var leave atomic.Bool
		stop := r.load(t, 4, r.crowd(t), leave.Load)
		slow, err := r.get(do + "sse")
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Body.Close()
		wait(t, "some calls", func() bool { return r.upstream.Calls() > 50 })
		drained, began := make(chan error, 1), time.Now()
		go func() { drained <- r.stop() }()
		wait(t, "not ready", func() bool { code, body := r.ready(); return code == 503 && body.Reason == "draining" })
		before := r.upstream.Calls()
		for range 2 {
			wait(t, "calls to move on to other connections", func() bool { return r.fresh(t) })
		}
		wait(t, "more calls", func() bool { return r.upstream.Calls() > before+20 || time.Since(began) > notice/2 })
		leave.Store(true)
		if calls, failed := stop(); len(failed) > 0 {
			t.Errorf("%d of %d calls failed: %.3q", len(failed), calls, failed)
		}
		wait(t, "the listener to close", func() bool {
			c, err := net.Dial("tcp", r.address)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		go func() { // the stream that was under way goes on to its end
			for range 3 {
				r.upstream.Release()
			}
		}()
		if text, err := io.ReadAll(slow.Body); err != nil || len(text) != 27 {
			t.Errorf("the stream under way: got %q %v", text, err)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
	})
}

func TestDrainGivesUpWhenItsTimeIsOver(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		for _, behaviour := range []string{"slow", "sse", "big?n=1000000000000"} {
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET %s%s HTTP/1.1\r\nHost: x\r\n\r\n", do, behaviour)
		}
		wait(t, "the calls to arrive", func() bool { return r.upstream.Calls() == 3 })
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if err := r.Drain(ctx); err == nil {
			t.Error("got no error")
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestMetricsCountCalls(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		r.call(t, "GET", "/demo/orders/v1/open", "")
		r.call(t, "GET", "/demo/orders/v1/open", "")
		r.call(t, "GET", "/demo/orders/v1/orders", "")
		r.call(t, "GET", "/nowhere", "")
		registry := prometheus.NewRegistry()
		registry.MustRegister(r.Collector())
		want := map[string]float64{"demo/orders v1 2xx": 2, "demo/orders v1 4xx": 1, " 4xx": 1, "sequence": 1, "durations": 4}
		wait(t, "the counters", func() bool {
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]float64{}
			for _, f := range families {
				for _, m := range f.GetMetric() {
					switch f.GetName() {
					case "portico_gateway_requests_total":
						got[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
					case "portico_gateway_applied_sequence":
						got["sequence"] = m.GetGauge().GetValue()
					case "portico_gateway_request_duration_seconds":
						got["durations"] = float64(m.GetHistogram().GetSampleCount())
					}
				}
			}
			return fmt.Sprint(got) == fmt.Sprint(want)
		})
	})
}
