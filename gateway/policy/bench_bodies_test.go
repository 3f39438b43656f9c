package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// order is a body of 1 KB.
func order() string {
	line := `{"sku": "ABC-0001", "count": 12, "price": 10.95, "note": "as a gift, please"}, `
	return `{"id": "0190b1a2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "internal": true, "lines": [` + strings.TrimSuffix(strings.Repeat(line, 12), ", ") + `]}`
}

// bodies measures calls with a body that are answered with it, through a policy
// and through an empty chain.
func bodies(b *testing.B, media, body string, config entry.PolicyConfig, denied *policy.Denied) {
	for _, c := range []struct {
		name     string
		policies []entry.Policy
	}{
		{"empty chain", nil}, {"1 KB", []entry.Policy{{Config: config}}},
	} {
		chain := chainOf(policy.Tools{}, c.policies...)
		b.Run(c.name, func(b *testing.B) {
			ex, source, ctx := new(policy.Pool).Take(), policy.NewBody(nil), context.Background()
			route := scope()
			route.MaxBodyBytes = 0
			b.ReportAllocs()
			for b.Loop() {
				source.Reset(strings.NewReader(body))
				ex.Scope, ex.Method, ex.MaxBodyBytes = route, "POST", 1<<20
				ex.Body, ex.BodyLength = source, int64(len(body))
				ex.Header.Add("Content-Type", media)
				ex.Header.Add("Accept", "text/html, */*;q=0.1")
				if err := chain.Run(ctx, ex); err != nil && !errors.Is(err, policy.ErrAnswered) {
					b.Fatal(err)
				}
				a := &ex.Answer
				a.Status, a.Length, a.Body = 200, int64(len(body)), io.NopCloser(strings.NewReader(body))
				a.Header.Add("Content-Type", media)
				if denied != nil {
					a.Status, ex.Code, ex.Denied = denied.Status, denied.Code, denied
				}
				policy.Finish(ctx, ex, func(err error) { b.Fatal(err) })
				ex.Reset()
			}
		})
	}
}

func BenchmarkJSONBody(b *testing.B) {
	bodies(b, "application/json", order(), &entry.JSONBody{
		Template: json.RawMessage(`{"ref":"${body.id}","lines":"${map(body.lines, ({'sku': .sku, 'cost': .count * .price}))}"}`),
		Merge:    json.RawMessage(`{"channel":"api"}`),
	}, nil)
}

func BenchmarkJSONAnswer(b *testing.B) {
	bodies(b, "application/json", order(), &entry.JSONAnswer{Omit: []string{"/internal", "/lines/*/note"}}, nil)
}

func BenchmarkXMLJSON(b *testing.B) {
	bodies(b, "application/json", order(), &entry.XMLJSON{Request: entry.ToXML, Root: "order"}, nil)
}

func BenchmarkErrorPage(b *testing.B) {
	bodies(b, "application/json", order(), &entry.ErrorPage{
		Statuses: []string{"4xx"}, HTML: "<h1>${problem.title}</h1><p>${problem.detail}</p>",
	}, &policy.Denied{Status: 429, Code: "rate_limited", Detail: "Too many calls."})
}

func BenchmarkGraphQL(b *testing.B) {
	query := `query { orders(first: 10) { id ` + strings.Repeat(`line: lines(first: 5) { sku count price note } `, 18) + `} }`
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		b.Fatal(err)
	}
	bodies(b, "application/json", string(body), &entry.GraphQL{MaxCost: 1 << 40}, nil)
}
