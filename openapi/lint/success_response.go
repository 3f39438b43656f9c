package lint

import (
	"portico/openapi"
	"portico/openapi/tree"
)

func successResponse() rule {
	return rule{Rule{
		Code: "design/success-response", Severity: openapi.SeverityError,
		Title: "Every operation says what it answers when all is well",
		Fix:   "Add a response for the status that a successful call gets.",
	}, func(c *check) {
		c.operations(func(_ int, o openapi.Operation, n tree.Node) {
			if !answers(n, "123") && !n.Get("responses").Get("default").Exists() {
				c.breaks(n, "%s describes no successful answer.", title(o))
			}
		})
	}}
}

// answers reports whether an operation has a response whose status begins
// with one of the digits.
func answers(operation tree.Node, digits string) bool {
	for r := range operation.Get("responses").Children() {
		status := r.Key()
		for i := range len(digits) {
			if status != "" && status[0] == digits[i] {
				return true
			}
		}
	}
	return false
}
