// Package upstream calls the backends of APIs: one Upstream for each that an
// API names, which knows for itself how its targets are. Connections are shared
// by those of a tenant that mean the same place.
//
// It is an HTTP/1.1 client made for a gateway: a request is written from the
// exchange and the answer's head read into it without a copy of either, in the
// goroutine of the call; bodies stream. It decides nothing about who may call;
// it makes no connection but by the dialler it is given, which is where the
// egress guard stands; and it never follows a redirect.
package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/socket"
	"portico/gateway/upstream/balance"
	"portico/gateway/upstream/health"
	"portico/internal/entry"
)

// Timeouts bound a call. Each must be above zero. They are kept to within
// about 50 ms.
type Timeouts struct {
	Connect time.Duration // name, connection and TLS
	Header  time.Duration // from the last byte of the request to the answer's head
	Idle    time.Duration // between two reads of the answer's body

	until int64 // by when an answer must begin, however many tries it takes; 0: no bound
}

// headBy is when the head of an answer that is waited for from now on must be
// there.
func (t Timeouts) headBy(now int64) int64 {
	by := now + int64(t.Header)
	if t.until > 0 {
		by = min(by, max(t.until, 1))
	}
	return by
}

// afterBody returns the times of an answer that is waited for once a client has
// sent what it sends from now on: how long that takes is not held against the
// upstream.
func (t Timeouts) afterBody(now int64) Timeouts {
	if t.until > 0 {
		t.Header, t.until = min(t.Header, max(time.Duration(t.until-now), time.Millisecond)), 0
	}
	return t
}

// Set makes and keeps upstreams, so that those which a new revision leaves as
// they are keep their connections. It is safe for concurrent use. Run must run
// for its timeouts to be kept.
type Set struct {
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	defaults atomic.Pointer[Timeouts]
	now      atomic.Int64 // nanoseconds, as coarse as the sweeper; never 0
	calls    sync.Pool    // of *call
	buffers  sync.Pool    // of *[uploadBuffer]byte
	pipes    socket.Pipes

	restless restless // groups that wait for time to pass
	checks   *health.Scheduler
	sources  Sources
	finder   finder
	pools    pools

	mu        sync.Mutex
	byVersion map[string]map[string]*Upstream // guarded by mu; then by name
	conns     map[*conn]struct{}              // all that are open; guarded by mu
}

// NewSet returns an empty set that connects with dial. TLS trusts the system's
// roots.
func NewSet(dial func(ctx context.Context, network, address string) (net.Conn, error), defaults Timeouts) *Set {
	s := &Set{dial: dial, byVersion: map[string]map[string]*Upstream{}, conns: map[*conn]struct{}{}, checks: health.New(dial)}
	s.calls.New = func() any { return &call{in: make([]byte, readBuffer)} }
	s.buffers.New = func() any { return new([uploadBuffer]byte) }
	s.now.Store(1)
	s.SetDefaults(defaults)
	return s
}

// SetSources says where targets may be looked for. It is to be called before
// the first upstream is made.
func (s *Set) SetSources(sources Sources) { s.sources = sources }

// SetDefaults changes the timeouts of upstreams that set none of their own.
func (s *Set) SetDefaults(t Timeouts) { s.defaults.Store(&t) }

// Upstreams returns an API's upstreams by name, and drops those of its version
// that it no longer names. Calls under way on them finish.
func (s *Set) Upstreams(api entry.API) map[string]*Upstream {
	s.mu.Lock()
	old := s.byVersion[api.Version]
	next := make(map[string]*Upstream, len(api.Upstreams))
	for _, config := range api.Upstreams {
		place := placeOf(api, config.Name)
		if have := old[config.Name]; have != nil && have.same(config, place) {
			next[config.Name] = have
		} else {
			next[config.Name] = s.make(api, config, place, have)
		}
	}
	s.byVersion[api.Version] = next
	s.mu.Unlock()
	shut(old, next)
	return next
}

// placeOf returns the name of the upstream in whose place one is called: of a
// candidate, that which it may replace; of a mirror, the first, whose headers it has
// too; of any other its own.
func placeOf(api entry.API, name string) string {
	place := name
	if api.Split != nil {
		for own, candidate := range api.Split.Candidates {
			if candidate == name && (place == name || own < place) {
				place = own
			}
		}
	}
	if place == name && api.Mirror != nil && api.Mirror.Upstream == name {
		place = api.Upstreams[0].Name
	}
	return place
}

// Drop forgets a version's upstreams.
func (s *Set) Drop(version string) {
	s.mu.Lock()
	old := s.byVersion[version]
	delete(s.byVersion, version)
	s.mu.Unlock()
	shut(old, nil)
}

// Close gives up all connections that no call uses, and those in use when
// their calls end.
func (s *Set) Close() {
	for _, u := range s.all() {
		u.shut()
	}
}

func (s *Set) all() []*Upstream {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Upstream
	for _, byName := range s.byVersion {
		for _, u := range byName {
			list = append(list, u)
		}
	}
	return list
}

func shut(old, kept map[string]*Upstream) {
	for name, u := range old {
		if next := kept[name]; next == nil {
			u.shut()
		} else if next != u {
			u.yield(next)
		}
	}
}

// Connections counts the open connections, and each call by HTTP/2 as one.
func (s *Set) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// open and close keep the list of what is open.
func (s *Set) open(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
}

func (s *Set) close(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	_ = c.Conn.Close() // nobody is left to tell
}

