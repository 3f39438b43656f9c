package fault_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/test/fake"
	"portico/test/process"
)

// P10: what cannot be is refused, with a sentence and the field's name, in
// bounded memory; nothing of it is kept, what was there serves on, and a call
// meanwhile is answered.
func TestBadInputIsRefusedPlainlyAndNothingIsLost(t *testing.T) {
	up := fake.NewUpstream(t)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	p, err := process.Start(ctx, binary, process.Options{Demo: true, Env: []string{"PORTICO_BOOTSTRAP_TOKEN=" + token, "PORTICO_LOG_LEVEL=error", "PORTICO_UPSTREAM_ALLOW=127.0.0.0/8"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	api := p.API(token)
	version, err := api.Live(t.Context(), "demo", "orders", process.MinimalDocument("Orders", up.URL, 3))
	if err != nil {
		t.Fatal(err)
	}
	state := func() string {
		t.Helper()
		var apis, products, applications any
		for path, into := range map[string]*any{"/apis": &apis, "/products": &products, "/applications": &applications} {
			if err := api.Do(t.Context(), "GET", "/tenants/demo"+path, nil, into); err != nil {
				t.Fatal(err)
			}
		}
		raw, err := json.Marshal([]any{apis, products, applications})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	eventually(t, "its document is read whole", func() bool {
		var v struct{ Document struct{ State string } }
		return api.Do(t.Context(), "GET", "/tenants/demo/versions/"+version, nil, &v) == nil && v.Document.State == "loaded"
	})
	before, resident := state(), p.ResidentMB()
	deep := strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	long := strings.Repeat("x", 100_000)
	versionPath := "/tenants/demo/versions/" + version
	for _, c := range []struct {
		name, method, path, media, body string
		status                          []int
		says                            string // in the answer
	}{
		{"a gzip bomb", "POST", "/tenants/demo/imports", "application/json", zipped(1 << 30), []int{413, 415, 422}, ""},
		{"a YAML alias bomb", "POST", "/tenants/demo/imports", "application/yaml", aliases(12), []int{422}, "alias"},
		{"a reference to itself as a path", "POST", "/tenants/demo/imports", "application/json", `{"openapi":"3.0.0","info":{"title":"x","version":"1"},"paths":{"/a":{"$ref":"#/paths/~1a"}}}`, []int{422}, "document:1"},
		{"a document 20,000 deep", "POST", "/tenants/demo/imports", "application/json", deep, []int{422}, "deep"},
		{"half a document", "POST", "/tenants/demo/imports", "application/json", process.MinimalDocument("x", up.URL, 9)[:200], []int{422}, "document"},
		{"JSON 20,000 deep as a form", "POST", "/tenants/demo/products", "application/json", deep, []int{400, 422}, ""},
		{"no JSON", "POST", "/tenants/demo/products", "application/json", "{", []int{400, 422}, ""},
		{"two values", "POST", "/tenants/demo/products", "application/json", `{"slug":"a","name":"A"}{"slug":"b"}`, []int{400, 422}, ""},
		{"another type", "POST", "/tenants/demo/products", "application/json", `{"slug":7,"name":"A"}`, []int{400, 422}, "slug"},
		{"an unknown field", "POST", "/tenants/demo/products", "application/json", `{"slug":"a","name":"A","owner":"me"}`, []int{400, 422}, "owner"},
		{"a name of 100,000", "POST", "/tenants/demo/products", "application/json", fmt.Sprintf(`{"slug":"a","name":%q}`, long), []int{422}, "name"},
		{"a slug that is none", "POST", "/tenants/demo/applications", "application/json", `{"slug":"../../etc","name":"A"}`, []int{422}, "slug"},
		{"a NUL", "POST", "/tenants/demo/applications", "application/json", `{"slug":"a","name":"A\u0000B"}`, []int{422}, "name"},
		{"an upstream that is none", "PATCH", versionPath + "/draft", "application/json", `{"upstream_urls":["file:///etc/passwd"]}`, []int{422}, "upstream_urls"},
		{"a header with a line break", "PATCH", versionPath + "/draft", "application/json", `{"upstream_headers":[{"name":"X-A","value":"a\r\nX-B: b"}]}`, []int{422}, "headers[0].value"},
		{"a limit beyond numbers", "PATCH", versionPath + "/draft", "application/json", `{"max_body_bytes":1e400}`, []int{400, 422}, "max_body_bytes"},
		{"a negative limit", "PATCH", versionPath + "/draft", "application/json", `{"max_body_bytes":-1}`, []int{422}, "max_body_bytes"},
		{"an id that is none", "POST", "/tenants/demo/subscriptions/'%3B--/approve", "application/json", "", []int{404}, ""},
		{"a cursor that is none", "GET", "/tenants/demo/apis?cursor=" + long[:2000], "", "", []int{422}, "cursor"},
		{"a limit that is none", "GET", "/tenants/demo/apis?limit=all", "", "", []int{422}, "limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), c.method, api.Base+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			if c.media != "" {
				req.Header.Set("Content-Type", c.media)
			}
			if strings.HasPrefix(c.body, "\x1f\x8b") {
				req.Header.Set("Content-Encoding", "gzip")
			}
			began := time.Now()
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			raw, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			known := false
			for _, status := range c.status {
				known = known || status == res.StatusCode
			}
			var problem struct{ Code, Detail, Title string }
			if err := json.Unmarshal(raw, &problem); err != nil || !known || problem.Code == "" || problem.Detail == "" && problem.Title == "" {
				t.Errorf("got %d %.500s, want %v and a problem with a code and a sentence", res.StatusCode, raw, c.status)
			}
			if !strings.Contains(string(raw), c.says) {
				t.Errorf("got %.500s, want it to say %q", raw, c.says)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			if res, err := http.Get(p.Gateway + "/demo/orders/v1/things0/1"); err != nil || res.StatusCode != http.StatusUnauthorized {
				t.Errorf("a call after it: %v", err)
			} else {
				res.Body.Close()
			}
		})
	}
	if after := state(); after != before {
		t.Errorf("something was kept:\n%s\nwas\n%s", after, before)
	}
	if most := p.MostResidentMB(); most > resident+300 {
		t.Errorf("resident memory went from %.0f to %.0f MB", resident, most)
	}
	select {
	case <-p.Done():
		t.Errorf("the process ended:\n%s", p.Output())
	default:
	}
}

// zipped is n zeros, compressed.
func zipped(n int64) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.CopyN(w, zeros{}, n) // into memory
	_ = w.Close()
	return b.String()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// aliases is a YAML document that would grow ninefold with every line.
func aliases(lines int) string {
	var b strings.Builder
	b.WriteString("openapi: 3.0.0\nl0: &l0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < lines; i++ {
		fmt.Fprintf(&b, "l%d: &l%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d, ", i-1), 9), ", "))
	}
	return b.String()
}
