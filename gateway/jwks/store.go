// Package jwks keeps the public keys of issuers of tokens at hand: fetched beside
// the calls, again before they are old, and at once when a token names a key that
// is not known, though no faster than an issuer can bear.
//
// While an issuer is away its keys stay as they are; how long they are good for
// is the policy's to say. It deliberately takes addresses from policies alone,
// never from a token, and dials only through the client that it is given.
package jwks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"portico/gateway/policy"
	"portico/gateway/supply"
	"portico/internal/entry/keyset"
)

// Bounds of fetching.
const (
	fetchTimeout = 10 * time.Second
	minFresh     = time.Minute // however short the issuer says its keys are good
	maxFresh     = time.Hour
	usualFresh   = 10 * time.Minute
	firstAgain   = time.Second // after a failure, and twice as long after each more
	lastAgain    = time.Minute
	// askedEvery is how often a set is fetched because calls ask for it.
	askedEvery = 5 * time.Second
	// maxSets bounds what one tenant may make a node fetch.
	maxSets = 200
)

// Options say what a Store is made of. All must be set.
type Options struct {
	Client *http.Client // guarded; nil: nothing can be fetched
	Now    func() time.Time
	Log    *slog.Logger
}

// Store keeps sets by tenant and address, as long as a policy holds them. It
// implements policy.KeySets. Call Run once.
type Store struct {
	options Options
	wake    chan struct{} // capacity 1

	mu     sync.Mutex // guards what follows
	sets   map[place]weak.Pointer[set]
	counts map[policy.ID]int // of sets, by tenant
}

// place is whose policy names an address: what one tenant's calls do to a set,
// no other's feel.
type place struct {
	tenant policy.ID
	url    string
}

// NewStore returns an empty store.
func NewStore(options Options) *Store {
	return &Store{options: options, wake: make(chan struct{}, 1), sets: map[place]weak.Pointer[set]{}, counts: map[policy.ID]int{}}
}

// Keys implements policy.KeySets. The set is fetched as soon as Run runs.
func (s *Store) Keys(tenant policy.ID, url string) policy.KeySet {
	at := place{tenant, strings.Clone(url)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.sets[at].Value(); known != nil {
		return known
	}
	if _, forgotten := s.sets[at]; forgotten {
		s.drop(at)
	}
	if s.counts[tenant] >= maxSets {
		s.options.Log.Warn("a tenant names too many places of keys; this one is not fetched", "tenant", tenant, "url", supply.Shown(url))
		return barred{}
	}
	made := &set{url: at.url, store: s, done: make(chan struct{})}
	s.sets[at] = weak.Make(made)
	s.counts[tenant]++
	s.nudge()
	return made
}

// drop forgets a set that nobody holds any more. mu is held.
func (s *Store) drop(at place) {
	delete(s.sets, at)
	if s.counts[at.tenant]--; s.counts[at.tenant] <= 0 {
		delete(s.counts, at.tenant)
	}
}

func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run fetches what is due until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	var waiting queue
	ended := make(chan policy.ID, fetchesAtATime) // whose fetch: never full, so that no fetch waits
	group := sync.WaitGroup{}
	defer group.Wait() // fetches report to their sets
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for tenant, due := waiting.next(); due != nil; tenant, due = waiting.next() {
			group.Go(func() {
				due.fetch(ctx)
				ended <- tenant
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case tenant := <-ended:
			waiting.ended(tenant)
		case <-tick.C:
			s.queue(&waiting)
		case <-s.wake:
			s.queue(&waiting)
		}
	}
}

// queue lets the sets wait that are to be fetched now, and marks them as being so.
func (s *Store) queue(waiting *queue) {
	now := s.options.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, pointer := range s.sets {
		known := pointer.Value()
		if known == nil {
			s.drop(at)
		} else if due, failed := known.begin(now); due {
			waiting.add(at.tenant, known, failed)
		}
	}
}

// get fetches a set, and says how long it is good for.
func (s *Store) get(ctx context.Context, url string) (data []byte, fresh time.Duration, err error) {
	if s.options.Client == nil {
		return nil, 0, errors.New("this node fetches no keys")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	req.Header.Set("User-Agent", "portico")
	res, err := s.options.Client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("the answer is %s", res.Status)
	}
	if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err == nil && kind == "text/html" {
		return nil, 0, errors.New("the answer is a page and no key set")
	}
	data, err = io.ReadAll(io.LimitReader(res.Body, keyset.MaxBytes+1))
	return data, freshness(res.Header), err
}

// freshness reads for how long an answer says that it is good, within bounds.
func freshness(h http.Header) time.Duration {
	fresh := usualFresh
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(strings.ToLower(directive)), "=")
		switch name {
		case "no-cache", "no-store":
			return minFresh
		case "max-age":
			if n, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); err == nil {
				fresh = time.Duration(n) * time.Second
			}
		}
	}
	return min(max(fresh, minFresh), maxFresh)
}

// barred is a set that is never fetched.
type barred struct{}

// Keys implements policy.KeySet.
func (barred) Keys() (*keyset.Set, int64) { return nil, 0 }

// Ask implements policy.KeySet.
func (barred) Ask(context.Context) {}

// set are the keys that one address publishes.
type set struct {
	url   string
	store *Store

	keys    atomic.Pointer[keyset.Set] // nil: never fetched
	goodAt  atomic.Int64               // when that was last so, seconds since 1970
	wanted  atomic.Bool                // calls ask for it
	mu      sync.Mutex                 // guards what follows
	raw     string                     // what keys was read from
	next    time.Time                  // when it is due; zero: at once
	began   time.Time                  // of the newest fetch
	running bool                       // or about to
	failed  int                        // fetches in a row
	done    chan struct{}              // closed when the fetch that runs, or is to run, has ended
}

// Keys implements policy.KeySet.
func (s *set) Keys() (*keyset.Set, int64) { return s.keys.Load(), s.goodAt.Load() }

// Ask implements policy.KeySet.
func (s *set) Ask(ctx context.Context) {
	s.mu.Lock()
	if !s.running {
		if s.store.options.Now().Sub(s.began) < askedEvery && !s.began.IsZero() {
			s.mu.Unlock()
			return
		}
		s.wanted.Store(true)
		s.store.nudge()
	}
	done := s.done
	s.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// begin reports whether the set is to be fetched now, and marks it, and whether
// that has failed the last time.
func (s *set) begin(now time.Time) (due, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running || now.Before(s.next) && !s.wanted.Load() {
		return false, false
	}
	s.running, s.began = true, now
	s.wanted.Store(false)
	return true, s.failed > 0
}

func (s *set) fetch(ctx context.Context) {
	data, fresh, err := s.store.get(ctx, s.url)
	err = supply.Plain(err)
	var parsed *keyset.Set
	if err == nil {
		parsed, err = keyset.Parse(data)
	}
	now := s.store.options.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
	defer func() { // only now: who waits looks without a lock
		close(s.done)
		s.done = make(chan struct{})
	}()
	if err != nil {
		wait := min(firstAgain<<min(s.failed, 6), lastAgain)
		s.failed++
		s.next = now.Add(wait)
		if ctx.Err() == nil {
			s.store.options.Log.Warn("keys of an issuer not fetched", "url", supply.Shown(s.url), "again_in", wait, "error", err)
		}
		return
	}
	s.failed, s.next = 0, now.Add(fresh)
	if s.raw != string(data) {
		s.raw = string(data)
		s.keys.Store(parsed)
		s.store.options.Log.Info("keys of an issuer", "url", supply.Shown(s.url), "keys", parsed.Len())
	}
	s.goodAt.Store(now.Unix())
}
