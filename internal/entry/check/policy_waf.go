package check

import (
	"fmt"

	"portico/internal/entry"
)

// The bounds of what a waf policy leaves out.
const (
	maxExcluded     = 100
	maxArgumentName = 128
	maxWAFBody      = 8 << 20
)

func (p *problems) waf(at string, w entry.WAF) {
	if w.Mode != "block" && w.Mode != "observe" {
		p.add(at+".mode", "want \"block\" or \"observe\", got %q", w.Mode)
	}
	p.between(at+".paranoia", int64(w.Paranoia), 1, 4)
	p.between(at+".threshold", int64(w.Threshold), 1, 100)
	p.between(at+".max_body_bytes", w.MaxBodyBytes, 0, maxWAFBody)
	if len(w.ExcludeRules) > maxExcluded {
		p.add(at+".exclude_rules", "want at most %d, got %d", maxExcluded, len(w.ExcludeRules))
	}
	for i, id := range w.ExcludeRules {
		p.between(fmt.Sprintf("%s.exclude_rules[%d]", at, i), int64(id), 200_000, 999_999)
	}
	if len(w.ExcludeArguments) > maxExcluded {
		p.add(at+".exclude_arguments", "want at most %d, got %d", maxExcluded, len(w.ExcludeArguments))
	}
	for i, name := range w.ExcludeArguments {
		if name == "" || len(name) > maxArgumentName {
			p.add(fmt.Sprintf("%s.exclude_arguments[%d]", at, i), "want a name of 1 to %d bytes", maxArgumentName)
		}
	}
}
