package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
)

// parts is an upstream of orders and customers, which counts its calls.
type parts struct {
	*httptest.Server
	calls atomic.Int64
	slow  chan struct{} // /slow waits for it
	began chan struct{} // holds one when /slow was called; /breaks waits for it
}

func newParts(t *testing.T) *parts {
	t.Helper()
	p := &parts{slow: make(chan struct{}), began: make(chan struct{}, 1)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.calls.Add(1)
		w.Header().Set("Content-Type", "application/json")
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/slow":
			select {
			case p.began <- struct{}{}:
			default:
			}
			select {
			case <-p.slow:
			case <-r.Context().Done():
			}
		case r.URL.Path == "/broken":
			w.WriteHeader(503)
		case r.URL.Path == "/breaks":
			select {
			case <-p.began:
			case <-r.Context().Done():
			}
			w.WriteHeader(503)
		case r.URL.Path == "/text":
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, "plain")
		case r.URL.Path == "/garbage":
			io.WriteString(w, `{"open`)
		case r.URL.Path == "/large":
			io.WriteString(w, `"`+strings.Repeat("a", 3<<20)+`"`)
		case r.URL.Path == "/echo":
			json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "query": r.URL.RawQuery, "note": r.Header.Get("X-Note"), "key": r.Header.Get("X-API-Key"), "cookie": r.Header.Get("Cookie"), "body": string(body)})
		case strings.HasPrefix(r.URL.Path, "/orders/"):
			json.NewEncoder(w).Encode(map[string]any{"id": strings.TrimPrefix(r.URL.EscapedPath(), "/orders/"), "customer": "c/7", "price": json.Number("12.50")})
		case r.URL.EscapedPath() == "/customers/c%2F7":
			io.WriteString(w, `{"name":"Mia"}`)
		default:
			w.WriteHeader(404)
		}
	}))
	t.Cleanup(p.Close)
	t.Cleanup(func() { close(p.slow) })
	return p
}

// composing starts a node whose operation "get" is a composition.
func composing(t *testing.T, lane change, p *parts, c entry.Composition) *running {
	t.Helper()
	return governed(t, lane, func(api *entry.API) {
		api.Upstreams = append(api.Upstreams, entry.Upstream{Name: "parts", Targets: []entry.Target{{URL: p.URL}}})
		for i := range c.Calls {
			c.Calls[i].Upstream = "parts"
		}
		for i := range api.Routes {
			if api.Routes[i].Path == "/do/{what}" {
				api.Routes[i].Policies = []entry.Policy{{Config: &c}}
			}
		}
	})
}

func compositionCase(t *testing.T, lane change) {
	p := newParts(t)
	r := composing(t, lane, p, entry.Composition{
		Calls: []entry.CompositionCall{
			{Name: "order", Path: "/orders/${request.params.what}"},
			{Name: "customer", Path: "/customers/${calls.order.body.customer}", After: []string{"order"}},
			{Name: "echo", Path: "/echo?q=${request.query.q}", Method: "POST", Headers: map[string]string{"X-Note": "for ${request.params.what}"}, Body: json.RawMessage(`{"of": "${calls.order.body.id}"}`), After: []string{"order"}},
			{Name: "gone", Path: "/nowhere", Optional: true},
			{Name: "text", Path: "/text"},
		},
		Answer: json.RawMessage(`{"id": "${calls.order.body.id}", "price": "${calls.order.body.price}", "name": "${calls.customer.body.name}",
			"echo": "${calls.echo.body}", "gone": {"status": "${calls.gone.status}", "body": "${calls.gone.body}"}, "text": "${calls.text.body}", "by": "${calls.text.headers['content-type']}"}`),
		Status: 203,
	})
	got := r.call(t, "GET", do+"o-1?q=a%26b", "", "Cookie: secret=1", "X-API-Key: "+goodKey)
	want := `{"by":"text/plain","echo":{"body":"{\"of\":\"o-1\"}","cookie":"","key":"","method":"POST","note":"for o-1","query":"q=a%26b"},"gone":{"body":null,"status":404},"id":"o-1","name":"Mia","price":12.50,"text":"plain"}`
	if got.status != 203 || got.body != want || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s\nwant %s", got.status, got.body, want)
	}
	if n := p.calls.Load(); n != 5 {
		t.Errorf("got %d calls, want 5", n)
	}
	if got := r.call(t, "HEAD", do+"o-1", ""); got.status != 203 || got.body != "" {
		t.Errorf("HEAD: got %d %q", got.status, got.body)
	}
}

