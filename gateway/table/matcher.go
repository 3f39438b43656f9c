package table

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"portico/internal/entry/template"
)

// matcher finds the route of an API: a tree over segments, searched so that the
// first template in template's order wins. A path reaches each node of the tree
// at most once, and a branch that holds nothing better than what was found is
// not entered.
type matcher struct {
	root    node
	methods []string // beyond the usual ones; their bits follow those
}

type node struct {
	literals []edge // by text
	partials []edge
	whole    *node
	rest     *leaf // {rest...} begins here
	leaf     *leaf // the path ends here
	best     int32 // the lowest rank at or below
}

type edge struct {
	text    string           // of a literal
	segment template.Segment // of a partial
	node    *node
}

// leaf holds the routes of one template, or of several that differ in nothing
// but the names of their parameters.
type leaf struct {
	rank    int32 // the same for templates that predicates alone may tell apart
	methods []methodRoutes
}

type methodRoutes struct {
	bit    uint64
	routes []*Route // those with more predicates first
	index  map[string][]*Route
}

func newMatcher(routes []Route) matcher {
	m := matcher{root: node{best: math.MaxInt32}}
	byShape := map[string][]*Route{}
	var shapes []string
	for i := range routes {
		shape := routes[i].path.Shape()
		if byShape[shape] == nil {
			shapes = append(shapes, shape)
		}
		byShape[shape] = append(byShape[shape], &routes[i])
	}
	path := func(shape string) template.Path { return byShape[shape][0].path }
	order := func(a, b string) int { // 0 for those that predicates alone may tell apart
		return cmp.Or(path(a).Compare(path(b)), cmp.Compare(path(a).Rank(), path(b).Rank()))
	}
	slices.SortFunc(shapes, func(a, b string) int { return cmp.Or(order(a, b), cmp.Compare(a, b)) })
	rank := int32(0)
	for i, shape := range shapes {
		if i > 0 && order(shapes[i-1], shape) != 0 {
			rank++
		}
		m.add(byShape[shape], rank)
	}
	m.root.sort()
	m.root.pack(new(slab).sized(&m.root))
	return m
}

func (m *matcher) add(routes []*Route, rank int32) {
	l := &leaf{rank: rank}
	for _, r := range routes {
		bit := m.bit(r.method, true)
		at := slices.IndexFunc(l.methods, func(mr methodRoutes) bool { return mr.bit == bit })
		if at < 0 {
			at = len(l.methods)
			l.methods = append(l.methods, methodRoutes{bit: bit})
		}
		l.methods[at].routes = append(l.methods[at].routes, r)
	}
	for i := range l.methods {
		mr := &l.methods[i]
		slices.SortStableFunc(mr.routes, func(a, b *Route) int { return len(b.predicates) - len(a.predicates) })
		mr.index = indexPredicates(mr.routes)
	}
	n := &m.root
	n.best = min(n.best, rank)
	for _, seg := range routes[0].path.Segments {
		if seg.Kind == template.Rest {
			n.rest = l
			return
		}
		n = n.child(seg)
		n.best = min(n.best, rank)
	}
	n.leaf = l
}

func (n *node) child(seg template.Segment) *node {
	fresh := func() *node { return &node{best: math.MaxInt32} }
	switch seg.Kind {
	case template.Whole:
		if n.whole == nil {
			n.whole = fresh()
		}
		return n.whole
	case template.Partial:
		for _, e := range n.partials {
			if slices.Equal(e.segment.Literals, seg.Literals) {
				return e.node
			}
		}
		n.partials = append(n.partials, edge{segment: seg, node: fresh()})
		return n.partials[len(n.partials)-1].node
	}
	at, found := slices.BinarySearchFunc(n.literals, seg.Text(), func(e edge, text string) int { return cmp.Compare(e.text, text) })
	if !found {
		n.literals = slices.Insert(n.literals, at, edge{text: seg.Text(), node: fresh()})
	}
	return n.literals[at].node
}

