package policy

import (
	"context"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portico/gateway/cache"
	"portico/internal/entry"
)

// cacheStep answers from what was stored, after RFC 9111 as a shared cache, and
// stores what may be.
//
// Why the key is what it is: an upstream learns the host that the caller asked
// for, whether by TLS, and which application calls, so that its answer may depend
// on them. What it learns beside that and does not name in Vary is either taken
// away (cookies and parameters that are declared to make no difference), or keeps
// the call from the cache (headers that ask for another method or address).
type cacheStep struct {
	store    *cache.Store
	config   entry.CachePolicy
	revision uint64
	vary     []string // lower case
	limit    int64    // of a body, in bytes

	chain *Chain // it stands in, at
	at    int
}

const defaultCacheEntry = 1 << 20

func newCacheStep(config entry.CachePolicy, revision int, store *cache.Store) *cacheStep {
	s := &cacheStep{store: store, config: config, revision: uint64(revision), limit: config.MaxEntryBytes}
	if s.limit == 0 {
		s.limit = defaultCacheEntry
	}
	for _, name := range config.Vary {
		s.vary = append(s.vary, strings.ToLower(name))
	}
	return s
}

// cached is what a call has of the cache that it passes.
type cached struct {
	step       *cacheStep
	mode       cacheMode
	why        string // the call goes on: as Cache-Status says it
	key        string
	address    int           // bytes of key
	found      *cache.Answer // not fit for use as it is
	flight     *cache.Flight // that the call leads
	validating bool          // whether found still holds
	asked      asked
	request    []Field // as it came to the cache
	reader     cache.Reader
}

type cacheMode uint8

const (
	passes   cacheMode = iota // nothing is stored
	fetches                   // the answer may be stored
	empties                   // the call changes what is stored
	answered                  // by the cache
)

// end lets those go on who wait for the call, however it ended.
func (c *cached) end() {
	if c.flight != nil {
		c.flight.End()
	}
	clear(c.request)
}

// asked is what a request says that concerns a cache.
type asked struct {
	noneMatch, modifiedSince, byteRange, ifRange string

	control       cache.Control
	authorization bool
	bypass        bool // a cache cannot tell what the answer depends on
}

// collapseLimit is how long a call waits for the same one under way.
const collapseLimit = 5 * time.Second

// passFor is how long callers do not wait for one another after an answer that
// they waited for could not be stored.
const passFor = 10 * time.Second

// Run implements Step.
func (s *cacheStep) Run(ctx context.Context, ex *Exchange) error {
	c := &ex.cached
	if s.store == nil || c.step != nil { // one nearer to the caller is at work
		return nil
	}
	c.step = s
	for _, name := range s.config.IgnoreQuery {
		if ex.Query != "" {
			takeQuery(ex, name, func(string) {})
		}
	}
	s.makeKey(ex)
	switch ex.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions, http.MethodTrace:
		c.why = "method"
		return nil
	default:
		c.mode, c.why = empties, "method"
		return nil
	}
	if s.config.IgnoreCookies {
		ex.Header.Del("Cookie")
	}
	s.read(ex, &c.asked)
	if c.asked.bypass || ex.Body != nil || ex.Upgrade != "" {
		c.why = "bypass"
		return s.forward(ex)
	}
	if c.asked.control.NoStore {
		c.why = "request"
		return s.forward(ex)
	}
	return s.lookUp(ctx, ex)
}

// forward lets a call go on that only-if-cached does not forbid to.
func (s *cacheStep) forward(ex *Exchange) error {
	if ex.cached.asked.control.OnlyIfCached {
		return &Denied{
			Status: http.StatusGatewayTimeout, Code: "not_cached",
			Detail: "The call asks for an answer from the cache only, and there is none that may be used. Call without only-if-cached.",
		}
	}
	return nil
}

func (s *cacheStep) lookUp(ctx context.Context, ex *Exchange) error {
	c := &ex.cached
	for waited := false; ; waited = true {
		variants, pass := s.store.Get(c.key, c.address)
		c.found, c.why = nil, "uri-miss"
		if len(variants) > 0 {
			c.why = "vary-miss"
		}
		for _, a := range variants {
			if matches(a, ex.Header.Fields()) {
				c.found = a
				break
			}
		}
		if a := c.found; a != nil {
			switch s.judge(a, &c.asked.control, ex.Mono) {
			case usable:
				return s.hit(ex, a, waited)
			case usableOnce:
				s.refresh(ex, a)
				return s.hit(ex, a, false)
			case unwanted:
				c.why = "request"
			case stale:
				c.why = "stale"
			}
		}
		if err := s.forward(ex); err != nil {
			return err
		}
		if !s.fetchable(ex) {
			return nil
		}
		if waited || pass > ex.Mono {
			s.fetch(ex)
			return nil
		}
		flight, leads := s.store.Join(c.key, c.address)
		if leads {
			c.flight = flight
			s.fetch(ex)
			return nil
		}
		flight.Wait(ctx, collapseLimit)
	}
}

