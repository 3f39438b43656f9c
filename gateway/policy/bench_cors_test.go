package policy_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// benchPasses measures a chain that a call passes, and the answer's way back,
// beside the empty one.
func benchPasses(b *testing.B, config entry.PolicyConfig, fill func(*policy.Exchange)) {
	benchPassesWith(b, policy.Tools{Bots: policy.NewBots()}, config, fill)
}

func benchPassesWith(b *testing.B, tools policy.Tools, config entry.PolicyConfig, fill func(*policy.Exchange)) {
	for name, policies := range map[string][]entry.Policy{"empty chain": nil, string(config.Kind()): {{Config: config}}} {
		b.Run(name, func(b *testing.B) {
			chain, ex, at := chainOf(tools, policies...), new(policy.Pool).Take(), scope()
			b.ReportAllocs()
			for b.Loop() {
				ex.Reset()
				ex.Method, ex.Scope, ex.MaxBodyBytes = "GET", at, 1<<20
				ex.Client = netip.AddrFrom4([4]byte{203, 0, 113, 7})
				ex.Path, ex.UpstreamPath, ex.Query, ex.RequestID = policy.Path{Decoded: "/orders/4711", Wire: "/orders/4711"}, "/orders/4711", "a=b&page=2", "4f1c"
				ex.Header.Add("Host", "api.example.com")
				ex.Header.Add("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36")
				ex.Header.Add("Accept", "application/json")
				if fill != nil {
					fill(ex)
				}
				if err := chain.Run(context.Background(), ex); err != nil && !errors.Is(err, policy.ErrAnswered) {
					b.Fatal(err)
				}
				ex.Answer.Status = 200
				policy.Finish(context.Background(), ex, func(err error) { b.Fatal(err) })
			}
		})
	}
}

func BenchmarkCORS(b *testing.B) {
	benchPasses(b, &entry.CORSPolicy{Origins: []string{"https://shop.example.com"}, ExposedHeaders: []string{"X-Request-Id"}}, func(ex *policy.Exchange) {
		ex.Header.Add("Origin", "https://shop.example.com")
	})
}
