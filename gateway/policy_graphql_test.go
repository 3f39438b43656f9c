package gateway_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"portico/internal/entry"
)

// graphCode is the code of an answer's first error.
func graphCode(r reply) string {
	var answer struct {
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if json.Unmarshal([]byte(r.body), &answer) != nil || len(answer.Errors) == 0 || answer.Errors[0].Message == "" {
		return ""
	}
	return answer.Errors[0].Extensions.Code
}

func graphQLCase(t *testing.T, lane change) {
	r := shaped(t, lane, nil, &entry.GraphQL{MaxDepth: 3, MaxBatch: 2, MaxBytes: 10_000, Deny: []string{"password"}})
	const path = "/demo/orders/v1/do/echo"
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"a query", "POST", path, `{"query":"{ a { b } }"}`, []string{asJSON}, 200, ""},
		{"a batch", "POST", path, `[{"query":"{ a }"},{"query":"{ b }"}]`, []string{asJSON}, 200, ""},
		{"by GET", "GET", path + "?query=" + url.QueryEscape(`query($n: Int) { a(first: $n) }`) + "&variables=%7B%22n%22:1%7D", "", nil, 200, ""},
		{"plain", "POST", path, `{ a }`, []string{"Content-Type: application/graphql"}, 200, ""},
		{"too deep, of old", "POST", path, `{"query":"{ a { b { c { d } } } }"}`, []string{asJSON, "Accept: application/json"}, 200, "graphql_too_deep"},
		{"too deep", "POST", path, `{"query":"{ a { b { c { d } } } }"}`, []string{asJSON, "Accept: application/graphql-response+json, application/json;q=0.9"}, 400, "graphql_too_deep"},
		{"too deep, plain", "POST", path, `{ a { b { c { d } } } }`, []string{"Content-Type: application/graphql"}, 200, "graphql_too_deep"},
		{"denied in a batch", "POST", path, `[{"query":"{ a }"},{"query":"{ password }"}]`, []string{asJSON}, 200, "graphql_field_not_allowed"},
		{"no JSON", "POST", path, `{"query":`, []string{asJSON}, 400, "graphql_invalid"},
		{"no document", "POST", path, `{"extensions":{"persistedQuery":{"sha256Hash":"x"}}}`, []string{asJSON}, 400, "graphql_invalid"},
		{"a document that is none", "POST", path, `{"query":"{ a "}`, []string{asJSON}, 200, "graphql_invalid"},
		{"no object", "POST", path, `"{ a }"`, []string{asJSON}, 400, "graphql_invalid"},
		{"a large batch", "POST", path, `[{"query":"{a}"},{"query":"{a}"},{"query":"{a}"}]`, []string{asJSON}, 200, "graphql_batch_too_large"},
		{"an empty batch", "POST", path, `[]`, []string{asJSON}, 400, "graphql_invalid"},
		{"a second document in the address", "POST", path + "?q%75ery=%7Bpassword%7D", `{"query":"{ a }"}`, []string{asJSON}, 400, "graphql_invalid"},
		{"two documents in the address", "GET", path + "?query=%7Ba%7D&query=%7Bpassword%7D", "", nil, 400, "graphql_invalid"},
		{"a mutation by GET", "GET", path + "?query=" + url.QueryEscape("mutation { a }"), "", nil, 405, "graphql_operation_not_allowed"},
		{"nothing by GET", "GET", path, "", nil, 400, "graphql_invalid"},
	} {
		got := r.call(t, c.method, c.path, c.body, c.headers...)
		if got.status != c.status || graphCode(got) != c.code {
			t.Errorf("%s: got %d %s, want %d %s", c.name, got.status, got.body, c.status, c.code)
		}
	}
	// A name that stands twice goes on as it was read.
	got := r.call(t, "POST", path, `{"query":"{ password }","query":"{ a }"}`, asJSON)
	if body := got.echo(t).Body; body != `{"query":"{ a }"}` {
		t.Errorf("the upstream saw %s", body)
	}
	if got := r.call(t, "POST", path, `{"query":"`+strings.Repeat(" ", 10_000)+`{ a }"}`, asJSON); got.status != 413 {
		t.Errorf("large: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "POST", path, `query=%7Ba%7D`, "Content-Type: application/x-www-form-urlencoded"); got.status != 415 {
		t.Errorf("a form: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "POST", path, `{"query":"{ a }"}`, asJSON, "Accept: application/graphql-response+json"); got.status != 200 {
		t.Errorf("with its own media type: got %d %s", got.status, got.body)
	}
}
