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

// watch is one target under watch.
type watch struct {
	target Target
	check  Check
	report func(why string)

	due     time.Time
	at      int // in the queue; -1 when it is not there
	stopped bool

	told bool // something was reported
	well bool // what was
	row  int  // results in a row that say otherwise
}

// Watch asks a target from now on, and reports "" when it is well and else why
// not: after the first answer, and then whenever it changes. report is called
// from one goroutine at a time, and not any more once stop has returned and
// what was under way has ended.
func (s *Scheduler) Watch(target Target, check Check, report func(why string)) (stop func()) {
	w := &watch{target: target, check: check, report: report, due: time.Now(), at: -1}
	s.mu.Lock()
	heap.Push(&s.queue, w)
	s.mu.Unlock()
	s.nudge()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.stopped = true
		if w.at >= 0 {
			heap.Remove(&s.queue, w.at)
		}
	}
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
func (s *Scheduler) next(now time.Time) (*watch, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil, idleWait
	}
	if wait := s.queue[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&s.queue).(*watch), 0
}

func (s *Scheduler) ask(ctx context.Context, w *watch) {
	limit, cancel := context.WithTimeout(ctx, w.check.Timeout)
	why := w.check.Ask(limit, s.dial, w.target)
	cancel()
	if ctx.Err() != nil {
		return
	}
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
func (w *watch) heard(well bool) bool {
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
type queue []*watch

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	w := x.(*watch)
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
