package balance

import (
	"context"
	"sync"
	"time"
)

// gate is a bulkhead: so many inside, so many that wait for their turn in the
// order in which they came, and nobody beside.
type gate struct {
	max, room int

	mu      sync.Mutex // guards what follows
	inside  int
	waiting []*turn
}

// turn is a place in the queue. Its channel is closed when its turn has come.
type turn struct{ come chan struct{} }

func (g *gate) enter(ctx context.Context, wait time.Duration) error {
	g.mu.Lock()
	if g.inside < g.max {
		g.inside++
		g.mu.Unlock()
		return nil
	}
	if len(g.waiting) >= g.room || wait <= 0 {
		g.mu.Unlock()
		return ErrBusy
	}
	t := &turn{come: make(chan struct{})}
	g.waiting = append(g.waiting, t)
	g.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-t.come:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-t.come: // at the last moment
		return nil
	default:
	}
	for i, have := range g.waiting {
		if have == t {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			break
		}
	}
	return ErrBusy
}

// leave passes the place on to who has waited longest.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.inside--
		return
	}
	next := g.waiting[0]
	g.waiting[0] = nil
	g.waiting = g.waiting[1:]
	close(next.come)
}
