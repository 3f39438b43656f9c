package balance

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Algorithm is how a Group chooses.
type Algorithm uint8

// The algorithms. All heed weights.
const (
	RoundRobin    Algorithm = iota
	LeastRequests           // of two taken at random, the one with fewer calls under way
	EWMA                    // of two taken at random, the one that promises to answer sooner
	Hash                    // the same for the same key, as far as it is fit
)

// Settings say how a Group chooses and what it takes for unfit. The zero value
// is round robin over everything, for ever.
type Settings struct {
	Algorithm    Algorithm
	BoundPercent int           // Hash: how much of the average an endpoint takes at most, above 100; 0: no bound
	SlowStart    time.Duration // over which an endpoint that comes, or comes back, gets its share; 0: at once
	PanicPercent int           // when fewer than these are fit all are used; when none is, always
	Ejection     Ejection
	Breaker      BreakerSettings

	MaxRequests    int           // of the group at once; 0: no limit
	Queue          int           // how many more wait for their turn
	QueueWait      time.Duration // and for how long
	MaxConnections int           // calls on one endpoint at once; 0: no limit

	BudgetPercent int  // of calls that may be tried again
	BudgetMin     int  // retries a second that are always allowed
	CountAll      bool // calls count for the budget also where there is only one endpoint
}

// Ejection takes an endpoint out for a while that fails calls.
type Ejection struct {
	Failures   int           // in a row that eject; 0: never
	Any5xx     bool          // every status of 500 and above is a failure, not 502 to 504 alone
	Base, Max  time.Duration // out for Base, longer each time, up to Max
	MaxPercent int           // of the endpoints that may be out at once, rounded up; never the last one
}

// The errors of Pick and Enter.
var (
	ErrNone = errors.New("there is no endpoint")
	ErrFull = errors.New("every endpoint is in use as much as it may be")
	ErrBusy = errors.New("as many calls are under way as may be")
	ErrOpen = errors.New("the circuit breaker is open")
)

// Member is an endpoint in a Group. Weight is 1 or more.
type Member struct {
	Endpoint *Endpoint
	Weight   int
}

// Group is the endpoints of one upstream. It is safe for concurrent use.
type Group struct {
	settings  Settings
	counts    bool // calls under way are counted, per endpoint
	unsettled func()
	random    func() uint64

	picks   atomic.Uint64
	again   atomic.Uint64 // of picks: for calls that were picked for before
	under   atomic.Int64  // calls under way; kept only for a bound
	picture atomic.Pointer[picture]
	breaker *breaker // nil for none
	gate    *gate    // nil for none
	budget  budget

	mu      sync.Mutex // guards what follows, and the state of the members
	members []Member
	ring    *ring // nil but for Hash
}

// NewGroup returns an empty group. unsettled is called when Settle will have
// something to do that it did not have before; it must not call the group. nil
// tells nobody.
func NewGroup(settings Settings, unsettled func()) *Group {
	g := &Group{settings: settings, unsettled: unsettled, random: rand.Uint64}
	g.counts = settings.Algorithm == LeastRequests || settings.Algorithm == EWMA || settings.MaxConnections > 0 ||
		settings.Algorithm == Hash && settings.BoundPercent > 0
	if settings.Breaker.ErrorPercent > 0 {
		g.breaker = newBreaker(settings.Breaker)
	}
	if settings.MaxRequests > 0 {
		g.gate = &gate{max: settings.MaxRequests, room: settings.Queue}
	}
	g.picture.Store(&picture{})
	return g
}

// Timed reports whether Done wants to know how long a call took.
func (g *Group) Timed() bool { return g.settings.Algorithm == EWMA }

// Keyed reports whether Pick heeds its key.
func (g *Group) Keyed() bool { return g.settings.Algorithm == Hash }

// Len returns how many endpoints there are.
func (g *Group) Len() int { return len(g.picture.Load().all) }

