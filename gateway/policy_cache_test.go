package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
)

// origin is an upstream of a cache under test. Each answer says which call it is
// of, by its number.
type origin struct {
	*httptest.Server
	calls atomic.Int64
	time  clock

	mu   sync.Mutex
	does func(w http.ResponseWriter, r *http.Request, n int64)
	seen []*http.Request
}

// newOrigin starts one that answers with such headers, "Name: value".
func newOrigin(t testing.TB, headers ...string) *origin {
	o := &origin{}
	o.does = says(headers...)
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := o.calls.Add(1)
		o.mu.Lock()
		does := o.does
		o.seen = append(o.seen, r)
		o.mu.Unlock()
		w.Header().Set("Date", o.time.now().UTC().Format(http.TimeFormat))
		does(w, r, n)
	}))
	t.Cleanup(o.Close)
	return o
}

// says answers with headers and a body of ten bytes and more.
func says(headers ...string) func(http.ResponseWriter, *http.Request, int64) {
	return func(w http.ResponseWriter, _ *http.Request, n int64) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Add(name, value)
		}
		fmt.Fprintf(w, "answer %04d", n)
	}
}

func (o *origin) do(does func(w http.ResponseWriter, r *http.Request, n int64)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.does = does
}

// last returns the newest call.
func (o *origin) last() *http.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen[len(o.seen)-1]
}

// clock is a time that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// caching runs a node whose API has a cache before an origin.
func caching(t *testing.T, lane change, o *origin, config entry.CachePolicy, edit ...func(*entry.API)) (*running, *clock) {
	t.Helper()
	r := governed(t, func(c *gateway.Config) { lane(c); c.Now = o.time.now }, func(api *entry.API) {
		api.Upstreams[0].Targets[0].URL = o.URL
		api.Policies = append(api.Policies, entry.Policy{Config: &config})
		for _, e := range edit {
			e(api)
		}
	})
	return r, &o.time
}

const cachedPath = "/demo/orders/v1/open"

func cacheCase(t *testing.T, lane change) {
	o := newOrigin(t, "Cache-Control: max-age=60", "ETag: \"a\"", "Cache-Tag: one, two")
	r, time := caching(t, lane, o, entry.CachePolicy{})
	first := r.call(t, "GET", cachedPath, "")
	if first.status != 200 || first.body != "answer 0001" || first.header.Get("Cache-Status") != "portico; fwd=uri-miss; stored" || first.header.Get("Cache-Tag") != "" {
		t.Fatalf("the first: got %d %q %v", first.status, first.body, first.header)
	}
	time.pass(3 * second)
	again := r.call(t, "GET", cachedPath, "")
	if again.status != 200 || again.body != "answer 0001" || !strings.HasPrefix(again.header.Get("Cache-Status"), "portico; hit; ttl=5") || again.header.Get("Age") != "3" || again.header.Get("Cache-Tag") != "" {
		t.Errorf("the second: got %d %q %v", again.status, again.body, again.header)
	}
	if head := r.call(t, "HEAD", cachedPath, ""); head.status != 200 || head.body != "" || head.header.Get("Content-Length") != "11" || head.header.Get("Age") != "3" {
		t.Errorf("HEAD: got %d %v", head.status, head.header)
	}
	if part := r.call(t, "GET", cachedPath, "", "Range: bytes=7-"); part.status != 206 || part.body != "0001" || part.header.Get("Content-Range") != "bytes 7-10/11" {
		t.Errorf("a range: got %d %q %v", part.status, part.body, part.header)
	}
	if known := r.call(t, "GET", cachedPath, "", `If-None-Match: "b", W/"a"`); known.status != 304 || known.header.Get("Etag") != `"a"` {
		t.Errorf("known: got %d %v", known.status, known.header)
	}
	if o.calls.Load() != 1 {
		t.Errorf("the upstream got %d calls, want 1", o.calls.Load())
	}
	o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
		if r.Header.Get("If-None-Match") != `"a"` {
			t.Errorf("asked without the tag: %v", r.Header)
		}
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("X-Renewed", "yes")
		w.WriteHeader(304)
	})
	time.pass(58 * second)
	if renewed := r.call(t, "GET", cachedPath, ""); renewed.status != 200 || renewed.body != "answer 0001" || renewed.header.Get("X-Renewed") != "yes" || renewed.header.Get("Age") != "0" {
		t.Errorf("validated: got %d %q %v", renewed.status, renewed.body, renewed.header)
	}
	if again := r.call(t, "GET", cachedPath, ""); again.body != "answer 0001" || o.calls.Load() != 2 {
		t.Errorf("after it: got %q from %d calls", again.body, o.calls.Load())
	}
}

const second = time.Second
