package issuer

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// places lets so many by at a time for each key. Others wait, in the order in
// which they came.
type places struct {
	most    int64
	waiting int // the most that may wait for a key; 0 is any number

	mu sync.Mutex // guards what follows
	of map[string]*place
}

// place is what a key has while anybody uses it or waits for it.
type place struct {
	free  *semaphore.Weighted
	users int
}

// take waits for a place of a key until ctx ends, and returns what gives it back.
// It reports false where there was none in time, or too many wait.
func (p *places) take(ctx context.Context, key string) (give func(), ok bool) {
	p.mu.Lock()
	at := p.of[key]
	if at == nil {
		at = &place{free: semaphore.NewWeighted(p.most)}
		if p.of == nil {
			p.of = map[string]*place{}
		}
		p.of[key] = at
	}
	full := p.waiting > 0 && at.users >= int(p.most)+p.waiting
	at.users++
	p.mu.Unlock()
	if full || at.free.Acquire(ctx, 1) != nil {
		p.left(key, at)
		return nil, false
	}
	return func() {
		at.free.Release(1)
		p.left(key, at)
	}, true
}

// left forgets a key that nobody uses.
func (p *places) left(key string, at *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.users--; at.users == 0 {
		delete(p.of, key)
	}
}
