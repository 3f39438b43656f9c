package policy_test

import (
	"testing"

	"portico/internal/entry"
	"portico/test/fake"
)

func BenchmarkScopes(b *testing.B) {
	i := fake.NewIssuer(b, "ES256")
	field := "Bearer " + i.Token(b, "ES256", map[string]any{"scope": "a b c read write"})
	token := entry.Policy{Config: taking(i, "ES256")}
	scopes := entry.Policy{Config: &entry.ScopesPolicy{All: []string{"read"}, Any: []string{"x", "write"}}}
	b.Run("behind a cached token", func(b *testing.B) {
		b.Run("empty chain", func(b *testing.B) { calls(b, routeOf(registered(i), token), field) }) // but for the token
		b.Run("scopes", func(b *testing.B) { calls(b, routeOf(registered(i), token, scopes), field) })
	})
}