// fetchable reports whether the answer may be one to store: whole, and not told
// to be left out where the caller has it already.
func (s *cacheStep) fetchable(ex *Exchange) bool {
	c := &ex.cached
	if ex.Method == http.MethodHead {
		return false
	}
	if c.found != nil && (c.found.ETag != "" || c.found.Modified != "") {
		return true
	}
	return c.asked.noneMatch == "" && c.asked.modifiedSince == "" && c.asked.byteRange == ""
}

// fetch makes the call one whose answer may be stored, and asks whether what was
// found still holds.
func (s *cacheStep) fetch(ex *Exchange) {
	c := &ex.cached
	c.mode = fetches
	c.request = append(c.request[:0], ex.Header.Fields()...)
	if c.flight == nil { // it waited in vain for another, or need not wait
		c.flight = s.store.Alone(c.key, c.address)
	}
	if c.found == nil || c.found.ETag == "" && c.found.Modified == "" {
		return
	}
	c.validating = true
	for _, name := range []string{"If-None-Match", "If-Modified-Since", "Range", "If-Range"} {
		ex.Header.Del(name)
	}
	if c.found.ETag != "" {
		ex.Header.Add("If-None-Match", c.found.ETag)
	}
	if c.found.Modified != "" {
		ex.Header.Add("If-Modified-Since", c.found.Modified)
	}
}

// makeKey writes what tells answers apart: the version and path, which is the
// address, then all that the upstream knows of the caller.
func (s *cacheStep) makeKey(ex *Exchange) {
	b := ex.Scratch()
	start := len(b)
	b = append(append(b, ex.Scope.Version[:]...), ex.Path.Wire...)
	b = append(b, 0)
	ex.cached.address = len(b) - start
	b = append(b, ex.Scope.Tenant[:]...)
	b = binary.AppendUvarint(b, s.revision)
	switch {
	case s.config.Public:
		b = append(b, 'p')
	case ex.Caller.Grant != nil:
		b = append(append(b, 'a'), ex.Caller.Grant.Application[:]...)
		if sub := ex.Caller.Subscription; sub != nil { // an upstream may be told the plan
			b = append(b, sub.ID[:]...)
		}
	default:
		b = append(b, 'n')
	}
	if claims := ex.Caller.Claims; claims != nil && !s.config.Public { // it may be told any of them
		digest := claims.Digest()
		b = append(append(b, 't'), digest[:]...)
	}
	if ex.Secure {
		b = append(b, 's')
	}
	b = append(append(b, 0), ex.Authority...)
	b = append(append(b, 0), ex.Scope.Operation...)
	b = append(append(b, 0), ex.Query...)
	ex.cached.key = ex.Keep(b)
}

// CachePrefix is what the keys of all answers of a version begin with.
func CachePrefix(version ID) string { return string(version[:]) }

// CacheAddress is what the keys of all answers of a version's path begin with.
func CacheAddress(version ID, path string) string { return string(version[:]) + path + "\x00" }

// read looks for what concerns a cache in the request's headers.
func (s *cacheStep) read(ex *Exchange, q *asked) {
	q.control = cache.NewControl()
	pragma := false
	once := func(to *string, value string) {
		q.bypass = q.bypass || *to != "" || value == ""
		*to = value
	}
	for _, f := range ex.Header.Fields() {
		switch len(f.Name) {
		case 5:
			if FoldEqual(f.Name, "Range") {
				once(&q.byteRange, f.Value)
			}
		case 6:
			q.bypass = q.bypass || FoldEqual(f.Name, "Cookie")
			pragma = pragma || FoldEqual(f.Name, "Pragma") && strings.Contains(f.Value, "no-cache")
		case 8:
			if FoldEqual(f.Name, "If-Range") {
				once(&q.ifRange, f.Value)
			}
			q.bypass = q.bypass || FoldEqual(f.Name, "If-Match")
		case 13:
			if FoldEqual(f.Name, "Cache-Control") {
				q.control.Add(f.Value)
			} else if FoldEqual(f.Name, "If-None-Match") {
				once(&q.noneMatch, f.Value)
			}
			q.authorization = q.authorization || FoldEqual(f.Name, "Authorization")
		case 17:
			if FoldEqual(f.Name, "If-Modified-Since") {
				once(&q.modifiedSince, f.Value)
			}
		case 19:
			q.bypass = q.bypass || FoldEqual(f.Name, "If-Unmodified-Since")
		}
		q.bypass = q.bypass || diverts(f.Name)
	}
	if pragma && !q.control.Any {
		q.control.NoCache = true
	}
}

