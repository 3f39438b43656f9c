package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/test/fake"
)

func keyed(t *testing.T, ctx context.Context, method, url, key string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", key)
	return req
}

// TestEventsPassOneByOne: each event is read before the upstream is let on.
func TestEventsPassOneByOne(t *testing.T) {
	up := fake.NewUpstream(t)
	_, base, key := behind(t, up.URL)
	res, err := http.DefaultTransport.RoundTrip(keyed(t, t.Context(), http.MethodGet, base+"/do/sse", key, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("got type %q", got)
	}
	lines := bufio.NewScanner(res.Body)
	for i := range 3 {
		up.Release()
		if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d", i) {
			t.Fatalf("event %d: got %q, %v", i, lines.Text(), lines.Err())
		}
		lines.Scan() // the empty line
	}
	if lines.Scan() {
		t.Errorf("after the last event: got %q", lines.Text())
	}
}

// TestLargeBodiesPassInBoundedMemory: a download and uploads of 100 MB each,
// four at once.
func TestLargeBodiesPassInBoundedMemory(t *testing.T) {
	up := fake.NewUpstream(t)
	p, base, key := behind(t, up.URL)
	a := apiOf(t, p)
	const size = 100_000_000
	version := a.do("GET", "/tenants/demo/apis/backend", nil).Versions[0].ID
	a.do("PATCH", "/tenants/demo/versions/"+version+"/draft", map[string]any{"max_body_bytes": 2 * size})
	a.do("POST", "/tenants/demo/versions/"+version+"/publish?wait=applied", map[string]any{"environment": "production"})
	before, began := p.ResidentMB(), time.Now()
	errs := make(chan error, 4)
	for i := range 4 {
		go func() {
			req := keyed(t, t.Context(), http.MethodGet, base+fmt.Sprintf("/do/big?n=%d", size), key, nil)
			if i%2 == 1 {
				req = keyed(t, t.Context(), http.MethodPost, base+"/do/upload", key, io.LimitReader(zeros{}, size))
				if i == 3 {
					req.ContentLength = size // the other one is chunked
				}
			}
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				errs <- err
				return
			}
			defer res.Body.Close()
			var got int64
			if i%2 == 1 {
				_, err = fmt.Fscan(res.Body, &got)
			} else {
				got, err = io.Copy(io.Discard, res.Body)
			}
			if err == nil && (got != size || res.StatusCode != http.StatusOK) {
				err = fmt.Errorf("got %d with %d bytes", res.StatusCode, got)
			}
			errs <- err
		}()
	}
	peak := 0.0
	for left := 4; left > 0; {
		select {
		case err := <-errs:
			left--
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Millisecond):
			peak = max(peak, p.ResidentMB())
		}
	}
	t.Logf("4 × 100 MB in %v; resident %.0f MB before, %.0f at most", time.Since(began), before, peak)
	if peak > before+60 {
		t.Errorf("resident memory went from %.0f to %.0f MB", before, peak)
	}
	over := roundTrip(t, keyed(t, t.Context(), http.MethodPost, base+"/do/upload", key, strings.NewReader("small")))
	if over.status != http.StatusOK {
		t.Errorf("after it: got %d %s", over.status, over.body)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestBodyBeyondTheLimitIsRefused(t *testing.T) {
	up := fake.NewUpstream(t)
	p, base, key := behind(t, up.URL)
	a := apiOf(t, p)
	version := a.do("GET", "/tenants/demo/apis/backend", nil).Versions[0].ID
	a.do("PATCH", "/tenants/demo/versions/"+version+"/draft", map[string]any{"max_body_bytes": 1000})
	a.do("POST", "/tenants/demo/versions/"+version+"/publish?wait=applied", map[string]any{"environment": "production"})
	for name, length := range map[string]int64{"announced": 2000, "chunked": -1} {
		req := keyed(t, t.Context(), http.MethodPost, base+"/do/upload", key, io.LimitReader(zeros{}, 2000))
		req.ContentLength = length
		if got := roundTrip(t, req); got.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: got %d %s, want 413", name, got.status, got.body)
		}
	}
}

