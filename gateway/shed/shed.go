// Package shed refuses a part of the calls when the node cannot keep up, so
// that those which are let through are answered in time.
//
// Why it looks at the scheduler: what an overloaded node makes callers wait for
// is a processor. The runtime measures how long goroutines that are ready wait
// for one; reading it costs 5 µs and touches no call. On two cores with 20 µs
// of work a call the longest waits but for one in ten were 4 ms with 64 callers
// that kept both busy, 15 ms with 500, and 117 ms with 2,000, where throughput
// had halved; without load, nothing. Bounding the calls in flight was
// considered: it takes a shared counter on the path, and says little where
// calls wait for slow upstreams, which costs a node next to nothing.
//
// It knows no route and no caller: who is refused is chance.
package shed

import (
	"context"
	"math/rand/v2"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

const (
	every   = 100 * time.Millisecond
	patient = 10   // windows in a row over the limit before any call is refused
	most    = 9000 // of whole that are refused at most: else nothing would be learnt
	whole   = 10_000
	up      = 500 // of whole, for each window over the limit by as much again
	down    = 250
)

// Shedder decides whether a call is refused. Make it with New; it is safe for
// concurrent use. A nil one refuses nothing.
type Shedder struct {
	limit  time.Duration
	sample func() time.Duration
	share  atomic.Uint32 // of whole
	over   int           // windows in a row
}

// New returns a shedder that refuses calls while goroutines wait for longer
// than the limit. sample returns how long the slowest tenth waited since it was
// called before; nil asks the runtime.
func New(limit time.Duration, sample func() time.Duration) *Shedder {
	if sample == nil {
		sample = (&waits{}).sample
	}
	return &Shedder{limit: limit, sample: sample}
}

// Sheds reports whether the call that asks is to be refused.
func (s *Shedder) Sheds() bool {
	if s == nil {
		return false
	}
	share := s.share.Load()
	return share != 0 && rand.Uint32N(whole) < share
}

// Percent returns how many of a hundred calls are refused now.
func (s *Shedder) Percent() int {
	if s == nil {
		return 0
	}
	return int(s.share.Load()) * 100 / whole
}

// Run watches until ctx ends, and returns nil.
func (s *Shedder) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.Look()
		}
	}
}

// Look takes one sample and draws the conclusion. Run calls it; a test may. It
// is not safe for concurrent use.
func (s *Shedder) Look() {
	wait, share := s.sample(), int(s.share.Load())
	if wait <= s.limit {
		s.over = 0
		s.share.Store(uint32(max(share-down, 0)))
		return
	}
	if s.over++; s.over < patient && share == 0 {
		return
	}
	times := min(int(wait/s.limit), 4)
	s.share.Store(uint32(min(share+up*times, most)))
}

// waits asks the runtime how long goroutines waited for a processor.
type waits struct {
	read [1]metrics.Sample
	last []uint64
}

func (w *waits) sample() time.Duration {
	w.read[0].Name = "/sched/latencies:seconds"
	metrics.Read(w.read[:])
	if w.read[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0
	}
	h := w.read[0].Value.Float64Histogram()
	if len(w.last) != len(h.Counts) {
		w.last = make([]uint64, len(h.Counts))
	}
	total := uint64(0)
	for i, n := range h.Counts {
		total += n - w.last[i]
	}
	at, slowest := uint64(0), 0.0
	for i, n := range h.Counts {
		if at += n - w.last[i]; at*10 >= total*9 && total > 0 && slowest == 0 {
			slowest = h.Buckets[i] // the bucket's lower end, which is never infinite above
		}
		w.last[i] = n
	}
	if slowest < 0 {
		return 0
	}
	return time.Duration(slowest * float64(time.Second))
}
