package policy_test

import (
	"context"
	"testing"
	"time"

	"portico/gateway/policy"
	"portico/gateway/token"
	"portico/internal/entry"
	"portico/test/fake"
)

// calls runs a chain over one exchange, as a connection would have it.
func calls(b *testing.B, chain *policy.Chain, field string) {
	b.Helper()
	pool := new(policy.Pool)
	ex, at, now := pool.Take(), scope(), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		ex.Scope, ex.Now, ex.Mono = at, now, 1
		ex.Header.Add("Authorization", field)
		if err := chain.Run(context.Background(), ex); err != nil {
			b.Fatal(err)
		}
		ex.Reset()
	}
}

// callsNothing is the same through an empty chain, which the others stand beside.
func callsNothing(b *testing.B, tools policy.Tools) {
	b.Helper()
	b.Run("empty chain", func(b *testing.B) {
		calls(b, policy.NewCompiler(entry.API{Version: uuid(1)}, tools).Route(entry.Route{Public: true}), "Bearer x")
	})
}

func BenchmarkJWT(b *testing.B) {
	i := fake.NewIssuer(b, "ES256", "RS256")
	for _, algorithm := range []string{"ES256", "RS256"} {
		field := "Bearer " + i.Token(b, algorithm, map[string]any{"scope": "read write", "sub": "4711"})
		tools := registered(i)
		b.Run(algorithm+" cached", func(b *testing.B) {
			calls(b, routeOf(tools, entry.Policy{Config: taking(i, algorithm)}), field)
		})
		tools.Tokens = nil
		b.Run(algorithm+" uncached", func(b *testing.B) {
			calls(b, routeOf(tools, entry.Policy{Config: taking(i, algorithm)}), field)
		})
	}
	callsNothing(b, registered(i))
}

func TestAKnownTokenAllocatesNothing(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	tools := registered(i)
	tools.Tokens = token.NewTables(64)
	chain, pool := routeOf(tools, entry.Policy{Config: taking(i, "ES256")}), new(policy.Pool)
	ex, at, now, field := pool.Take(), scope(), time.Now(), "Bearer "+i.Token(t, "ES256", nil)
	if n := testing.AllocsPerRun(100, func() {
		ex.Scope, ex.Now, ex.Mono = at, now, 1
		ex.Header.Add("Authorization", field)
		if err := chain.Run(context.Background(), ex); err != nil {
			t.Fatal(err)
		}
		ex.Reset()
	}); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}
