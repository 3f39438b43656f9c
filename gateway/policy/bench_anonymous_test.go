package policy_test

import (
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

func BenchmarkAnonymous(b *testing.B) {
	tools := policy.Tools{Grants: known{}, Limiter: policy.NewLimiter(1024)}
	callsNothing(b, tools)
	b.Run("behind a key that is not shown", func(b *testing.B) {
		calls(b, routeOf(tools, everywhere, entry.Policy{Config: &entry.AnonymousPolicy{}}), "Basic x")
	})
}