// sort puts the branch with the best template first, so that most searches can
// leave out the others.
func (n *node) sort() {
	slices.SortFunc(n.partials, func(a, b edge) int { return cmp.Compare(a.node.best, b.node.best) })
	n.literals, n.partials = slices.Clip(n.literals), slices.Clip(n.partials)
	for _, list := range [2][]edge{n.literals, n.partials} {
		for _, e := range list {
			e.node.sort()
		}
	}
	if n.whole != nil {
		n.whole.sort()
	}
}

// slab is where a finished tree is moved to, so that a search finds what it
// needs side by side: cold memory is most of what matching costs.
type slab struct {
	nodes []node
	edges []edge
	text  strings.Builder
	names map[string]string
}

// sized makes room for a tree.
func (s *slab) sized(root *node) *slab {
	nodes, edges, bytes := 0, 0, 0
	s.names = map[string]string{}
	var count func(n *node)
	count = func(n *node) {
		edges += len(n.literals) + len(n.partials)
		for _, e := range n.literals {
			if _, ok := s.names[e.text]; !ok {
				s.names[e.text] = ""
				bytes += len(e.text)
			}
		}
		n.children(func(child **node) { nodes++; count(*child) })
	}
	count(root)
	s.nodes, s.edges = make([]node, 0, nodes), make([]edge, 0, edges)
	s.text.Grow(bytes)
	return s
}

// pack moves everything below a node, breadth first.
func (n *node) pack(s *slab) {
	for _, list := range [2]*[]edge{&n.literals, &n.partials} {
		start := len(s.edges)
		for _, e := range *list {
			e.text = s.intern(e.text)
			s.edges = append(s.edges, e)
		}
		*list = s.edges[start:len(s.edges):len(s.edges)]
	}
	n.children(func(child **node) {
		s.nodes = append(s.nodes, **child)
		*child = &s.nodes[len(s.nodes)-1]
	})
	n.children(func(child **node) { (*child).pack(s) })
}

func (s *slab) intern(text string) string {
	if have := s.names[text]; have != "" || text == "" {
		return have
	}
	start := s.text.Len()
	s.text.WriteString(text)
	s.names[text] = s.text.String()[start:]
	return s.names[text]
}

// children visits the places where a node's children stand.
func (n *node) children(visit func(**node)) {
	for i := range n.literals {
		visit(&n.literals[i].node)
	}
	for i := range n.partials {
		visit(&n.partials[i].node)
	}
	if n.whole != nil {
		visit(&n.whole)
	}
}

func (n *node) literal(text string) *node {
	low, high := 0, len(n.literals)
	for low < high {
		mid := int(uint(low+high) >> 1)
		switch t := n.literals[mid].text; {
		case t == text:
			return n.literals[mid].node
		case t < text:
			low = mid + 1
		default:
			high = mid
		}
	}
	return nil
}

// The usual methods, by their bit.
var usualMethods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}

// bit returns a method's bit. entry/check bounds how many unusual ones an
// API has. 0 is a method that the API does not know.
func (m *matcher) bit(method string, add bool) uint64 {
	for i, usual := range usualMethods {
		if method == usual {
			return 1 << i
		}
	}
	at := slices.Index(m.methods, method)
	if at < 0 && add {
		at = len(m.methods)
		m.methods = append(m.methods, method)
	}
	if at < 0 {
		return 0
	}
	return 1 << (len(usualMethods) + at)
}

// allow writes the methods of a mask as an Allow header.
func (m *matcher) allow(mask uint64) string {
	if mask&1 != 0 {
		mask |= 2 // HEAD is served by GET
	}
	text := ""
	for i := range 64 {
		if mask&(1<<i) == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		if i < len(usualMethods) {
			text += usualMethods[i]
		} else {
			text += m.methods[i-len(usualMethods)]
		}
	}
	return text
}
