package lint

import (
	"portico/openapi"
	"portico/openapi/tree"
)

func operationSecurity() rule {
	return rule{Rule{
		Code: "security/operation-security", Severity: openapi.SeverityWarning,
		Title: "Every operation says which credential it needs, or that it needs none",
		Fix:   "Set security for the document or the operation; an empty list says that the operation is open.",
	}, func(c *check) {
		c.operations(func(_ int, o openapi.Operation, n tree.Node) {
			if o.Security == nil && !o.Public {
				c.breaks(n, "%s does not say which credential it needs.", title(o))
			}
		})
	}}
}
