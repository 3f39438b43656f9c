package lint

import (
	"strings"

	"portico/openapi"
)

func trailingSlash() rule {
	return rule{Rule{
		Code: "style/trailing-slash", Severity: openapi.SeverityWarning,
		Title: "No path ends with a slash",
		Fix:   "Drop the slash; a path with and one without it are two paths, and callers mix them up.",
	}, func(c *check) {
		for path := range c.doc.Root().Get("paths").Children() {
			key := path.Key()
			if c.places++; len(key) > 1 && strings.HasSuffix(key, "/") {
				c.breaks(path, "The path %s ends with a slash.", clip(key))
			}
		}
	}}
}