// Upstream is one backend. It is safe for concurrent use.
type Upstream struct {
	tenant    string
	offeredBy string // the tenant's slug
	config    entry.Upstream
	inPlaceOf string // the name of the upstream that calls are meant for
	set       *Set
	group     *balance.Group
	guarded   bool // calls must Enter the group
	retries   retries
	hashBy    hashBy
	tls       *tls.Config // of targets that are https; nil when they cannot be called
	rules     [32]byte    // of tls, but for the name
	search    *search     // nil for targets that are where they say

	mu        sync.Mutex
	endpoints map[string]*endpoint     // by name; guarded by mu
	watched   map[string]*health.Watch // of each that is checked; guarded by mu
	over      bool                     // another took its place, or none; guarded by mu
}

// make returns an upstream of an API. Endpoints that the one before it has already, which
// may be nil, keep their connections and what is known of them.
func (s *Set) make(api entry.API, config entry.Upstream, inPlaceOf string, before *Upstream) *Upstream {
	u := &Upstream{tenant: api.Tenant, offeredBy: api.TenantSlug(), config: config, inPlaceOf: inPlaceOf, set: s, retries: newRetries(config.Traffic), hashBy: newHashBy(config.Traffic.Balance.HashBy)}
	u.tls, _ = TLSConfig(config) // who passes a configuration has asked; nil refuses to connect
	u.rules = rulesOf(config.TLS)
	var group *balance.Group
	group = balance.NewGroup(settings(config.Traffic), func() { s.restless.add(group) })
	u.group, u.guarded = group, config.Traffic.Breaker.ErrorPercent > 0 || config.Traffic.Concurrency.MaxRequests > 0
	if config.Traffic.Discovery.Kind != "" {
		u.find(before)
		return u
	}
	var list []found
	for _, t := range config.Targets {
		list = append(list, found{t.URL, "", t.Weight})
	}
	u.take(list, before)
	return u
}

// found is one endpoint that an upstream is to have. Its address is "" where
// the URL says it.
type found struct {
	url, address string
	weight       int
}

// take makes the endpoints those of the list. Those that it had, or that the
// upstream before it has, stay; what is in it no more is shut.
func (u *Upstream) take(list []found, before *Upstream) {
	var old map[string]*endpoint
	if before != nil {
		before.end() // or it might shut what is taken over
		if before.config.Protocol == u.config.Protocol && reflect.DeepEqual(before.config.TLS, u.config.TLS) {
			old = before.byName() // else its connections were made by other rules
		}
	}
	for _, e := range u.replace(list, old) {
		e.shut() // which waits for the set, as others do that wait for this upstream
	}
}

// replace returns the endpoints that are not there any more.
func (u *Upstream) replace(list []found, old map[string]*endpoint) (gone []*endpoint) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return nil
	}
	next := make(map[string]*endpoint, len(list))
	members := make([]balance.Member, 0, len(list))
	for _, f := range list {
		name := nameOf(f.url, f.address)
		if next[name] != nil {
			continue
		}
		e := u.endpoints[name]
		if e == nil {
			e = old[name]
		}
		if e == nil {
			var ok bool
			if e, ok = u.newEndpoint(f.url, f.address); !ok {
				continue
			}
		}
		next[name] = e
		members = append(members, balance.Member{Endpoint: e.balance, Weight: max(f.weight, 1)})
	}
	for name, e := range u.endpoints {
		if next[name] != e {
			gone = append(gone, e)
		}
	}
	u.endpoints = next
	u.group.Set(u.set.now.Load(), members)
	u.watch()
	return gone
}

func (u *Upstream) byName() map[string]*endpoint {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.endpoints
}

// all returns the endpoints.
func (u *Upstream) all() []*endpoint {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := make([]*endpoint, 0, len(u.endpoints))
	for _, e := range u.endpoints {
		out = append(out, e)
	}
	return out
}

func (u *Upstream) shut() {
	u.end()
	for _, e := range u.all() {
		e.shut()
	}
}

// yield shuts what the upstream that takes its place does not have.
func (u *Upstream) yield(next *Upstream) {
	u.end()
	kept := next.byName()
	for _, e := range u.all() {
		if kept[e.balance.Name] != e {
			e.shut()
		}
	}
}

func (u *Upstream) same(config entry.Upstream, inPlaceOf string) bool {
	return u.inPlaceOf == inPlaceOf && reflect.DeepEqual(u.config, config)
}

func (u *Upstream) timeouts() Timeouts {
	t := *u.set.defaults.Load()
	own := func(ms int, into *time.Duration) {
		if ms > 0 {
			*into = time.Duration(ms) * time.Millisecond
		}
	}
	own(u.config.ConnectTimeoutMS, &t.Connect)
	own(u.config.HeaderTimeoutMS, &t.Header)
	own(u.config.IdleTimeoutMS, &t.Idle)
	if u.retries.try > 0 {
		t.Header = min(t.Header, u.retries.try)
	}
	if u.retries.total > 0 {
		t.until = u.set.now.Load() + int64(u.retries.total)
	}
	return t
}

// restless is a set of groups.
type restless struct {
	mu     sync.Mutex
	groups map[*balance.Group]struct{} // guarded by mu
}

func (r *restless) add(g *balance.Group) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.groups == nil {
		r.groups = map[*balance.Group]struct{}{}
	}
	r.groups[g] = struct{}{}
}

// settle settles those that are in the set, and keeps those that go on waiting.
func (r *restless) settle(now int64) {
	r.mu.Lock()
	groups := r.groups
	r.groups = nil
	r.mu.Unlock()
	for g := range groups {
		if g.Settle(now) {
			r.add(g)
		}
	}
}
