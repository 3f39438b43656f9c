// Package clienttoken gets tokens for upstreams that ask for them, as a client of
// their issuers (RFC 6749 section 4.4), and keeps one of each at hand.
//
// A token is got when a call needs one, and the next beside the calls before it
// ends, as long as there are calls. Many calls wait for one request. It
// deliberately tells nobody a token but who holds its source, writes none to a log,
// and dials only through the client that it is given.
package clienttoken

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"portico/gateway/policy"
	"portico/gateway/supply"
)

// Bounds of getting tokens.
const (
	usualLife = 5 * time.Minute // of a token whose issuer does not say
	maxLife   = 24 * time.Hour
	// When a call may try again that has found no token, and no pause; where there is
	// no room for it.
	tryAgain    = time.Second
	tryForPlace = time.Minute
	// renewEvery is how often a token is got because upstreams refuse the one at
	// hand. Each in a row that is refused too doubles it, up to renewRarely.
	renewEvery  = 5 * time.Second
	renewRarely = 5 * time.Minute
	// maxSources bounds what one tenant may make a node keep.
	maxSources = 200
	// requestsAtATime are of all tenants together.
	requestsAtATime  = 64
	requestsOfTenant = 8
)

// Options say what a Store is made of. All must be set.
type Options struct {
	Client *http.Client // guarded; nil, or without a transport of its own: nothing can be got
	Now    func() time.Time
	Log    *slog.Logger
}

// Store keeps sources by tenant and request, as long as a policy holds them. It
// implements policy.ClientTokens. Call Run once.
type Store struct {
	options Options
	sources *supply.Store[hash, source, *source]
}

// hash is of all that is asked for with a token.
type hash = [sha256.Size]byte

// NewStore returns an empty store.
func NewStore(options Options) *Store {
	if options.Client != nil && options.Client.Transport != nil {
		client := *options.Client // which carries a secret nowhere else
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		client.Transport = repeating{client.Transport}
		options.Client = &client
	} else {
		options.Client = nil // the usual transport is guarded by nobody
	}
	return &Store{options, supply.NewStore[hash, source](supply.Options[*source]{
		Now: options.Now, Log: options.Log, Most: maxSources, AtATime: requestsAtATime, OfTenant: requestsOfTenant,
		Told: func(s *source, err error, pause time.Duration) {
			if err != nil {
				options.Log.Warn("token for an upstream not got", "url", supply.Shown(s.request.URL), "again_in", pause, "error", err)
			}
		},
	})}
}

// Source implements policy.ClientTokens.
func (s *Store) Source(tenant policy.ID, request policy.TokenRequest) policy.TokenSource {
	key := sha256.Sum256(fmt.Appendf(nil, "%#v", request)) // quoted, so that other bytes are another text
	known, in := s.sources.Thing(tenant, key, func() *source { return &source{request: request, store: s} })
	if !in {
		s.options.Log.Warn("a tenant wants too many tokens for its upstreams; this one is not got while the others are used", "tenant", tenant, "url", supply.Shown(request.URL))
	}
	return known
}

// Run gets what is due until ctx ends.
func (s *Store) Run(ctx context.Context) error { return s.sources.Run(ctx) }
