package supply

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"portico/gateway/policy"
)

// Source is a thing that a Store gets, with a Turn embedded.
type Source interface {
	// Due reports whether the next is to be got though nobody waits; failing: the
	// newest request has failed. It must not block.
	Due(now time.Time, failing bool) bool
	// Get gets it, and puts it in place before it returns. began is when it was asked
	// for.
	Get(ctx context.Context, began time.Time) error

	turn() *Turn
}

// source is a pointer to a T that is a Source.
type source[T any] interface {
	*T
	Source
}

// Options say what a Store is made of.
type Options[P Source] struct {
	Now      func() time.Time
	Log      *slog.Logger // of panics; Told hears of all else
	Most     int          // things of a tenant that are in
	AtATime  int          // requests, of all tenants
	OfTenant int          // requests of one, which gets no second while half of all are taken
	Urgent   bool         // who wants a thing breaks its pause after a failure
	// Told hears how each request ended, nil for well, but not of those that the end
	// of Run has ended.
	Told func(thing P, err error, pause time.Duration)
}

// Store gets things as long as somebody holds them. Call Run once.
type Store[K comparable, T any, P source[T]] struct {
	options Options[P]
	wake    chan struct{} // capacity 1
	held    *Held[K, T]
}

// NewStore returns an empty store.
func NewStore[K comparable, T any, P source[T]](options Options[P]) *Store[K, T, P] {
	return &Store[K, T, P]{options: options, wake: make(chan struct{}, 1), held: NewHeld[K, T](options.Most)}
}

// Thing returns what a tenant has under a key, and whether it is in: one that is not
// is got once there is room. create makes it, but for its Turn. Where Due says so,
// the first is got before anybody wants it.
func (s *Store[K, T, P]) Thing(tenant policy.ID, key K, create func() *T) (thing *T, in bool) {
	made := false
	thing, in = s.held.Get(tenant, key, func() *T {
		made = true
		one := create()
		t := P(one).turn()
		t.now, t.wake, t.urgent, t.done = s.options.Now, s.wake, s.options.Urgent, make(chan struct{})
		return one
	})
	if in {
		P(thing).turn().in.Store(true)
	}
	if made {
		nudge(s.wake)
	}
	return thing, in
}

// Run gets what is due until ctx ends.
func (s *Store[K, T, P]) Run(ctx context.Context) error {
	line := line[P]{atATime: s.options.AtATime, ofTenant: s.options.OfTenant}
	ended := make(chan policy.ID, s.options.AtATime) // whose request: never full, so that none waits
	var group sync.WaitGroup
	defer group.Wait() // requests report to their things
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for tenant, next, ok := line.next(); ok; tenant, next, ok = line.next() {
			group.Go(func() {
				s.get(ctx, next)
				ended <- tenant
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case tenant := <-ended:
			line.ended(tenant)
			continue
		case <-tick.C:
		case <-s.wake:
		}
		now := s.options.Now()
		s.held.Each(func(tenant policy.ID, thing *T) {
			one := P(thing)
			if joins, failed := one.turn().join(one, now); joins {
				line.add(tenant, one, failed)
			}
		})
	}
}

func (s *Store[K, T, P]) get(ctx context.Context, one P) {
	t := one.turn()
	err := s.attempt(ctx, one, t.start())
	pause := t.end(err)
	if ctx.Err() == nil && s.options.Told != nil {
		s.options.Told(one, err, pause)
	}
}

// attempt is one's Get. What comes from elsewhere is hostile: where reading it
// panics, that has failed, and the node goes on.
func (s *Store[K, T, P]) attempt(ctx context.Context, one P, began time.Time) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			s.options.Log.Error("reading what was got from elsewhere panicked", "panic", thrown, "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	return one.Get(ctx, began)
}

// errPanicked is why there is nothing where Get panicked.
var errPanicked = errors.New("reading what was got panicked")

func nudge(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
