package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gin-gonic/gin"

	"portico/internal/apim"
)

// How long a session lives without a request, and at most.
const (
	SessionIdle = 30 * time.Minute
	SessionLife = 12 * time.Hour
)

// seenEvery is how precisely a session's last request is kept: a write to the
// database for every request would buy nothing.
const seenEvery = time.Minute

// The values of a session.
const (
	sessionID      = "id"
	sessionPerson  = "person"
	sessionStarted = "started" // Unix seconds
	sessionSeen    = "seen"    // Unix seconds
	sessionFlash   = "flash"
)

// Sessions keeps who has signed in at one edge, on the server; the browser
// holds 256 random bits whose hash is the key. Safe for concurrent use.
type Sessions struct {
	scs *scs.SessionManager
	now func() time.Time
}

// NewSessions keeps the sessions of an edge ("console", "portal") in store.
// edgeURL is the edge's address as people write it: over plain HTTP on
// loopback, where browsers keep no Secure cookies, the cookie goes without
// Secure and the __Host- prefix; nowhere else.
func NewSessions(edge, edgeURL string, store scs.Store, now func() time.Time) *Sessions {
	m := scs.New()
	m.Store = keeper{store}
	m.HashTokenInStore = true
	m.Lifetime = SessionLife
	m.Cookie.Name = "portico_" + edge
	m.Cookie.Secure = !plainLoopback(edgeURL)
	if m.Cookie.Secure {
		m.Cookie.Name = "__Host-portico_" + edge
	}
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	m.Cookie.Persist = false // ends with the browser
	return &Sessions{scs: m, now: now}
}

// plainLoopback reports whether an address is http on this machine.
func plainLoopback(edgeURL string) bool {
	u, err := url.Parse(edgeURL)
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Person returns who has signed in, "" for nobody.
func (s *Sessions) Person(ctx context.Context) apim.ID {
	return apim.ID(s.scs.GetString(ctx, sessionPerson))
}

// ID returns the id of the session, as its person is shown it; "" for nobody.
func (s *Sessions) ID(ctx context.Context) apim.ID {
	return apim.ID(s.scs.GetString(ctx, sessionID))
}

// SignIn starts a session for a person under a new id; what the session held
// before is gone.
func (s *Sessions) SignIn(ctx context.Context, person apim.ID) error {
	if err := s.scs.Clear(ctx); err != nil {
		return fmt.Errorf("clear session: %w", err)
	}
	if err := s.scs.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew session id: %w", err)
	}
	now := s.now()
	s.scs.Put(ctx, sessionID, string(apim.NewID(apim.PrefixSession, now)))
	s.scs.Put(ctx, sessionPerson, string(person))
	s.scs.Put(ctx, sessionStarted, now.Unix())
	s.scs.Put(ctx, sessionSeen, now.Unix())
	return nil
}

