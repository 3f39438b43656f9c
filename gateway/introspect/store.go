// Package introspect asks issuers whether tokens are good (OAuth 2.0 Token
// Introspection, RFC 7662), and keeps what they say: one question for all calls
// that bring the same token, so many questions at once as the policy allows, and
// so many questions and answers as a tenant has room for. Tokens that were good
// before have a part of that room which no others can take.
//
// It reads no answer: what one means is the policy's to say. It keeps hashes of
// tokens and no token, and dials only through the client that it is given.
package introspect

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/policy"
	"portico/gateway/supply"
	"portico/gateway/token"
	"portico/internal/entry"
)

// Bounds of asking.
const (
	usualTimeout     = 3 * time.Second
	usualConcurrency = 32
	// waitingFor is how many questions may wait for each that may be open, half of them
	// strangers'.
	waitingFor = 16
	// maxIssuers bounds what one tenant may make a node ask, maxOpen its questions
	// that are open at once, and maxAsking those that wait as well, of all its
	// issuers.
	maxIssuers = 100
	maxOpen    = 512
	maxAsking  = 4096
	// keptGood and keptRefused are how many tokens of a tenant are kept, four of them
	// in 16 KiB (token.Table).
	keptGood, keptRefused = 4096, 1024
	// warnEvery is how often the log says that an issuer cannot be asked.
	warnEvery = 10 * time.Second
	// entersEvery is how often it is looked whether there is room for an issuer.
	entersEvery = time.Second
)

// Options say what a Store is made of. All must be set.
type Options struct {
	Client *http.Client // guarded; nil: nobody can be asked
	Now    func() time.Time
	Log    *slog.Logger
}

// Store keeps issuers by tenant and by how they are asked, as long as a policy
// holds them. It implements policy.Issuers.
type Store struct {
	client  *http.Client
	now     func() time.Time
	log     *slog.Logger
	issuers *supply.Held[hash, issuer]
	tables  *supply.Held[struct{}, tables]
}

// hash is of all that is sent to an issuer, and how.
type hash = [sha256.Size]byte

// tables are what is known of tokens by one tenant's policies, and how much it
// asks: no other tenant's tokens push these out.
type tables struct {
	good, refused *token.Table
	gate          *gate
}

// NewStore returns an empty store.
func NewStore(options Options) *Store {
	s := &Store{
		now: options.Now, log: options.Log,
		issuers: supply.NewHeld[hash, issuer](maxIssuers), tables: supply.NewHeld[struct{}, tables](1),
	}
	if options.Client != nil {
		client := *options.Client
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a token goes where the policy says, and nowhere else
		s.client = &client
	}
	return s
}

// Issuer implements policy.Issuers.
func (s *Store) Issuer(tenant policy.ID, question entry.IntrospectionPolicy) policy.Issuer {
	if question.TimeoutMS == 0 {
		question.TimeoutMS = int64(usualTimeout / time.Millisecond)
	}
	if question.Concurrency == 0 {
		question.Concurrency = usualConcurrency
	}
	key := keyOf(&question)
	known, in := s.issuers.Get(tenant, key, func() *issuer { return s.newIssuer(tenant, key, question) })
	if in {
		known.in.Store(true)
	} else {
		s.log.Warn("a tenant names too many places to ask about tokens; this one is not asked while the others are used", "tenant", tenant, "url", supply.Shown(question.URL))
	}
	return known
}

// keyOf tells issuers apart: by what is sent to them and how, not by what the
// answer has to be.
func keyOf(q *entry.IntrospectionPolicy) hash {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %d %d",
		q.URL, q.ClientID, q.ClientSecret.Opened, q.ClientAuth, q.Token.Opened, q.TimeoutMS, q.Concurrency))
}

// issuer is one that is asked in one way.
type issuer struct {
	store    *Store
	tenant   policy.ID
	key      hash
	question entry.IntrospectionPolicy
	known    *tables
	gate     *gate

	in    atomic.Bool  // of Store.issuers
	tried atomic.Int64 // when it was last seen not to be, nanoseconds since 1970

	mu      sync.Mutex // guards what follows
	asking  map[asks]*asked
	warned  time.Time
	skipped int // failures since, of which the log says nothing
}

var (
	errBarred  = errors.New("the API's provider has too many places to ask about tokens")
	errWaiting = errors.New("too many questions wait for an answer")
	errOpen    = errors.New("too many questions are open")
	// errPanicked is told to those who wait for a question that panicked.
	errPanicked = errors.New("the question panicked")
)

// asks is what calls share an answer by: the token, and the policy that judges it.
type asks struct {
	token  [32]byte
	policy [16]byte
}

// asked is a question that is under way.
type asked struct {
	done  chan struct{} // closed when the rest is set
	known *token.Verified
	err   error
}

func (s *Store) newIssuer(tenant policy.ID, key hash, question entry.IntrospectionPolicy) *issuer {
	i := &issuer{store: s, tenant: tenant, key: key, question: question, asking: map[asks]*asked{}}
	i.gate = newGate(question.Concurrency, question.Concurrency*(1+waitingFor))
	i.known, _ = s.tables.Get(tenant, struct{}{}, func() *tables {
		return &tables{token.NewTable(keptGood), token.NewTable(keptRefused), newGate(maxOpen, maxAsking)}
	})
	return i
}

