package policy_test

import (
	"testing"

	"portico/internal/entry"
)

func BenchmarkQuery(b *testing.B) {
	benchPasses(b, &entry.QueryPolicy{Set: []entry.NamedValue{{Name: "format", Value: "json"}}, Remove: []string{"utm_*"}}, nil)
}
