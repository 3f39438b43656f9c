package lint

import "portico/openapi"

func getWithBody() rule {
	return rule{Rule{
		Code: "design/get-with-body", Severity: openapi.SeverityWarning,
		Title: "GET, HEAD and DELETE have no request body",
		Fix:   "Use query parameters, or POST. Clients, caches and proxies drop such bodies.",
	}, func(c *check) {
		for i, o := range c.doc.Outline.Operations {
			switch o.Method {
			case "GET", "HEAD", "DELETE":
				c.places++
				if o.HasBody {
					c.breaks(c.doc.Operation(i).Get("requestBody"), "%s has a request body.", title(o))
				}
			}
		}
	}}
}
