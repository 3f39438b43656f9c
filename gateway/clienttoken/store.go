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
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
	"weak"

	"portico/gateway/policy"
)

// Bounds of getting tokens.
const (
	usualLife  = 5 * time.Minute // of a token whose issuer does not say
	maxLife    = 24 * time.Hour
	firstAgain = time.Second // after a failure, and twice as long after each more
	lastAgain  = time.Minute
	// renewEvery is how often a token is got because upstreams refuse the one at
	// hand.
	renewEvery = 5 * time.Second
	// maxSources bounds what one tenant may make a node keep, and maxAtATime how many
	// requests for it are under way.
	maxSources = 200
	maxAtATime = 8
)

// Options say what a Store is made of. All must be set.
type Options struct {
	Client *http.Client // guarded; nil: nothing can be got
	Now    func() time.Time
	Log    *slog.Logger
}

// Store keeps sources by tenant and request, as long as a policy holds them. It
// implements policy.ClientTokens. Call Run once.
type Store struct {
	options Options
	wake    chan struct{} // capacity 1

	mu      sync.Mutex // guards what follows
	sources map[place]weak.Pointer[source]
	counts  map[policy.ID]int // of sources, by tenant
	busy    map[policy.ID]int // requests under way, by tenant
}

// place is whose token it is, and the hash of all that is asked for with it.
type place struct {
	tenant  policy.ID
	request [sha256.Size]byte
}

// NewStore returns an empty store.
func NewStore(options Options) *Store {
	if options.Client != nil {
		client := *options.Client // which carries a secret nowhere else
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		options.Client = &client
	}
	return &Store{
		options: options, wake: make(chan struct{}, 1), sources: map[place]weak.Pointer[source]{},
		counts: map[policy.ID]int{}, busy: map[policy.ID]int{},
	}
}

// Source implements policy.ClientTokens.
func (s *Store) Source(tenant policy.ID, request policy.TokenRequest) policy.TokenSource {
	raw, err := json.Marshal(request)
	if err != nil {
		return barred{} // there is nothing in it that could not be written
	}
	at := place{tenant, sha256.Sum256(raw)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.sources[at].Value(); known != nil {
		return known
	}
	if _, forgotten := s.sources[at]; forgotten {
		s.drop(at)
	}
	if s.counts[tenant] >= maxSources {
		s.options.Log.Warn("a tenant wants too many tokens for its upstreams; this one is not got", "tenant", tenant, "url", shown(request.URL))
		return barred{}
	}
	made := &source{tenant: tenant, request: request, store: s, done: make(chan struct{})}
	made.due.Store(never)
	s.sources[at] = weak.Make(made)
	s.counts[tenant]++
	return made
}

// drop forgets a source that nobody holds any more. mu is held.
func (s *Store) drop(at place) {
	delete(s.sources, at)
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

// Run gets what is due until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	var under sync.WaitGroup
	defer under.Wait()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for _, due := range s.due() {
			under.Go(func() { due.get(ctx) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// due returns the sources whose tokens are to be got now, and marks them as being
// so. A tenant that has too many under way waits: no other's do.
func (s *Store) due() (out []*source) {
	now := s.options.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, pointer := range s.sources {
		switch known := pointer.Value(); {
		case known == nil:
			s.drop(at)
		case s.busy[at.tenant] < maxAtATime && known.begin(now):
			s.busy[at.tenant]++
			out = append(out, known)
		}
	}
	return out
}

// ended makes room for another request of a tenant's.
func (s *Store) ended(tenant policy.ID) {
	s.mu.Lock()
	if s.busy[tenant]--; s.busy[tenant] <= 0 {
		delete(s.busy, tenant)
	}
	s.mu.Unlock()
	s.nudge()
}

// barred is a source that has no token.
type barred struct{}

// errBarred is why.
var errBarred = errors.New("too many tokens are wanted by one tenant")

// Token implements policy.TokenSource.
func (barred) Token(context.Context) (string, time.Duration, error) { return "", lastAgain, errBarred }

// Renew implements policy.TokenSource.
func (barred) Renew(context.Context, string, bool) bool { return false }

// GoodFor implements policy.TokenSource.
func (barred) GoodFor() time.Duration { return 0 }

// shown is an address without its query, which may hold a secret.
func shown(url string) string {
	before, _, _ := strings.Cut(url, "?")
	return before
}
