package policy

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"

	"portico/gateway/hugepage"
)

// cells keep one state for each key, in memory that is fixed when they are
// made. Keys at rest hold nothing that a new key would not, so they give up
// their cell for free; only when all cells that a key may use are live is one
// forgotten, and counted.
type cells[T any] struct {
	fresh   func(*T) // makes a state that of a new key; nil where the level says it all
	mask    uint64
	sets    [][4]cell[T]
	claims  [64]sync.Mutex // each guards the first use of its share of the keys
	evicted atomic.Uint64
}

type cell[T any] struct {
	state T
	key   atomic.Uint64
	// level is above the "now" of a call as long as the key is live.
	level atomic.Int64
}

// claiming is the key of a cell that changes hands. No limit's key is that, or 0.
const claiming = 1

// newCells returns cells for at least so many keys that are live at once; pages
// not used yet cost no memory. Of many cells they are huge: calls by many keys go
// anywhere, and finding a small page costs them more than reading the cell.
func newCells[T any](cellCount int, fresh func(*T)) *cells[T] {
	sets := make([][4]cell[T], 1<<bits.Len(uint(max(cellCount, 8)/4-1)))
	hugepage.Ask(unsafe.Slice((*byte)(unsafe.Pointer(&sets[0])), uintptr(len(sets))*unsafe.Sizeof(sets[0])))
	return &cells[T]{fresh: fresh, mask: uint64(len(sets) - 1), sets: sets}
}

// find returns a key's cell, nil when it has none.
func (m *cells[T]) find(key uint64) *cell[T] {
	return findIn(&m.sets[key&m.mask], &m.sets[key>>32&m.mask], key)
}

// cell returns a key's cell, and gives it one when it has none.
func (m *cells[T]) cell(key uint64, now int64) *cell[T] {
	a, b := &m.sets[key&m.mask], &m.sets[key>>32&m.mask]
	if c := findIn(a, b, key); c != nil {
		return c
	}
	return m.claim(a, b, key, now)
}

func (m *cells[T]) claim(a, b *[4]cell[T], key uint64, now int64) *cell[T] {
	claim := &m.claims[key>>16%uint64(len(m.claims))]
	claim.Lock()
	defer claim.Unlock()
	if c := findIn(a, b, key); c != nil {
		return c
	}
	for {
		victim := &a[0]
		for _, set := range [2]*[4]cell[T]{a, b} {
			for i := range set {
				if set[i].level.Load() < victim.level.Load() {
					victim = &set[i]
				}
			}
		}
		old, live := victim.key.Load(), victim.level.Load() > now
		if old == claiming || !victim.key.CompareAndSwap(old, claiming) {
			continue // another key has just got it
		}
		if live {
			victim.level.Store(0)
			m.evicted.Add(1)
		}
		if m.fresh != nil {
			m.fresh(&victim.state)
		}
		victim.key.Store(key)
		return victim
	}
}

func findIn[T any](a, b *[4]cell[T], key uint64) *cell[T] {
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
