package policy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/share"
	"portico/internal/entry"
)

// queue lets calls over a limit wait. The zero value lets none.
type queue struct {
	length int
	wait   time.Duration
}

func newQueue(q entry.Queue) queue {
	return queue{q.Length, time.Duration(q.WaitMS) * time.Millisecond}
}

// gate is a limit before which calls may wait.
type gate interface {
	// pass asks for one call of a key, at a time on the monotonic clock.
	pass(key uint64, now int64) verdict
	// pace is the time between two calls of a key that pass, in nanoseconds; 0
	// where nobody can say.
	pace() int64
}

// lines are the queues of a node's limits. A call waits in its own goroutine;
// who is first in its line asks the gate when its time has come, or when a place
// is free, and calls the next one when it leaves. Nobody overtakes: as long as a
// key has a line, calls that come go to its end.
type lines struct {
	shards  [lineShards]lineShard
	waiting *share.Places // of calls, in all lines, by the tenant that offers the API
	closed  chan struct{}
	once    sync.Once
}

const (
	lineShards = 64
	// mostWaiting bounds the calls of a node that wait at the same time. Those of
	// one tenant's APIs are a quarter of that at most, as entry/describe says too.
	mostWaiting = 10_000
	// goneEvery is how often a call that waits looks whether its caller has
	// hung up, where nobody tells.
	goneEvery = 250 * time.Millisecond
)

type lineShard struct {
	count atomic.Int64 // lines; what is read where nobody waits
	mu    sync.Mutex   // guards lines, and what is in them
	lines map[uint64]*line
	_     [32]byte
}

var errGone = errors.New("the caller has hung up while its call waited")

// line is who waits for one key; the first one asks the gate.
type line struct {
	calls []*waiting
	last  verdict // the gate's last refusal
	asked int64   // when that was
}

// waiting is one call; turn tells it that it may ask the gate.
type waiting struct {
	turn   chan struct{}
	tenant ID
}

func (w *waiting) call() {
	select {
	case w.turn <- struct{}{}:
	default: // it knows
	}
}

func (l *lines) shard(key uint64) *lineShard { return &l.shards[key>>24%lineShards] }

// busy reports whether somebody waits for a key, or may: it errs on the side of
// a line.
func (l *lines) busy(key uint64) bool { return l.shard(key).count.Load() > 0 }

func (l *lines) close() { l.once.Do(func() { close(l.closed) }) }

// call tells the first who waits for a key that a place may be free.
func (l *lines) call(key uint64) {
	s := l.shard(key)
	if s.count.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if line := s.lines[key]; line != nil {
		line.calls[0].call()
	}
}

// pass passes a gate, at once or after a wait.
func (l *lines) pass(ctx context.Context, ex *Exchange, g gate, key uint64, q queue) verdict {
	if q.length == 0 || !l.busy(key) {
		if v := g.pass(key, ex.Mono); v.admitted || q.length == 0 {
			return v
		}
	}
	w, v := l.join(ex, g, key, q)
	if w == nil {
		return v
	}
	began := time.Now()
	v = l.wait(ctx, ex, w, g, key, q)
	ex.Mono += time.Since(began).Nanoseconds()
	return v
}

// join goes to the end of a key's line. It returns nil, and what the gate says,
// when there is no line, no use in waiting, or no place for one more of the tenant.
func (l *lines) join(ex *Exchange, g gate, key uint64, q queue) (*waiting, verdict) {
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.lines[key]
	if at == nil {
		s.count.Add(1) // from here on whoever frees a place looks for a line
		v := g.pass(key, ex.Mono)
		if v.admitted || !l.worth(q, v.retry) || !l.waiting.Take(string(ex.Scope.Tenant[:])) {
			s.count.Add(-1)
			return nil, v
		}
		at = &line{last: v, asked: ex.Mono}
		if s.lines == nil {
			s.lines = map[uint64]*line{}
		}
		s.lines[key] = at
	} else if v := at.refusal(g, ex.Mono); len(at.calls) >= q.length || !l.worth(q, v.retry) || !l.waiting.Take(string(ex.Scope.Tenant[:])) {
		return nil, v
	}
	w := &waiting{make(chan struct{}, 1), ex.Scope.Tenant}
	at.calls = append(at.calls, w)
	if len(at.calls) == 1 {
		w.call()
	}
	return w, verdict{}
}

// worth reports whether a call may wait that would have to for so long.
func (l *lines) worth(q queue, retry int64) bool {
	select {
	case <-l.closed:
		return false
	default:
		return retry <= int64(q.wait)
	}
}

// refusal is what a call hears that comes to a line.
func (l *line) refusal(g gate, now int64) verdict {
	v := l.last
	v.retry = max(v.retry-(now-l.asked), 0) + int64(len(l.calls))*g.pace()
	return v
}

// wait waits for a call's turn and for the gate.
func (l *lines) wait(ctx context.Context, ex *Exchange, w *waiting, g gate, key uint64, q queue) (v verdict) {
	defer l.leave(w, key)
	began := time.Now()
	now := func() int64 { return ex.Mono + time.Since(began).Nanoseconds() }
	over := time.NewTimer(q.wait)
	defer over.Stop()
	var gone <-chan time.Time
	if ex.Line != nil {
		ticker := time.NewTicker(goneEvery)
		defer ticker.Stop()
		gone = ticker.C
	}
	var due <-chan time.Time
	for {
		select {
		case <-w.turn:
		case <-due:
		case <-gone:
			if !ex.Line.Gone() {
				continue
			}
			return verdict{gone: true}
		case <-ctx.Done():
			return verdict{gone: true}
		case <-over.C:
			return l.last(key, g, now())
		case <-l.closed:
			return l.last(key, g, now())
		}
		at := now()
		if v = g.pass(key, at); v.admitted {
			return v
		}
		l.note(key, v, at)
		if due = nil; v.retry > 0 { // else whoever frees a place calls
			due = time.After(time.Duration(v.retry))
		}
	}
}

// last is what a call hears that waits no longer.
func (l *lines) last(key uint64, g gate, now int64) verdict {
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines[key].refusal(g, now)
}

// note keeps what the gate has said to the first one.
func (l *lines) note(key uint64, v verdict, now int64) {
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[key].last, s.lines[key].asked = v, now
}

// leave takes a call out of its line, and calls the next one if it was the
// first.
func (l *lines) leave(w *waiting, key uint64) {
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	l.waiting.Give(string(w.tenant[:]))
	at := s.lines[key]
	i := slices.Index(at.calls, w)
	at.calls = slices.Delete(at.calls, i, i+1)
	switch {
	case len(at.calls) == 0:
		delete(s.lines, key)
		s.count.Add(-1)
	case i == 0:
		at.calls[0].call()
	}
}
