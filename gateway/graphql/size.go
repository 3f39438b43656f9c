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
// speak of that says; false where none does.
func (v *visit) size(f *ast.Field) (n int64, ok bool) {
	for _, a := range f.Arguments {
		if !slices.Contains(v.rules.sizes, a.Name) {
			continue
		}
		if got, said := v.number(a.Value); said {
			n, ok = max(n, got), true
		}
	}
	return n, ok
}

// number reads a whole number that is not negative. One too large to count is
// the largest there is.
func (v *visit) number(value *ast.Value) (int64, bool) {
	text := ""
	switch {
	case value == nil:
		return 0, false
	case value.Kind == ast.IntValue:
		text = value.Raw
	case value.Kind == ast.Variable:
		given, there := v.variables[value.Raw]
		if !there {
			fallback := v.defaults[value.Raw]
			if fallback == nil || fallback.Kind != ast.IntValue {
				return 0, false
			}
			text = fallback.Raw
			break
		}
		switch given := given.(type) {
		case json.Number:
			text = string(given)
		case string:
			text = given // some servers take it for a number
		}
	}
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
