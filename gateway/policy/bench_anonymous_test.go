package policy_test

import (
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

func BenchmarkAnonymous(b *testing.B) {
	calls(b, routeOf(policy.Tools{Grants: known{}, Limiter: policy.NewLimiter(1024)}, everywhere, entry.Policy{Config: &entry.AnonymousPolicy{}}), "Basic x")
}
