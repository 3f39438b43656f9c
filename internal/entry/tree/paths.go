package tree

import "strconv"

// Paths name places of a tree: pointers in which the segment * stands for every
// member, or every element.
type Paths struct {
	whole bool // what is here is named itself
	below map[string]*Paths
	every *Paths
}

// ParsePaths reads paths. The error is of the first that cannot be read, at.
func ParsePaths(sources []string) (paths *Paths, at int, err error) {
	root := &Paths{}
	for i, source := range sources {
		p, err := ParsePointer(source)
		if err != nil {
			return nil, i, err
		}
		node := root
		for _, segment := range p {
			node = node.step(segment)
		}
		node.whole = true
	}
	return root, 0, nil
}

func (p *Paths) step(segment string) *Paths {
	if segment == "*" {
		if p.every == nil {
			p.every = &Paths{}
		}
		return p.every
	}
	if p.below == nil {
		p.below = map[string]*Paths{}
	}
	next := p.below[segment]
	if next == nil {
		next = &Paths{}
		p.below[segment] = next
	}
	return next
}

// Select returns what is left of a tree when only what the paths name stays,
// and what holds it. Lists close up.
func (p *Paths) Select(v any) any {
	out, _ := selected(v, []*Paths{p})
	return out
}

// selected returns what the nodes name, and whether they name anything.
func selected(v any, nodes []*Paths) (any, bool) {
	for _, n := range nodes {
		if n.whole {
			return v, true
		}
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			if got, ok := selected(member, next(nodes, name)); ok {
				out[name] = got
			}
		}
		return out, len(nodes) > 0
	case []any:
		out := []any{}
		for i, item := range v {
			if got, ok := selected(item, next(nodes, strconv.Itoa(i))); ok {
				out = append(out, got)
			}
		}
		return out, len(nodes) > 0
	}
	return nil, false
}

// Omit returns a tree without what the paths name. It changes the tree.
func (p *Paths) Omit(v any) any {
	out, _ := omitted(v, []*Paths{p})
	return out
}

// omitted returns what is left, and false where nothing is.
func omitted(v any, nodes []*Paths) (any, bool) {
	if len(nodes) == 0 {
		return v, true
	}
	for _, n := range nodes {
		if n.whole {
			return nil, false
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if left, ok := omitted(member, next(nodes, name)); ok {
				v[name] = left
			} else {
				delete(v, name)
			}
		}
	case []any:
		kept := v[:0]
		for i, item := range v {
			if left, ok := omitted(item, next(nodes, strconv.Itoa(i))); ok {
				kept = append(kept, left)
			}
		}
		return kept, true
	}
	return v, true
}

// next returns the nodes that a segment leads to.
func next(nodes []*Paths, segment string) []*Paths {
	var out []*Paths
	for _, n := range nodes {
		if below := n.below[segment]; below != nil {
			out = append(out, below)
		}
		if n.every != nil {
			out = append(out, n.every)
		}
	}
	return out
}
