package table

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unsafe"

	"portico/gateway/prefetch"
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
	literals []literal // by text
	partials []partial
	whole    *node
	rest     *leaf // {rest...} begins here
	leaf     *leaf // the path ends here
	best     int32 // the lowest rank at or below
}

type literal struct {
	text string
	node *node
}

type partial struct {
	literals []string // of its segment
	node     *node
}

// leaf holds the routes of one template, or of several that differ in nothing
// but the names of their parameters.
type leaf struct {
	methods []methodRoutes
	one     [1]methodRoutes // where methods is, when it is one
	rank    int32           // the same for templates that predicates alone may tell apart
}

type methodRoutes struct {
	bit     uint64
	only    *Route // nil: one of several, or predicates have to hold
	several *several
}

// several are the routes of one template and method.
type several struct {
	routes []*Route // those with more predicates first
	index  map[string][]*Route
}

func newMethodRoutes(bit uint64, routes []*Route) methodRoutes {
	if len(routes) == 1 && len(routes[0].predicates) == 0 {
		return methodRoutes{bit: bit, only: routes[0]}
	}
	slices.SortStableFunc(routes, func(a, b *Route) int { return len(b.predicates) - len(a.predicates) })
	return methodRoutes{bit: bit, several: &several{routes, indexPredicates(routes)}}
}

func (mr *methodRoutes) list() []*Route {
	if mr.only != nil {
		return []*Route{mr.only}
	}
	return mr.several.routes
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
	s := new(slab).sized(&m.root)
	m.root.leaf = s.leaf(m.root.leaf)
	m.root.pack(s)
	return m
}

func (m *matcher) add(routes []*Route, rank int32) {
	l := &leaf{rank: rank}
	var bits []uint64 // in the order of the routes
	byBit := map[uint64][]*Route{}
	for _, r := range routes {
		bit := m.bit(r.method, true)
		if byBit[bit] == nil {
			bits = append(bits, bit)
		}
		byBit[bit] = append(byBit[bit], r)
	}
	for _, bit := range bits {
		l.methods = append(l.methods, newMethodRoutes(bit, byBit[bit]))
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
			if slices.Equal(e.literals, seg.Literals) {
				return e.node
			}
		}
		n.partials = append(n.partials, partial{seg.Literals, fresh()})
		return n.partials[len(n.partials)-1].node
	}
	at, found := slices.BinarySearchFunc(n.literals, seg.Text(), func(e literal, text string) int { return cmp.Compare(e.text, text) })
	if !found {
		n.literals = slices.Insert(n.literals, at, literal{seg.Text(), fresh()})
	}
	return n.literals[at].node
}

// sort puts the branch with the best template first, so that most searches can
// leave out the others.
func (n *node) sort() {
	slices.SortFunc(n.partials, func(a, b partial) int { return cmp.Compare(a.node.best, b.node.best) })
	n.literals, n.partials = slices.Clip(n.literals), slices.Clip(n.partials)
	n.children(func(child **node) { (*child).sort() })
}

// slab is where a finished tree is moved to, so that a search finds what it
// needs side by side: cold memory is most of what matching costs.
type slab struct {
	spots    []spot
	leaves   []leaf // that no spot has
	literals []literal
	partials []partial
	text     strings.Builder
	names    map[string]string
}

// spot is a node of a slab, and its leaf. Behind it are those below it.
type spot struct {
	node
	end leaf
}

// ahead asks for the memory of a node in a slab, and of the one behind it.
func (n *node) ahead() { prefetch.Memory(unsafe.Pointer(n), 2*unsafe.Sizeof(spot{})) }

// sized makes room for a tree.
func (s *slab) sized(root *node) *slab {
	spots, leaves, literals, partials, bytes := 0, 1, 0, 0, 0
	s.names = map[string]string{}
	var count func(n *node)
	count = func(n *node) {
		literals, partials = literals+len(n.literals), partials+len(n.partials)
		for _, e := range n.literals {
			if _, ok := s.names[e.text]; !ok {
				s.names[e.text] = ""
				bytes += len(e.text)
			}
		}
		if n.rest != nil {
			leaves++
		}
		n.children(func(child **node) { spots++; count(*child) })
	}
	count(root)
	s.spots, s.leaves = make([]spot, 0, spots), make([]leaf, 0, leaves)
	s.literals, s.partials = make([]literal, 0, literals), make([]partial, 0, partials)
	s.text.Grow(bytes)
	return s
}

// pack moves everything below a node, depth first.
func (n *node) pack(s *slab) {
	start := len(s.literals)
	for _, e := range n.literals {
		s.literals = append(s.literals, literal{s.intern(e.text), e.node})
	}
	n.literals = s.literals[start:len(s.literals):len(s.literals)]
	start = len(s.partials)
	s.partials = append(s.partials, n.partials...)
	n.partials = s.partials[start:len(s.partials):len(s.partials)]
	n.rest = s.leaf(n.rest)
	n.children(func(child **node) {
		s.spots = append(s.spots, spot{node: **child})
		here := &s.spots[len(s.spots)-1]
		if here.leaf != nil {
			here.end.take(here.leaf)
			here.leaf = &here.end
		}
		*child = &here.node
		here.pack(s)
	})
}

func (s *slab) leaf(l *leaf) *leaf {
	if l == nil {
		return nil
	}
	s.leaves = append(s.leaves, leaf{})
	moved := &s.leaves[len(s.leaves)-1]
	moved.take(l)
	return moved
}

// take moves a leaf.
func (l *leaf) take(from *leaf) {
	*l = *from
	if len(l.methods) == 1 {
		l.one[0] = from.methods[0]
		l.methods = l.one[:]
	}
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
		switch order := strings.Compare(n.literals[mid].text, text); {
		case order == 0:
			return n.literals[mid].node
		case order < 0:
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
