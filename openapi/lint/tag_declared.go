package lint

import (
	"portico/openapi"
	"portico/openapi/tree"
)

func tagDeclared() rule {
	return rule{Rule{
		Code: "docs/tag-declared", Severity: openapi.SeverityWarning,
		Title: "Every operation has a tag, and every tag is declared",
		Fix:   "Declare the tag under tags with a description; the reference is grouped by it.",
	}, func(c *check) {
		declared := make(map[string]bool)
		for _, t := range c.doc.Outline.Tags {
			declared[t.Name] = t.Declared
		}
		c.operations(func(_ int, o openapi.Operation, n tree.Node) {
			if len(o.Tags) == 0 {
				c.breaks(n, "%s has no tag.", title(o))
				return
			}
			for _, t := range o.Tags {
				if !declared[t] {
					c.breaks(n.Get("tags"), "The tag %q of %s is not declared.", clip(t), title(o))
					return
				}
			}
		})
	}}
}
