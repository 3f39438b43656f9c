package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portico/internal/entry"
)

// TestWhatACallerDoesIsHeldAgainstNoTarget has callers fail calls of their own
// making, often enough for targets to rest and for the breaker to open.
func TestWhatACallerDoesIsHeldAgainstNoTarget(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		t.Parallel()
		hangs := func(w http.ResponseWriter, r *http.Request) {
			if _, _ = io.Copy(io.Discard, r.Body); strings.HasSuffix(r.URL.Path, "hang") {
				<-r.Context().Done()
			}
		}
		r := governed(t, lane, func(api *entry.API) {
			u := &api.Upstreams[0]
			u.Protocol, u.Targets = "h2c", []entry.Target{{URL: serveSmallHeads(t, hangs)}, {URL: serveSmallHeads(t, hangs)}}
			u.Traffic.Breaker = entry.Breaker{ErrorPercent: 1, MinRequests: 3}
		})
		for range 8 {
			if got := r.call(t, "GET", do+"x", ""); got.status != 200 { // both are connected to
				t.Fatalf("got %d %s", got.status, got.body)
			}
		}
		for name, c := range map[string]struct {
			method, path, body string
			headers            []string
			want               string
		}{
			"another protocol": {"GET", "x", "", []string{"Connection: Upgrade", "Upgrade: websocket"}, "501 upgrade_not_supported"},
			"a large head":     {"GET", "x", "", []string{"X-Large: " + strings.Repeat("x", 9000)}, "431 request_too_large"},
			"no time":          {"POST", "hang", string(message("x")), []string{"Content-Type: application/grpc", "Grpc-Timeout: 60m"}, "200 "},
			"no time, sending": {"POST", "hang", string(bytes.Repeat(message("x"), 4000)), []string{"Content-Type: application/grpc", "Grpc-Timeout: 60m"}, "200 "},
		} {
			begin := time.Now()
			for range 8 {
				got := r.call(t, c.method, do+c.path, c.body, c.headers...)
				if text := fmt.Sprint(got.status, " ", got.code()); text != c.want && !strings.HasPrefix(c.want, "200") {
					t.Errorf("%s: got %s", name, text)
				}
			}
			if took := time.Since(begin); took > 4*time.Second {
				t.Errorf("%s: eight calls took %v", name, took)
			}
			if h := r.Status().Upstreams; len(h) > 0 {
				t.Errorf("%s: the status says %+v", name, h)
			}
		}
	})
}

// serveSmallHeads is an upstream by h2c that takes heads of 4 KiB.
func serveSmallHeads(t *testing.T, handler http.HandlerFunc) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols), MaxHeaderBytes: 4096}
	server.Protocols.SetUnencryptedHTTP2(true)
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String()
}

// TestTotalTimeoutBoundsTheQueueToo has one call take the only place for long, and
// another wait for it.
func TestTotalTimeoutBoundsTheQueueToo(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		t.Parallel()
		begun := make(chan struct{}, 1)
		up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			begun <- struct{}{}
			<-r.Context().Done()
		}))
		t.Cleanup(up.Close)
		r := governed(t, lane, func(api *entry.API) {
			u := &api.Upstreams[0]
			u.Targets = []entry.Target{{URL: up.URL}}
			u.Traffic = entry.Traffic{Concurrency: entry.Concurrency{MaxRequests: 1, Queue: 5, QueueMS: 8000}, TotalTimeoutMS: 300}
		})
		asked, err := http.NewRequestWithContext(t.Context(), "GET", r.url+do+"x", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := r.client.RoundTrip(asked)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		<-begun
		begin := time.Now()
		got := r.call(t, "GET", do+"x", "")
		if took := time.Since(begin); got.code() != "upstream_busy" || took < 200*time.Millisecond || took > 2*time.Second {
			t.Errorf("got %d %s after %v, want upstream_busy after about 300 ms", got.status, got.code(), took)
		}
	})
}
