package introspect

import (
	"context"
	"sync"
)

// gate bounds questions: how many are open, and how many there are with those that
// wait. Tokens that were never good are strangers', who bring as many as they like:
// they get half the places to wait and three quarters of the others, so that a token
// that was good before is asked about again whatever strangers do.
type gate struct {
	slots     chan struct{} // one for each question that may be open
	strangers chan struct{} // one for each that may be a stranger's
	most      int

	mu      sync.Mutex // guards what follows
	asking  int        // open and waiting
	strange int        // of these
}

func newGate(open, most int) *gate {
	return &gate{slots: make(chan struct{}, open), strangers: make(chan struct{}, max(1, open*3/4)), most: most}
}

// enter takes a place, where there is one. Call leave when the question is over.
func (g *gate) enter(known bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.asking >= g.most || !known && g.strange >= g.most/2 {
		return false
	}
	g.asking++
	if !known {
		g.strange++
	}
	return true
}

func (g *gate) leave(known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asking--
	if !known {
		g.strange--
	}
}

// open waits until a question may be open, or ctx ends. Call close where it may.
func (g *gate) open(ctx context.Context, known bool) bool {
	if !known && !take(ctx, g.strangers) {
		return false
	}
	if take(ctx, g.slots) {
		return true
	}
	if !known {
		<-g.strangers
	}
	return false
}

func (g *gate) close(known bool) {
	<-g.slots
	if !known {
		<-g.strangers
	}
}

func take(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
