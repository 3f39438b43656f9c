package policy_test

import (
	"testing"

	"portico/internal/entry"
)

func BenchmarkBots(b *testing.B) {
	b.Run("classes", func(b *testing.B) { benchPasses(b, &entry.BotsPolicy{Classes: entry.BotClasses()}, nil) })
	b.Run("pattern", func(b *testing.B) { benchPasses(b, &entry.BotsPolicy{Deny: []string{"(?i)scrapebot|harvest"}}, nil) })
}