func TestCompositionFailsAsAWhole(t *testing.T) {
	for name, c := range map[string]struct {
		call   entry.CompositionCall
		status int
	}{
		"status":     {entry.CompositionCall{Path: "/broken"}, 502},
		"garbage":    {entry.CompositionCall{Path: "/garbage"}, 502},
		"too large":  {entry.CompositionCall{Path: "/large"}, 502},
		"too slow":   {entry.CompositionCall{Path: "/slow", TimeoutMS: 100}, 504},
		"dots":       {entry.CompositionCall{Path: "/a/${request.query.x}/b"}, 502},
		"line break": {entry.CompositionCall{Path: "/text", Headers: map[string]string{"X-Note": "${request.query.n}"}}, 502},
	} {
		t.Run(name, func(t *testing.T) {
			p := newParts(t)
			c.call.Name = "part"
			answer := json.RawMessage(`{"part": "${calls.part.body}", "status": "${calls.part.status}"}`)
			r := composing(t, func(*gateway.Config) {}, p, entry.Composition{Calls: []entry.CompositionCall{c.call}, Answer: answer})
			if got := r.call(t, "GET", do+"x?x=..&n=a%0d%0ab", ""); got.status != c.status || got.code() != "composition_failed" {
				t.Errorf("got %d %s, want %d", got.status, got.body, c.status)
			}
			c.call.Optional = true
			r = composing(t, func(*gateway.Config) {}, p, entry.Composition{Calls: []entry.CompositionCall{c.call}, Answer: answer})
			if got := r.call(t, "GET", do+"x?x=..&n=a%0d%0ab", ""); got.status != 200 || !strings.HasPrefix(got.body, `{"part":null,"status":`) {
				t.Errorf("optional: got %d %s", got.status, got.body)
			}
		})
	}
}

// TestCompositionKeepsWholeBodiesAsTheyCame: what nobody looks into keeps its
// order and digits, whether or not an expression reads another part of the call.
func TestCompositionKeepsWholeBodiesAsTheyCame(t *testing.T) {
	p := newParts(t)
	raw := `{ "z": 1.50, "a": [1e2, "\u00e9"], "n": 12345678901234567890 }`
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, raw)
	}))
	t.Cleanup(up.Close)
	calls := []entry.CompositionCall{{Name: "one", Path: "/"}, {Name: "two", Path: "/", After: []string{"one"}, Body: json.RawMessage(`"${calls.one.body}"`), Method: "POST"}}
	for answer, want := range map[string]string{
		`{"it": "${calls.one.body}"}`:                    `{"it":` + raw + `}`,
		`["${ calls.one.body }", "${calls.one.body.z}"]`: `[{"a":[1e2,"é"],"n":12345678901234567890,"z":1.50},1.50]`,
		`"${calls.two}"`:                                 `{"body":{"a":[1e2,"é"],"n":12345678901234567890,"z":1.50},"headers":`,
		`["${calls.two['st' + 'atus']}", "${calls.one.headers['content-type']}"]`: `[200,"application/json"]`,
		`"of ${calls.one.body}"`:        `"of {\"a\":[1e2,\"é\"],\"n\":12345678901234567890,\"z\":1.50}"`,
		`"${calls.one.body ?? 'none'}"`: `{"a":[1e2,"é"],"n":12345678901234567890,"z":1.50}`,
	} {
		p.URL = up.URL
		r := composing(t, func(*gateway.Config) {}, p, entry.Composition{Calls: calls, Answer: json.RawMessage(answer)})
		for range 3 { // memory is used again
			if got := r.call(t, "GET", do+"x", ""); got.status != 200 || !strings.HasPrefix(got.body, want) {
				t.Errorf("%s: got %d %s\nwant %s", answer, got.status, got.body, want)
			}
		}
	}
}

func TestCompositionCallsSideBySideAndGivesUpTogether(t *testing.T) {
	p := newParts(t)
	r := composing(t, func(*gateway.Config) {}, p, entry.Composition{
		Calls:  []entry.CompositionCall{{Name: "slow", Path: "/slow"}, {Name: "broken", Path: "/breaks"}, {Name: "later", Path: "/text", After: []string{"slow"}}},
		Answer: json.RawMessage(`{}`),
	})
	began := time.Now()
	if got := r.call(t, "GET", do+"x", ""); got.status != 502 || time.Since(began) > 5*time.Second {
		t.Errorf("got %d %s after %v", got.status, got.body, time.Since(began))
	}
	if n := p.calls.Load(); n != 2 {
		t.Errorf("got %d calls, want 2: what waits for one that was given up is not called", n)
	}
}
