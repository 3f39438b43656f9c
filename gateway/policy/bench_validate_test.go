package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// described is a chain of a public route with one policy and a contract; without
// a policy it is the empty one.
func described(contract *entry.Contract, policies ...entry.Policy) *policy.Chain {
	return policy.NewCompiler(entry.API{Version: uuid(1)}, policy.Tools{Limiter: policy.NewLimiter(8), Reported: new(policy.Reported)}).
		Route(entry.Route{Operation: "list", Public: true, Policies: policies, Contract: contract})
}

func orderContract() *entry.Contract {
	return &entry.Contract{
		Parameters: []entry.ContractParameter{{Name: "limit", In: "query", Style: "form", Explode: true, Schema: json.RawMessage(`{"type":"integer","maximum":100}`)}},
		Body: []entry.ContractContent{{Type: "application/json", Schema: json.RawMessage(`{"type":"object","required":["id","lines"],"properties":{
			"id":{"type":"string","format":"uuid"},"lines":{"type":"array","maxItems":100,"items":{"type":"object","required":["sku","count"],"additionalProperties":false,"properties":{
			"sku":{"type":"string","pattern":"^[A-Z]{3}-[0-9]{4}$"},"count":{"type":"integer","minimum":1},"price":{"type":"number","minimum":0},"note":{"type":["string","null"],"maxLength":100}}}}}}`)}},
		Answers: []entry.ContractAnswer{{Status: "200", Content: []entry.ContractContent{{Type: "application/json", Examples: []entry.ContractExample{{Body: `{"id":1}`}}}}}},
	}
}

// BenchmarkValidate is a call with a query and a body of 1 KB, beside the same
// call through an empty chain.
func BenchmarkValidate(b *testing.B) {
	body := `{"id": "0190b1a2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "lines": [` + strings.TrimSuffix(strings.Repeat(`{"sku": "ABC-0001", "count": 12, "price": 10.95, "note": "as a gift, please"}, `, 12), ", ") + `]}`
	for _, c := range []struct {
		name  string
		chain *policy.Chain
	}{
		{"empty chain", described(nil)},
		{"1 KB", described(orderContract(), entry.Policy{Config: &entry.Validate{}})},
	} {
		b.Run(c.name, func(b *testing.B) {
			ex := new(policy.Pool).Take()
			source := policy.NewBody(nil)
			b.ReportAllocs()
			for b.Loop() {
				source.Reset(strings.NewReader(body))
				ex.Scope, ex.Method, ex.Query, ex.MaxBodyBytes = scope(), "POST", "limit=5", 1<<20
				ex.Scope.MaxBodyBytes = 0
				ex.Body, ex.BodyLength = source, int64(len(body))
				ex.Header.Add("Content-Type", "application/json")
				if err := c.chain.Run(context.Background(), ex); err != nil {
					b.Fatal(err)
				}
				ex.Reset()
			}
		})
	}
}

// BenchmarkMock is a call that the mock answers, beside an empty chain.
func BenchmarkMock(b *testing.B) {
	for _, c := range []struct {
		name  string
		chain *policy.Chain
		want  error
	}{
		{"empty chain", described(nil), nil},
		{"example", described(orderContract(), entry.Policy{Config: &entry.Mock{}}), policy.ErrAnswered},
	} {
		b.Run(c.name, func(b *testing.B) {
			ex, route := new(policy.Pool).Take(), scope()
			b.ReportAllocs()
			for b.Loop() {
				ex.Scope, ex.Method = route, "GET"
				ex.Header.Add("Accept", "application/json")
				if err := c.chain.Run(context.Background(), ex); !errors.Is(err, c.want) {
					b.Fatal(err)
				}
				ex.Reset()
			}
		})
	}
}