// Set replaces the endpoints. Those that stay keep their state, also when they
// come from another group, which is to Retire first.
func (g *Group) Set(now int64, members []Member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = append([]Member(nil), members...)
	late := false // some were there before: those that were not start slowly
	for _, m := range g.members {
		late = m.Endpoint.met() || late
	}
	for _, m := range g.members {
		m.Endpoint.meet(now, late)
	}
	g.ring = nil
	if g.settings.Algorithm == Hash {
		g.ring = newRing(g.members)
	}
	g.draw(now)
	g.stir()
}

// Retire lets go of the endpoints, of which another group may have taken over some:
// what becomes of them is that one's to see to. Calls that are under way here may
// still be tried again where they could be.
func (g *Group) Retire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = nil
}

// Enter lets a call in, before its first Pick: past the breaker, and past the
// bulkhead, where it may wait, but not beyond until; 0 is no bound. Its errors are
// ErrOpen and ErrBusy; after the caller may come again. What it lets in must Leave.
func (g *Group) Enter(ctx context.Context, now, until int64) (after time.Duration, err error) {
	if g.gate != nil {
		wait := g.settings.QueueWait
		if until > 0 {
			wait = min(wait, time.Duration(until-now))
		}
		if err := g.gate.enter(ctx, wait); err != nil {
			return time.Second, err
		}
	}
	if g.breaker != nil {
		if after, ok := g.breaker.admit(now); !ok {
			if g.gate != nil {
				g.gate.leave()
			}
			return after, ErrOpen
		}
	}
	return 0, nil
}

// Leave ends a call that Enter let in.
func (g *Group) Leave() {
	if g.gate != nil {
		g.gate.leave()
	}
}

// Pick chooses an endpoint that is not among tried. key counts for Hash alone;
// 0 is none. A call on it has begun then, which must End. Its errors are
// ErrNone and ErrFull.
func (g *Group) Pick(now int64, key uint64, tried []*Endpoint) (*Endpoint, error) {
	return g.pick(now, key, tried, false)
}

// PickAgain is Pick for a call that was picked for before: the budget of retries is
// a part of the calls, not of the tries.
func (g *Group) PickAgain(now int64, key uint64, tried []*Endpoint) (*Endpoint, error) {
	return g.pick(now, key, tried, true)
}

func (g *Group) pick(now int64, key uint64, tried []*Endpoint, again bool) (*Endpoint, error) {
	p := g.picture.Load()
	n := len(p.list)
	if n == 0 {
		return nil, ErrNone
	}
	turn := uint64(0)
	if n > 1 || g.settings.CountAll {
		if again {
			g.again.Add(1)
		}
		turn = g.picks.Add(1) - 1
	}
	if p.ring != nil && n > 1 {
		if key == 0 {
			key = g.random()
		}
		return g.pickByKey(p, key, tried)
	}
	i := 0
	if n > 1 {
		switch g.settings.Algorithm {
		case LeastRequests, EWMA:
			i = g.ofTwo(p, now)
		default:
			i = p.turn(turn)
		}
	}
	full := false
	for range n {
		e := p.list[i]
		if !among(tried, e) {
			if g.begin(e) {
				return e, nil
			}
			full = true
		}
		if i++; i == n {
			i = 0
		}
	}
	if full {
		return nil, ErrFull
	}
	return nil, ErrNone
}

// begin counts a call on an endpoint, if it may have one more.
func (g *Group) begin(e *Endpoint) bool {
	if !g.counts {
		return true
	}
	most := int64(g.settings.MaxConnections)
	if most > 0 && e.under.Load() >= most { // read first: a full one is asked by many
		return false
	}
	if under := e.under.Add(1); most > 0 && under > most {
		e.under.Add(-1)
		return false
	}
	if g.settings.BoundPercent > 0 {
		g.under.Add(1)
	}
	return true
}

// End ends a call on an endpoint that Pick chose, however it went.
func (g *Group) End(e *Endpoint) {
	if !g.counts {
		return
	}
	e.under.Add(-1)
	if g.settings.BoundPercent > 0 {
		g.under.Add(-1)
	}
}