// TestBrokenUpstreamsAreNamed: each failure has its status and code, in time,
// and other calls go on.
func TestBrokenUpstreamsAreNamed(t *testing.T) {
	up := fake.NewUpstream(t)
	p, base, key := behind(t, up.URL)
	a := apiOf(t, p)
	version := a.do("GET", "/tenants/demo/apis/backend", nil).Versions[0].ID
	a.do("PATCH", "/tenants/demo/versions/"+version+"/draft", map[string]any{"timeouts": map[string]any{"connect_timeout_ms": 500, "header_timeout_ms": 700, "idle_timeout_ms": 700}})
	a.do("POST", "/tenants/demo/versions/"+version+"/publish?wait=applied", map[string]any{"environment": "production"})
	for _, c := range []struct {
		what, code string
		status     int
	}{
		{"slow", "upstream_timeout", 504}, {"reset", "upstream_", 502}, {"garbage", "upstream_", 502}, {"status099", "upstream_", 502},
	} {
		t.Run(c.what, func(t *testing.T) {
			began := time.Now()
			got := roundTrip(t, keyed(t, t.Context(), http.MethodGet, base+"/do/"+c.what, key, nil))
			if code := got.problem(t).Code; got.status != c.status || !strings.HasPrefix(code, c.code) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, c.status, c.code)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			if strings.Contains(got.body, strings.TrimPrefix(up.URL, "http://")) {
				t.Errorf("the caller is told the upstream's address: %s", got.body)
			}
		})
	}
	res, err := http.DefaultTransport.RoundTrip(keyed(t, t.Context(), http.MethodGet, base+"/do/cut", key, nil))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("an answer that was cut off came as whole: %q", body)
	}
	res.Body.Close()

	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := "http://" + nobody.Addr().String()
	nobody.Close()
	a.do("PATCH", "/tenants/demo/versions/"+version+"/draft", map[string]any{"upstream_urls": []string{refusing}})
	a.do("POST", "/tenants/demo/versions/"+version+"/publish?wait=applied", map[string]any{"environment": "production"})
	if got := roundTrip(t, keyed(t, t.Context(), http.MethodGet, base+"/do/echo", key, nil)); got.status != 502 || got.problem(t).Code != "upstream_unreachable" {
		t.Errorf("refused connections: got %d %s", got.status, got.body)
	}
	if status, _ := call(t, p.Gateway+"/demo/parcels/v1/parcels", p.Key); status != http.StatusOK {
		t.Errorf("another API meanwhile: got %d", status)
	}
}

func TestCallerWhoLeavesEndsTheUpstreamsCall(t *testing.T) {
	up := fake.NewUpstream(t)
	_, base, key := behind(t, up.URL)
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	calls := up.Calls()
	go func() {
		res, err := (&http.Transport{}).RoundTrip(keyed(t, ctx, http.MethodGet, base+"/do/slow", key, nil))
		if err == nil {
			res.Body.Close()
		}
		done <- err
	}()
	eventually(t, "the upstream is called", 5*time.Second, func() bool { return up.Calls() > calls })
	leave()
	if err := <-done; err == nil {
		t.Error("the call ended well")
	}
	eventually(t, "the upstream's call is given up", 5*time.Second, func() bool { return up.Cancelled("slow") == 1 })
}

// TestHangingUpstreamHarmsOnlyItself: 200 callers wait for one that hangs.
func TestHangingUpstreamHarmsOnlyItself(t *testing.T) {
	up := fake.NewUpstream(t)
	p, base, key := behind(t, up.URL)
	ctx, leave := context.WithCancel(t.Context())
	before, calls := p.ResidentMB(), up.Calls()
	done := make(chan struct{})
	transport := &http.Transport{}
	for range 200 {
		go func() {
			if res, err := transport.RoundTrip(keyed(t, ctx, http.MethodGet, base+"/do/slow", key, nil)); err == nil {
				res.Body.Close()
			}
			done <- struct{}{}
		}()
	}
	eventually(t, "200 calls hang", 20*time.Second, func() bool { return up.Calls() >= calls+200 })
	worst := time.Duration(0)
	for range 100 {
		began := time.Now()
		if status, body := call(t, p.Gateway+"/demo/parcels/v1/status", ""); status != http.StatusOK {
			t.Fatalf("another API: got %d %s", status, body)
		}
		worst = max(worst, time.Since(began))
	}
	t.Logf("slowest of 100 calls beside 200 that hang: %v; resident %.0f to %.0f MB", worst, before, p.ResidentMB())
	if worst > 500*time.Millisecond || p.ResidentMB() > before+60 {
		t.Errorf("slowest %v, resident %.0f to %.0f MB", worst, before, p.ResidentMB())
	}
	leave()
	for range 200 {
		<-done
	}
}
