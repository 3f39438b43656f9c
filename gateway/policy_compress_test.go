package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"portico/internal/entry"
)

// pack packs a text as a coding of HTTP; "raw deflate" is deflate as it should
// not be sent.
func pack(t testing.TB, coding, text string) string {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "br":
		w = brotli.NewWriter(&out)
	case "zstd":
		w, err = zstd.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	case "raw deflate":
		w, err = flate.NewWriter(&out, 5)
	default:
		return text
	}
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// unpack reads what pack wrote.
func unpack(t testing.TB, coding, packed string) string {
	t.Helper()
	var r io.Reader = strings.NewReader(packed)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "br":
		r = brotli.NewReader(r)
	case "zstd":
		r, err = zstd.NewReader(r)
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(r)
	}
	if err != nil {
		t.Fatalf("%s: %v: %.100q", coding, err, packed)
	}
	return string(text)
}

// prose is a text that compresses well, but for no bomb.
func prose(bytes int) string {
	var b strings.Builder
	for n := 0; b.Len() < bytes; n++ {
		fmt.Fprintf(&b, `{"id": %d, "name": "order %x"}`+"\n", n, n*2654435761)
	}
	return b.String()[:bytes]
}

// compressing runs a node whose API compresses the answers of an origin.
func compressing(t *testing.T, lane change, o *origin, config entry.CompressPolicy, more ...entry.PolicyConfig) *running {
	return governed(t, lane, func(api *entry.API) {
		api.Upstreams[0].Targets[0].URL = o.URL
		for _, c := range append(more, &config) {
			api.Policies = append(api.Policies, entry.Policy{Config: c})
		}
	})
}

// texts answers with a text.
func texts(text string, headers ...string) func(http.ResponseWriter, *http.Request, int64) {
	return func(w http.ResponseWriter, _ *http.Request, _ int64) {
		w.Header().Set("Content-Type", "application/json")
		status := 200
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			if name == "Status" {
				_, _ = fmt.Sscan(value, &status)
				continue
			}
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func compressCase(t *testing.T, lane change) {
	o := newOrigin(t)
	r := compressing(t, lane, o, entry.CompressPolicy{})
	for _, size := range []int{1024, 20 << 10, 300 << 10} {
		text := prose(size)
		o.do(texts(text, `ETag: "a"`, "Accept-Ranges: bytes"))
		for _, c := range []struct{ accept, want string }{
			{"gzip", "gzip"},
			{"br", "br"},
			{"zstd", "zstd"},
			{"gzip, deflate, br, zstd", "zstd"},
			{"gzip, br", "br"},
			{"br;q=0.5, gzip;q=0.9", "gzip"},
			{"*", "zstd"},
			{"*;q=0.1, gzip", "gzip"},
			{"zstd;q=0, *", "br"},
			{"identity", ""},
			{"gzip;q=0", ""},
			{"deflate", ""},
			{"x-gzip", "gzip"},
			{"GZIP;Q=1.000", "gzip"},
			{"gzip;q=2", ""},
		} {
			got := r.call(t, "GET", cachedPath, "", "Accept-Encoding: "+c.accept)
			tag := `"a"`
			if c.want != "" {
				tag = `W/"a"`
			}
			if got.status != 200 || got.header.Get("Content-Encoding") != c.want || got.header.Get("Vary") != "Accept-Encoding" || got.header.Get("Etag") != tag {
				t.Errorf("%d bytes, %q: got %d %v", size, c.accept, got.status, got.header)
				continue
			}
			if unpack(t, c.want, got.body) != text || c.want != "" && len(got.body) > size*2/3 {
				t.Errorf("%d bytes, %q: got %d bytes that are something else, or not compressed", size, c.accept, len(got.body))
			}
		}
	}
}

func TestWhatIsNotCompressed(t *testing.T) {
	text := prose(5000)
	for name, c := range map[string]struct {
		config  entry.CompressPolicy
		method  string
		request []string
		answer  []string
		text    string
		packed  bool
	}{
		"as usual":                    {packed: true},
		"small":                       {text: text[:1023]},
		"as small as it may be":       {config: entry.CompressPolicy{MinBytes: 100}, text: text[:100], packed: true},
		"smaller":                     {config: entry.CompressPolicy{MinBytes: 100}, text: text[:99]},
		"of another type":             {answer: []string{"Content-Type: image/png"}},
		"a part":                      {answer: []string{"Status: 206", "Content-Range: bytes 0-4999/5001"}},
		"an error":                    {answer: []string{"Status: 500"}, packed: true},
		"compressed already":          {answer: []string{"Content-Encoding: br"}},
		"not compressed, it says":     {answer: []string{"Content-Encoding: identity"}, packed: true},
		"the answer forbids it":       {answer: []string{"Cache-Control: max-age=1, no-transform"}},
		"the request forbids it":      {request: []string{"Cache-Control: no-transform"}},
		"events":                      {answer: []string{"Content-Type: text/event-stream"}},
		"events, named":               {config: entry.CompressPolicy{Types: []string{"text/event-stream"}}, answer: []string{"Content-Type: text/event-stream; charset=utf-8"}, packed: true},
		"all of a kind":               {config: entry.CompressPolicy{Types: []string{"image/*"}}, answer: []string{"Content-Type: Image/SVG+xml"}, packed: true},
		"none of the types named":     {config: entry.CompressPolicy{Types: []string{"image/*"}}},
		"a type with a suffix":        {answer: []string{"Content-Type: application/problem+json"}, packed: true},
		"a coding that is not wanted": {config: entry.CompressPolicy{Codings: []string{"br"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.text == "" {
				c.text = text
			}
			o := newOrigin(t)
			o.do(texts(c.text, c.answer...))
			r := compressing(t, noLane, o, c.config)
			got := r.call(t, "GET", cachedPath, "", append([]string{"Accept-Encoding: gzip"}, c.request...)...)
			if packed := got.header.Get("Content-Encoding") == "gzip"; packed != c.packed {
				t.Fatalf("got %d %v", got.status, got.header)
			}
			if c.packed {
				got.body = unpack(t, "gzip", got.body)
			}
			if got.body != c.text {
				t.Errorf("got another text, of %d bytes", len(got.body))
			}
		})
	}
	o := newOrigin(t)
	o.do(texts(text, "Content-Length: 5000"))
	if got := compressing(t, noLane, o, entry.CompressPolicy{}).call(t, "HEAD", cachedPath, "", "Accept-Encoding: identity"); got.header.Get("Content-Encoding") != "" || got.header.Get("Content-Length") != "5000" {
		t.Errorf("HEAD: got %v", got.header)
	}
}

// TestWhatHasComeIsCompressedAtOnce reads a stream part by part.
func TestWhatHasComeIsCompressedAtOnce(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		for _, coding := range []string{"gzip", "br", "zstd"} {
			o, next := newOrigin(t), make(chan struct{})
			o.do(func(w http.ResponseWriter, r *http.Request, _ int64) {
				w.Header().Set("Content-Type", "application/x-ndjson")
				for n := range 3 {
					fmt.Fprintf(w, "part %d\n", n)
					_ = http.NewResponseController(w).Flush()
					<-next
				}
			})
			r := compressing(t, lane, o, entry.CompressPolicy{})
			req, _ := http.NewRequest("GET", r.url+cachedPath, nil)
			req.Header.Set("Accept-Encoding", coding)
			res, err := r.client.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			var body io.Reader
			switch coding {
			case "gzip":
				body, err = gzip.NewReader(res.Body)
			case "br":
				body = brotli.NewReader(res.Body)
			case "zstd":
				body, err = zstd.NewReader(res.Body, zstd.WithDecoderConcurrency(1))
			}
			if err != nil {
				t.Fatal(err)
			}
			for n := range 3 {
				var piece [7]byte
				if _, err := io.ReadFull(body, piece[:]); err != nil || string(piece[:]) != fmt.Sprintf("part %d\n", n) {
					t.Fatalf("%s: got %q, %v", coding, piece, err)
				}
				next <- struct{}{}
			}
			if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
				t.Errorf("%s: the end: got %q, %v", coding, rest, err)
			}
			_ = res.Body.Close()
		}
	})
}

