package collect

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
)

// Times of the collector.
const (
	unreachableAfter = 5 * time.Second
	enrolledFor      = 2 * time.Second  // how long a list of enrolled nodes holds
	keepEvery        = 10 * time.Second // that a node was heard
	forgetAfter      = time.Hour        // a node that is not heard
	tickEvery        = time.Second

	environmentsEvery = 2 * time.Second // to look for new ones
)

// mostNodes bounds the statuses in memory, whoever sends them.
const mostNodes = 10_000

// Store knows which nodes are enrolled, as manager/store does.
type Store interface {
	// EnvironmentSlugs lists all environments.
	EnvironmentSlugs(ctx context.Context) ([]string, error)
	// EnrolledNodes lists an environment's nodes, those that left too.
	EnrolledNodes(ctx context.Context, environment string) ([]apim.Node, error)
	// NodeHeard keeps when a node was last heard, which build it runs and
	// whether it left.
	NodeHeard(ctx context.Context, n apim.Node) error
	// SecretsUsed keeps when secrets were last used.
	SecretsUsed(ctx context.Context, uses []apim.SecretUse) error
	// CountUsage adds pieces of usage to what was counted, and notes in the same
	// transaction that it did; it reports false for each that was counted before.
	CountUsage(ctx context.Context, pieces []apim.UsagePiece, now time.Time) (fresh []bool, err error)
	// SweepUsage forgets some usage of before a time, and returns how many rows.
	SweepUsage(ctx context.Context, before time.Time, limit int) (int64, error)
}

// Options are the parts a collector works with.
type Options struct {
	Store Store
	Bus   *bus.Bus
	// Written returns when the head that includes a sequence was written;
	// publish.Publisher has it.
	Written func(environment string, sequence uint64) (time.Time, bool)
	// Head returns the newest head on the bus, 0 while none is known; nil: what
	// the nodes say.
	Head func(environment string) uint64
	// KeepUsage is how long minutes of usage are kept; 0: 90 days.
	KeepUsage time.Duration
	Log       *slog.Logger     // nil: none
	Now       func() time.Time // nil: time.Now
}

// Collector answers what nodes confirm. Make one with New; it is safe for
// concurrent use.
type Collector struct {
	Options
	started time.Time
	look    chan struct{} // holds one: there may be a new environment

	mu     sync.Mutex // guards fleets, nodes and what is in fleets
	fleets map[string]*fleet
	nodes  int
}

// fleet is what is known of an environment's nodes.
type fleet struct {
	heard  map[string]*heard // by the node's uuid
	change chan struct{}     // closed and replaced when an answer may have changed

	loading    chan struct{} // holds one: who asks the store asks for all
	enrolled   []apim.Node
	enrolledAt time.Time // zero: never asked
	waiting    int

	ways []way         // of calls, the oldest first
	told chan struct{} // closed and replaced when one comes

	looks map[string]chan<- entry.Targets // who waits for how targets are, by the look's id
}

// heard is what a node said.
type heard struct {
	entry.Status
	at      time.Time
	kept    time.Time // when the store was told
	applied []applied // ascending
}

// applied is when a node was first heard to have applied a sequence.
type applied struct {
	sequence uint64
	at       time.Time
}

// keepApplied is how many of these are remembered of a node.
const keepApplied = 1024

// New returns a collector that hears nothing until Run.
func New(o Options) *Collector {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.KeepUsage == 0 {
		o.KeepUsage = usageKept
	}
	return &Collector{Options: o, started: o.Now(), look: make(chan struct{}, 1), fleets: map[string]*fleet{}}
}

// Run listens until ctx ends, and returns its error.
func (c *Collector) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { c.tend(ctx) })
	all.Go(func() { c.sweep(ctx) })
	listening := map[string]func(){} // what ends it, by environment
	for {
		slugs, err := c.Store.EnvironmentSlugs(ctx)
		if err != nil && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "environments not read", "error", err)
		}
		for _, slug := range slugs {
			if listening[slug] != nil {
				continue
			}
			hearing, stop := context.WithCancel(ctx)
			var both sync.WaitGroup
			both.Go(func() { c.listen(hearing, slug) })
			both.Go(func() { c.listenSeen(hearing, slug) })
			both.Go(func() { c.listenExplained(hearing, slug) })
			both.Go(func() { c.listenLooked(hearing, slug) })
			both.Go(func() { c.count(hearing, slug) })
			listening[slug] = func() { stop(); both.Wait() }
			all.Go(func() { <-hearing.Done(); both.Wait() })
		}
		for slug, end := range listening {
			if err == nil && !slices.Contains(slugs, slug) { // it was deleted
				end()
				delete(listening, slug)
				c.forget(slug)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.look:
		case <-time.After(environmentsEvery):
		}
	}
}

// forget drops what is known of a deleted environment's nodes.
func (c *Collector) forget(environment string) {
	c.Bus.Forget(environment)
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fleets[environment]
	if f == nil {
		return
	}
	c.nodes -= len(f.heard)
	delete(c.fleets, environment)
	f.announce()
}

