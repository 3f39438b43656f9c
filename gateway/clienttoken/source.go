package clienttoken

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"portico/gateway/policy"
	"portico/gateway/supply"
)

// source keeps the token of one client at hand.
type source struct {
	supply.Turn
	request policy.TokenRequest
	store   *Store

	kept atomic.Pointer[token] // nil: none was ever got
	due  atomic.Int64          // when the next is to be got, by those who use it; nanoseconds since 1970
	used atomic.Bool           // since the last was got
	anew atomic.Bool           // the next is got because the one at hand was refused
}

// token is one that was got. It never changes.
type token struct {
	text  string
	until int64 // nanoseconds since 1970
	// row is how many tokens in a row were got, up to this one, because the one before
	// was refused.
	row int
}

// pause is how long after the request for a token the next begins because this one
// is refused too: an upstream that refuses all of them does so for reasons of its own.
func (t *token) pause() time.Duration {
	if t == nil {
		return renewEvery
	}
	return min(renewEvery<<min(t.row, 10), renewRarely)
}

// Why there is no token though no request has failed.
var (
	errNone   = errors.New("there is no token yet")
	errBarred = errors.New("too many tokens are wanted by the API's provider")
)

// Token implements policy.TokenSource.
func (s *source) Token(ctx context.Context) (string, time.Duration, error) {
	if text := s.good(); text != "" {
		return text, 0, nil
	}
	paused := (*supply.Paused)(nil)
	switch err := s.wait(ctx, 0); {
	case errors.As(err, &paused):
		return "", paused.For, err
	case errors.Is(err, supply.ErrBarred):
		return "", tryForPlace, errBarred
	case err != nil:
		return "", tryAgain, err
	}
	if text := s.good(); text != "" {
		return text, 0, nil
	}
	pause, why := s.Failed()
	if why == nil {
		return "", tryAgain, errNone
	}
	return "", pause, why
}

// wait waits for a request as long as one may take.
func (s *source) wait(ctx context.Context, every time.Duration) error {
	return s.Wait(ctx, every, s.request.Timeout+time.Second)
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
	if now >= s.due.Load() {
		s.Ask()
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
	t := s.kept.Load()
	if t != nil && t.text != refused {
		return true
	}
	if s.Recent(t.pause()) {
		return false
	}
	s.anew.Store(true)
	if !wait {
		s.Ask()
		return false
	}
	paused := (*supply.Paused)(nil)
	switch err := s.wait(ctx, t.pause()); {
	case errors.As(err, &paused), errors.Is(err, supply.ErrBarred), errors.Is(err, supply.ErrRecent):
		s.anew.Store(false) // no request follows: the next one is of its own accord
		return false
	case err != nil:
		return false
	}
	t = s.kept.Load()
	return t != nil && t.text != refused
}

// Due implements supply.Source.
func (s *source) Due(now time.Time, failing bool) bool {
	return s.used.Load() && (failing || now.UnixNano() >= s.due.Load())
}

// Get implements supply.Source. The token counts from when it was asked for, and a
// little less than it says: a call with it is to arrive before its end.
func (s *source) Get(ctx context.Context, began time.Time) error {
	anew := s.anew.Load()
	text, life, err := s.store.fetch(ctx, s.request)
	if err != nil {
		if s.GoodFor() == 0 {
			s.used.Store(false) // the token that was used is over: the next try is a call's
		}
		return err
	}
	row := 0
	if t := s.kept.Load(); t != nil && anew {
		row = t.row + 1
	}
	margin := min(life/10, 5*time.Second)
	s.due.Store(began.Add(life / 5 * 4).UnixNano())
	s.kept.Store(&token{text, began.Add(life - margin).UnixNano(), row})
	s.used.Store(false)
	s.anew.Store(false) // also for those who came meanwhile: it is theirs too
	return nil
}