// SignOut ends the session; the cookie is removed with the answer.
func (s *Sessions) SignOut(ctx context.Context) error {
	if err := s.scs.Destroy(ctx); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// Flash keeps a sentence for the next page that the browser shows.
func (s *Sessions) Flash(ctx context.Context, sentence string) {
	s.scs.Put(ctx, sessionFlash, sentence)
}

// TakeFlash returns that sentence and forgets it; "" when there is none.
func (s *Sessions) TakeFlash(ctx context.Context) string {
	return s.scs.PopString(ctx, sessionFlash)
}

// load reads the session, ends one whose time is over, and writes what has
// changed just before the answer's head.
func (s *Sessions) load(c *gin.Context) {
	token, _ := c.Cookie(s.scs.Cookie.Name) // "" when there is none
	outside := c.Request.Context()
	ctx, err := s.scs.Load(outside, token)
	if err != nil {
		Fail(c, fmt.Errorf("load session: %w", err))
		return
	}
	c.Request = c.Request.WithContext(ctx)
	c.Writer.Header().Add("Vary", "Cookie")
	w := &sessionWriter{ResponseWriter: c.Writer}
	loaded := s.scs.Token(ctx)
	agent := agentOf(c.Request)
	w.commit = func() error {
		return s.commit(context.WithValue(ctx, shownKey{}, s.shown(ctx, c.RemoteIP(), agent)), outside, loaded, w.ResponseWriter)
	}
	c.Writer = w
	if err := s.age(ctx); err != nil {
		Fail(c, err)
		return
	}
	c.Next()
	w.settle()
	if w.err != nil && !w.Written() {
		c.Writer = w.ResponseWriter
		Fail(c, w.err)
	}
}

// age ends a session that was idle or alive for too long, and notes that it
// was used.
func (s *Sessions) age(ctx context.Context) error {
	if s.Person(ctx) == "" {
		return nil
	}
	now := s.now()
	started := time.Unix(s.scs.GetInt64(ctx, sessionStarted), 0)
	seen := time.Unix(s.scs.GetInt64(ctx, sessionSeen), 0)
	if now.Sub(started) >= SessionLife || now.Sub(seen) >= SessionIdle {
		return s.SignOut(ctx)
	}
	if now.Sub(seen) >= seenEvery {
		s.scs.Put(ctx, sessionSeen, now.Unix())
	}
	return nil
}

// commit saves what has changed. A session that was ended elsewhere since it
// was loaded stays ended: saving would bring it back. outside is ctx without it.
func (s *Sessions) commit(ctx, outside context.Context, loaded string, w http.ResponseWriter) error {
	switch s.scs.Status(ctx) {
	case scs.Modified:
		if loaded != "" && s.scs.Token(ctx) == loaded {
			now, err := s.scs.Load(outside, loaded)
			if err != nil {
				return fmt.Errorf("load session again: %w", err)
			}
			if s.scs.Token(now) == "" {
				return nil
			}
			ctx = context.WithValue(ctx, keptKey{}, true) // and it may end from here on still
		}
		token, expiry, err := s.scs.Commit(ctx)
		if err != nil {
			return fmt.Errorf("save session: %w", err)
		}
		s.scs.WriteSessionCookie(ctx, w, token, expiry)
	case scs.Destroyed:
		s.scs.WriteSessionCookie(ctx, w, "", time.Time{})
	}
	return nil
}

// shown is what the session's person is shown of it.
func (s *Sessions) shown(ctx context.Context, address, agent string) apim.Session {
	person := s.Person(ctx)
	if person == "" {
		return apim.Session{}
	}
	return apim.Session{
		ID: s.ID(ctx), Person: person, Address: address, Agent: agent,
		StartedAt: time.Unix(s.scs.GetInt64(ctx, sessionStarted), 0).UTC(), SeenAt: time.Unix(s.scs.GetInt64(ctx, sessionSeen), 0).UTC(),
	}
}

type shownKey struct{}

// keptKey marks the commit of a session that was there before.
type keptKey struct{}

// agentOf returns what a browser calls itself, as text that can be kept.
func agentOf(r *http.Request) string {
	agent := []rune(strings.ToValidUTF8(r.UserAgent(), ""))
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, string(agent[:min(len(agent), 200)]))
}

// keeper hands its store, where that takes it, what a session's person is shown
// of it.
type keeper struct{ scs.Store }

// FindCtx returns a session that has not ended.
func (k keeper) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	if s, ok := k.Store.(scs.CtxStore); ok {
		return s.FindCtx(ctx, token)
	}
	return k.Find(token)
}

// CommitCtx keeps a session until a time.
func (k keeper) CommitCtx(ctx context.Context, token string, data []byte, expires time.Time) error {
	type lister interface {
		CommitSession(ctx context.Context, token string, data []byte, expires time.Time, shown apim.Session) error
		KeepSession(ctx context.Context, token string, data []byte, expires time.Time, shown apim.Session) error
	}
	if s, ok := k.Store.(lister); ok {
		shown, _ := ctx.Value(shownKey{}).(apim.Session)
		if kept, _ := ctx.Value(keptKey{}).(bool); kept {
			return s.KeepSession(ctx, token, data, expires, shown)
		}
		return s.CommitSession(ctx, token, data, expires, shown)
	}
	if s, ok := k.Store.(scs.CtxStore); ok {
		return s.CommitCtx(ctx, token, data, expires)
	}
	return k.Commit(token, data, expires)
}

// DeleteCtx ends a session; ending one that is not there is no error.
func (k keeper) DeleteCtx(ctx context.Context, token string) error {
	if s, ok := k.Store.(scs.CtxStore); ok {
		return s.DeleteCtx(ctx, token)
	}
	return k.Delete(token)
}

// sessionWriter commits the session before the first byte of the answer. When
// that fails nothing is written: the caller answers with the failure.
type sessionWriter struct {
	gin.ResponseWriter
	commit  func() error
	settled bool
	err     error
}

func (w *sessionWriter) settle() {
	if !w.settled {
		w.settled = true
		w.err = w.commit()
	}
}

func (w *sessionWriter) Write(b []byte) (int, error) {
	if w.settle(); w.err != nil {
		return 0, w.err
	}
	return w.ResponseWriter.Write(b)
}

func (w *sessionWriter) WriteString(s string) (int, error) {
	if w.settle(); w.err != nil {
		return 0, w.err
	}
	return w.ResponseWriter.WriteString(s)
}

func (w *sessionWriter) WriteHeaderNow() {
	if w.settle(); w.err == nil {
		w.ResponseWriter.WriteHeaderNow()
	}
}

func (w *sessionWriter) Flush() {
	if w.settle(); w.err == nil {
		w.ResponseWriter.Flush()
	}
}

// Unwrap lets http.ResponseController find the connection.
func (w *sessionWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
