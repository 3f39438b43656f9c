package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"portico/internal/entry"
)

func sizeCase(t *testing.T, lane change) {
	env := environment()
	env.Policies = []entry.Policy{{Config: &entry.SizePolicy{BodyBytes: 100}}}
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.SizePolicy{
			BodyBytes: 500, HeaderBytes: 2000, Headers: 20, PathBytes: 100, QueryBytes: 50,
			ContentTypes: []string{"application/json", "application/*+json", "image/*"},
		}})
	}, item(t, 2, env))
	const do = "/demo/orders/v1/do/"
	json := "Content-Type: application/json"
	many := make([]string, 20)
	for i := range many {
		many[i] = "X-" + string(rune('A'+i)) + ": 1"
	}
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"small", "POST", do + "echo", "{}", []string{json}, 200, ""},
		{"as large as may be", "POST", do + "echo", strings.Repeat("a", 100), []string{json}, 200, ""},
		{"too large for the smaller bound", "POST", do + "echo", strings.Repeat("a", 101), []string{json}, 413, "request_too_large"},
		{"no body", "GET", do + "echo", "", []string{"Content-Type: text/html"}, 200, ""},
		{"no type", "POST", do + "echo", "{}", nil, 415, "content_type_refused"},
		{"another type", "POST", do + "echo", "{}", []string{"Content-Type: text/json"}, 415, "content_type_refused"},
		{"a longer type", "POST", do + "echo", "{}", []string{"Content-Type: application/jsonx"}, 415, "content_type_refused"},
		{"two types", "POST", do + "echo", "{}", []string{json, "Content-Type: text/html"}, 415, "content_type_refused"},
		{"with a parameter", "POST", do + "echo", "{}", []string{"Content-Type: Application/JSON ; charset=utf-8"}, 200, ""},
		{"of a suffix", "POST", do + "echo", "{}", []string{"Content-Type: application/vnd.a+json"}, 200, ""},
		{"of a suffix alone", "POST", do + "echo", "{}", []string{"Content-Type: application/+json"}, 415, "content_type_refused"},
		{"of a kind", "POST", do + "echo", "{}", []string{"Content-Type: image/png"}, 200, ""},
		{"long path", "GET", do + strings.Repeat("a", 100), "", nil, 414, "uri_too_long"},
		{"long query", "GET", do + "echo?" + strings.Repeat("a", 51), "", nil, 414, "uri_too_long"},
		{"query as long as may be", "GET", do + "echo?" + strings.Repeat("a", 50), "", nil, 200, ""},
		{"many headers", "GET", do + "echo", "", many, 431, "header_too_large"},
		{"large headers", "GET", do + "echo", "", []string{"X-A: " + strings.Repeat("a", 2000)}, 431, "header_too_large"},
	} {
		if got := r.call(t, c.method, c.path, c.body, c.headers...); got.status != c.status || got.code() != c.code {
			t.Errorf("%s: got %d %s", c.name, got.status, got.body)
		}
	}
	req, err := http.NewRequest("POST", r.url+do+"upload", unsized{strings.NewReader(strings.Repeat("a", 5000))})
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := r.client.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 413 {
		t.Errorf("a body that does not say how large it is: got %d", res.StatusCode)
	}
}

// unsized hides how much there is to read.
type unsized struct{ r *strings.Reader }

func (u unsized) Read(p []byte) (int, error) { return u.r.Read(p) }
