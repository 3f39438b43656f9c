package publish

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"portico/internal/bus"
)

// Times of the publisher.
const (
	lookEvery    = 30 * time.Second // at the bucket
	pendingEvery = time.Second      // at what the database has to deliver, though nobody nudged
	compareEvery = 10 * time.Minute // with the database, though nobody else wrote
	minPause     = 20 * time.Millisecond
	maxPause     = time.Second
	keepEnded    = 30 * 24 * time.Hour
	keepBodies   = time.Hour // nodes may still be fetching what is no longer named
)

// Publisher delivers to all environments. Make one with New.
type Publisher struct {
	store Store
	bus   *bus.Bus
	log   *slog.Logger
	now   func() time.Time
	look  time.Duration

	environments chan struct{} // holds one: look for new environments
	written      heads

	mu      sync.Mutex // guards workers
	workers map[string]*worker
}

// Options are the parts a publisher works with.
type Options struct {
	Store Store
	Bus   *bus.Bus
	Log   *slog.Logger     // nil: none
	Now   func() time.Time // nil: time.Now
	// Look is how often to look at the buckets; 0: 30 s.
	Look time.Duration
}

// New returns a publisher that does nothing until Run.
func New(o Options) *Publisher {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Look == 0 {
		o.Look = lookEvery
	}
	return &Publisher{
		store: o.Store, bus: o.Bus, log: o.Log, now: o.Now, look: o.Look,
		environments: make(chan struct{}, 1), workers: map[string]*worker{},
		written: heads{byEnvironment: map[string][]head{}},
	}
}

// Nudge says that an environment may have something to deliver. It never
// blocks; nudges that come faster than deliveries become one. Where another
// process delivers, that one is told.
func (p *Publisher) Nudge(environment string) {
	if !p.poke(environment) {
		p.bus.Nudge(environment)
	}
}

// poke wakes the environment's worker, and reports whether it delivers here.
func (p *Publisher) poke(environment string) (leads bool) {
	p.mu.Lock()
	w := p.workers[environment]
	p.mu.Unlock()
	if w == nil {
		poke(p.environments)
		return false
	}
	poke(w.wake)
	return w.leads.Load()
}

// heard notes a head that another process writes, by this one's clock.
func (p *Publisher) heard(environment string, sequence uint64) {
	p.mu.Lock()
	w := p.workers[environment]
	p.mu.Unlock()
	if w == nil || !w.leads.Load() {
		p.written.note(environment, sequence, p.now())
	}
}

// WrittenAt returns when the head that includes a sequence was written, by this
// process; false when it was not, or too long ago.
func (p *Publisher) WrittenAt(environment string, sequence uint64) (time.Time, bool) {
	return p.written.at(environment, sequence)
}

// Head returns the sequence of an environment's newest head on the bus, 0 while
// none is known.
func (p *Publisher) Head(environment string) uint64 { return p.written.newest(environment) }

// Run delivers until ctx ends, and returns its error. It must run once.
func (p *Publisher) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	hearing, stop := context.WithCancel(ctx)
	defer stop()
	all.Go(func() {
		p.hear(hearing, func() error { return p.bus.Nudges(hearing, func(env string) { p.poke(env) }) })
	})
	all.Go(func() { p.hear(hearing, func() error { return p.bus.Heads(hearing, p.heard) }) })
	tick := time.NewTicker(p.look)
	defer tick.Stop()
	for attempt := 0; ; {
		retry := (<-chan time.Time)(nil)
		if err := p.employ(ctx, &all); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "environments not read", "error", err)
			retry = time.After(pause(attempt))
			attempt++
		} else {
			attempt = 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.environments:
		case <-tick.C:
		case <-retry:
		}
	}
}

// hear listens to other processes until ctx ends. Nothing depends on it.
func (p *Publisher) hear(ctx context.Context, listen func() error) {
	if err := listen(); err != nil && ctx.Err() == nil {
		p.log.WarnContext(ctx, "other processes are not heard", "error", err)
	}
}

// employ starts a worker for every environment that has none, and for every
// deleted one that the bus still carries.
func (p *Publisher) employ(ctx context.Context, all *sync.WaitGroup) error {
	slugs, err := p.store.EnvironmentSlugs(ctx)
	if err != nil {
		return fmt.Errorf("list environments: %w", err)
	}
	deleted, err := p.store.EnvironmentsToDrop(ctx)
	if err != nil {
		return fmt.Errorf("list deleted environments: %w", err)
	}
	slugs = append(slugs, deleted...)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, slug := range slugs {
		if p.workers[slug] != nil {
			continue
		}
		w := &worker{publisher: p, slug: slug, wake: make(chan struct{}, 1), log: p.log.With("environment", slug)}
		p.workers[slug] = w
		all.Go(func() {
			w.run(ctx)
			p.dismiss(slug)
		})
	}
	return nil
}

// dismiss forgets a worker that has ended, and what its environment's head was.
// The environment may have been made anew meanwhile.
func (p *Publisher) dismiss(slug string) {
	p.mu.Lock()
	delete(p.workers, slug)
	p.mu.Unlock()
	p.written.forget(slug)
	poke(p.environments)
}

// poke leaves a note in a channel that holds one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func pause(attempt int) time.Duration {
	wait := maxPause
	if attempt < 6 {
		wait = min(maxPause, minPause<<attempt)
	}
	return wait/2 + rand.N(wait/2)
}
