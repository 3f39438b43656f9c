package policy_test

import (
	"testing"

	"portico/internal/entry"
)

func BenchmarkSize(b *testing.B) {
	benchPasses(b, &entry.SizePolicy{BodyBytes: 1 << 16, HeaderBytes: 8192, Headers: 40, PathBytes: 1024, QueryBytes: 2048, ContentTypes: []string{"application/json"}}, nil)
}
