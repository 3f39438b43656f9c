package expression

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// functions are those of the language that an expression may call: none makes
// more than it is given, and none looks elsewhere.
func functions() []string {
	return []string{"all", "any", "none", "one", "count", "len", "lower", "upper", "trim", "int", "float", "string", "hasPrefix", "hasSuffix", "indexOf", "abs"}
}

// maxPattern bounds the program that a pattern becomes, and so the time that it
// takes over a text.
const maxPattern = 500

// looker reads what an expression looks at, and refuses what has no bounds.
type looker struct {
	roots map[string]bool     // of Env, and "request.address" and its like
	named map[string][]string // headers, query, params

	whole, used   int // how often a collection of names stands there, and how often one of it is asked for by name
	requests, dot int // how often "request" stands there, and how often a field of it
	err           error
}

func (l *looker) at(node *ast.Node) error {
	l.roots, l.named = map[string]bool{}, map[string][]string{}
	ast.Walk(node, l)
	switch {
	case l.err != nil:
		return l.err
	case l.requests != l.dot:
		return errors.New("request is no value of its own: name its field, such as request.method")
	case l.whole != l.used:
		return errors.New(`headers, query and params are asked by a name that is written out: request.headers["x-tenant"]`)
	}
	return nil
}

// Visit implements ast.Visitor. It sees children before their parents, so that
// what a parent says of itself takes the place of what its parts were refused for.
func (l *looker) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if n.Value != "request" && n.Value != "caller" && n.Value != "claims" {
			l.refuse("%q is not known: there are request, caller and claims", n.Value)
		}
		l.roots[n.Value] = true
		if n.Value == "request" {
			l.requests++
		}
	case *ast.MemberNode:
		l.member(n)
	case *ast.BuiltinNode:
		if !slices.Contains(functions(), n.Name) {
			l.refuse("the function %s is not available; there are %s", n.Name, strings.Join(functions(), ", "))
		}
	case *ast.CallNode:
		l.err = fmt.Errorf("there is no such function; there are %s", strings.Join(functions(), ", "))
	case *ast.BinaryNode:
		l.operator(n)
	case *ast.PredicateNode:
		inner := &counter{}
		ast.Walk(&n.Node, inner)
		if inner.predicates > 0 {
			l.refuse("all, any and their like cannot stand inside one another")
		}
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		l.err = errors.New("variables are not available; write one expression")
	}
}

func (l *looker) member(n *ast.MemberNode) {
	if root, ok := n.Node.(*ast.IdentifierNode); ok && root.Value == "request" {
		if field, ok := n.Property.(*ast.StringNode); ok {
			l.dot++
			l.roots["request."+field.Value] = true
		}
	}
	if collection(n) != "" {
		l.whole++
	}
	if of := collection(n.Node); of != "" {
		if name, ok := n.Property.(*ast.StringNode); ok {
			l.used++
			text := name.Value
			if of == "headers" {
				text = strings.ToLower(text)
			}
			if !slices.Contains(l.named[of], text) {
				l.named[of] = append(l.named[of], text)
			}
		}
	}
}

func (l *looker) operator(n *ast.BinaryNode) {
	switch n.Operator {
	case "..":
		l.refuse("ranges are not available")
	case "matches":
		pattern, ok := n.Right.(*ast.StringNode)
		if !ok {
			l.refuse("a pattern is written out, in quotes")
			return
		}
		parsed, err := syntax.Parse(pattern.Value, syntax.Perl)
		if err != nil {
			l.refuse("the pattern %q is not a regular expression", pattern.Value)
			return
		}
		if compiled, err := syntax.Compile(parsed.Simplify()); err != nil || len(compiled.Inst) > maxPattern {
			l.refuse("the pattern %q is too large", pattern.Value)
		}
	}
}

func (l *looker) refuse(format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf(format, args...)
	}
}

// collection returns which collection of names of the request a node is; "" for
// none.
func collection(node ast.Node) string {
	n, ok := node.(*ast.MemberNode)
	if !ok {
		return ""
	}
	root, ok := n.Node.(*ast.IdentifierNode)
	name, isText := n.Property.(*ast.StringNode)
	if !ok || !isText || root.Value != "request" {
		return ""
	}
	switch name.Value {
	case "headers", "query", "params":
		return name.Value
	}
	return ""
}

// counter counts predicates.
type counter struct{ predicates int }

// Visit implements ast.Visitor.
func (c *counter) Visit(node *ast.Node) {
	if _, ok := (*node).(*ast.PredicateNode); ok {
		c.predicates++
	}
}

// lowerer writes the names of headers in lower case, as they are kept.
type lowerer struct{}

// Visit implements ast.Visitor.
func (lowerer) Visit(node *ast.Node) {
	n, ok := (*node).(*ast.MemberNode)
	if !ok || collection(n.Node) != "headers" {
		return
	}
	if name, ok := n.Property.(*ast.StringNode); ok {
		name.Value = strings.ToLower(name.Value)
	}
}
