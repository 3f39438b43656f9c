package policy

import "sync/atomic"

// windowSlices are the parts in which a window is counted. A call counts until
// as many whole ones have passed after its own: for at least the period, and at
// most a slice longer.
const windowSlices = 10

// window counts the calls of a period and the slice under way. Each slot holds
// the number of a slice, of which it keeps the lower bits, and how many calls
// were admitted in it.
type window struct {
	slots [windowSlices + 1]atomic.Uint64
}

const (
	countBits = 30 // check admits no more than 10⁹ requests in a period
	countMask = 1<<countBits - 1
)

// lateness is how far a call may be behind others of its key, in nanoseconds,
// before it counts as one of a clock that ran backwards.
const lateness = int64(10e9)

func (w *window) clear() {
	for i := range w.slots {
		w.slots[i].Store(0)
	}
}

// behind is how many slices a slot is behind one.
func behind(slot uint64, slice int64) int64 {
	return int64((uint64(slice)-slot>>countBits)<<countBits) >> countBits
}

// sum returns the calls of the window that ends with a slice, and the oldest
// slice that has some.
func (w *window) sum(slice int64) (sum, oldest int64) {
	oldest = slice
	for i := range w.slots {
		slot := w.slots[i].Load()
		n := int64(slot & countMask)
		if n == 0 {
			continue
		}
		if age := behind(slot, slice); age <= windowSlices && age >= -1 { // the next one's calls may be there already
			sum += n
			oldest = min(oldest, slice-age)
		}
	}
	return sum, oldest
}

// slice returns which slice it is: that of the time, unless others have begun a
// later one.
func (w *window) slice(l *limit, now int64) int64 {
	slice, newest := now/l.slice, int64(0)
	for i := range w.slots {
		if slot := w.slots[i].Load(); slot&countMask > 0 {
			newest = max(newest, -behind(slot, slice))
		}
	}
	if newest > max(lateness/l.slice, 2*windowSlices) {
		w.clear() // a clock that ran backwards
		return slice
	}
	return slice + newest
}

func takeWindow(m *cells[window], l *limit, key uint64, now int64) verdict {
	for {
		c := m.cell(key, now)
		w := &c.state
		slice := w.slice(l, now)
		slot := &w.slots[uint64(slice)%uint64(len(w.slots))]
		old := slot.Load()
		sum, oldest := w.sum(slice)
		end := (slice + windowSlices + 1) * l.slice
		if sum >= l.quota {
			return verdict{retry: (oldest+windowSlices+1)*l.slice - now, reset: end - now}
		}
		next := uint64(slice)<<countBits | 1
		if behind(old, slice) == 0 {
			next = old + 1
		}
		if !slot.CompareAndSwap(old, next) {
			continue
		}
		if c.key.Load() != key { // the cell was given away in between
			take1(slot, slice)
			continue
		}
		if sum, _ = w.sum(slice); sum > l.quota { // calls of another slice have come in between
			take1(slot, slice)
			continue
		}
		if level := c.level.Load(); level != end {
			c.level.CompareAndSwap(level, end)
		}
		return verdict{admitted: true, remaining: l.quota - sum, reset: end - now, taken: slice}
	}
}

// refundWindow takes a call off the slice that it was counted in, while that
// still counts.
func refundWindow(m *cells[window], key uint64, slice int64) {
	if c := m.find(key); c != nil {
		take1(&c.state.slots[uint64(slice)%uint64(len(c.state.slots))], slice)
	}
}

func take1(slot *atomic.Uint64, slice int64) {
	for n := slot.Load(); n&countMask > 0 && behind(n, slice) == 0; n = slot.Load() {
		if slot.CompareAndSwap(n, n-1) {
			return
		}
	}
}
