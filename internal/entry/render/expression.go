package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"portico/internal/entry/tree"
)

// expression is a compiled one.
type expression struct{ program *vm.Program }

// memory is how many elements an expression's own lists and objects may hold.
const memory = 250_000

func (e *expression) eval(in *Inputs) (any, error) {
	machine := vm.VM{MemoryBudget: memory}
	v, err := machine.Run(e.program, in)
	if err != nil && in.State.left < 0 {
		return nil, errBudget
	}
	if err != nil {
		return nil, errors.New(firstLine(err))
	}
	return v, nil
}

// allowed are the functions of the language that an expression may call: those
// whose cost is no more than a multiple of what they are given, and that see
// nothing but that.
func allowed() []string {
	return []string{
		"all", "none", "any", "one", "filter", "map", "find", "findIndex", "findLast", "findLastIndex", "count", "sum", "groupBy", "sortBy", "reduce",
		"len", "type", "abs", "ceil", "floor", "round", "int", "float", "trim", "trimPrefix", "trimSuffix", "upper", "lower",
		"indexOf", "lastIndexOf", "hasPrefix", "hasSuffix", "max", "min", "mean", "median", "first", "last", "take", "keys", "values",
		"toPairs", "fromPairs", "reverse", "concat", "sort", "toBase64", "fromBase64",
	}
}

func (t *Template) expression(source string, use For) (node, error) {
	if t.count++; t.count > MaxExpressions {
		return nil, fmt.Errorf("holds more than %d expressions", MaxExpressions)
	}
	if len(source) > MaxExpressionBytes {
		return nil, fmt.Errorf("an expression is longer than %d bytes", MaxExpressionBytes)
	}
	m := &meter{use: use, used: t.used, own: map[string]bool{}, calls: map[ast.Node]string{}}
	options := []expr.Option{expr.Env(&Inputs{}), expr.Optimize(false), expr.MaxNodes(1000), expr.DisableAllBuiltins(), expr.Patch(m)}
	for _, name := range allowed() {
		options = append(options, expr.EnableBuiltin(name))
	}
	for _, f := range functions() {
		m.own[f.name] = true
		options = append(options, expr.Function(f.name, f.call, f.types...))
	}
	program, err := expr.Compile(source, options...)
	if m.err != nil {
		err = m.err
	}
	for _, name := range m.calls { // what is read of it is known only when it is read
		t.used["calls."+name+".body"], t.used["calls."+name+".headers"] = true, true
	}
	if err != nil {
		return nil, fmt.Errorf("${%s}: %s", source, firstLine(err))
	}
	return &expression{program}, nil
}

// firstLine leaves out the drawing of where an error is.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// meter makes every place where an expression could take long, or grow, count
// what it does; makes numbers of bodies numbers where they are reckoned with;
// and makes what is missing nil.
type meter struct {
	use   For
	used  map[string]bool
	own   map[string]bool
	calls map[ast.Node]string // what stands for a call, by name, of which no part was taken yet
	err   error
}

// Visit implements ast.Visitor. What stands below a node was visited before.
func (m *meter) Visit(at *ast.Node) {
	switch n := (*at).(type) {
	case *ast.IdentifierNode:
		m.identifier(n)
	case *ast.MemberNode:
		m.member(at, n)
	case *ast.UnaryNode:
		if n.Operator == "-" || n.Operator == "+" {
			n.Node = counted(n.Node)
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "??", "and", "or", "&&", "||":
		case "in", "not in":
			n.Left, n.Right = counted(n.Left), called("$list", n.Right)
		case "+":
			n.Left, n.Right = counted(n.Left), counted(n.Right)
			ast.Patch(at, called("$take", n))
		default:
			n.Left, n.Right = counted(n.Left), counted(n.Right)
		}
	case *ast.SliceNode:
		n.Node = counted(n.Node)
	case *ast.BuiltinNode:
		m.builtin(n)
	case *ast.CallNode:
		callee, ok := n.Callee.(*ast.IdentifierNode)
		if !ok || !m.own[callee.Value] && !strings.HasPrefix(callee.Value, "$") {
			m.fail("only functions can be called")
			return
		}
		for i := range n.Arguments {
			n.Arguments[i] = counted(n.Arguments[i])
		}
		ast.Patch(at, called("$take", n))
	}
}

func (m *meter) identifier(n *ast.IdentifierNode) {
	switch {
	case strings.HasPrefix(n.Value, "$"):
		m.fail("%s is not known", n.Value)
	case m.use.sees(n.Value):
		m.used[n.Value] = true
	case slices.Contains([]string{"body", "request", "answer", "caller", "problem", "calls"}, n.Value):
		m.fail("%s is not there where this template is used", n.Value)
	}
}

// member notes which part of an input is used, and replaces a look into a tree
// by one that finds nothing where nothing is.
func (m *meter) member(at *ast.Node, n *ast.MemberNode) {
	call := ""
	if name, ok := m.calls[n.Node]; ok {
		if part, ok := n.Property.(*ast.StringNode); ok {
			m.used["calls."+name+"."+part.Value] = true
			delete(m.calls, n.Node)
		}
	}
	if root, ok := n.Node.(*ast.IdentifierNode); ok {
		if input := root.Value; input != "body" && m.use.sees(input) {
			name, ok := n.Property.(*ast.StringNode)
			if !ok {
				m.fail("%s has its parts by name only", input)
				return
			}
			if m.used[input+"."+name.Value] = true; input != "calls" {
				return
			}
			call = name.Value
		}
	}
	if inner, ok := n.Node.(*ast.MemberNode); ok { // request.headers.x; the check knows its type
		if root, ok := inner.Node.(*ast.IdentifierNode); ok && root.Value != "body" && root.Value != "calls" && m.use.sees(root.Value) {
			return
		}
	}
	ast.Patch(at, &ast.CallNode{Callee: &ast.IdentifierNode{Value: "$get"}, Arguments: []ast.Node{n.Node, n.Property}})
	if call != "" {
		m.calls[*at] = call
	}
}

