package clienttoken

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/policy"
)

// source keeps the token of one client at hand.
type source struct {
	tenant  policy.ID
	request policy.TokenRequest
	store   *Store

	kept   atomic.Pointer[token] // nil: none was ever got
	due    atomic.Int64          // when the next is to be got, by those who use it; nanoseconds since 1970
	used   atomic.Bool           // since the last was got
	wanted atomic.Bool           // somebody needs another one now

	mu      sync.Mutex    // guards what follows
	began   time.Time     // when the newest request did
	again   time.Time     // none begins before: the issuer has failed
	why     error         // the newest failure, nil after a success
	failed  int           // in a row
	running bool          // a request is under way
	done    chan struct{} // closed when the request that runs, or is to run, has ended
}

// token is one that was got. It never changes.
type token struct {
	text  string
	until int64 // nanoseconds since 1970
}

// never is a time that does not come.
const never = math.MaxInt64

var (
	errNotInTime = errors.New("the issuer gave no token in time")
	errNone      = errors.New("there is no token yet")
)

// Token implements policy.TokenSource.
func (s *source) Token(ctx context.Context) (string, time.Duration, error) {
	if text := s.good(); text != "" {
		return text, 0, nil
	}
	if after, err := s.ask(ctx); err != nil {
		return "", after, err
	}
	if text := s.good(); text != "" {
		return text, 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil {
		return "", firstAgain, errNone
	}
	return "", s.again.Sub(s.store.options.Now()), s.why
}

// good returns the token at hand, "" when it is not good any more, and sees to it
// that the next is got in time.
func (s *source) good() string {
	t := s.kept.Load()
	if t == nil {
		return ""
	}
	if !s.used.Load() {
		s.used.Store(true)
	}
	now := s.store.options.Now().UnixNano()
	if now >= t.until {
		return ""
	}
	if due := s.due.Load(); now >= due && s.due.CompareAndSwap(due, never) {
		s.wanted.Store(true)
		s.store.nudge()
	}
	return t.text
}

// GoodFor implements policy.TokenSource.
func (s *source) GoodFor() time.Duration {
	t := s.kept.Load()
	if t == nil {
		return 0
	}
	return max(time.Duration(t.until-s.store.options.Now().UnixNano()), 0)
}

// Renew implements policy.TokenSource.
func (s *source) Renew(ctx context.Context, refused string, wait bool) bool {
	if t := s.kept.Load(); t != nil && t.text != refused {
		return true
	}
	s.mu.Lock()
	recent := !s.running && s.store.options.Now().Sub(s.began) < renewEvery
	s.mu.Unlock()
	if recent {
		return false
	}
	if !wait {
		s.wanted.Store(true)
		s.store.nudge()
		return false
	}
	if _, err := s.ask(ctx); err != nil {
		return false
	}
	t := s.kept.Load()
	return t != nil && t.text != refused
}

// ask wants another token, and waits until the request for it has ended. It fails
// at once while the issuer is left alone.
func (s *source) ask(ctx context.Context) (time.Duration, error) {
	s.mu.Lock()
	if !s.running {
		if after := s.again.Sub(s.store.options.Now()); after > 0 && s.why != nil {
			defer s.mu.Unlock()
			return after, s.why
		}
		s.wanted.Store(true)
		s.store.nudge()
	}
	done := s.done
	s.mu.Unlock()
	late := time.NewTimer(s.request.Timeout + time.Second)
	defer late.Stop()
	select {
	case <-done:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-late.C:
		return firstAgain, errNotInTime
	}
}

// begin reports whether a token is to be got now, and marks that.
func (s *source) begin(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.used.Load() && now.UnixNano() >= s.due.Load()
	if s.running || now.Before(s.again) || !due && !s.wanted.Load() {
		return false
	}
	s.running, s.began = true, now
	s.wanted.Store(false)
	s.due.Store(never)
	return true
}

// get gets a token, and says when the next is due.
func (s *source) get(ctx context.Context) {
	defer s.store.ended(s.tenant)
	text, life, err := s.store.fetch(ctx, s.request)
	now := s.store.options.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.why = false, err
	defer func() { // only now: who waits looks without a lock
		close(s.done)
		s.done = make(chan struct{})
	}()
	if err != nil {
		wait := min(firstAgain<<min(s.failed, 6), lastAgain)
		s.failed++
		s.again = now.Add(wait)
		s.due.Store(s.again.UnixNano())
		if ctx.Err() == nil {
			s.store.options.Log.Warn("token for an upstream not got", "url", shown(s.request.URL), "again_in", wait, "error", err)
		}
		return
	}
	s.failed, s.again = 0, time.Time{}
	// It counts from when it was asked for, and a little less than it says: a call
	// with it is to arrive before its end.
	margin := min(life/10, 5*time.Second)
	s.kept.Store(&token{text, s.began.Add(life - margin).UnixNano()})
	s.used.Store(false)
	s.due.Store(s.began.Add(life / 5 * 4).UnixNano())
}
