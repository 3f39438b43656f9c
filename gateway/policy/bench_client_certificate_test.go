package policy_test

import (
	"context"
	"crypto/x509"
	"testing"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
)

func BenchmarkClientCertificate(b *testing.B) {
	shown := &x509.Certificate{Raw: make([]byte, 1200), NotAfter: time.Now().Add(time.Hour)}
	tools := policy.Tools{Limiter: policy.NewLimiter(1024), Grants: known{entry.CertificateHash(sum(string(shown.Raw))): grantFor()}}
	for name, chain := range map[string]*policy.Chain{
		"registered":  routeOf(tools, entry.Policy{Config: &entry.ClientCertificatePolicy{}}),
		"empty chain": policy.NewCompiler(entry.API{Version: uuid(1)}, tools).Route(entry.Route{Public: true}),
	} {
		b.Run(name, func(b *testing.B) {
			ex, at, now := new(policy.Pool).Take(), scope(), time.Now()
			b.ReportAllocs()
			for b.Loop() {
				ex.Scope, ex.Now, ex.Mono, ex.ClientCertificate = at, now, 1, shown
				if err := chain.Run(context.Background(), ex); err != nil {
					b.Fatal(err)
				}
				ex.Reset()
			}
		})
	}
}
