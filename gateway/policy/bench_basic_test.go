package policy_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
)

func BenchmarkBasic(b *testing.B) {
	password := strings.Repeat("p", 43)
	tools := policy.Tools{Limiter: policy.NewLimiter(1024), Grants: known{entry.BasicHash("ann", password): grantFor()}}
	_, field, _ := strings.Cut(basicAuth("ann", password), ": ")
	b.Run("known", func(b *testing.B) {
		calls(b, routeOf(tools, entry.Policy{Config: &entry.BasicPolicy{}}), field)
	})
	b.Run("empty chain", func(b *testing.B) {
		calls(b, policy.NewCompiler(entry.API{Version: uuid(1)}, tools).Route(entry.Route{Public: true}), field)
	})
}

func TestPasswordsAndCertificatesAllocateNothing(t *testing.T) {
	shown := certificate(time.Hour)
	tools := policy.Tools{Limiter: policy.NewLimiter(1024), Grants: known{entry.BasicHash("ann", "x"): grantFor(), entry.CertificateHash(sum(string(shown.Raw))): grantFor()}}
	_, field, _ := strings.Cut(basicAuth("ann", "x"), ": ")
	for _, config := range []entry.PolicyConfig{&entry.BasicPolicy{}, &entry.ClientCertificatePolicy{}} {
		chain, pool := routeOf(tools, entry.Policy{Config: config}), new(policy.Pool)
		ex, at, now := pool.Take(), scope(), time.Now()
		if n := testing.AllocsPerRun(100, func() {
			ex.Scope, ex.Now, ex.Mono, ex.ClientCertificate = at, now, 1, shown
			ex.Header.Add("Authorization", field)
			if err := chain.Run(context.Background(), ex); err != nil {
				t.Fatal(err)
			}
			ex.Reset()
		}); n != 0 {
			t.Errorf("%s: got %v allocations", config.Kind(), n)
		}
	}
}
