package supply

import (
	"sync"
	"weak"

	"portico/gateway/policy"
)

// Held keeps things by tenant and key as long as somebody else holds them, and lets
// so many of a tenant's in. The others are kept too, and come in once there is
// room: what is made while its predecessor waits for the garbage collector is not
// refused for good. It is safe for concurrent use.
type Held[K comparable, T any] struct {
	most int

	mu     sync.Mutex // guards what follows
	things map[place[K]]*slot[T]
	in     map[policy.ID]int // how many are, by tenant
}

// place is whose a thing is, and which: what one tenant's calls do to it, no
// other's feel.
type place[K comparable] struct {
	tenant policy.ID
	key    K
}

type slot[T any] struct {
	thing weak.Pointer[T]
	in    bool
}

// NewHeld returns one that lets so many things of each tenant in.
func NewHeld[K comparable, T any](most int) *Held[K, T] {
	return &Held[K, T]{most: most, things: map[place[K]]*slot[T]{}, in: map[policy.ID]int{}}
}

// Get returns the thing of a key, which create makes where nobody holds one, and
// whether it is in. create must not call this Held.
func (h *Held[K, T]) Get(tenant policy.ID, key K, create func() *T) (thing *T, in bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := place[K]{tenant, key}
	if s := h.things[at]; s != nil {
		if thing = s.thing.Value(); thing != nil {
			return thing, h.let(at, s, false)
		}
		h.drop(at, s)
	}
	thing = create()
	s := &slot[T]{thing: weak.Make(thing)}
	h.things[at] = s
	return thing, h.let(at, s, false)
}

// In reports whether a thing is in, and lets it in where there is room now. Its
// caller holds it.
func (h *Held[K, T]) In(tenant policy.ID, key K) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := place[K]{tenant, key}
	s := h.things[at]
	return s != nil && h.let(at, s, false)
}

// Each calls f with all that are in, after those that nobody holds have made room.
// f must not call this Held.
func (h *Held[K, T]) Each(f func(tenant policy.ID, thing *T)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sweep()
	for at, s := range h.things {
		if thing := s.thing.Value(); thing != nil && h.let(at, s, true) {
			f(at.tenant, thing)
		}
	}
}

// let reports whether a thing is in, and lets it in where there is room. mu is held.
func (h *Held[K, T]) let(at place[K], s *slot[T], swept bool) bool {
	if !s.in && !swept && h.in[at.tenant] >= h.most {
		h.sweep() // rare: only beyond the bound
	}
	if !s.in && h.in[at.tenant] < h.most {
		s.in = true
		h.in[at.tenant]++
	}
	return s.in
}

// sweep forgets what nobody holds any more. mu is held.
func (h *Held[K, T]) sweep() {
	for at, s := range h.things {
		if s.thing.Value() == nil {
			h.drop(at, s)
		}
	}
}

// drop forgets a thing. mu is held.
func (h *Held[K, T]) drop(at place[K], s *slot[T]) {
	delete(h.things, at)
	if !s.in {
		return
	}
	if h.in[at.tenant]--; h.in[at.tenant] <= 0 {
		delete(h.in, at.tenant)
	}
}
