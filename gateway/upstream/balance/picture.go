package balance

import "math/bits"

// picture is what choosing reads. It is made whole and never changed.
type picture struct {
	all    []*Endpoint
	list   []*Endpoint // those that get calls
	upTo   []uint64    // running sum of their weights; nil when all are the same
	weight []uint64
	fit    map[*Endpoint]bool // for Hash; nil when all get calls
	ring   *ring              // nil but for Hash
	panics bool
}

// draw makes the picture anew. mu is held.
func (g *Group) draw(now int64) {
	p := &picture{all: make([]*Endpoint, len(g.members)), ring: g.ring}
	var weights []uint64
	for i, m := range g.members {
		p.all[i] = m.Endpoint
		if share := m.Endpoint.share(now, g.settings.SlowStart); share > 0 {
			p.list = append(p.list, m.Endpoint)
			weights = append(weights, uint64(m.Weight)*uint64(share))
		}
	}
	if len(p.list) < len(p.all) && (len(p.list) == 0 || len(p.list)*100 < g.settings.PanicPercent*len(p.all)) {
		p.list, p.panics, weights = p.all, true, weights[:0]
		for _, m := range g.members {
			weights = append(weights, uint64(m.Weight)*whole)
		}
	}
	for i := range weights {
		if weights[i] != weights[0] {
			p.weigh(weights)
			break
		}
	}
	if g.ring != nil && len(p.list) < len(p.all) {
		p.fit = make(map[*Endpoint]bool, len(p.list))
		for _, e := range p.list {
			p.fit[e] = true
		}
	}
	g.picture.Store(p)
}

func (p *picture) weigh(weights []uint64) {
	p.weight, p.upTo = weights, make([]uint64, len(weights))
	sum := uint64(0)
	for i, w := range weights {
		sum += w
		p.upTo[i] = sum
	}
}

// golden is 2^64 divided by the golden ratio: the steps of a walk that never
// stays long in one place.
const golden = 0x9E3779B97F4A7C15

// turn chooses by number. With equal weights each has its turn; with others
// the walk by the golden ratio gives each its share in every stretch.
func (p *picture) turn(turn uint64) int {
	if p.upTo == nil {
		return int(turn % uint64(len(p.list)))
	}
	return p.at(turn * golden)
}

// at chooses by a number that is even over all of 64 bits, heeding weights.
func (p *picture) at(r uint64) int {
	if p.upTo == nil {
		i, _ := bits.Mul64(r, uint64(len(p.list)))
		return int(i)
	}
	point, _ := bits.Mul64(r, p.upTo[len(p.upTo)-1])
	low, high := 0, len(p.upTo)-1
	for low < high {
		if middle := (low + high) / 2; p.upTo[middle] > point {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// ofTwo takes two at random and chooses the better.
func (g *Group) ofTwo(p *picture, now int64) int {
	r := g.random()
	i := p.at(r)
	j := p.at(r * golden)
	if i == j {
		if j++; j == len(p.list) {
			j = 0
		}
	}
	a, b := p.list[i], p.list[j]
	var costA, costB float64
	if g.settings.Algorithm == EWMA {
		costA, costB = a.cost(now), b.cost(now)
	} else {
		costA, costB = float64(a.under.Load()), float64(b.under.Load())
	}
	if p.weight != nil {
		costA, costB = costA*float64(p.weight[j]), costB*float64(p.weight[i])
	}
	if costB < costA {
		return j
	}
	return i
}
