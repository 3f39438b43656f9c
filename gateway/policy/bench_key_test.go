package policy_test

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
	"portico/internal/secret"
)

// BenchmarkKey is a call by its key; and the same with a limit of the plan by
// GCRA, whose state is told to the caller, and counted by its status.
func BenchmarkKey(b *testing.B) {
	key, err := secret.MintKey("portico_live")
	if err != nil {
		b.Fatal(err)
	}
	hash, field := sha256.Sum256([]byte(key.Reveal())), "Bearer "+key.Reveal()
	tools := policy.Tools{Grants: known{hash: grantFor()}, Limiter: policy.NewLimiter(1024)}
	callsNothing(b, tools)
	b.Run("key", func(b *testing.B) { calls(b, routeOf(tools, everywhere), field) })
	b.Run("key, GCRA and counters", func(b *testing.B) {
		tools.Grants = known{hash: grantFor(entry.RateLimit{Requests: 1_000_000_000, PeriodMS: 1000})}
		chain, ex, at, now := routeOf(tools, everywhere), new(policy.Pool).Take(), scope(), time.Now()
		stats, mono := new(policy.Stats), int64(1<<40)
		b.ReportAllocs()
		for b.Loop() {
			mono += 1_000_000
			ex.Scope, ex.Now, ex.Mono = at, now, mono
			ex.Header.Add("Authorization", field)
			if err := chain.Run(context.Background(), ex); err != nil {
				b.Fatal(err)
			}
			ex.Limits.SetHeaders(ex)
			stats.Add(ex.Shard, 200)
			ex.Reset()
		}
		if stats.Count(2) == 0 {
			b.Fatal("nothing was counted")
		}
	})
}
