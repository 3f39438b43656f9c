package portal

import (
	"crypto/rand"
	"sync"
	"time"
)

// newNonce names one rendering of a form.
func newNonce() string { return rand.Text() }

// A once makes submitting a form twice the same as submitting it once: the
// second post of a form's nonce waits for the first and is led where that was
// led. A submission that was refused is forgotten, so that the corrected form
// goes through. It knows only this process; between processes the use cases'
// own rules hold.
type once struct {
	now  func() time.Time
	mu   sync.Mutex // guards done
	done map[string]*submission
}

type submission struct {
	mu       sync.Mutex // held while the first post runs
	location string     // "" until it succeeded
	at       time.Time
}

const (
	rememberSubmissions = 10 * time.Minute
	mostSubmissions     = 20_000
	longestNonce        = 64 // ours have 26; a longer one is not kept
)

func newOnce(now func() time.Time) *once {
	return &once{now: now, done: map[string]*submission{}}
}

// Do runs submit unless key was submitted before, and returns where to go.
// again says that it was. An empty nonce, or one too long to be ours, is never
// remembered.
func (o *once) Do(person, nonce string, submit func() (location string, err error)) (location string, again bool, err error) {
	if nonce == "" || len(nonce) > longestNonce {
		location, err = submit()
		return location, false, err
	}
	s := o.entry(person + "\x00" + nonce)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.location != "" {
		return s.location, true, nil
	}
	location, err = submit()
	if err == nil {
		s.location = location
	}
	return location, false, err
}

func (o *once) entry(key string) *submission {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if s, ok := o.done[key]; ok {
		return s
	}
	if len(o.done) >= mostSubmissions {
		o.sweep(now)
	}
	s := &submission{at: now}
	o.done[key] = s
	return s
}

// sweep forgets old submissions, and all of them when none is old enough.
func (o *once) sweep(now time.Time) {
	for key, s := range o.done {
		if now.Sub(s.at) > rememberSubmissions {
			delete(o.done, key)
		}
	}
	if len(o.done) >= mostSubmissions {
		clear(o.done)
	}
}
