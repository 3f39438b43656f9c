package check

import (
	"fmt"
	"strings"

	"portico/internal/entry"
)

// The bounds of a cache policy.
const (
	maxCacheMS    = 366 * 24 * 60 * 60 * 1000
	maxCacheNames = 32
	maxCacheBody  = 16 << 20
)

func (p *problems) cachePolicy(at string, c entry.CachePolicy) {
	p.between(at+".default_ttl_ms", c.DefaultTTLMS, 0, maxCacheMS)
	p.between(at+".heuristic_percent", c.HeuristicPercent, 0, 100)
	p.between(at+".max_ttl_ms", c.MaxTTLMS, 0, maxCacheMS)
	p.between(at+".stale_while_revalidate_ms", c.StaleWhileRevalidateMS, 0, maxCacheMS)
	p.between(at+".stale_if_error_ms", c.StaleIfErrorMS, 0, maxCacheMS)
	p.between(at+".max_entry_bytes", c.MaxEntryBytes, 0, maxCacheBody)
	if c.MaxTTLMS > 0 && c.DefaultTTLMS > c.MaxTTLMS {
		p.add(at+".default_ttl_ms", "is more than max_ttl_ms")
	}
	seen := map[string]bool{}
	for i, name := range c.Vary {
		field, folded := fmt.Sprintf("%s.vary[%d]", at, i), strings.ToLower(name)
		switch {
		case !isToken(name):
			p.add(field, "%q is not a header's name", name)
		case seen[folded]:
			p.add(field, "%q is named twice", name)
		}
		seen[folded] = true
	}
	seen = map[string]bool{}
	for i, name := range c.IgnoreQuery {
		field := fmt.Sprintf("%s.ignore_query[%d]", at, i)
		switch {
		case name == "" || len(name) > 256 || strings.ContainsAny(name, "&=#?;% +"):
			p.add(field, "%q is not usable as a query parameter's name", name)
		case seen[name]:
			p.add(field, "%q is named twice", name)
		}
		seen[name] = true
	}
	if len(c.Vary) > maxCacheNames {
		p.add(at+".vary", "want at most %d, got %d", maxCacheNames, len(c.Vary))
	}
	if len(c.IgnoreQuery) > maxCacheNames {
		p.add(at+".ignore_query", "want at most %d, got %d", maxCacheNames, len(c.IgnoreQuery))
	}
}
