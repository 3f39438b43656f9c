package balance

import (
	"sync"
	"sync/atomic"
	"time"
)

// BreakerSettings open a circuit when too much fails. The zero value never does.
type BreakerSettings struct {
	ErrorPercent int           // of the calls in the window that open it; 0: never
	Window       time.Duration // over which calls are counted
	MinRequests  int           // in the window before it may open
	Open         time.Duration // for which it lets nobody through
	Probes       int           // calls that it lets through then, which must all do well
}

// breaker is closed, open, or half open: then a few calls try how things are.
type breaker struct {
	settings BreakerSettings
	until    atomic.Int64 // open until; 0: closed
	buckets  [buckets]bucket

	mu     sync.Mutex // guards what follows
	let    int        // probes let through since the time was over
	well   int        // of them that did well
	halfAt int64      // since when it is half open; 0: it is not
}

const buckets = 10

type bucket struct {
	number     atomic.Int64 // of the piece of time that it counts
	all, wrong atomic.Int64
}

func newBreaker(s BreakerSettings) *breaker { return &breaker{settings: s} }

// admit reports whether a call may go on, and else after which time to ask
// again.
func (b *breaker) admit(now int64) (after time.Duration, ok bool) {
	until := b.until.Load()
	switch {
	case until == 0:
		return 0, true
	case now < until:
		return time.Duration(until - now), false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// Probes that never told how they went do not keep it half open for ever.
	if b.halfAt == 0 || now-b.halfAt > int64(b.settings.Open) {
		b.halfAt, b.let, b.well = max(now, 1), 0, 0
	}
	if b.let >= b.settings.Probes {
		return time.Second, false
	}
	b.let++
	return 0, true
}

// count takes how a call went, and reports whether that opened the circuit.
func (b *breaker) count(now int64, failed bool) (opened bool) {
	if until := b.until.Load(); until != 0 {
		return now >= until && b.probed(now, failed)
	}
	width := max(int64(b.settings.Window)/buckets, 1)
	number := now/width + 1
	k := &b.buckets[number%buckets]
	if have := k.number.Load(); have != number && k.number.CompareAndSwap(have, number) {
		k.all.Store(0)
		k.wrong.Store(0)
	}
	k.all.Add(1)
	if !failed {
		return false
	}
	k.wrong.Add(1)
	all, wrong := int64(0), int64(0)
	for i := range b.buckets {
		if k := &b.buckets[i]; k.number.Load() > number-buckets {
			all, wrong = all+k.all.Load(), wrong+k.wrong.Load()
		}
	}
	if all < int64(b.settings.MinRequests) || wrong*100 < all*int64(b.settings.ErrorPercent) {
		return false
	}
	return b.until.CompareAndSwap(0, now+int64(b.settings.Open))
}

// probed takes how a call went while the circuit is half open.
func (b *breaker) probed(now int64, failed bool) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.halfAt == 0 { // it began before the circuit opened
		return false
	}
	if failed {
		b.halfAt = 0
		b.until.Store(now + int64(b.settings.Open))
		return true
	}
	if b.well++; b.well >= b.settings.Probes {
		b.halfAt = 0
		for i := range b.buckets {
			b.buckets[i].number.Store(-buckets) // older than any
		}
		b.until.Store(0)
	}
	return false
}

func (b *breaker) isOpen(now int64) bool { return b.until.Load() > now }
