package graphql

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// size returns how long a field's list is, as the largest of its arguments that
// speak of that says, also within objects; false where none does. It is at least
// 1: what a server does of a list of none, nobody knows here.
func (v *visit) size(f *ast.Field) (n int64, ok bool) {
	known, before := v.ofFields[f]
	if !before {
		for _, a := range f.Arguments {
			if got, said := v.argument(a.Name, a.Value); said {
				known = sized{max(known.n, got, 1), true}
			}
		}
		v.ofFields[f] = known
	}
	return known.n, known.said
}

// sized is what was found of a field, or of a variable. Fragments are written out,
// and a variable stands in many places: each is looked at once.
type sized struct {
	n    int64
	said bool
}

// variable is argument for what stands in a variable.
func (v *visit) variable(name string) (int64, bool) {
	known, before := v.ofVariables[name]
	if !before {
		if given, there := v.variables[name]; there {
			known.n, known.said = v.given(given)
		} else if fallback := v.defaults[name]; fallback != nil && fallback.Kind != ast.Variable {
			known.n, known.said = v.argument("", fallback)
		}
		v.ofVariables[name] = known
	}
	return known.n, known.said
}

// argument is size for one argument, or one member of an object in it.
func (v *visit) argument(name string, value *ast.Value) (n int64, ok bool) {
	switch {
	case value == nil:
		return 0, false
	case slices.Contains(v.rules.sizes, name):
		if n, ok = v.number(value); ok {
			return n, true
		}
	}
	if value.Kind == ast.Variable {
		return v.variable(value.Raw)
	}
	for _, c := range value.Children {
		if got, said := v.argument(c.Name, c.Value); said {
			n, ok = max(n, got), true
		}
	}
	return n, ok
}

// given is argument for what a variable holds.
func (v *visit) given(value any) (n int64, ok bool) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			got, said := int64(0), false
			if slices.Contains(v.rules.sizes, name) {
				got, said = whole(member)
			}
			if !said {
				got, said = v.given(member)
			}
			if said {
				n, ok = max(n, got), true
			}
		}
	case []any:
		for _, item := range value {
			if got, said := v.given(item); said {
				n, ok = max(n, got), true
			}
		}
	}
	return n, ok
}

// number reads a whole number that is not negative. One too large to count is
// the largest there is.
func (v *visit) number(value *ast.Value) (int64, bool) {
	if value != nil && value.Kind == ast.Variable {
		given, there := v.variables[value.Raw]
		if there {
			return whole(given)
		}
		value = v.defaults[value.Raw]
	}
	if value == nil {
		return 0, false
	}
	switch value.Kind {
	case ast.IntValue, ast.FloatValue, ast.StringValue: // some servers take any of them for a number
		return parsed(value.Raw)
	}
	return 0, false
}

// whole is number for what a variable holds.
func whole(given any) (int64, bool) {
	switch given := given.(type) {
	case json.Number:
		return parsed(string(given))
	case string:
		return parsed(given)
	}
	return 0, false
}

func parsed(text string) (int64, bool) {
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && strings.Trim(text, "0123456789") != "", text == "":
		return 0, false
	case n >= math.MaxInt64/2:
		return math.MaxInt64, true
	}
	return max(int64(n), 0), true
}

// fields are fields by path, and by name alone, each with its index in the list
// that it was made of.
type fields struct {
	at    int // one more than the index of what ends here; 0 for nothing
	below map[string]*fields
	names map[string]int // of the root alone
}

func (f *fields) add(field string, i int) {
	path, rooted := strings.CutPrefix(field, "/")
	if !rooted {
		if f.names == nil {
			f.names = map[string]int{}
		}
		f.names[field] = i
		return
	}
	node := f
	for name := range strings.SplitSeq(path, "/") {
		if node.below == nil {
			node.below = map[string]*fields{}
		}
		if node.below[name] == nil {
			node.below[name] = &fields{}
		}
		node = node.below[name]
	}
	node.at = i + 1
}

func (f *fields) start() []*fields {
	if f == nil || f.below == nil {
		return nil
	}
	return []*fields{f}
}

// next returns where a field leads from places among the paths.
func next(from []*fields, name string) []*fields {
	var out []*fields
	for _, f := range from {
		for _, key := range [...]string{name, "*"} {
			if to := f.below[key]; to != nil {
				out = append(out, to)
			}
		}
	}
	return out
}

// match returns which entry a field is: one whose path ends here, or else one of
// its name.
func (f *fields) match(here []*fields, name string) (int, bool) {
	for _, h := range here {
		if h.at > 0 {
			return h.at - 1, true
		}
	}
	i, ok := f.names[name]
	return i, ok
}
