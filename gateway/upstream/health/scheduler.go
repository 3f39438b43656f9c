package health

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"portico/gateway/share"
)

// Dial connects, as net.Dialer does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// AtOnce is how many targets are asked at the same time. One tenant's are a
// quarter of that at most: those that let a check wait are in the way of their
// own tenant's others alone.
const AtOnce = 256

// Scheduler asks what it watches, as often as each check says. Make it with
// New; it is safe for concurrent use. It does nothing unless Run runs.
type Scheduler struct {
	dial   Dial
	places *share.Places
	wake   chan struct{} // capacity 1

	mu      sync.Mutex
	waiting map[string]*tenant // that have something in the queue; guarded by mu
	queue   queue[*tenant]     // guarded by mu
}

// New returns a scheduler that connects with dial.
func New(dial Dial) *Scheduler {
	return &Scheduler{dial: dial, places: share.New(AtOnce), wake: make(chan struct{}, 1), waiting: map[string]*tenant{}}
}

// Finding is what came of asking a target once.
type Finding struct {
	At   time.Time // when that was known; zero: it was never asked
	Took time.Duration
	Why  string // "" when it is well
}

// Watch is one target under watch. It is safe for concurrent use.
type Watch struct {
	scheduler *Scheduler
	target    Target
	check     Check
	report    func(why string)

	// Guarded by the scheduler's mu.
	due     time.Time
	at      int // in its tenant's queue; -1 when it is not there
	stopped bool
	cancel  context.CancelFunc // of what is under way; nil for nothing
	last    Finding
	asked   chan struct{} // closed and replaced when last changes; closed for good by Stop

	// Of the goroutine that asks.
	told bool // something was reported
	well bool // what was
	row  int  // results in a row that say otherwise
}

// Watch asks a target from now on, and reports "" when it is well and else why
// not: after the first answer, and then whenever it changes. report is called
// from one goroutine at a time, and not any more once Stop has returned and
// what was under way has ended.
func (s *Scheduler) Watch(target Target, check Check, report func(why string)) *Watch {
	w := &Watch{scheduler: s, target: target, check: check, report: report, due: time.Now(), at: -1, asked: make(chan struct{})}
	s.mu.Lock()
	s.push(w)
	s.mu.Unlock()
	s.nudge()
	return w
}

// Stop ends the watch for good, and what is under way, for which it does not
// wait.
func (w *Watch) Stop() {
	s := w.scheduler
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.stopped {
		return
	}
	w.stopped = true
	close(w.asked)
	if w.cancel != nil {
		w.cancel()
	}
	if w.at >= 0 {
		s.remove(w)
	}
}

// Last returns what was found last.
func (w *Watch) Last() Finding {
	w.scheduler.mu.Lock()
	defer w.scheduler.mu.Unlock()
	return w.last
}

// Ask has the target asked at once, and returns what is found; ok is false when
// ctx or the watch ends first. The result counts like any other. What was under
// way already may have begun before the target changed, and is waited for.
func (w *Watch) Ask(ctx context.Context) (f Finding, ok bool) {
	s, now := w.scheduler, time.Now()
	for {
		s.mu.Lock()
		if f = w.last; !f.At.IsZero() && !f.At.Add(-f.Took).Before(now) {
			s.mu.Unlock()
			return f, true
		}
		if w.stopped {
			s.mu.Unlock()
			return Finding{}, false
		}
		asked := w.asked
		if w.at >= 0 && now.Before(w.due) {
			s.remove(w)
			w.due = now
			s.push(w)
		}
		s.mu.Unlock()
		s.nudge()
		select {
		case <-asked:
		case <-ctx.Done():
			return Finding{}, false
		}
	}
}

// Once asks a target that is not under watch; else it is like Watch.Ask.
func (s *Scheduler) Once(ctx context.Context, target Target, check Check) (f Finding, ok bool) {
	w := s.Watch(target, check, func(string) {})
	defer w.Stop()
	return w.Ask(ctx)
}

func (s *Scheduler) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run asks until ctx ends, and returns when nothing is under way any more.
func (s *Scheduler) Run(ctx context.Context) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		w, wait := s.next(time.Now())
		if w == nil {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
			case <-s.wake:
			case <-timer.C:
			}
			continue
		}
		asking.Go(func() {
			s.ask(ctx, w)
			s.places.Give(w.target.Tenant)
			s.nudge()
		})
	}
	return nil
}

// idleWait is how long the scheduler sleeps when it has nothing to ask.
const idleWait = time.Hour

// next takes a place, and out of the queue what is due longest of the tenants
// that get one, or says how long there will be nothing.
func (s *Scheduler) next(now time.Time) (*Watch, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places.Full() {
		return nil, idleWait // who gives a place back nudges
	}
	var passed []*tenant // they get no place now; there are not more than places
	defer func() {
		for _, t := range passed {
			heap.Push(&s.queue, t)
		}
	}()
	for len(s.queue) > 0 {
		t := s.queue[0]
		if wait := t.when().Sub(now); wait > 0 {
			return nil, wait
		}
		if s.places.Take(t.name) {
			w := t.queue[0]
			s.remove(w)
			return w, 0
		}
		passed = append(passed, heap.Pop(&s.queue).(*tenant))
	}
	return nil, idleWait
}

func (s *Scheduler) ask(ctx context.Context, w *Watch) {
	limit, cancel := context.WithTimeout(ctx, w.check.Timeout)
	defer cancel()
	s.mu.Lock()
	stopped := w.stopped
	w.cancel = cancel
	s.mu.Unlock()
	if stopped {
		return
	}
	began := time.Now()
	err := w.check.ask(limit, s.dial, w.target)
	if ctx.Err() != nil {
		return
	}
	why := w.check.why(limit, err)
	took := time.Since(began)
	found := Finding{At: began.Add(took), Took: took, Why: why}
	s.mu.Lock()
	stopped, w.cancel = w.stopped, nil
	s.mu.Unlock()
	if stopped {
		return
	}
	if !Exhausted(err) && w.heard(why == "") {
		w.report(why)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.stopped {
		return
	}
	w.last = found
	close(w.asked)
	w.asked = make(chan struct{})
	// Nodes that were started together do not ask together for ever.
	w.due = time.Now().Add(w.check.Interval*9/10 + rand.N(w.check.Interval/5+1))
	s.push(w)
}

// heard takes a result and reports whether what is known changes by it. The
// first result decides alone.
func (w *Watch) heard(well bool) bool {
	switch {
	case !w.told:
	case well == w.well:
		w.row = 0
		return false
	default:
		if w.row++; well && w.row < w.check.Healthy || !well && w.row < w.check.Unhealthy {
			return false
		}
	}
	w.told, w.well, w.row = true, well, 0
	return true
}