// TestCompressedAnswersDoNotMix makes many calls at once whose answers differ.
func TestCompressedAnswersDoNotMix(t *testing.T) {
	o := newOrigin(t)
	o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
		texts(strings.Repeat(r.URL.RawQuery+",", 3000))(w, r, n)
	})
	r := compressing(t, noLane, o, entry.CompressPolicy{})
	var group sync.WaitGroup
	for n := range 60 {
		group.Go(func() {
			coding := []string{"gzip", "br", "zstd"}[n%3]
			got := r.call(t, "GET", fmt.Sprintf("%s?%d", cachedPath, n), "", "Accept-Encoding: "+coding)
			if unpack(t, coding, got.body) != strings.Repeat(fmt.Sprint(n, ","), 3000) {
				t.Errorf("call %d got another's answer", n)
			}
		})
	}
	group.Wait()
}

// TestStoredAnswerIsCompressedForEachCaller has a cache before the compression.
func TestStoredAnswerIsCompressedForEachCaller(t *testing.T) {
	o, text := newOrigin(t), prose(3000)
	o.do(texts(text, "Cache-Control: max-age=60", `ETag: "a"`))
	r := compressing(t, noLane, o, entry.CompressPolicy{}, &entry.CachePolicy{})
	for _, coding := range []string{"gzip", "", "br", "gzip"} {
		got := r.call(t, "GET", cachedPath, "", "Accept-Encoding: "+coding)
		if got.header.Get("Content-Encoding") != coding || unpack(t, coding, got.body) != text || len(got.header["Vary"]) != 1 {
			t.Errorf("%q: got %v", coding, got.header)
		}
	}
	if got := r.call(t, "GET", cachedPath, "", "Accept-Encoding: gzip", `If-None-Match: W/"a"`); got.status != 304 {
		t.Errorf("known: got %d", got.status)
	}
	if got := o.calls.Load(); got != 1 {
		t.Errorf("the upstream got %d calls, want 1", got)
	}
}
