package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"portico/internal/entry"
)

// unpacking runs a node whose API unpacks before an origin.
func unpacking(t *testing.T, lane change, o *origin, config entry.DecompressPolicy) *running {
	return governed(t, lane, func(api *entry.API) {
		api.Upstreams[0].Targets[0].URL = o.URL
		api.MaxBodyBytes = 256 << 10
		api.Policies = append(api.Policies, entry.Policy{Config: &config})
	})
}

// echoes answers with what was sent, or its length where that is much.
func echoes(w http.ResponseWriter, r *http.Request, _ int64) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Encoding", r.Header.Get("Content-Encoding"))
	if len(body) > 1000 {
		body = fmt.Append(nil, len(body))
	}
	_, _ = w.Write(body)
}

const echoPath = "/demo/orders/v1/do/echo"

func decompressCase(t *testing.T, lane change) {
	o := newOrigin(t)
	o.do(echoes)
	r := unpacking(t, lane, o, entry.DecompressPolicy{Requests: true, Answers: true})
	for _, coding := range []string{"gzip", "br", "zstd", "deflate", "raw deflate"} {
		said := strings.TrimPrefix(coding, "raw ")
		for range 2 { // the connection goes on
			got := r.call(t, "POST", echoPath, pack(t, coding, "what was packed"), "Content-Encoding: "+said)
			if got.status != 200 || got.body != "what was packed" || got.header.Get("X-Encoding") != "" {
				t.Fatalf("%s: got %d %q %v", coding, got.status, got.body, got.header)
			}
		}
		if got := r.call(t, "POST", echoPath, pack(t, coding, prose(600<<10)), "Content-Encoding: "+said); got.status != 200 || got.body != fmt.Sprint(600<<10) {
			t.Errorf("%s: got %d %q", coding, got.status, got.body)
		}
		bomb := pack(t, coding, strings.Repeat("0", 20<<20))
		if got := r.call(t, "POST", echoPath, bomb, "Content-Encoding: "+said); got.status != 413 || got.code() != "request_too_large" {
			t.Errorf("%s bomb: got %d %q", coding, got.status, got.body)
		}
		whole := pack(t, coding, prose(5000))
		if got := r.call(t, "POST", echoPath, whole[:len(whole)/2], "Content-Encoding: "+said); got.status != 400 {
			t.Errorf("half of %s: got %d %q", coding, got.status, got.body)
		}
		text := pack(t, coding, prose(3000)) // before, and not while the gateway waits
		o.do(func(w http.ResponseWriter, r *http.Request, _ int64) {
			w.Header().Set("Content-Encoding", said)
			w.Header().Set("Etag", `"a"`)
			packed := text
			switch r.URL.RawQuery {
			case "bomb":
				packed = bomb
			case "half":
				packed = text[:len(text)/2]
			}
			_, _ = io.WriteString(w, packed)
		})
		if got := r.call(t, "GET", cachedPath, "", "Accept-Encoding: gzip"); got.status != 200 || got.body != prose(3000) || got.header.Get("Content-Encoding") != "" || got.header.Get("Etag") != `W/"a"` {
			t.Errorf("answer in %s: got %d, %d bytes, %v", coding, got.status, len(got.body), got.header)
		}
		for _, bad := range []string{"bomb", "half"} {
			if got := r.call(t, "GET", cachedPath+"?"+bad, "", "Accept-Encoding: gzip"); got.status != 502 || got.code() != "upstream_invalid" {
				t.Errorf("%s in %s: got %d and %d bytes", bad, coding, got.status, len(got.body))
			}
		}
		o.do(echoes)
	}
}

func TestRequestsThatAreNotPackedAsTheySay(t *testing.T) {
	for name, c := range map[string]struct {
		said, body string
		status     int
		code       string
	}{
		"not packed":          {"gzip", "plain text", 400, "request_invalid"},
		"not packed, by br":   {"br", "plain text", 400, "request_invalid"},
		"not packed, by zstd": {"zstd", "plain text", 400, "request_invalid"},
		"packed otherwise":    {"gzip", pack(t, "zstd", "x"), 400, "request_invalid"},
		"something follows":   {"gzip", pack(t, "gzip", "x") + "more", 400, "request_invalid"},
		"something follows br": {
			"br", pack(t, "br", "x") + "more", 400, "request_invalid",
		},
		"unknown":            {"compress", "x", 415, "encoding_unsupported"},
		"twice":              {"gzip, br", pack(t, "br", pack(t, "gzip", "twice")), 200, ""},
		"three times":        {"gzip, gzip, gzip", "x", 415, "encoding_unsupported"},
		"a bomb in a bomb":   {"gzip, gzip", pack(t, "gzip", pack(t, "gzip", strings.Repeat("0", 64<<20))), 413, "request_too_large"},
		"identity":           {"identity", "plain", 200, ""},
		"too large packed":   {"gzip", pack(t, "gzip", noise(300<<10)), 413, "request_too_large"},
		"larger than it may": {"gzip", pack(t, "gzip", prose(700<<10)), 413, "request_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			o.do(echoes)
			r := unpacking(t, noLane, o, entry.DecompressPolicy{Requests: true, MaxBytes: 600 << 10})
			if got := r.call(t, "POST", echoPath, c.body, "Content-Encoding: "+c.said); got.status != c.status || got.code() != c.code {
				t.Errorf("got %d %q", got.status, got.body)
			}
		})
	}
}

// noise is a text that does not compress.
func noise(bytes int) string {
	b, x := make([]byte, bytes), uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

// TestUnpackedAnswersAreStored has a cache that keeps what was unpacked.
func TestUnpackedAnswersAreStored(t *testing.T) {
	o := newOrigin(t)
	o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, pack(t, "gzip", prose(5000)))
	})
	r := governed(t, noLane, func(api *entry.API) {
		api.Upstreams[0].Targets[0].URL = o.URL
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.CachePolicy{}}, entry.Policy{Config: &entry.DecompressPolicy{Answers: true}})
	})
	for range 2 {
		if got := r.call(t, "GET", cachedPath, "", "Accept-Encoding: gzip"); got.body != prose(5000) || got.header.Get("Content-Encoding") != "" {
			t.Errorf("got %d bytes %v", len(got.body), got.header)
		}
	}
	if got := o.calls.Load(); got != 1 {
		t.Errorf("the upstream got %d calls, want 1", got)
	}
}
