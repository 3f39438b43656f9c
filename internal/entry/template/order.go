package template

import (
	"cmp"
	"strconv"
	"strings"
)

// Compare orders templates as the package comment says: negative when p comes
// before q, zero when the order cannot tell them apart.
func (p Path) Compare(q Path) int {
	if c := cmp.Compare(q.literals(), p.literals()); c != 0 {
		return c
	}
	n := min(len(p.Segments), len(q.Segments))
	for i := range n {
		if c := cmp.Compare(q.Segments[i].Kind, p.Segments[i].Kind); c != 0 {
			return c
		}
	}
	// Two of different lengths that agree so far match no path in common. They
	// have their order here so that it is one for any number of templates.
	if c := cmp.Compare(len(q.Segments), len(p.Segments)); c != 0 {
		return c
	}
	for i := range n {
		if p.Segments[i].Kind == Partial {
			if c := cmp.Compare(q.Segments[i].Bytes(), p.Segments[i].Bytes()); c != 0 {
				return c
			}
		}
	}
	return 0
}

func (p Path) literals() int {
	n := 0
	for _, s := range p.Segments {
		if s.Kind == Literal {
			n++
		}
	}
	return n
}

// Shape is the template without the names of its parameters: templates of one
// shape match the same paths.
func (p Path) Shape() string {
	var b strings.Builder
	for _, s := range p.Segments {
		b.WriteByte('/')
		switch s.Kind {
		case Rest:
			b.WriteString("{*}")
		case Whole:
			b.WriteString("{}")
		default:
			for i, l := range s.Literals {
				if i > 0 {
					b.WriteString("{}")
				}
				b.WriteString(l)
			}
		}
	}
	return b.String()
}

// Rank groups templates: only two of equal rank can overlap without Compare
// telling them apart.
func (p Path) Rank() string {
	var b strings.Builder
	for _, s := range p.Segments {
		b.WriteByte('/')
		switch s.Kind {
		case Rest:
			b.WriteString("{*}")
		case Whole:
			b.WriteString("{}")
		case Partial:
			b.WriteByte('{')
			b.WriteString(strconv.Itoa(s.Bytes()))
			b.WriteByte('}')
		default:
			b.WriteString(s.Text())
		}
	}
	return b.String()
}

// Overlaps reports whether one path can match both templates.
func (p Path) Overlaps(q Path) bool {
	for i := 0; ; i++ {
		pEnd, qEnd := i >= len(p.Segments), i >= len(q.Segments)
		if pEnd || qEnd {
			return pEnd && qEnd
		}
		s, t := p.Segments[i], q.Segments[i]
		if s.Kind == Rest || t.Kind == Rest {
			return true
		}
		if !overlapSegments(s, t) {
			return false
		}
	}
}

// overlapSegments walks both segments at once, as two machines that must
// accept one text. A parameter takes one byte or more.
func overlapSegments(s, t Segment) bool {
	a, b := tokens(s), tokens(t)
	seen := make([]bool, (len(a)+1)*(len(b)+1))
	var walk func(i, j int) bool
	walk = func(i, j int) bool {
		at := i*(len(b)+1) + j
		if seen[at] {
			return false
		}
		seen[at] = true
		if i == len(a) || j == len(b) {
			return accepts(a[i:]) && accepts(b[j:])
		}
		// A step consumes one byte of the common text in both machines.
		x, y := a[i], b[j]
		if (x == y || x < 0 || y < 0) && walk(i+1, j+1) {
			return true
		}
		return (x == more || y == more) && (walk(i+1, j) || walk(i, j+1))
	}
	return walk(0, 0)
}

// A segment as tokens: bytes, any one byte, or any further bytes.
const (
	one  = -1
	more = -2
)

func tokens(s Segment) []int {
	if s.Kind == Whole {
		return []int{one, more}
	}
	var out []int
	for i, l := range s.Literals {
		if i > 0 {
			out = append(out, one, more)
		}
		for j := range len(l) {
			out = append(out, int(l[j]))
		}
	}
	return out
}

// accepts reports whether the tokens can match nothing.
func accepts(rest []int) bool {
	for _, t := range rest {
		if t != more {
			return false
		}
	}
	return true
}
