package supply

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// The pause after a failure, and twice as long after each more.
const (
	firstAgain = time.Second
	lastAgain  = time.Minute
)

// Why nothing was waited for, or in vain.
var (
	ErrBarred = errors.New("the API's provider has too many of these")
	ErrRecent = errors.New("it was asked for a moment ago")
	ErrLate   = errors.New("there was no answer in time")
)

// Paused says that nobody is asked now, because that has failed.
type Paused struct {
	For time.Duration
	Why error
}

// Error implements error.
func (p *Paused) Error() string { return p.Why.Error() }

// Unwrap returns why.
func (p *Paused) Unwrap() error { return p.Why }

// Turn is the one request for a thing that may be under way. It is embedded in the
// thing, and set up by the Store that has it.
type Turn struct {
	now    func() time.Time
	wake   chan struct{}
	urgent bool        // who wants it breaks the pause
	in     atomic.Bool // of Held
	wanted atomic.Bool

	mu      sync.Mutex // guards what follows
	began   time.Time  // the newest request
	again   time.Time  // none begins before, but for urgent ones
	why     error      // the newest failure, nil after a success
	failed  int        // in a row
	running bool       // or stands in the line
	done    chan struct{}
}

func (t *Turn) turn() *Turn { return t } //nolint:unused // what embeds it is a Source by this

// Ask wants another one, and waits for nothing.
func (t *Turn) Ask() {
	if !t.wanted.Load() && t.wanted.CompareAndSwap(false, true) {
		nudge(t.wake)
	}
}

// Wait wants another one, and returns when the request for it has ended, however:
// look, and ask Failed. It joins one that is under way. It fails at once with
// ErrBarred, with ErrRecent where one began within every (0: no matter), or with a
// *Paused.
func (t *Turn) Wait(ctx context.Context, every, patience time.Duration) error {
	if !t.in.Load() {
		return ErrBarred
	}
	t.mu.Lock()
	if now := t.now(); !t.running {
		switch {
		case t.recent(every, now):
			t.mu.Unlock()
			return ErrRecent
		case !t.urgent && t.why != nil && now.Before(t.again):
			defer t.mu.Unlock()
			return &Paused{t.again.Sub(now), t.why}
		}
		t.wanted.Store(true)
		nudge(t.wake) // also where it was wanted: it may be so since a pause, and nobody looks before the next tick
	}
	done := t.done
	t.mu.Unlock()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return ErrLate
	}
}

// Recent reports whether the newest request began within every, and has ended.
func (t *Turn) Recent(every time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.running && t.recent(every, t.now())
}

// recent is Recent where none is under way. mu is held.
func (t *Turn) recent(every time.Duration, now time.Time) bool {
	return every > 0 && !t.began.IsZero() && now.Sub(t.began) < every
}

// Failed returns how long the pause still is, and why the newest request failed,
// nil for a success.
func (t *Turn) Failed() (pause time.Duration, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(t.again.Sub(t.now()), 0), t.why
}

// join reports whether the thing is to stand in the line now, and marks it so, and
// whether its newest request has failed.
func (t *Turn) join(s Source, now time.Time) (joins, failed bool) {
	t.in.Store(true)
	t.mu.Lock()
	defer t.mu.Unlock()
	wanted := t.wanted.Load()
	switch {
	case t.running, now.Before(t.again) && !(wanted && t.urgent), !wanted && !s.Due(now, t.failed > 0):
		return false, false
	}
	t.running, t.began = true, now
	t.wanted.Store(false)
	return true, t.failed > 0
}

// start is when the request truly begins: it has stood in the line.
func (t *Turn) start() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = t.now()
	return t.began
}

// end tells those who wait. What was got is in place by then: they look without a
// lock. Who has asked meanwhile is served too.
func (t *Turn) end(err error) (pause time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running, t.why = false, err
	t.wanted.Store(false)
	if err == nil {
		t.failed, t.again = 0, time.Time{}
	} else {
		pause = min(firstAgain<<min(t.failed, 6), lastAgain)
		t.failed++
		t.again = t.now().Add(pause)
	}
	close(t.done)
	t.done = make(chan struct{})
	return pause
}
