package openapi

import "portico/openapi/tree"

// Limits bound what a document may cost. A zero field means its default.
type Limits struct {
	MaxBytes      int // of the document: 64 MiB
	MaxDepth      int // of objects and lists inside one another: 100
	MaxValues     int // of values of any kind, YAML aliases expanded: 3,000,000
	MaxOperations int // 50,000
	MaxSchemas    int // named and inline: 500,000
	MaxRefChain   int // references that lead straight to another reference: 32
	MaxSchemaHops int // the longest way, by references, from a schema to another: 500
	MaxFindings   int // kept of one document; the rest is counted: 1,000
}

// DefaultLimits are the limits that hold where a field is zero.
func DefaultLimits() Limits {
	return Limits{
		MaxBytes: 64 << 20, MaxDepth: 100, MaxValues: 3_000_000, MaxOperations: 50_000,
		MaxSchemas: 500_000, MaxRefChain: 32, MaxSchemaHops: 500, MaxFindings: 1_000,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	for _, f := range []struct {
		field *int
		value int
	}{
		{&l.MaxBytes, d.MaxBytes},
		{&l.MaxDepth, d.MaxDepth},
		{&l.MaxValues, d.MaxValues},
		{&l.MaxOperations, d.MaxOperations},
		{&l.MaxSchemas, d.MaxSchemas},
		{&l.MaxRefChain, d.MaxRefChain},
		{&l.MaxSchemaHops, d.MaxSchemaHops},
		{&l.MaxFindings, d.MaxFindings},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return l
}

func (l Limits) tree() tree.Limits {
	return tree.Limits{MaxBytes: l.MaxBytes, MaxDepth: l.MaxDepth, MaxValues: l.MaxValues}
}
