package policy

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"portico/gateway/share"
)

// Limiter keeps the state of every limit of a node: of rate limits, how many
// calls are under way, and who waits. Its memory is bounded when it is made. A
// key that is forgotten for want of room can admit a caller sooner than it
// should, and is counted.
//
// A key does not belong to a table, so limits that a publish leaves as they are
// keep their state through it.
type Limiter struct {
	seed   maphash.Seed
	rates  *cells[struct{}] // level: the theoretical arrival time of the generic cell rate algorithm
	places *cells[struct{}] // level: calls under way
	lines  lines

	mu      sync.Mutex // held while windows are made
	windows atomic.Pointer[cells[window]]
}

// NewLimiter returns a limiter with room for at least so many keys of rate
// limits that are live at once, at 16 bytes each; an eighth as many of sliding
// windows and of calls under way. What no call has used yet costs no memory; on
// Linux it comes 2 MiB at a time.
func NewLimiter(cells int) *Limiter {
	m := &Limiter{seed: maphash.MakeSeed(), rates: newCells[struct{}](cells, nil), places: newCells[struct{}](cells/8, nil)}
	m.lines.closed, m.lines.waiting = make(chan struct{}), share.New(mostWaiting)
	return m
}

// Evicted returns how many live keys were forgotten for want of room.
func (m *Limiter) Evicted() uint64 {
	n := m.rates.evicted.Load() + m.places.evicted.Load()
	if w := m.windows.Load(); w != nil {
		n += w.evicted.Load()
	}
	return n
}

// Waiting returns how many calls wait in the queues of limits.
func (m *Limiter) Waiting() int { return m.lines.waiting.Taken() }

// Close sends those away that wait, and lets nobody wait any more.
func (m *Limiter) Close() { m.lines.close() }

// sliding returns the sliding windows, which most nodes never need.
func (m *Limiter) sliding() *cells[window] {
	if w := m.windows.Load(); w != nil {
		return w
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.windows.Load() == nil {
		m.windows.Store(newCells(len(m.rates.sets)/2, (*window).clear))
	}
	return m.windows.Load()
}

// key mixes a limit with what it is counted by.
func (m *Limiter) key(limit uint64, subject []byte) uint64 {
	h := maphash.Bytes(m.seed, subject) ^ limit*0x9e3779b97f4a7c15
	hi, lo := bits.Mul64(h, 0xd6e8feb86659fd93)
	if k := hi ^ lo; k > claiming {
		return k
	}
	return claiming + 1
}

// verdict is what a limit says to one request.
type verdict struct {
	admitted  bool
	remaining int64
	reset     int64 // nanoseconds until all of the burst is there again
	retry     int64 // nanoseconds until the next request is admitted
	taken     int64 // where, for refund
	gone      bool  // the caller has hung up while the call waited
}

// take asks for one request at a time on the monotonic clock.
func (m *Limiter) take(l *limit, key uint64, now int64) verdict {
	if l.slice > 0 {
		return takeWindow(m.sliding(), l, key, now)
	}
	for {
		c := m.rates.cell(key, now)
		tat := c.level.Load()
		base := max(tat, now)
		if base-now > l.full+lateness { // a clock that ran backwards: go on from a full burst
			if !c.level.CompareAndSwap(tat, now+l.full) {
				continue
			}
			tat, base = now+l.full, now+l.full
		}
		next := base + l.interval
		if over := next - now - l.full; over > 0 {
			return verdict{retry: over, reset: base - now}
		}
		if !c.level.CompareAndSwap(tat, next) {
			continue
		}
		if c.key.Load() != key { // the cell was given away in between
			c.level.Add(-l.interval)
			continue
		}
		return verdict{admitted: true, remaining: (l.full - (next - now)) / l.interval, reset: next - now, taken: next}
	}
}

// refund gives back what take took, for a request that another limit refused.
// Of what has passed by itself since then nothing is left to give back.
func (m *Limiter) refund(l *limit, key uint64, taken, now int64) {
	if l.slice > 0 {
		refundWindow(m.sliding(), key, taken)
		return
	}
	back := min(l.interval, taken-now)
	if c := m.rates.find(key); c != nil && back > 0 && c.level.Load() > now {
		c.level.Add(-back)
	}
}

// enter takes one of so many places, until leave.
func (m *Limiter) enter(places int64, key uint64) bool {
	for {
		c := m.places.cell(key, 0)
		n := c.level.Load()
		if n >= places {
			return false
		}
		if !c.level.CompareAndSwap(n, n+1) {
			continue
		}
		if c.key.Load() != key { // the cell was given away in between
			lower(c)
			continue
		}
		return true
	}
}

// leave gives a place back, and calls whoever waits for it.
func (m *Limiter) leave(key uint64) {
	if c := m.places.find(key); c != nil {
		lower(c)
	}
	m.lines.call(key)
}

// lower takes one off, unless the cell was emptied in between.
func lower(c *cell[struct{}]) {
	for n := c.level.Load(); n > 0; n = c.level.Load() {
		if c.level.CompareAndSwap(n, n-1) {
			return
		}
	}
}
