package openapi

import (
	"slices"

	"portico/openapi/tree"
)

// checkHops refuses documents in which it takes very many references to get
// from one value to another. No person writes one, and readers that recurse
// by reference, kin-openapi among them, take time in the square of that
// distance and worse: a ring of 4,000 schemas kept one busy for 98 s.
//
// The way is measured by breadth, so that a large document in which
// everything refers to everything has short ways.
func (s *source) checkHops() error {
	g := s.graph()
	if len(g.parts) <= s.limits.MaxSchemaHops {
		return nil
	}
	incoming := make([]int, len(g.parts))
	for _, to := range g.edges {
		for _, t := range to {
			incoming[t]++
		}
	}
	distance := make([]int, len(g.parts)) // plus one; 0 is not reached
	for pass := range 2 {                 // first from where nothing leads to, then what only rings reach
		for i := range g.parts {
			if distance[i] > 0 || pass == 0 && incoming[i] > 0 {
				continue
			}
			if to := g.spread(i, distance, s.limits.MaxSchemaHops); to >= 0 {
				return refuse(g.parts[i], ErrChainTooLong, "It takes more than %d references to get from %s to %s. Recursive schemas are fine; a chain of this length is not read.",
					s.limits.MaxSchemaHops, short(g.parts[i].Pointer()), short(g.parts[to].Pointer()))
			}
		}
	}
	return nil
}

// spread notes the distance of what is reached from start and was not reached
// before. It answers what is farther than most, or -1.
func (g *refGraph) spread(start int, distance []int, most int) int {
	distance[start] = 1
	for queue := []int{start}; len(queue) > 0; queue = queue[1:] {
		from := queue[0]
		for _, to := range g.edges[from] {
			if distance[to] > 0 {
				continue
			}
			if distance[to] = distance[from] + 1; distance[to] > most+1 {
				return to
			}
			queue = append(queue, to)
		}
	}
	return -1
}

// refGraph has a part for each value that a reference leads to, in document
// order, and an edge where one refers to, or directly contains, another.
type refGraph struct {
	parts []tree.Node
	edges [][]int
}

func (s *source) graph() *refGraph {
	g := &refGraph{}
	byIndex := func(a, b tree.Node) int { return a.Index() - b.Index() }
	for _, to := range s.refs.targets {
		if to.Exists() {
			g.parts = append(g.parts, to)
		}
	}
	slices.SortFunc(g.parts, byIndex)
	g.parts = slices.Compact(g.parts)
	g.edges = make([][]int, len(g.parts))

	var around []int // the parts that the value at hand stands in, outermost first
	part := 0
	enter := func(n tree.Node) {
		for len(around) > 0 && !g.parts[around[len(around)-1]].Contains(n) {
			around = around[:len(around)-1]
		}
	}
	open := func() {
		enter(g.parts[part])
		if len(around) > 0 {
			g.edges[around[len(around)-1]] = append(g.edges[around[len(around)-1]], part)
		}
		around = append(around, part)
		part++
	}
	for i, h := range s.refs.holders {
		for part < len(g.parts) && g.parts[part].Index() <= h.Index() {
			open()
		}
		enter(h)
		if len(around) == 0 || !s.refs.targets[i].Exists() {
			continue
		}
		if to, ok := slices.BinarySearchFunc(g.parts, s.refs.targets[i], byIndex); ok {
			from := around[len(around)-1]
			g.edges[from] = append(g.edges[from], to)
		}
	}
	return g
}

// deepest is how deep a reader that recurses by reference may get: the
// longest way from part to part that comes to no part twice, or somewhat more.
// The sets that refer to one another in turn count in full.
func (g *refGraph) deepest() int {
	sets := g.mutual() // what a set refers to comes before it
	of := make([]int, len(g.parts))
	for i, set := range sets {
		for _, part := range set {
			of[part] = i
		}
	}
	most := 0
	depth := make([]int, len(sets))
	for i, set := range sets {
		for _, part := range set {
			for _, to := range g.edges[part] {
				if of[to] != i {
					depth[i] = max(depth[i], depth[of[to]])
				}
			}
		}
		depth[i] += len(set)
		most = max(most, depth[i])
	}
	return most
}

// mutual are the strongly connected components, by Tarjan's algorithm without
// recursion.
func (g *refGraph) mutual() [][]int {
	var sets [][]int
	number := make([]int, len(g.parts)) // in order of discovery, from 1
	low := make([]int, len(g.parts))
	onStack := make([]bool, len(g.parts))
	var stack []int
	type frame struct{ part, edge int }
	next := 0
	for start := range g.parts {
		if number[start] > 0 {
			continue
		}
		frames := []frame{{part: start}}
		for len(frames) > 0 {
			f := &frames[len(frames)-1]
			v := f.part
			if number[v] == 0 {
				next++
				number[v], low[v] = next, next
				stack, onStack[v] = append(stack, v), true
			}
			if f.edge < len(g.edges[v]) {
				to := g.edges[v][f.edge]
				f.edge++
				if number[to] == 0 {
					frames = append(frames, frame{part: to})
				} else if onStack[to] {
					low[v] = min(low[v], number[to])
				}
				continue
			}
			frames = frames[:len(frames)-1]
			if len(frames) > 0 {
				up := frames[len(frames)-1].part
				low[up] = min(low[up], low[v])
			}
			if low[v] == number[v] {
				at := len(stack)
				for at--; stack[at] != v; at-- {
					onStack[stack[at]] = false
				}
				onStack[v] = false
				sets = append(sets, slices.Clone(stack[at:]))
				stack = stack[:at]
			}
		}
	}
	return sets
}
