package lint

import (
	"portico/openapi"
	"portico/openapi/tree"
)

func errorResponse() rule {
	return rule{Rule{
		Code: "docs/error-response", Severity: openapi.SeverityWarning,
		Title: "Every operation says what it answers to a call that is wrong",
		Fix:   "Describe at least one 4xx response, or default, with its body.",
	}, func(c *check) {
		c.operations(func(_ int, o openapi.Operation, n tree.Node) {
			if !answers(n, "4") && !n.Get("responses").Get("default").Exists() {
				c.breaks(n, "%s describes no 4xx response.", title(o))
			}
		})
	}}
}
