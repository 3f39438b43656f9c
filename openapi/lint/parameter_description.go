package lint

import (
	"strings"

	"portico/openapi"
	"portico/openapi/tree"
)

func parameterDescription() rule {
	return rule{Rule{
		Code: "docs/parameter-description", Severity: openapi.SeverityInfo,
		Title: "Every parameter has a description",
		Fix:   "Say what the parameter selects and what happens without it.",
	}, func(c *check) {
		seen := make(map[tree.Node]bool) // shared parameters are reported once
		for i := range c.doc.Outline.Operations {
			for _, p := range c.doc.Parameters(i) {
				if seen[p] {
					continue
				}
				seen[p] = true
				c.places++
				if strings.TrimSpace(p.Get("description").String()) == "" && strings.TrimSpace(c.doc.Resolve(p.Get("schema")).Get("description").String()) == "" {
					c.breaks(p, "The %s parameter %q has no description.", clip(p.Get("in").String()), clip(p.Get("name").String()))
				}
			}
		}
	}}
}
