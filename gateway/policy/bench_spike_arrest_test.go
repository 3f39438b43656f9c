//go:build !race

package policy_test

import "testing"

func BenchmarkSpikeArrest(b *testing.B) {
	b.Run("empty chain", func(b *testing.B) { benchLimit(b) })
	b.Run("by address", func(b *testing.B) { benchLimit(b, frequent()["spike arrest by address"]) })
}
