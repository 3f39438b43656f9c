// Package jwks keeps the public keys of issuers of tokens at hand: fetched beside
// the calls, again before they are old, and at once when a token names a key that
// is not known, though no faster than an issuer can bear.
//
// While an issuer is away its keys stay as they are; how long they are good for
// is the policy's to say. What it publishes is its word: a set without keys takes
// those away that there were. It deliberately takes addresses from policies alone,
// never from a token, and dials only through the client that it is given.
package jwks

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

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
	// askedEvery is how often a set is fetched because calls ask for it, and askedFor
	// how long they wait at most.
	askedEvery = 5 * time.Second
	askedFor   = 2 * fetchTimeout
	// maxSets bounds what one tenant may make a node fetch.
	maxSets = 200
	// fetchesAtATime are of all tenants together.
	fetchesAtATime  = 32
	fetchesOfTenant = 4
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
	sets    *supply.Store[string, set, *set]
}

// NewStore returns an empty store.
func NewStore(options Options) *Store {
	return &Store{options, supply.NewStore[string, set](supply.Options[*set]{
		Now: options.Now, Log: options.Log, Most: maxSets, AtATime: fetchesAtATime, OfTenant: fetchesOfTenant, Urgent: true,
		Told: func(s *set, err error, pause time.Duration) {
			if err != nil {
				options.Log.Warn("keys of an issuer not fetched", "url", supply.Shown(s.url), "again_in", pause, "error", err)
			}
		},
	})}
}

// Keys implements policy.KeySets. The set is fetched as soon as Run runs, and the
// tenant has room for it.
func (s *Store) Keys(tenant policy.ID, url string) policy.KeySet {
	url = strings.Clone(url)
	known, in := s.sets.Thing(tenant, url, func() *set { return &set{url: url, store: s} })
	if !in {
		s.options.Log.Warn("a tenant names too many places of keys; this one is not fetched while the others are used", "tenant", tenant, "url", supply.Shown(url))
	}
	return known
}

// Run fetches what is due until ctx ends.
func (s *Store) Run(ctx context.Context) error { return s.sets.Run(ctx) }

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

// set are the keys that one address publishes.
type set struct {
	supply.Turn
	url   string
	store *Store

	keys   atomic.Pointer[keyset.Set] // nil: never fetched
	goodAt atomic.Int64               // when that was last so, seconds since 1970
	next   atomic.Int64               // when it is to be fetched again, nanoseconds since 1970; 0: at once
	read   [sha256.Size]byte          // SHA-256 of what keys was read from; of Get alone, of which there is one at a time
}

// Keys implements policy.KeySet.
func (s *set) Keys() (*keyset.Set, int64) { return s.keys.Load(), s.goodAt.Load() }

// Ask implements policy.KeySet, and hides what a Turn calls so.
func (s *set) Ask(ctx context.Context) { _ = s.Wait(ctx, askedEvery, askedFor) } // the caller looks

// Due implements supply.Source.
func (s *set) Due(now time.Time, failing bool) bool {
	return failing || now.UnixNano() >= s.next.Load()
}

// Get implements supply.Source. What it gets is as old as its request (RFC 9111
// section 4.2.3).
func (s *set) Get(ctx context.Context, began time.Time) error {
	data, fresh, err := s.store.get(ctx, s.url)
	if err != nil {
		return supply.Plain(err)
	}
	if sum := sha256.Sum256(data); s.read != sum || s.keys.Load() == nil {
		parsed, err := keyset.Parse(data)
		none := errors.Is(err, keyset.ErrNone)
		if err != nil && !none {
			return err
		}
		s.read = sum
		s.keys.Store(parsed)
		if none {
			s.store.options.Log.Warn("an issuer publishes no key that can be used: those that it had are withdrawn", "url", supply.Shown(s.url))
		} else {
			s.store.options.Log.Info("keys of an issuer", "url", supply.Shown(s.url), "keys", parsed.Len())
		}
	}
	s.goodAt.Store(began.Unix())
	s.next.Store(began.Add(fresh).UnixNano())
	return nil
}
