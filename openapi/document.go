package openapi

import "portico/openapi/tree"

// Document is a document read whole. It keeps the text in memory (its size
// and about as much again), so let go of it when its reference view is stored.
// It is safe for use by several goroutines.
type Document struct {
	Outline  *Outline
	Findings []Finding // what the full load found beyond the outline's

	src    *source
	places []place // of the outline's operations, in step
}

// Root is the document's outermost value, for rules that look at all of it.
func (d *Document) Root() tree.Node { return d.src.root }

// Resolve follows references from a value to one that is none; no value where
// they lead nowhere, outside the document or round in a ring.
func (d *Document) Resolve(n tree.Node) tree.Node { return d.src.resolve(n) }

// Operation is the value in the document of the outline's i-th operation.
func (d *Document) Operation(i int) tree.Node { return d.places[i].operation }

// Parameters are the parameters of the outline's i-th operation, those of its
// path included, resolved.
func (d *Document) Parameters(i int) []tree.Node {
	return d.src.parameters(d.places[i].item, d.places[i].operation)
}

// Referenced are the values that references lead to, each once, in the order
// of the document.
func (d *Document) Referenced() []tree.Node { return d.src.graph().parts }

// place is where an operation stands: its own value, and that of the path
// item, wherever a reference of the path led to.
type place struct{ item, operation tree.Node }