// listen hears an environment's nodes until ctx ends.
func (c *Collector) listen(ctx context.Context, environment string) {
	for ctx.Err() == nil {
		if err := c.Bus.Environment(environment).Statuses(ctx, c.hear); err != nil && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "nodes are not heard", "environment", environment, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// listenSeen keeps which secrets the environment's nodes have taken. What the
// store cannot keep is lost: the next use is told again.
func (c *Collector) listenSeen(ctx context.Context, environment string) {
	for ctx.Err() == nil {
		err := c.Bus.Environment(environment).Seen(ctx, func(s entry.Seen) {
			uses := make([]apim.SecretUse, len(s.Uses))
			for i, u := range s.Uses {
				uses[i] = apim.SecretUse{Environment: environment, Hash: u.Hash, At: time.Unix(u.At, 0).UTC(), Address: u.Address}
			}
			if err := c.Store.SecretsUsed(ctx, uses); err != nil && ctx.Err() == nil {
				c.Log.DebugContext(ctx, "uses not kept", "environment", environment, "error", err)
			}
		})
		if err != nil && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "uses are not heard", "environment", environment, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// Invalidate says that a node was enrolled, left or was removed.
func (c *Collector) Invalidate(environment string) {
	select {
	case c.look <- struct{}{}:
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fleet(environment)
	f.enrolledAt = time.Time{}
	f.announce()
}

// fleet returns an environment's fleet. mu is held.
func (c *Collector) fleet(environment string) *fleet {
	f := c.fleets[environment]
	if f == nil {
		f = &fleet{heard: map[string]*heard{}, change: make(chan struct{}), loading: make(chan struct{}, 1), told: make(chan struct{}), looks: map[string]chan<- entry.Targets{}}
		c.fleets[environment] = f
	}
	return f
}

func (f *fleet) announce() {
	close(f.change)
	f.change = make(chan struct{})
}

// hear takes a status.
func (c *Collector) hear(s entry.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fleet(s.Environment)
	h := f.heard[s.Node]
	if h == nil {
		if c.nodes >= mostNodes {
			return
		}
		c.nodes++
		h = &heard{}
		f.heard[s.Node] = h
		f.enrolledAt = time.Time{} // it may have been let in a moment ago, by another manager
	}
	before, left := h.Applied, h.Left
	h.Status, h.at = s, c.Now()
	if s.Left != left {
		h.kept = time.Time{} // at once
		f.announce()
	}
	if s.Applied == before && len(h.applied) > 0 {
		return
	}
	h.note(s.Applied.Sequence)
	f.announce()
}

// note remembers when a sequence was first heard of. One that is lower than
// before is of a node that began anew: what it had confirmed above is open.
func (h *heard) note(sequence uint64) {
	for len(h.applied) > 0 && h.applied[len(h.applied)-1].sequence > sequence {
		h.applied = h.applied[:len(h.applied)-1]
	}
	if n := len(h.applied); n > 0 && h.applied[n-1].sequence == sequence {
		return
	}
	if len(h.applied) >= keepApplied {
		h.applied = append(h.applied[:0], h.applied[keepApplied/2:]...)
	}
	h.applied = append(h.applied, applied{sequence, h.at})
}

// tend keeps in the store that nodes were heard, looks for nodes that came or
// went where somebody waits, and forgets those not heard for long.
func (c *Collector) tend(ctx context.Context) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, environment := range c.environments() {
			nodes, err := c.enrolled(ctx, environment)
			if err == nil {
				err = c.keep(ctx, environment, nodes)
			}
			if err != nil && ctx.Err() == nil {
				c.Log.DebugContext(ctx, "nodes not kept", "environment", environment, "error", err)
			}
		}
	}
}

// environments names those that somebody waits for, or whose nodes are to be
// kept, and forgets nodes.
func (c *Collector) environments() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	var out []string
	for slug, f := range c.fleets {
		due := f.waiting > 0
		for uuid, h := range f.heard {
			if now.Sub(h.at) > forgetAfter {
				delete(f.heard, uuid)
				c.nodes--
			}
			due = due || h.at.Sub(h.kept) >= keepEvery
		}
		if due {
			out = append(out, slug)
		}
	}
	return out
}

// keep tells the store of enrolled nodes that were heard.
func (c *Collector) keep(ctx context.Context, environment string, nodes []apim.Node) error {
	for _, n := range nodes {
		c.mu.Lock()
		h := c.fleet(environment).heard[n.ID.UUID()]
		due := h != nil && h.at.Sub(h.kept) >= keepEvery
		if due {
			n.Build, n.HeardAt, n.LeftAt = h.Build, h.at, time.Time{}
			if h.Left {
				n.LeftAt = h.at
			}
		}
		c.mu.Unlock()
		if !due {
			continue
		}
		if err := c.Store.NodeHeard(ctx, n); err != nil {
			return err
		}
		c.mu.Lock()
		h.kept = n.HeardAt
		c.mu.Unlock()
	}
	return nil
}

// enrolled lists an environment's nodes, from memory for a short while, and
// longer when the store is away.
func (c *Collector) enrolled(ctx context.Context, environment string) ([]apim.Node, error) {
	c.mu.Lock()
	f := c.fleet(environment)
	nodes, at := f.enrolled, f.enrolledAt
	c.mu.Unlock()
	if !at.IsZero() && c.Now().Sub(at) < enrolledFor {
		return nodes, nil
	}
	select {
	case f.loading <- struct{}{}:
		defer func() { <-f.loading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	nodes, again := f.enrolled, f.enrolledAt
	c.mu.Unlock()
	if again.After(at) && c.Now().Sub(again) < enrolledFor { // somebody else has just asked
		return nodes, nil
	}
	fresh, err := c.Store.EnrolledNodes(ctx, environment)
	if err != nil {
		if nodes != nil {
			return nodes, nil
		}
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.EqualFunc(fresh, f.enrolled, func(a, b apim.Node) bool { return a.ID == b.ID }) {
		f.announce()
	}
	f.enrolled, f.enrolledAt = fresh, c.Now()
	return fresh, nil
}