// Tables implements policy.Issuer.
func (i *issuer) Tables() (good, refused *token.Table) { return i.known.good, i.known.refused }

// Ask implements policy.Issuer.
func (i *issuer) Ask(ctx context.Context, about policy.AskedToken, judge func(answer []byte) (*token.Verified, error)) (*token.Verified, error) {
	if !i.enters() {
		i.warn(errBarred)
		return nil, errBarred
	}
	at := asks{about.Hash, about.Policy}
	i.mu.Lock()
	q := i.asking[at]
	if q == nil {
		if !i.enter(about.Known) {
			i.mu.Unlock()
			i.warn(errWaiting)
			return nil, errWaiting
		}
		q = &asked{done: make(chan struct{})}
		i.asking[at] = q
		about.Text = strings.Clone(about.Text)
		// Not the caller's context: others wait for the same answer.
		go i.ask(context.WithoutCancel(ctx), q, about, judge)
	}
	i.mu.Unlock()
	select {
	case <-q.done:
		return q.known, q.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// enters reports whether the issuer is one of those that its tenant may have asked.
func (i *issuer) enters() bool {
	if i.in.Load() {
		return true
	}
	now, last := i.store.now().UnixNano(), i.tried.Load()
	if last != 0 && now >= last && now-last < int64(entersEvery) || // a clock that was set back bars nobody
		!i.tried.CompareAndSwap(last, now) || !i.store.issuers.In(i.tenant, i.key) {
		return false
	}
	i.in.Store(true)
	return true
}

// enter takes a question's places among those that wait, where there is one.
func (i *issuer) enter(known bool) bool {
	if !i.gate.enter(known) {
		return false
	}
	if !i.known.gate.enter(known) {
		i.gate.leave(known)
		return false
	}
	return true
}

// ask gets one answer and tells it to all who wait.
func (i *issuer) ask(ctx context.Context, q *asked, about policy.AskedToken, judge func(answer []byte) (*token.Verified, error)) {
	q.err = errPanicked
	defer func() {
		if thrown := recover(); thrown != nil { // what an issuer writes is hostile: it must not take the node down
			i.store.log.Error("a question about a token panicked", "url", supply.Shown(i.question.URL), "panic", thrown, "stack", string(debug.Stack()))
		}
		i.known.gate.leave(about.Known)
		i.gate.leave(about.Known)
		i.mu.Lock()
		delete(i.asking, asks{about.Hash, about.Policy})
		i.mu.Unlock()
		close(q.done)
		if refusal := (*token.Refusal)(nil); q.err != nil && !errors.As(q.err, &refusal) {
			i.warn(q.err)
		}
	}()
	answer, err := i.get(ctx, about)
	known := (*token.Verified)(nil)
	if err == nil {
		known, err = judge(answer)
	}
	q.known, q.err = known, err
}

// get waits for its turn and asks.
func (i *issuer) get(ctx context.Context, about policy.AskedToken) ([]byte, error) {
	if i.store.client == nil {
		return nil, errors.New("this node asks no issuers")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(i.question.TimeoutMS)*time.Millisecond)
	defer cancel()
	for _, g := range []*gate{i.gate, i.known.gate} {
		if !g.open(ctx, about.Known) {
			return nil, errOpen
		}
		defer g.close(about.Known)
	}
	req, err := i.request(ctx, about.Text)
	if err != nil {
		return nil, err
	}
	res, err := i.store.client.Do(req)
	if err != nil {
		return nil, supply.Plain(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, token.MaxAnswerBytes+1))
	return data, supply.Plain(err)
}

// request is the question about a token.
func (i *issuer) request(ctx context.Context, text string) (*http.Request, error) {
	form := url.Values{"token": {text}, "token_type_hint": {"access_token"}}
	q := i.question
	if q.ClientAuth == "post" {
		form.Set("client_id", q.ClientID)
		form.Set("client_secret", q.ClientSecret.Opened)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, q.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the issuer's address is no URL")
	}
	switch {
	case !q.Token.IsZero():
		req.Header.Set("Authorization", "Bearer "+q.Token.Opened)
	case q.ClientAuth != "post":
		req.SetBasicAuth(url.QueryEscape(q.ClientID), url.QueryEscape(q.ClientSecret.Opened)) // RFC 6749, section 2.3.1
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "portico")
	req.Header["Idempotency-Key"] = nil // it is not sent, and says that a kept connection which has just ended may be replaced
	return req, nil
}

// warn tells the log, from time to time.
func (i *issuer) warn(err error) {
	now := i.store.now()
	i.mu.Lock()
	if since := now.Sub(i.warned); since >= 0 && since < warnEvery {
		i.skipped++
		i.mu.Unlock()
		return
	}
	skipped := i.skipped
	i.warned, i.skipped = now, 0
	i.mu.Unlock()
	i.store.log.Warn("an issuer cannot be asked about tokens", "url", supply.Shown(i.question.URL), "error", err, "others", skipped)
}
