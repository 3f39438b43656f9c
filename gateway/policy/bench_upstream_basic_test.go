package policy_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// benchProves is a call that passes the chain, and whose head then gets its proof
// as upstreams do it.
func benchProves(b *testing.B, tools policy.Tools, config entry.PolicyConfig, body string) {
	for name, policies := range map[string][]entry.Policy{"empty chain": nil, string(config.Kind()): {{Config: config}}} {
		b.Run(name, func(b *testing.B) {
			chain, ex, at := chainOf(tools, policies...), new(policy.Pool).Take(), scope()
			at.MaxBodyBytes = 1 << 20
			whole := []byte("POST /orders/4711?a=b&page=2 HTTP/1.1\r\nHost: orders.internal\r\nAccept: application/json\r\nContent-Type: application/json\r\n")
			head, ctx := make([]byte, 0, 4096), context.Background()
			b.ReportAllocs()
			for b.Loop() {
				ex.Reset()
				ex.Method, ex.Scope = "POST", at
				ex.UpstreamPath, ex.Query = "/orders/4711", "a=b&page=2"
				ex.Header.Add("Authorization", "Bearer mine")
				if body != "" {
					ex.Body, ex.BodyLength = policy.NewBody(strings.NewReader(body)), int64(len(body))
				}
				if err := chain.Run(ctx, ex); err != nil {
					b.Fatal(err)
				}
				head = append(head[:0], whole...)
				if proof := ex.ProofFor("main", "main"); proof != nil {
					if err := proof.Ready(ctx, ex); err != nil {
						b.Fatal(err)
					}
					head = proof.Append(head, ex)
				}
			}
			if bytes.Contains(head, []byte("Authorization: ")) != (len(policies) > 0) {
				b.Fatalf("sent: %s", head)
			}
		})
	}
}

func BenchmarkUpstreamBasic(b *testing.B) {
	benchProves(b, policy.Tools{}, &entry.UpstreamBasic{Username: entry.Secret{Opened: "gateway"}, Password: entry.Secret{Opened: "a long password"}}, "")
}
