package openapi

import "iter"

// Schemas are the document's named schemas, in its order, each made when it
// is asked for.
func (d *Document) Schemas() iter.Seq[Schema] {
	return func(yield func(Schema) bool) {
		slugs := make(map[string]bool)
		for n := range d.src.root.Get("components").Get("schemas").Children() {
			out := Schema{Name: n.Key(), Slug: unique(slug(n.Key()), "-", slugs), Pointer: n.Pointer(), Line: n.Line()}
			v := d.src.viewOf(n)
			out.Title = clip(v.get("title").String(), mostValue)
			out.Description = clip(v.description(), 5*mostDescription)
			for depth := mostLevels - 2; ; depth-- {
				b := &builder{src: d.src, depth: depth, left: pageBytes, above: []string{n.Key()}}
				out.Property = b.own(v)
				out.Truncated = b.cut
				if depth == 0 || !b.cut && fits(out) {
					break
				}
			}
			out.Example, _ = d.src.synthesised(n, out.Name, "application/json", true)
			if !fits(out) {
				out.Property, out.Truncated = Property{Type: out.Name}, true
			}
			if !yield(out) {
				return
			}
		}
	}
}

// own is the property of a named schema on its own page, where its name would
// be no news.
func (b *builder) own(v view) Property {
	v.name = ""
	p := Property{Description: ""}
	b.enum(&p, v)
	b.shape(&p, v, 0)
	p.Constraints = constraints(v)
	return p
}
