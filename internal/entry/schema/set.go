package schema

import "errors"

// Set is the schemas that an API's contracts share, and what refers to them by
// "#/$defs/NAME". Formats hold in it.
type Set struct{ compiler *Compiler }

// where is the address of a set's own schemas.
const where = "portico:///contract"

// schemaLimits are those of schemas, which providers write.
func schemaLimits() Limits { return Limits{Depth: 400, Values: 2_000_000} }

// NewSet returns a set of named schemas: an object, or nothing for none.
func NewSet(definitions []byte) (*Set, error) {
	root := &Object{}
	if len(definitions) > 0 {
		v, err := Parse(definitions, schemaLimits())
		if err != nil {
			return nil, err
		}
		named, ok := v.(*Object)
		if !ok {
			return nil, errors.New("is no object of schemas")
		}
		root.Add("$defs", named)
	}
	c := NewCompiler(true)
	return &Set{c}, c.Add(where, root)
}

// Compile returns a schema that may refer to the set's.
func (s *Set) Compile(raw []byte) (*Schema, error) {
	v, err := Parse(raw, schemaLimits())
	if err != nil {
		return nil, err
	}
	return s.compiler.CompileValue(v, where)
}