// Done tells how a call on an endpoint went, and how long it took where Timed.
func (g *Group) Done(e *Endpoint, now int64, outcome Outcome, took time.Duration) {
	if outcome >= Abandoned {
		return
	}
	failed := outcome.fails(g.settings.Ejection.Any5xx)
	if g.Timed() {
		e.observe(now, took, failed)
	}
	if g.breaker != nil && g.breaker.count(now, outcome.fails(true)) {
		g.stir()
	}
	if !failed {
		if e.failures.Load() != 0 {
			e.failures.Store(0)
		}
		return
	}
	if most := g.settings.Ejection.Failures; most > 0 && int(e.failures.Add(1)) >= most {
		g.eject(e, now, outcome)
	}
}

// MayRetry takes one retry out of the budget, if there is one left.
func (g *Group) MayRetry(now int64) bool {
	return g.budget.take(now, int64(g.picks.Load()-g.again.Load()), g.settings.BudgetPercent, g.settings.BudgetMin)
}

func (g *Group) eject(e *Endpoint, now int64, outcome Outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out, others := 0, 0 // others that are fit
	for _, m := range g.members {
		if m.Endpoint.outUntil() > now {
			out++
		}
		if _, unfit := m.Endpoint.unfit(now); !unfit && m.Endpoint != e {
			others++
		}
	}
	n := len(g.members)
	if !g.has(e) || e.outUntil() > now || others == 0 || out+1 > (n*g.settings.Ejection.MaxPercent+99)/100 {
		return
	}
	e.eject(now, g.settings.Ejection, outcome)
	g.draw(now)
	g.stir()
}

// has reports whether an endpoint is the group's. mu is held.
func (g *Group) has(e *Endpoint) bool {
	return slices.ContainsFunc(g.members, func(m Member) bool { return m.Endpoint == e })
}

// SetHealth takes what an active check found; why is empty when all is well. Of an
// endpoint that is not the group's it takes nothing.
func (g *Group) SetHealth(e *Endpoint, now int64, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.has(e) {
		return
	}
	e.setHealth(now, why)
	g.draw(now)
	g.stir()
}

// Settle lets endpoints back whose time out is over, and moves slow starts on.
// It reports whether there will be more to do.
func (g *Group) Settle(now int64) (more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	moved := false
	for _, m := range g.members {
		changed, waits := m.Endpoint.settle(now, g.settings)
		moved, more = moved || changed, more || waits
	}
	if moved {
		g.draw(now)
	}
	return more
}

func (g *Group) stir() {
	if g.unsettled != nil {
		g.unsettled()
	}
}

// Well reports whether every endpoint gets calls as it should. It costs less
// than Health.
func (g *Group) Well(now int64) bool {
	p := g.picture.Load()
	return len(p.list) == len(p.all) && !p.panics && (g.breaker == nil || !g.breaker.isOpen(now))
}

// Health is how a group is.
type Health struct {
	Total, Fit int
	Panic      bool // too few are fit: all are used
	Open       bool // the circuit breaker lets nobody through
	Unfit      []Unfit
}

// Unfit is an endpoint that gets no calls, but in a panic.
type Unfit struct {
	Endpoint *Endpoint
	Why      string
	Since    int64
	Until    int64 // 0 when only a check can tell
}

// Health returns how the group is at a time.
func (g *Group) Health(now int64) Health {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.picture.Load()
	h := Health{Total: len(g.members), Panic: p.panics, Open: g.breaker != nil && g.breaker.isOpen(now)}
	for _, m := range g.members {
		if u, ok := m.Endpoint.unfit(now); ok {
			h.Unfit = append(h.Unfit, u)
		}
	}
	h.Fit = h.Total - len(h.Unfit)
	return h
}

func among(list []*Endpoint, e *Endpoint) bool {
	for _, have := range list {
		if have == e {
			return true
		}
	}
	return false
}
