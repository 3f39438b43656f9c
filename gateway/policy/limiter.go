package policy

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
)

// Limiter keeps the state of every rate limit of a node: one number per key,
// the theoretical arrival time of the generic cell rate algorithm. Its memory
// is fixed when it is made. Keys at rest (whose time has passed) hold nothing
// that a new key would not, so they give up their cell for free; only when all
// cells that a key may use are live is one forgotten, which can admit a caller
// sooner than it should, and is counted.
//
// A key does not belong to a table, so limits that a publish leaves as they are
// keep their state through it.
type Limiter struct {
	seed    maphash.Seed
	mask    uint64
	sets    [][4]cell
	claims  [64]sync.Mutex // each guards the first use of its share of the keys
	evicted atomic.Uint64
}

type cell struct {
	key atomic.Uint64
	tat atomic.Int64 // nanoseconds on the node's monotonic clock
}

// NewLimiter returns a limiter with room for at least cells keys that are live
// at once, at 16 bytes each; pages not used yet cost no memory.
func NewLimiter(cells int) *Limiter {
	sets := 1 << bits.Len(uint(max(cells, 8)/4-1))
	return &Limiter{seed: maphash.MakeSeed(), mask: uint64(sets - 1), sets: make([][4]cell, sets)}
}

// Evicted returns how many live keys were forgotten for want of room.
func (m *Limiter) Evicted() uint64 { return m.evicted.Load() }

// key mixes a limit with what it is counted by.
func (m *Limiter) key(limit uint64, subject []byte) uint64 {
	h := maphash.Bytes(m.seed, subject) ^ limit*0x9e3779b97f4a7c15
	hi, lo := bits.Mul64(h, 0xd6e8feb86659fd93)
	if k := hi ^ lo; k != 0 {
		return k
	}
	return 1
}

// verdict is what a limit says to one request.
type verdict struct {
	admitted  bool
	remaining int64
	reset     int64 // nanoseconds until all of the burst is there again
	retry     int64 // nanoseconds until the next request is admitted
}

// take asks for one request at a time on the monotonic clock.
func (m *Limiter) take(l *limit, key uint64, now int64) verdict {
	for {
		c := m.cell(key, now)
		tat := c.tat.Load()
		base := max(tat, now)
		if base-now > l.full { // a clock that ran backwards: go on from a full burst
			if !c.tat.CompareAndSwap(tat, now+l.full) {
				continue
			}
			tat, base = now+l.full, now+l.full
		}
		next := base + l.interval
		if over := next - now - l.full; over > 0 {
			return verdict{retry: over, reset: base - now}
		}
		if !c.tat.CompareAndSwap(tat, next) {
			continue
		}
		if c.key.Load() != key { // the cell was given away in between
			c.tat.Add(-l.interval)
			continue
		}
		return verdict{admitted: true, remaining: (l.full - (next - now)) / l.interval, reset: next - now}
	}
}

// refund gives back what take took, for a request that another limit refused.
func (m *Limiter) refund(l *limit, key uint64, now int64) {
	if c := m.cell(key, now); c.tat.Load() > now {
		c.tat.Add(-l.interval)
	}
}

func (m *Limiter) cell(key uint64, now int64) *cell {
	a, b := &m.sets[key&m.mask], &m.sets[key>>32&m.mask]
	if c := find(a, b, key); c != nil {
		return c
	}
	claim := &m.claims[key>>16%uint64(len(m.claims))]
	claim.Lock()
	defer claim.Unlock()
	if c := find(a, b, key); c != nil {
		return c
	}
	for {
		victim := &a[0]
		for _, set := range [2]*[4]cell{a, b} {
			for i := range set {
				if set[i].tat.Load() < victim.tat.Load() {
					victim = &set[i]
				}
			}
		}
		old, live := victim.key.Load(), victim.tat.Load() > now
		if !victim.key.CompareAndSwap(old, key) {
			continue
		}
		if live {
			victim.tat.Store(0)
			m.evicted.Add(1)
		}
		return victim
	}
}

func find(a, b *[4]cell, key uint64) *cell {
	for i := range a {
		if a[i].key.Load() == key {
			return &a[i]
		}
	}
	for i := range b {
		if b[i].key.Load() == key {
			return &b[i]
		}
	}
	return nil
}
