package lint

import (
	"strings"

	"portico/openapi"
	"portico/openapi/tree"
)

func numericID() rule {
	return rule{Rule{
		Code: "security/numeric-id", Severity: openapi.SeverityInfo,
		Title: "Ids in paths cannot be counted",
		Fix:   "Use UUIDs or other random ids; whole numbers tell how many there are, and the next is easily guessed.",
	}, func(c *check) {
		seen := make(map[tree.Node]bool)
		for i := range c.doc.Outline.Operations {
			for _, p := range c.doc.Parameters(i) {
				name := p.Get("name").String()
				if seen[p] || p.Get("in").String() != "path" || !isID(name) {
					continue
				}
				seen[p] = true
				c.places++
				if c.doc.Resolve(p.Get("schema")).Get("type").String() == "integer" {
					c.breaks(p, "The path parameter %q is a whole number.", clip(name))
				}
			}
		}
	}}
}

func isID(name string) bool {
	lower := strings.ToLower(name)
	return lower == "id" || strings.HasSuffix(lower, "_id") || strings.HasSuffix(lower, "-id") || strings.HasSuffix(name, "Id") || strings.HasSuffix(name, "ID")
}