// diverts reports whether a header asks some frameworks for another method, host
// or address than the request has.
func diverts(name string) bool {
	if len(name) < 6 || name[0]|0x20 != 'x' {
		return false
	}
	switch len(name) {
	case 6:
		return aliasEqual(name, "X-Host")
	case 11:
		return aliasEqual(name, "X-Forwarded")
	case 13:
		return aliasEqual(name, "X-HTTP-Method") || aliasEqual(name, "X-Rewrite-URL")
	case 14:
		return aliasEqual(name, "X-Original-URL") || aliasEqual(name, "X-Original-URI") || aliasEqual(name, "X-Override-URL")
	case 15:
		return aliasEqual(name, "X-Original-Host")
	case 17:
		return aliasEqual(name, "X-Method-Override")
	case 20:
		return aliasEqual(name, "X-HTTP-Host-Override")
	case 22:
		return aliasEqual(name, "X-HTTP-Method-Override")
	}
	return false
}

// use is what may be done with a stored answer.
type use uint8

const (
	usable     use = iota
	usableOnce     // while it is validated in the background
	unwanted       // the caller wants one that was validated
	stale
)

func (s *cacheStep) judge(a *cache.Answer, q *cache.Control, now int64) use {
	age := a.Age(now)
	left := a.Fresh - age
	switch {
	case q.NoCache, q.MaxAge >= 0 && age > q.MaxAge, q.MinFresh >= 0 && left > 0 && left < q.MinFresh:
		return unwanted
	case a.Validate:
		return stale
	case left > 0:
		return usable
	case a.Strict || q.MinFresh >= 0:
		return stale
	case q.MaxStale >= 0 && -left <= q.MaxStale:
		return usable
	case q.MaxAge < 0 && -left < a.StaleWhile:
		return usableOnce
	}
	return stale
}

// hit answers with what was stored.
func (s *cacheStep) hit(ex *Exchange, a *cache.Answer, collapsed bool) error {
	c := &ex.cached
	c.mode, c.why = answered, ""
	b := append(ex.Scratch(), "portico; hit; ttl="...)
	b = strconv.AppendInt(b, int64((a.Fresh-a.Age(ex.Mono))/time.Second), 10)
	if collapsed {
		b = append(b, "; collapsed"...)
	}
	s.give(ex, a, ex.Keep(b))
	return ErrAnswered
}

// Answer implements Answerer.
func (s *cacheStep) Answer(_ context.Context, ex *Exchange) error {
	c := &ex.cached
	if c.step != s || c.mode == answered {
		return nil
	}
	stored := false
	switch c.mode {
	case empties:
		s.empty(ex)
	case fetches:
		if s.took(ex, &stored) {
			return nil
		}
	}
	if !ex.Answer.Local {
		takeTags(&ex.Answer.Header, nil)
		s.tell(ex, stored)
	}
	return nil
}

// tell says in Cache-Status why the cache has not answered.
func (s *cacheStep) tell(ex *Exchange, stored bool) {
	c := &ex.cached
	b := append(append(ex.Scratch(), "portico; fwd="...), c.why...)
	if c.validating {
		b = strconv.AppendInt(append(b, "; fwd-status="...), int64(ex.Answer.Status), 10)
	}
	if stored {
		b = append(b, "; stored"...)
	}
	ex.Answer.Header.Add("Cache-Status", ex.Keep(b))
}

