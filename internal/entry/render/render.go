// Package render makes bodies from templates. A template is JSON whose texts may
// be, or hold, expressions between ${ and }, or a plain text that holds them. The
// check before a publish compiles templates, and so does the gateway.
//
// A text that is nothing but one expression becomes that expression's value, of
// whatever type: {"total": "${body.price * body.quantity}"}. In a longer text the
// value is written into it. $${ is a ${ that is meant.
//
// # What an expression may
//
// It sees the Inputs and nothing else: no clock, no files, no network, no
// environment. It cannot run long or grow large: its length, the places it
// visits and the bytes it touches are counted, and one that uses too much is
// ended with an error. Numbers that are only carried along keep their digits; in
// arithmetic and comparisons they are whole numbers of 64 bits, or floating
// point. What is missing is nil, also below something that is missing.
package render

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"portico/internal/entry/tree"
)

const (
	// MaxTemplateBytes bounds a template.
	MaxTemplateBytes = 64 << 10
	// MaxExpressionBytes bounds one expression.
	MaxExpressionBytes = 4 << 10
	// MaxExpressions bounds how many a template holds.
	MaxExpressions = 256
)

// Inputs are what expressions see.
type Inputs struct {
	Body    any            `expr:"body"` // a tree, or nil
	Request Request        `expr:"request"`
	Answer  Answer         `expr:"answer"`
	Caller  Caller         `expr:"caller"`
	Problem Problem        `expr:"problem"`
	Calls   map[string]any `expr:"calls"`   // trees, of the calls that expressions look into
	Bodies  Bodies         `expr:"$bodies"` // render's own
	State   *budget        `expr:"$state"`  // render's own
}

// Bodies are those of the calls of a composition, for texts that are nothing but
// ${calls.NAME.body}.
type Bodies []Body

// Body is that of one call. Value is a tree.Raw or any other tree.
type Body struct {
	Name  string
	Value any
}

// Has reports whether the body of a call is there.
func (b Bodies) Has(name string) bool {
	return slices.ContainsFunc(b, func(one Body) bool { return one.Name == name })
}

// Request is the caller's request. Names of headers are in lower case.
type Request struct {
	Method    string            `expr:"method"`
	Host      string            `expr:"host"`
	Path      string            `expr:"path"`      // decoded, without the query
	Operation string            `expr:"operation"` // of the API; "" where none was found
	Address   string            `expr:"address"`   // the client's
	Params    map[string]string `expr:"params"`
	Query     map[string]string `expr:"query"`
	Headers   map[string]string `expr:"headers"`
}

// Answer is the upstream's answer, without its body.
type Answer struct {
	Status  int               `expr:"status"`
	Headers map[string]string `expr:"headers"`
}

// Caller is who called; all of it is "" where nobody was identified. Ids are as
// people see them: "app_…", "ten_…", "plan_…".
type Caller struct {
	Application string `expr:"application"`
	Name        string `expr:"name"` // the application's
	Tenant      string `expr:"tenant"`
	Plan        string `expr:"plan"`
	PlanName    string `expr:"plan_name"`
}

// Problem is why a call failed.
type Problem struct {
	Status    int    `expr:"status"`
	Title     string `expr:"title"`
	Code      string `expr:"code"`
	Detail    string `expr:"detail"`
	RequestID string `expr:"request_id"`
}

// For says which inputs a template may use.
type For int

// What templates are for.
const (
	OfRequest For = iota // body, request, caller
	OfAnswer             // body, request, caller, answer
	OfProblem            // problem, request, caller
	OfCalls              // calls, body, request, caller
)

func (f For) sees(input string) bool {
	switch input {
	case "request", "caller":
		return true
	case "body":
		return f != OfProblem
	case "answer":
		return f == OfAnswer
	case "problem":
		return f == OfProblem
	case "calls":
		return f == OfCalls
	}
	return false
}

// Template is a compiled one. It may be used by several at once.
type Template struct {
	root  node
	count int
	used  map[string]bool // inputs, and parts of them, that expressions read
	whole []string        // calls whose bodies stand in it as they are
}

// Uses reports whether the template reads an input, such as "body" or
// "request.headers".
func (t *Template) Uses(input string) bool { return t.used[input] }

