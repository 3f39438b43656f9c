//go:build !race

package policy_test

import "testing"

func BenchmarkConcurrency(b *testing.B) {
	b.Run("empty chain", func(b *testing.B) { benchLimit(b) })
	b.Run("by header", func(b *testing.B) { benchLimit(b, frequent()["concurrency by header"]) })
}
