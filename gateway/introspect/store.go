// Package introspect asks issuers whether tokens are good (OAuth 2.0 Token
// Introspection, RFC 7662), and keeps what they say: one question for all calls
// that bring the same token, so many questions at once as the policy allows, and
// so many answers as a tenant has room for.
//
// It reads no answer: what one means is the policy's to say. It keeps hashes of
// tokens and no token, and dials only through the client that it is given.
package introspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"weak"

	"portico/gateway/policy"
	"portico/gateway/token"
	"portico/internal/entry"
)

// Bounds of asking.
const (
	usualTimeout     = 3 * time.Second
	usualConcurrency = 32
	// waitingFor is how many questions may wait for each that may be open.
	waitingFor = 8
	// maxIssuers bounds what one tenant may make a node ask.
	maxIssuers = 100
	// keptGood and keptRefused are how many tokens of a tenant are kept, each in at
	// most 16 KiB.
	keptGood, keptRefused = 4096, 1024
	// warnEvery is how often the log says that an issuer cannot be asked.
	warnEvery = 10 * time.Second
)

// Options say what a Store is made of. All must be set.
type Options struct {
	Client *http.Client // guarded; nil: nobody can be asked
	Now    func() time.Time
	Log    *slog.Logger
}

// Store keeps issuers, as long as a policy holds them. It implements
// policy.Issuers.
type Store struct {
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	mu      sync.Mutex // guards what follows
	issuers map[[16]byte]kept
	tenants map[policy.ID]weak.Pointer[tables]
}

// kept is an issuer, and whose policy asks it.
type kept struct {
	issuer weak.Pointer[issuer]
	tenant policy.ID
}

// tables are what is known of tokens by one tenant's policies: no other tenant's
// tokens push these out.
type tables struct{ good, refused *token.Table }

// NewStore returns an empty store.
func NewStore(options Options) *Store {
	s := &Store{now: options.Now, log: options.Log, issuers: map[[16]byte]kept{}, tenants: map[policy.ID]weak.Pointer[tables]{}}
	if options.Client != nil {
		client := *options.Client
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a token goes where the policy says, and nowhere else
		s.client = &client
	}
	return s
}

// Issuer implements policy.Issuers.
func (s *Store) Issuer(tenant policy.ID, id [16]byte, question entry.IntrospectionPolicy) policy.Issuer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.issuers[id].issuer.Value(); known != nil {
		return known
	}
	if s.sweep(tenant) >= maxIssuers {
		s.log.Warn("a tenant names too many places to ask about tokens; this one is not asked", "tenant", tenant, "url", shown(question.URL))
		return barred{}
	}
	made := newIssuer(s, question)
	if made.known = s.tenants[tenant].Value(); made.known == nil {
		made.known = &tables{token.NewTable(keptGood), token.NewTable(keptRefused)}
		s.tenants[tenant] = weak.Make(made.known)
	}
	s.issuers[id] = kept{weak.Make(made), tenant}
	return made
}

// sweep forgets what nobody holds any more, and returns how many issuers a tenant
// has. mu is held.
func (s *Store) sweep(tenant policy.ID) (count int) {
	for id, k := range s.issuers {
		switch {
		case k.issuer.Value() == nil:
			delete(s.issuers, id)
		case k.tenant == tenant:
			count++
		}
	}
	for id, t := range s.tenants {
		if t.Value() == nil {
			delete(s.tenants, id)
		}
	}
	return count
}

// barred is an issuer that is never asked.
type barred struct{}

// Tables implements policy.Issuer.
func (barred) Tables() (good, refused *token.Table) { return nil, nil }

// Ask implements policy.Issuer.
func (barred) Ask(context.Context, *[32]byte, string, func([]byte) (*token.Verified, error)) (*token.Verified, error) {
	return nil, errors.New("the API's provider has too many places to ask about tokens")
}

// issuer is one that is asked in one way.
type issuer struct {
	store    *Store
	question entry.IntrospectionPolicy
	timeout  time.Duration
	known    *tables
	slots    chan struct{} // one for each question that may be open

	mu      sync.Mutex // guards what follows
	asking  map[[32]byte]*asked
	warned  time.Time
	skipped int // failures since, of which the log says nothing
}

// asked is a question that is under way.
type asked struct {
	done  chan struct{} // closed when the rest is set
	known *token.Verified
	err   error
}

func newIssuer(s *Store, question entry.IntrospectionPolicy) *issuer {
	i := &issuer{store: s, question: question, timeout: time.Duration(question.TimeoutMS) * time.Millisecond, asking: map[[32]byte]*asked{}}
	if i.timeout == 0 {
		i.timeout = usualTimeout
	}
	slots := question.Concurrency
	if slots == 0 {
		slots = usualConcurrency
	}
	i.slots = make(chan struct{}, slots)
	return i
}

// Tables implements policy.Issuer.
func (i *issuer) Tables() (good, refused *token.Table) { return i.known.good, i.known.refused }

// Ask implements policy.Issuer.
func (i *issuer) Ask(ctx context.Context, hash *[32]byte, text string, judge func(answer []byte) (*token.Verified, error)) (*token.Verified, error) {
	i.mu.Lock()
	q := i.asking[*hash]
	if q == nil {
		if len(i.asking) >= cap(i.slots)*(1+waitingFor) {
			i.mu.Unlock()
			return nil, errors.New("too many questions wait for an answer")
		}
		q = &asked{done: make(chan struct{})}
		i.asking[*hash] = q
		// Not the caller's context: others wait for the same answer.
		go i.ask(context.WithoutCancel(ctx), q, *hash, strings.Clone(text), judge)
	}
	i.mu.Unlock()
	select {
	case <-q.done:
		return q.known, q.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ask gets one answer and tells it to all who wait.
func (i *issuer) ask(ctx context.Context, q *asked, hash [32]byte, text string, judge func(answer []byte) (*token.Verified, error)) {
	answer, err := i.get(ctx, text)
	if err == nil {
		q.known, err = judge(answer)
	}
	q.err = err
	refusal := (*token.Refusal)(nil)
	i.mu.Lock()
	delete(i.asking, hash)
	i.mu.Unlock()
	close(q.done)
	if err != nil && !errors.As(err, &refusal) {
		i.warn(err)
	}
}

// get waits for a slot and asks.
func (i *issuer) get(ctx context.Context, text string) ([]byte, error) {
	if i.store.client == nil {
		return nil, errors.New("this node asks no issuers")
	}
	ctx, cancel := context.WithTimeout(ctx, i.timeout)
	defer cancel()
	select {
	case i.slots <- struct{}{}:
		defer func() { <-i.slots }()
	case <-ctx.Done():
		return nil, errors.New("too many questions are open")
	}
	req, err := i.request(ctx, text)
	if err != nil {
		return nil, err
	}
	res, err := i.store.client.Do(req)
	if err != nil {
		return nil, plainError(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, token.MaxAnswerBytes+1))
	return data, plainError(err)
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

// plainError leaves the address out of what the client says: its query may hold
// a secret.
func plainError(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// warn tells the log, from time to time.
func (i *issuer) warn(err error) {
	now := i.store.now()
	i.mu.Lock()
	if now.Sub(i.warned) < warnEvery {
		i.skipped++
		i.mu.Unlock()
		return
	}
	skipped := i.skipped
	i.warned, i.skipped = now, 0
	i.mu.Unlock()
	i.store.log.Warn("an issuer cannot be asked about tokens", "url", shown(i.question.URL), "error", err, "others", skipped)
}

// shown is an address without its query, which may hold a secret.
func shown(address string) string {
	before, _, _ := strings.Cut(address, "?")
	return before
}
