package health

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Dial connects, as net.Dialer does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// AtOnce is how many targets are asked at the same time.
const AtOnce = 64

// Scheduler asks what it watches, as often as each check says. Make it with
// New; it is safe for concurrent use. It does nothing unless Run runs.
type Scheduler struct {
	dial Dial
	wake chan struct{} // capacity 1

	mu    sync.Mutex
	queue queue // guarded by mu
}

// New returns a scheduler that connects with dial.
func New(dial Dial) *Scheduler { return &Scheduler{dial: dial, wake: make(chan struct{}, 1)} }

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
	at      int // in the queue; -1 when it is not there
	stopped bool
	last    Finding
	asked   chan struct{} // closed and replaced when last changes

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
	heap.Push(&s.queue, w)
	s.mu.Unlock()
	s.nudge()
	return w
}

// Stop ends the watch for good. It does not wait for what is under way.
func (w *Watch) Stop() {
	s := w.scheduler
	s.mu.Lock()
	defer s.mu.Unlock()
	w.stopped = true
	if w.at >= 0 {
		heap.Remove(&s.queue, w.at)
	}
}

// Last returns what was found last.
func (w *Watch) Last() Finding {
	w.scheduler.mu.Lock()
	defer w.scheduler.mu.Unlock()
	return w.last
}

// Ask has the target asked at once, and returns what is found; ok is false when
// ctx ends first. The result counts like any other. What was under way already
// may have begun before the target changed, and is waited for.
func (w *Watch) Ask(ctx context.Context) (f Finding, ok bool) {
	s, now := w.scheduler, time.Now()
	for {
		s.mu.Lock()
		if f = w.last; !f.At.IsZero() && !f.At.Add(-f.Took).Before(now) {
			s.mu.Unlock()
			return f, true
		}
		asked := w.asked
		if w.at >= 0 {
			w.due = now
			heap.Fix(&s.queue, w.at)
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
	free := make(chan struct{}, AtOnce)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		w, wait := s.next(time.Now())
		if w == nil {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return nil
			case <-s.wake:
			case <-timer.C:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case free <- struct{}{}:
		}
		asking.Go(func() {
			defer func() { <-free }()
			s.ask(ctx, w)
		})
	}
}

// idleWait is how long the scheduler sleeps when it has nothing to ask.
const idleWait = time.Hour

// next takes what is due out of the queue, or says how long nothing will be.
func (s *Scheduler) next(now time.Time) (*Watch, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil, idleWait
	}
	if wait := s.queue[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&s.queue).(*Watch), 0
}

func (s *Scheduler) ask(ctx context.Context, w *Watch) {
	began := time.Now()
	limit, cancel := context.WithTimeout(ctx, w.check.Timeout)
	why := w.check.Ask(limit, s.dial, w.target)
	cancel()
	if ctx.Err() != nil {
		return
	}
	took := time.Since(began)
	found := Finding{At: began.Add(took), Took: took, Why: why}
	s.mu.Lock()
	stopped := w.stopped
	s.mu.Unlock()
	if stopped {
		return
	}
	if w.heard(why == "") {
		w.report(why)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.last = found
	close(w.asked)
	w.asked = make(chan struct{})
	if w.stopped {
		return
	}
	// Nodes that were started together do not ask together for ever.
	w.due = time.Now().Add(w.check.Interval*9/10 + rand.N(w.check.Interval/5+1))
	heap.Push(&s.queue, w)
	s.nudge()
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

// queue is a heap by when targets are due.
type queue []*Watch

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	w := x.(*Watch)
	w.at = len(*q)
	*q = append(*q, w)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = nil
	*q, w.at = (*q)[:last], -1
	return w
}
