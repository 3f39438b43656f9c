package policy_test

import (
	"testing"

	"portico/internal/entry"
)

func BenchmarkPath(b *testing.B) {
	for name, config := range map[string]*entry.PathPolicy{
		"template": {Template: "/v2/orders"}, "prefix": {Prefix: "/orders", Replacement: "/v2/orders"}, "pattern": {Pattern: "^/orders/([0-9]+)$", Replacement: "/v2/orders/$1"},
	} {
		b.Run(name, func(b *testing.B) { benchPasses(b, config, nil) })
	}
}
