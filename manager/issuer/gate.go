package issuer

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// gates let so many in at a time, each key by one of its own. Others wait, in the
// order in which they came.
type gates struct {
	most    int64
	waiting int // the most that may wait for a key; 0 is any number

	mu sync.Mutex // guards what follows
	of map[string]*gate
}

// gate is what a key has while anybody is inside or waits.
type gate struct {
	room  *semaphore.Weighted
	users int
}

// enter waits at a key's gate until ctx ends, and returns what leaves it. It reports
// false where it was not let in in time, or too many wait.
func (g *gates) enter(ctx context.Context, key string) (leave func(), ok bool) {
	g.mu.Lock()
	at := g.of[key]
	if at == nil {
		at = &gate{room: semaphore.NewWeighted(g.most)}
		if g.of == nil {
			g.of = map[string]*gate{}
		}
		g.of[key] = at
	}
	full := g.waiting > 0 && at.users >= int(g.most)+g.waiting
	at.users++
	g.mu.Unlock()
	if full || at.room.Acquire(ctx, 1) != nil {
		g.left(key, at)
		return nil, false
	}
	return func() {
		at.room.Release(1)
		g.left(key, at)
	}, true
}

// left forgets a key that nobody uses.
func (g *gates) left(key string, at *gate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at.users--; at.users == 0 {
		delete(g.of, key)
	}
}
