package balance

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// What is kept of how long calls on an endpoint took.
const (
	sampleEvery = int64(2 * time.Second) // at most one call in that is timed
	samples     = 32
	sampleFor   = int64(5 * time.Minute)
)

// latency is how long some of the calls on an endpoint took. The path of a call
// reads one number of it, and writes only where that call is timed.
type latency struct {
	next atomic.Int64  // when a call is timed again
	turn atomic.Uint32 // of kept
	kept [samples]atomic.Uint64
}

// Wants reports whether the call that begins now is to be timed, for Took.
func (e *Endpoint) Wants(now int64) bool {
	next := e.latency.next.Load()
	return now >= next && e.latency.next.CompareAndSwap(next, now+sampleEvery)
}

// Took keeps how long a call took that Wants has chosen and that was answered.
func (e *Endpoint) Took(now int64, took time.Duration) {
	const most = time.Duration(1<<32-1) * time.Microsecond
	micros := uint64(min(max(took, time.Microsecond), most) / time.Microsecond)
	slot := e.latency.turn.Add(1) % samples
	e.latency.kept[slot].Store(uint64(now/int64(time.Second))<<32 | micros)
}

// Timed is a call that was timed: how long ago, to the second, and how long it took.
type Timed struct{ Ago, Took time.Duration }

// Latency returns the calls that were timed in the last five minutes, the oldest
// first, and their median; 0 for none.
func (e *Endpoint) Latency(now int64) (median time.Duration, calls []Timed) {
	for i := range e.latency.kept {
		v := e.latency.kept[i].Load()
		ago := now - int64(v>>32)*int64(time.Second)
		if micros := v & (1<<32 - 1); micros > 0 && ago <= sampleFor {
			calls = append(calls, Timed{time.Duration(max(ago, 0)).Truncate(time.Second), time.Duration(micros) * time.Microsecond})
		}
	}
	if len(calls) == 0 {
		return 0, nil
	}
	slices.SortFunc(calls, func(a, b Timed) int { return cmp.Compare(a.Took, b.Took) })
	median = calls[len(calls)/2].Took
	slices.SortStableFunc(calls, func(a, b Timed) int { return cmp.Compare(b.Ago, a.Ago) })
	return median, calls
}
