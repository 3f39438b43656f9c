package lint

import (
	"strings"

	"portico/openapi"
	"portico/openapi/tree"
)

func httpsOnly() rule {
	return rule{Rule{
		Code: "security/https-only", Severity: openapi.SeverityWarning,
		Title: "No server URL uses http",
		Fix:   "Use https, so that keys and answers are not readable on the way.",
	}, func(c *check) {
		look := func(list tree.Node) {
			for n := range list.Children() {
				address := strings.ToLower(n.Get("url").String())
				c.places++
				if rest, ok := strings.CutPrefix(address, "http://"); ok && !local(rest) {
					c.breaks(n, "The server URL %s uses http.", clip(n.Get("url").String()))
				}
			}
		}
		look(c.doc.Root().Get("servers"))
		for path := range c.doc.Root().Get("paths").Children() {
			look(path.Get("servers"))
		}
		for i := range c.doc.Outline.Operations {
			look(c.doc.Operation(i).Get("servers"))
		}
	}}
}

// local reports whether an address without its scheme is this machine, where
// nothing is on the way.
func local(address string) bool {
	host, _, _ := strings.Cut(address, "/")
	for _, name := range []string{"localhost", "127.0.0.1", "[::1]"} {
		if host == name || strings.HasPrefix(host, name+":") {
			return true
		}
	}
	return false
}
