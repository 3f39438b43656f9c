package balance

import (
	"cmp"
	"slices"
)

// ring is a circle of points, each an endpoint's. A key belongs to the first
// point at or after it, and so an endpoint that comes or goes moves only the
// keys next to its own points.
type ring struct {
	points []point
}

type point struct {
	at       uint64
	endpoint *Endpoint
}

// pointsEach is how many points an endpoint of average weight has. More points
// are fairer shares, and more memory: 16 bytes each.
const pointsEach = 160

func newRing(members []Member) *ring {
	total := 0
	for _, m := range members {
		total += m.Weight
	}
	r := &ring{}
	for _, m := range members {
		n := max(pointsEach*m.Weight*len(members)/max(total, 1), 1)
		h := KeyOf(m.Endpoint.Name)
		for i := range n {
			r.points = append(r.points, point{mix(h + uint64(i)*golden), m.Endpoint})
		}
	}
	slices.SortFunc(r.points, func(a, b point) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		return cmp.Compare(a.endpoint.Name, b.endpoint.Name)
	})
	return r
}

// first returns the place of the point that a key belongs to.
func (r *ring) first(key uint64) int {
	low, high := 0, len(r.points)
	for low < high {
		if middle := (low + high) / 2; r.points[middle].at >= key {
			high = middle
		} else {
			low = middle + 1
		}
	}
	if low == len(r.points) {
		return 0
	}
	return low
}

// walked is how many points a key's walk takes at most. Where half the endpoints
// may not be used one walk in 2^walked gets there.
const walked = 128

// pickByKey walks on from the key's point to one whose endpoint may be used. Where
// few may, it goes through the endpoints instead, each once.
func (g *Group) pickByKey(p *picture, key uint64, tried []*Endpoint) (*Endpoint, error) {
	most := int64(0)
	if g.settings.BoundPercent > 0 {
		share := (g.under.Load() + 1) * int64(g.settings.BoundPercent)
		most = (share + int64(len(p.list))*100 - 1) / (int64(len(p.list)) * 100)
	}
	points := p.ring.points
	at := p.ring.first(key)
	var last *Endpoint // most walks are a step long, and neighbours are often the same
	for range min(walked, len(points)) {
		e := points[at].endpoint
		if at++; at == len(points) {
			at = 0
		}
		if e == last {
			continue
		}
		last = e
		if p.fit != nil && !p.fit[e] || among(tried, e) || most > 0 && e.under.Load() >= most || !g.begin(e) {
			continue
		}
		return e, nil
	}
	full, n := false, len(p.list)
	for i := int(key % uint64(n)); n > 0; n-- {
		e := p.list[i]
		if i++; i == len(p.list) {
			i = 0
		}
		if among(tried, e) {
			continue
		}
		if most > 0 && e.under.Load() >= most || !g.begin(e) {
			full = true
			continue
		}
		return e, nil
	}
	if full {
		return nil, ErrFull
	}
	return nil, ErrNone
}

// KeyOf returns the key of a text: the same in every process, and never 0.
func KeyOf(text string) uint64 { return keyOf(text) }

// KeyOfBytes returns the key of what is not a text.
func KeyOfBytes(b []byte) uint64 { return keyOf(b) }

func keyOf[T string | []byte](text T) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return mix(h) | 1
}

// mix spreads what differs little over all bits.
func mix(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}
