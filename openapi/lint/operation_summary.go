package lint

import (
	"strings"
	"unicode/utf8"

	"portico/openapi"
	"portico/openapi/tree"
)

// longestSummary is what fits into the navigation of a reference.
const longestSummary = 60

func operationSummary() rule {
	return rule{Rule{
		Code: "style/operation-summary", Severity: openapi.SeverityWarning,
		Title: "Every operation has a summary of at most 60 characters",
		Fix:   "Say in a few words what the operation does; move the rest to the description.",
	}, func(c *check) {
		c.operations(func(_ int, o openapi.Operation, n tree.Node) {
			switch length := utf8.RuneCountInString(o.Summary); {
			case strings.TrimSpace(o.Summary) == "":
				c.breaks(n, "%s has no summary.", title(o))
			case length > longestSummary:
				c.breaks(n.Get("summary"), "The summary of %s has %d characters.", title(o), length)
			}
		})
	}}
}
