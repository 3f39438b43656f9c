package policy

import (
	"context"
	"errors"
	"net/http"
	"time"

	"portico/gateway/cache"
	"portico/internal/entry"
)

// refresh asks the upstream in the background whether a stale answer still holds.
func (s *cacheStep) refresh(ex *Exchange, a *cache.Answer) {
	flight, leads := s.store.Join(ex.cached.key, ex.cached.address)
	if !leads {
		return
	}
	other := ex.detach()
	other.cached = cached{step: s, why: "stale", found: a, flight: flight}
	other.cached.key, other.cached.address = flight.Key()
	other.cached.asked.authorization = ex.cached.asked.authorization
	if !s.store.Refresh(func(ctx context.Context) { s.run(ctx, other) }) {
		flight.End()
	}
}

// run makes the call of a refresh.
func (s *cacheStep) run(ctx context.Context, ex *Exchange) {
	defer ex.Reset()
	defer func() {
		if recover() != nil { // nobody waits for it: the next caller tries again
			ex.cached.end()
		}
		if ex.Answer.Body != nil {
			_ = ex.Answer.Body.Close() // nobody wants it any more
		}
	}()
	began := time.Now()
	ex.Method = http.MethodGet
	for _, name := range []string{"Cache-Control", "Pragma", "If-None-Match", "If-Modified-Since", "Range", "If-Range"} {
		ex.Header.Del(name) // they are of the caller, who has its answer
	}
	s.fetch(ex)
	if err := s.goOn(ctx, ex); err != nil {
		return
	}
	ex.Waited = time.Since(began)
	if !s.finish(ctx, ex) || ex.Answer.Body == nil {
		return
	}
	var piece [16 << 10]byte
	for {
		if _, err := ex.Answer.Body.Read(piece[:]); err != nil {
			return
		}
	}
}

// goOn passes a call through what comes after the cache.
func (s *cacheStep) goOn(ctx context.Context, ex *Exchange) error {
	for _, stage := range []entry.Stage{entry.Shape, entry.Destination} {
		for _, c := range []*Chain{ex.Shared, ex.chain} {
			from := 0
			switch {
			case c == nil, stage == entry.Shape && c != s.chain && c == ex.Shared:
				continue
			case stage == entry.Shape && c == s.chain:
				from = s.at + 1
			}
			for i := from; i < len(c.steps); i++ {
				if c.steps[i].stage != stage {
					continue
				}
				if err := c.steps[i].Run(ctx, ex); errors.Is(err, ErrAnswered) {
					return nil
				} else if err != nil {
					return err
				}
			}
		}
	}
	return ex.Destination.Call(ctx, ex)
}

// finish shows the answer of a refresh to those between the destination and the
// cache, and then to the cache; false where one refuses it.
func (s *cacheStep) finish(ctx context.Context, ex *Exchange) bool {
	for _, c := range []*Chain{ex.chain, ex.Shared} {
		if c == nil {
			continue
		}
		for _, h := range c.answers[shaped] {
			if err := h.Answer(ctx, ex); err != nil {
				return false
			}
			if step, ok := h.Answerer.(Step); ok && bare(step) == Step(s) {
				return true
			}
		}
	}
	return true
}