func (m *meter) builtin(n *ast.BuiltinNode) {
	for i, a := range n.Arguments {
		p, ok := a.(*ast.PredicateNode)
		switch {
		case !ok:
			n.Arguments[i] = called("$list", a)
		case n.Name == "map" || n.Name == "reduce" || n.Name == "groupBy":
			p.Node = called("$tick", p.Node)
		default:
			p.Node = called("$take", p.Node)
		}
	}
}

func (m *meter) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// counted wraps a node, but a constant, which costs nothing to speak of.
func counted(n ast.Node) ast.Node {
	switch n.(type) {
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.ConstantNode:
		return n
	}
	return called("$take", n)
}

func called(function string, n ast.Node) ast.Node {
	return &ast.CallNode{
		Callee:    &ast.IdentifierNode{Value: function},
		Arguments: []ast.Node{&ast.IdentifierNode{Value: "$state"}, n},
	}
}

// budget is what one rendering may still use. A unit is a place visited, four
// bytes, or two elements.
type budget struct{ left int }

func newBudget() *budget { return &budget{1_000_000} }

func (b *budget) spend(v any) error {
	b.left--
	switch v := v.(type) {
	case string:
		b.left -= len(v) / 4
		if len(v) > maxText {
			return tree.ErrTooLarge
		}
	case []any:
		b.left -= len(v) / 2
	case map[string]any:
		b.left -= len(v)
	}
	if b.left < 0 {
		return errBudget
	}
	return nil
}

type function struct {
	name  string
	call  func(args ...any) (any, error)
	types []any
}

// functions are those that the meter puts in, and those that stand in the place
// of the language's own that could grow without measure.
func functions() []function {
	return []function{
		{"$tick", func(args ...any) (any, error) { return args[1], args[0].(*budget).spend(nil) }, nil},
		{"$take", func(args ...any) (any, error) { return number(args[1]), args[0].(*budget).spend(args[1]) }, nil},
		{"$list", func(args ...any) (any, error) { return numbers(args[1]), args[0].(*budget).spend(args[1]) }, nil},
		{"$get", func(args ...any) (any, error) { return get(args[0], args[1]), nil }, nil},
		{"string", func(args ...any) (any, error) { return textOf(args[0]) }, []any{new(func(any) string)}},
		{"json", toJSON, []any{new(func(any) string)}},
		{"join", join, []any{new(func(any, string) string)}},
		{"replace", replace, []any{new(func(any, string, string) string)}},
		{"split", split, []any{new(func(any, string) []any)}},
	}
}

// maxDigits is how long a number may be to be reckoned with. Longer ones are only
// carried along.
const maxDigits = 512

// number makes a number of a body one that can be reckoned with.
func number(v any) any {
	n, ok := v.(json.Number)
	if !ok {
		return v
	}
	if len(n) > maxDigits { // reading it would cost more than a place visited
		return string(n)
	}
	if i, err := strconv.Atoi(string(n)); err == nil {
		return i
	}
	f, err := n.Float64()
	if err != nil {
		return string(n) // beyond what floating point can hold
	}
	return f
}

// numbers is number for the elements of a list too, which is copied.
func numbers(v any) any {
	items, ok := v.([]any)
	if !ok {
		return number(v)
	}
	has := func(v any) bool { _, ok := v.(json.Number); return ok }
	if !slices.ContainsFunc(items, has) {
		return v
	}
	out := make([]any, len(items))
	for i, item := range items {
		out[i] = number(item)
	}
	return out
}

// get looks into a value: a member of an object, an element of a list, from the
// end where the place is negative; nil where nothing is.
func get(v, at any) any {
	switch v := v.(type) {
	case map[string]any:
		if name, ok := at.(string); ok {
			return v[name]
		}
	case map[string]string:
		if name, ok := at.(string); ok {
			return v[name]
		}
	case []any:
		i, ok := number(at).(int)
		if ok && i < 0 {
			i += len(v)
		}
		if ok && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}

func toJSON(args ...any) (any, error) {
	out, err := tree.Append(nil, args[0], maxText)
	return string(out), err
}

func join(args ...any) (any, error) {
	items, ok := args[0].([]any)
	if !ok {
		return nil, errors.New("join wants a list")
	}
	separator := args[1].(string)
	var b strings.Builder
	for i, item := range items {
		s, err := textOf(item)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(s)
		if b.Len() > maxText {
			return nil, tree.ErrTooLarge
		}
	}
	return b.String(), nil
}

func replace(args ...any) (any, error) {
	s, err := textOf(args[0])
	if err != nil {
		return nil, err
	}
	old, to := args[1].(string), args[2].(string)
	if old == "" {
		return s, nil
	}
	if n := strings.Count(s, old); len(s)+n*(len(to)-len(old)) > maxText {
		return nil, tree.ErrTooLarge
	}
	return strings.ReplaceAll(s, old, to), nil
}

// maxParts bounds how many parts a text is split into.
const maxParts = 1000

func split(args ...any) (any, error) {
	s, err := textOf(args[0])
	if err != nil {
		return nil, err
	}
	if args[1].(string) == "" || strings.Count(s, args[1].(string)) >= maxParts {
		return nil, fmt.Errorf("split wants a separator, and makes at most %d parts", maxParts)
	}
	parts := strings.Split(s, args[1].(string))
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out, nil
}
