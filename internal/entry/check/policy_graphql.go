package check

import (
	"fmt"
	"strings"

	"portico/internal/entry"
)

// maxFields bounds the lists of fields of the policy "graphql".
const maxFields = 500

func (p *problems) graphQL(at string, c *entry.GraphQL) {
	p.between(at+".max_depth", int64(c.MaxDepth), 0, 200)
	p.between(at+".max_cost", c.MaxCost, 0, 1<<50)
	p.between(at+".max_aliases", int64(c.MaxAliases), 0, 1000)
	p.between(at+".max_batch", int64(c.MaxBatch), 0, 100)
	p.between(at+".max_bytes", c.MaxBytes, 0, 1<<20)
	p.choice(at+".web_socket", c.WebSocket, "", "refuse", "pass")
	for i, o := range c.Operations {
		p.choice(fmt.Sprintf("%s.operations[%d]", at, i), o, "query", "mutation", "subscription")
	}
	if len(c.Allow) > maxFields || len(c.Deny) > maxFields || len(c.Weights) > maxFields || len(c.SizeArguments) > maxFields {
		p.add(at, "want at most %d fields in each list", maxFields)
		return
	}
	for i, f := range c.Allow {
		if !strings.HasPrefix(f, "/") {
			p.add(fmt.Sprintf("%s.allow[%d]", at, i), "%q does not begin with a slash; want a path from the root such as /orders/items", f)
			continue
		}
		p.fieldOf(fmt.Sprintf("%s.allow[%d]", at, i), f)
	}
	for i, f := range c.Deny {
		p.fieldOf(fmt.Sprintf("%s.deny[%d]", at, i), f)
	}
	for i, w := range c.Weights {
		field := fmt.Sprintf("%s.weights[%d]", at, i)
		p.fieldOf(field+".field", w.Field)
		p.between(field+".cost", w.Cost, 0, 1_000_000)
		p.between(field+".list", w.List, 0, 1_000_000)
	}
	for i, a := range c.SizeArguments {
		if !graphName(a) {
			p.add(fmt.Sprintf("%s.size_arguments[%d]", at, i), "%q cannot be an argument's name", a)
		}
	}
}

// fieldOf checks a field's name, or a path of them.
func (p *problems) fieldOf(field, s string) {
	path, rooted := strings.CutPrefix(s, "/")
	for name := range strings.SplitSeq(path, "/") {
		if !graphName(name) && !(rooted && name == "*") || !rooted && path != name || len(s) > 1024 {
			p.add(field, "%q is neither a field's name nor a path from the root such as /orders/items", s)
			return
		}
	}
}

// graphName reports whether a text is a name of GraphQL.
func graphName(s string) bool {
	return s != "" && (s[0] < '0' || s[0] > '9') && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}
