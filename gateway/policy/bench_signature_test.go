package policy_test

import (
	"context"
	"testing"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
)

func BenchmarkSignature(b *testing.B) {
	tools, simple := signing(), &policy.Exchange{Method: "GET", Target: "/orders?page=2"}
	signSimple(simple, "key", time.Now().Unix(), "")
	m := goodMessage()
	m.body = ""
	m.without("content-digest")
	signed := m.request()
	for _, c := range []struct {
		name  string
		like  *policy.Exchange
		chain *policy.Chain
	}{
		{"message", signed, routeOf(tools, entry.Policy{Config: &entry.SignaturePolicy{}})},
		{"simple", simple, routeOf(tools, entry.Policy{Config: &entry.SignaturePolicy{Form: "simple"}})},
		{"empty chain", signed, policy.NewCompiler(entry.API{Version: uuid(1)}, tools).Route(entry.Route{Public: true})},
	} {
		fields := append([]policy.Field(nil), c.like.Header.Fields()...)
		b.Run(c.name, func(b *testing.B) {
			ex, at, now := new(policy.Pool).Take(), scope(), time.Now()
			b.ReportAllocs()
			for b.Loop() {
				ex.Scope, ex.Now, ex.Mono = at, now, 1
				ex.Method, ex.Target, ex.Authority = c.like.Method, c.like.Target, c.like.Authority
				for _, f := range fields {
					ex.Header.Add(f.Name, f.Value)
				}
				if err := c.chain.Run(context.Background(), ex); err != nil {
					b.Fatal(err)
				}
				ex.Reset()
			}
		})
	}
}