// calls returns the names of the calls of a composition that a template reads.
func (t *Template) calls() []string {
	out := slices.Clone(t.whole)
	for name := range t.used {
		if call, ok := strings.CutPrefix(name, "calls."); ok && !strings.Contains(call, ".") {
			out = append(out, call)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// JSON compiles a template that is JSON. It may see what templates for that use see.
func JSON(source []byte, use For) (*Template, error) {
	if len(source) > MaxTemplateBytes {
		return nil, fmt.Errorf("is longer than %d bytes", MaxTemplateBytes)
	}
	value, err := tree.Decode(source)
	if err != nil {
		return nil, err
	}
	t := &Template{used: map[string]bool{}}
	t.root, err = t.build(value, use)
	return t, err
}

// Tree renders a template of JSON. The result may share parts with the inputs,
// and holds also numbers and lists of expressions' own types, which tree.Append
// writes.
func (t *Template) Tree(in *Inputs) (any, error) {
	if t.count > 0 {
		in.State = newBudget()
	}
	return t.root.eval(in)
}

// Append renders a template of JSON, written out behind dst in at most limit
// bytes.
func (t *Template) Append(dst []byte, in *Inputs, limit int) ([]byte, error) {
	v, err := t.Tree(in)
	if err != nil {
		return dst, err
	}
	return tree.Append(dst, v, limit)
}

// node is a part of a template.
type node interface {
	eval(in *Inputs) (any, error)
}

type constant struct{ value any }

func (c constant) eval(*Inputs) (any, error) { return c.value, nil }

type object struct {
	names  []string
	values []node
}

func (o *object) eval(in *Inputs) (any, error) {
	out := make(map[string]any, len(o.names))
	for i, n := range o.values {
		v, err := n.eval(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.names[i], err)
		}
		out[o.names[i]] = v
	}
	return out, nil
}

type list []node

func (l list) eval(in *Inputs) (any, error) {
	out := make([]any, len(l))
	for i, n := range l {
		v, err := n.eval(in)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// splice is the body of a call as it came: no expression looks into it.
type splice string

func (s splice) eval(in *Inputs) (any, error) {
	for _, b := range in.Bodies {
		if b.Name == string(s) {
			return b.Value, nil
		}
	}
	return nil, nil
}

// bodyOf reads a text that is nothing but ${calls.NAME.body}.
func bodyOf(text string) (name string, ok bool) {
	inner, ok := strings.CutPrefix(text, "${")
	if !ok || !strings.HasSuffix(inner, "}") {
		return "", false
	}
	if name, ok = strings.CutPrefix(strings.TrimSpace(inner[:len(inner)-1]), "calls."); ok {
		name, ok = strings.CutSuffix(name, ".body")
	}
	return name, ok && isName(name)
}

// isName reports whether a text is a name of the language.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func (t *Template) build(value any, use For) (node, error) {
	switch v := value.(type) {
	case map[string]any:
		o := &object{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if strings.Contains(name, "${") {
				return nil, fmt.Errorf("%q: the names of members are no templates", name)
			}
			n, err := t.build(v[name], use)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			o.names, o.values = append(o.names, name), append(o.values, n)
		}
		return o, nil
	case []any:
		l := make(list, len(v))
		for i, item := range v {
			n, err := t.build(item, use)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			l[i] = n
		}
		return l, nil
	case string:
		if name, ok := bodyOf(v); ok && use == OfCalls {
			t.whole = append(t.whole, name)
			return splice(name), nil
		}
		parts, err := t.parts(v, use)
		switch {
		case err != nil:
			return nil, err
		case len(parts) == 1:
			return parts[0], nil
		}
		return text(parts), nil
	}
	return constant{value}, nil
}

// parts cuts a text into what is constant and what is an expression.
func (t *Template) parts(source string, use For) ([]node, error) {
	var parts []node
	literal := ""
	for rest := source; ; {
		i := strings.Index(rest, "${")
		if i < 0 {
			literal += rest
			break
		}
		if i > 0 && rest[i-1] == '$' {
			literal += rest[:i-1] + "${"
			rest = rest[i+2:]
			continue
		}
		literal += rest[:i]
		end := endOf(rest[i+2:])
		if end < 0 {
			return nil, errors.New("a ${ is not closed")
		}
		expression, err := t.expression(rest[i+2:i+2+end], use)
		if err != nil {
			return nil, err
		}
		if literal != "" {
			parts = append(parts, constant{literal})
			literal = ""
		}
		parts = append(parts, expression)
		rest = rest[i+2+end+1:]
	}
	if literal != "" || len(parts) == 0 {
		parts = append(parts, constant{literal})
	}
	return parts, nil
}

// endOf finds the brace that ends an expression; -1 if none does.
func endOf(s string) int {
	depth := 0
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return i
		case c == '}':
			depth--
		}
	}
	return -1
}
