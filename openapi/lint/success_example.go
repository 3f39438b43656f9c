package lint

import (
	"strings"

	"portico/openapi"
	"portico/openapi/tree"
)

func successExample() rule {
	return rule{Rule{
		Code: "docs/success-example", Severity: openapi.SeverityInfo,
		Title: "Successful answers have an example",
		Fix:   "Add an example to the 2xx response; the reference shows it and mocks answer with it.",
	}, func(c *check) {
		for i, o := range c.doc.Outline.Operations {
			for named := range c.doc.Operation(i).Get("responses").Children() {
				content := c.doc.Resolve(named).Get("content")
				if !strings.HasPrefix(named.Key(), "2") || content.Len() == 0 {
					continue
				}
				c.places++
				if !exemplified(c.doc, content) {
					c.breaks(named, "The %s answer of %s has no example.", clip(named.Key()), title(o))
				}
				break
			}
		}
	}}
}

func exemplified(doc *openapi.Document, content tree.Node) bool {
	for named := range content.Children() {
		media := doc.Resolve(named)
		schema := doc.Resolve(media.Get("schema"))
		items := doc.Resolve(schema.Get("items"))
		for _, holder := range []tree.Node{media, schema, items} {
			if holder.Get("example").Exists() || holder.Get("examples").Len() > 0 {
				return true
			}
		}
	}
	return false
}
