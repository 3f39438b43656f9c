package lint

import (
	"strings"

	"portico/openapi"
	"portico/openapi/tree"
)

func operationDescription() rule {
	return rule{Rule{
		Code: "docs/operation-description", Severity: openapi.SeverityInfo,
		Title: "Every operation has a description",
		Fix:   "Say what the operation does, what it needs and what it changes.",
	}, func(c *check) {
		c.operations(func(_ int, o openapi.Operation, n tree.Node) {
			if strings.TrimSpace(n.Get("description").String()) == "" {
				c.breaks(n, "%s has no description.", title(o))
			}
		})
	}}
}
