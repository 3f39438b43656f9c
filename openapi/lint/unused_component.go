package lint

import (
	"strings"

	"portico/openapi"
	"portico/openapi/tree"
)

func unusedComponent() rule {
	return rule{Rule{
		Code: "design/unused-component", Severity: openapi.SeverityInfo,
		Title: "Every component is used",
		Fix:   "Remove the component, or refer to it where it was meant.",
	}, func(c *check) {
		used := usedNames(c.doc)
		referenced := c.doc.Referenced()
		next := 0 // components and references both come in the document's order
		for kind := range c.doc.Root().Get("components").Children() {
			if strings.HasPrefix(kind.Key(), "x-") {
				continue
			}
			for n := range kind.Children() {
				c.places++
				for next < len(referenced) && referenced[next].Index() < n.Index() {
					next++
				}
				if next < len(referenced) && n.Contains(referenced[next]) || used[kind.Key()+"/"+n.Key()] {
					continue
				}
				c.breaks(n, "Nothing refers to %s/%s.", clip(kind.Key()), clip(n.Key()))
			}
		}
	}}
}

// usedNames are the components that are used by name and not by reference:
// security schemes, and the schemas of discriminators.
func usedNames(doc *openapi.Document) map[string]bool {
	used := make(map[string]bool)
	require := func(list [][]openapi.Requirement) {
		for _, all := range list {
			for _, r := range all {
				used["securitySchemes/"+r.Scheme] = true
			}
		}
	}
	require(doc.Outline.Security)
	for _, o := range doc.Outline.Operations {
		require(o.Security)
	}
	var find func(n tree.Node)
	find = func(n tree.Node) {
		for c := range n.Children() {
			if c.KeyIs("mapping") {
				for m := range c.Children() {
					used["schemas/"+strings.TrimPrefix(m.String(), "#/components/schemas/")] = true
				}
			}
			find(c)
		}
	}
	find(doc.Root()) // no deeper than the load's limit
	return used
}
