package policy_test

import (
	"testing"
	"time"

	"portico/gateway/identity"
	"portico/gateway/policy"
	"portico/internal/entry"
)

// BenchmarkIdentityToken is a call whose token was signed for an earlier one, and
// one whose token is signed now: it lives too short to be used again.
func BenchmarkIdentityToken(b *testing.B) {
	signer := new(identity.Signer)
	if err := signer.Use([32]byte{1}); err != nil {
		b.Fatal(err)
	}
	tools := policy.Tools{Limiter: policy.NewLimiter(1024), Identity: signer}
	for name, lifetime := range map[string]time.Duration{"signed before": time.Hour, "signed now": time.Millisecond} {
		b.Run(name, func(b *testing.B) {
			calls(b, chainOf(tools, entry.Policy{Config: &entry.IdentityToken{Audience: "orders", Header: "X-Identity", LifetimeMS: lifetime.Milliseconds()}}), "Bearer x")
		})
	}
	callsNothing(b, tools)
}
