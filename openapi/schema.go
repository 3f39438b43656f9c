package openapi

import (
	"slices"

	"portico/openapi/tree"
)

// view is a schema seen as one: its references followed and its allOf merged.
// Nothing is copied; a keyword is that of the first part that has it.
type view struct {
	name  string      // of the component that it is, or ""
	parts []tree.Node // the schema, then what it is composed of: the nearest first
	bases []tree.Node // the same, what is composed before what composes it
	never bool        // the boolean schema false
}

// viewOf merges a schema with what it is composed of. Rings of allOf end
// where they begin.
func (s *source) viewOf(n tree.Node) view {
	target, name := s.resolveNamed(n)
	v := view{name: name, never: target.Kind() == tree.Bool && !target.True()}
	beside := !target.Same(n) && n.Len() > 1
	if beside {
		v.parts = append(v.parts, n) // what stands beside the reference is nearer
	}
	s.compose(&v, target, 0)
	if beside {
		v.bases = append(v.bases, n)
	}
	if v.name == "" {
		v.name = s.onlyBase(target)
	}
	return v
}

// mostParts bounds what one schema is composed of.
const mostParts = 64

func (s *source) compose(v *view, n tree.Node, depth int) {
	if !n.IsObject() || depth > 20 || len(v.parts) >= mostParts || slices.Contains(v.parts, n) {
		return
	}
	v.parts = append(v.parts, n)
	for part := range n.Get("allOf").Children() {
		if len(v.parts) >= mostParts {
			break
		}
		s.compose(v, s.resolve(part), depth+1)
	}
	v.bases = append(v.bases, n)
}

// onlyBase is the name of the one schema that an allOf wraps to add a
// description, which OpenAPI 3.0 had no other way for.
func (s *source) onlyBase(n tree.Node) string {
	all := n.Get("allOf")
	if all.Len() != 1 || n.Get("properties").Exists() {
		return ""
	}
	for part := range all.Children() {
		_, name := s.resolveNamed(part)
		return name
	}
	return ""
}

// get is a keyword of the schema.
func (v view) get(key string) tree.Node {
	for _, p := range v.parts {
		if n := p.Get(key); n.Exists() {
			return n
		}
	}
	return tree.Node{}
}

// has reports whether a keyword is true in any part.
func (v view) has(key string) bool {
	return slices.ContainsFunc(v.parts, func(p tree.Node) bool { return p.Get(key).True() })
}

// description is the text nearest to the place where the schema is used.
func (v view) description() string {
	for _, p := range v.parts {
		if d := p.Get("description").String(); d != "" {
			return d
		}
	}
	return ""
}

// field is a property of an object schema.
type field struct {
	name     string
	schema   tree.Node
	required bool
}

// keptFields is how many properties of an object are looked at; the rest is
// counted. A page shows fewer.
const keptFields = 2 * mostFields

// fields are the properties of all parts: those of the base first, each name
// once, as the most specific part describes it. More is how many were left out.
func (v view) fields() (out []field, more int) {
	at := make(map[string]int)
	required := make(map[string]bool)
	for _, p := range v.parts {
		for name := range p.Get("required").Children() {
			required[name.String()] = true
		}
	}
	for _, p := range v.bases {
		list := p.Get("properties")
		if len(out) >= keptFields {
			more += list.Len()
			continue
		}
		seen := 0
		for n := range list.Children() {
			if seen++; len(out) >= keptFields {
				more += list.Len() - seen + 1
				break
			}
			name := n.Key()
			if j, ok := at[name]; ok {
				out[j].schema = n
				continue
			}
			at[name] = len(out)
			out = append(out, field{name: name, schema: n, required: required[name]})
		}
	}
	return out, more
}

// hasFields reports whether any part has properties.
func (v view) hasFields() bool {
	return slices.ContainsFunc(v.parts, func(p tree.Node) bool { return p.Get("properties").Size() > 1 })
}

// choice are the alternatives of oneOf or anyOf without null, up to keptFields,
// what they are called, and whether null is among them.
func (v view) choice() (options []tree.Node, word string, nullable bool) {
	for _, keyword := range []struct{ key, word string }{{"oneOf", "one of"}, {"anyOf", "any of"}} {
		list := v.get(keyword.key)
		if !list.IsArray() {
			continue
		}
		for o := range list.Children() {
			if len(options) == keptFields {
				break
			}
			if o.Get("type").String() == "null" {
				nullable = true
				continue
			}
			options = append(options, o)
		}
		if len(options) > 0 {
			return options, keyword.word, nullable
		}
	}
	return nil, "", nullable
}

// kinds are the schema's types without null, and whether null is one. A
// schema that names none is what its keywords speak of.
func (v view) kinds() (list []string, nullable bool) {
	nullable = v.has("nullable")
	t := v.get("type")
	switch t.Kind() {
	case tree.String:
		list = []string{t.String()}
	case tree.Array:
		list = texts(t)
	}
	list = slices.DeleteFunc(list, func(k string) bool {
		nullable = nullable || k == "null"
		return k == "null" && len(list) > 1
	})
	if len(list) > 0 {
		return list, nullable
	}
	for _, hint := range []struct{ key, kind string }{
		{"properties", "object"},
		{"additionalProperties", "object"},
		{"items", "array"},
		{"prefixItems", "array"},
		{"pattern", "string"},
		{"minLength", "string"},
		{"maxLength", "string"},
		{"minimum", "number"},
		{"maximum", "number"},
	} {
		if v.get(hint.key).Exists() {
			return []string{hint.kind}, nullable
		}
	}
	for _, key := range []string{"const", "enum", "default", "example"} {
		n := v.get(key)
		if key == "enum" {
			for first := range n.Children() {
				n = first
				break
			}
		}
		if kind := kindOf(n); kind != "" {
			return []string{kind}, nullable
		}
	}
	return nil, nullable
}

func kindOf(n tree.Node) string {
	switch n.Kind() {
	case tree.String:
		return "string"
	case tree.Number:
		return "number"
	case tree.Bool:
		return "boolean"
	case tree.Array:
		return "array"
	case tree.Object:
		return "object"
	}
	return ""
}
