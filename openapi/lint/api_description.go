package lint

import (
	"strings"

	"portico/openapi"
)

func apiDescription() rule {
	return rule{Rule{
		Code: "docs/api-description", Severity: openapi.SeverityWarning,
		Title: "The document has a title and a description",
		Fix:   "Say under info.description what the API is for and how to begin.",
	}, func(c *check) {
		c.places = 2
		info := c.doc.Root().Get("info")
		at := info
		if !at.Exists() {
			at = c.doc.Root()
		}
		if strings.TrimSpace(info.Get("title").String()) == "" {
			c.breaks(at, "The document has no title.")
		}
		if strings.TrimSpace(info.Get("description").String()) == "" {
			c.breaks(at, "The document has no description.")
		}
	}}
}
