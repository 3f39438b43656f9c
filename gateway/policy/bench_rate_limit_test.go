//go:build !race

package policy_test

import (
	"testing"

	"portico/internal/entry"
)

func benchLimit(b *testing.B, config ...entry.PolicyConfig) {
	call := repeated(config...)
	b.ReportAllocs()
	for b.Loop() {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRateLimit(b *testing.B) {
	b.Run("empty chain", func(b *testing.B) { benchLimit(b) })
	for _, name := range []string{"gcra by address", "gcra by header", "gcra by query", "sliding window by header"} {
		b.Run(name, func(b *testing.B) { benchLimit(b, frequent()[name]) })
	}
}
