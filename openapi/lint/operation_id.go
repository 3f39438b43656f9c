package lint

import (
	"portico/openapi"
	"portico/openapi/tree"
)

func operationID() rule {
	return rule{Rule{
		Code: "design/operation-id", Severity: openapi.SeverityWarning,
		Title: "Every operation has an id of its own",
		Fix:   "Give the operation an operationId that no other has; generated clients name their methods after it.",
	}, func(c *check) {
		first := make(map[string]openapi.Operation)
		c.operations(func(_ int, o openapi.Operation, n tree.Node) {
			if o.GivenID == "" {
				c.breaks(n, "%s has no operation id.", title(o))
				return
			}
			if other, ok := first[o.GivenID]; ok {
				c.breaks(n.Get("operationId"), "The operation id %q is also that of %s on line %d.", clip(o.GivenID), title(other), other.Line)
				return
			}
			first[o.GivenID] = o
		})
	}}
}
