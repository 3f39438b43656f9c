package policy

import (
	"context"

	"portico/internal/entry"
)

// concurrencyStep is the policy "concurrency": a call takes a place until it is
// over.
type concurrencyStep struct {
	id       uint64
	calls    int64
	counted  counted
	queue    queue
	declared declared
	limiter  *Limiter
}

func newConcurrencyStep(p entry.ConcurrencyLimit, at declared, limiter *Limiter) *concurrencyStep {
	return &concurrencyStep{
		limitID(int64(p.Calls), 0, 0, 0, p.By, p.Name+p.Expression, at.state()),
		int64(p.Calls), newCounted(p.By, p.Name, p.Expression, at), newQueue(p.Queue), at, limiter,
	}
}

// Run implements Step.
func (s *concurrencyStep) Run(ctx context.Context, ex *Exchange) error {
	key := s.counted.key(s.limiter, s.id, ex)
	v := s.limiter.lines.pass(ctx, ex, s, key, s.queue)
	if !v.admitted {
		return ex.refused(s.limiter, v, codeConcurrencyLimited, s.declared)
	}
	ex.held.add(place{s.limiter, key})
	return nil
}

// pass implements gate.
func (s *concurrencyStep) pass(key uint64, _ int64) verdict {
	return verdict{admitted: s.limiter.enter(s.calls, key)}
}

// pace implements gate.
func (*concurrencyStep) pace() int64 { return 0 }

// held are the places that a call has taken. The zero value has none.
type held struct {
	list  [3]place
	count int
	more  []place // beyond list
}

type place struct {
	limiter *Limiter
	key     uint64
}

func (h *held) add(p place) {
	if h.count < len(h.list) {
		h.list[h.count] = p
	} else {
		h.more = append(h.more, p)
	}
	h.count++
}

// Release gives back what a call holds as long as it is under way. It may be
// called again.
func (ex *Exchange) Release() {
	h := &ex.held
	if h.count == 0 {
		return
	}
	for i := range min(h.count, len(h.list)) {
		h.list[i].limiter.leave(h.list[i].key)
	}
	for _, p := range h.more {
		p.limiter.leave(p.key)
	}
	*h = held{}
}