// took makes of the upstream's answer what is stored and given. It reports
// whether a stored answer has taken its place.
func (s *cacheStep) took(ex *Exchange, stored *bool) bool {
	c, a := &ex.cached, &ex.Answer
	now := ex.Mono + (ex.Own + ex.Waited).Nanoseconds()
	if c.validating && a.Status == http.StatusNotModified && !a.Local {
		s.renew(ex, now)
		return true
	}
	if failed(a) && c.found != nil && s.mayHide(c.found, now) {
		ex.Code, ex.Denied = "", nil
		s.take(ex, c.found, "portico; hit; detail=stale-if-error")
		c.flight.End()
		return true
	}
	made := s.storable(ex, now)
	if made == nil {
		said := !failed(a) && !a.Local // the upstream did: what the gateway refuses says nothing of what it has
		if c.found != nil && said {
			s.store.Drop(c.key, c.address, c.found)
		}
		if c.flight.Waiting() > 0 && said {
			s.store.Pass(c.key, c.address, now+passFor.Nanoseconds())
		}
		c.flight.End()
		return false
	}
	*stored = true
	limit := s.limit
	filling := &cache.Filling{Source: a.Body, Store: s.store, Flight: c.flight, Answer: made, Length: a.Length, Limit: limit, Refused: func() bool { return len(a.Trailer.Fields()) > 0 }}
	if a.Body == nil || a.Length == 0 {
		filling.Length = 0
		filling.Commit()
		return false
	}
	a.Body = filling
	return false
}

// failed reports whether an answer tells that there was none to be had.
func failed(a *Answer) bool {
	switch a.Status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// mayHide reports whether a stale answer may be given in the place of a failure.
func (s *cacheStep) mayHide(a *cache.Answer, now int64) bool {
	return !a.Strict && !a.Validate && a.Age(now)-a.Fresh < a.StaleIf
}

// renew gives what was found to hold, with what the upstream says of it now.
func (s *cacheStep) renew(ex *Exchange, now int64) {
	c := &ex.cached
	old := c.found
	head := s.head(ex, now)
	made := *old
	made.Fields = merged(old.Fields, ex.Answer.Header.Fields())
	head.Reset(fieldsOf(made.Fields))
	if control := head.control; control.NoStore || control.Private {
		s.store.Drop(c.key, c.address, old)
	} else {
		s.describe(&made, head, ex, now)
		if !c.flight.Spoiled() {
			s.store.Put(c.key, c.address, &made, 0)
		}
	}
	c.flight.End()
	s.take(ex, &made, "portico; hit; fwd=stale; fwd-status=304")
}

// take gives a stored answer in the place of the one that is there.
func (s *cacheStep) take(ex *Exchange, a *cache.Answer, status string) {
	if ex.Answer.Body != nil {
		_ = ex.Answer.Body.Close() // it is not wanted any more
	}
	ex.Answer.Header.Reset()
	ex.Answer.Trailer.Reset()
	closes := ex.Answer.Close && !ex.Answer.Local
	ex.Answer = Answer{Header: ex.Answer.Header, Trailer: ex.Answer.Trailer, Close: closes}
	s.give(ex, a, status)
}

// empty forgets what a call has changed (RFC 9111 section 4.4).
func (s *cacheStep) empty(ex *Exchange) {
	a := &ex.Answer
	if a.Local || a.Status < 200 || a.Status >= 400 {
		return
	}
	s.store.Forget(ex.cached.key[:ex.cached.address])
	for _, name := range []string{"Location", "Content-Location"} {
		if at, ok := a.Header.Value(name); ok {
			if path := samePlace(ex, at); path != "" {
				s.store.Forget(CacheAddress(ex.Scope.Version, path))
			}
		}
	}
}

// samePlace returns the canonical path of an address on the same host, "" for
// any other.
func samePlace(ex *Exchange, at string) string {
	if i := strings.Index(at, "://"); i > 0 {
		at = at[i+3:]
		slash := strings.IndexByte(at, '/')
		if slash < 0 || !FoldEqual(at[:slash], ex.Authority) {
			return ""
		}
		at = at[slash:]
	}
	if at == "" || at[0] != '/' || strings.HasPrefix(at, "//") {
		return ""
	}
	if i := strings.IndexAny(at, "?#"); i >= 0 {
		at = at[:i]
	}
	path, _, err := Canonical(at, nil)
	if err != nil {
		return ""
	}
	return path.Wire
}

// explain implements explainer.
func (s *cacheStep) explain(ex *Exchange) string {
	c := &ex.cached
	switch {
	case c.step != s:
		return "another cache is at work on this call"
	case c.mode == answered:
		return "answered from the cache"
	case c.why == "":
		return "not asked"
	}
	return "not answered from the cache: " + c.why
}
