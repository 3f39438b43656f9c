// Package upstream calls the backends of APIs: one Upstream for each that an
// API names, with its own connections, so that a bad one harms only itself.
//
// It is an HTTP/1.1 client made for a gateway: a request is written from the
// exchange and the answer's head read into it without a copy of either, in the
// goroutine of the call; bodies stream. It decides nothing about who may call;
// it makes no connection but by the dialler it is given, which is where the
// egress guard stands; and it never follows a redirect.
package upstream

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"portico/internal/entry"
)

// Timeouts bound a call. Each must be above zero. They are kept to within
// about 50 ms.
type Timeouts struct {
	Connect time.Duration // name, connection and TLS
	Header  time.Duration // from the last byte of the request to the answer's head
	Idle    time.Duration // between two reads of the answer's body
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

	mu        sync.Mutex
	byVersion map[string]map[string]*Upstream // guarded by mu; then by name
	conns     map[*conn]struct{}              // all that are open; guarded by mu
}

// NewSet returns an empty set that connects with dial. TLS trusts the system's
// roots.
func NewSet(dial func(ctx context.Context, network, address string) (net.Conn, error), defaults Timeouts) *Set {
	s := &Set{dial: dial, byVersion: map[string]map[string]*Upstream{}, conns: map[*conn]struct{}{}}
	s.calls.New = func() any { return &call{in: make([]byte, readBuffer)} }
	s.buffers.New = func() any { return new([uploadBuffer]byte) }
	s.now.Store(1)
	s.SetDefaults(defaults)
	return s
}

// SetDefaults changes the timeouts of upstreams that set none of their own.
func (s *Set) SetDefaults(t Timeouts) { s.defaults.Store(&t) }

// Upstreams returns an API's upstreams by name, and drops those of its version
// that it no longer names. Calls under way on them finish.
func (s *Set) Upstreams(api entry.API) map[string]*Upstream {
	s.mu.Lock()
	old := s.byVersion[api.Version]
	next := make(map[string]*Upstream, len(api.Upstreams))
	for _, config := range api.Upstreams {
		if have := old[config.Name]; have != nil && have.same(config) {
			next[config.Name] = have
		} else {
			next[config.Name] = s.make(config)
		}
	}
	s.byVersion[api.Version] = next
	s.mu.Unlock()
	shut(old, next)
	return next
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
		if kept[name] != u {
			u.shut()
		}
	}
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
	config    entry.Upstream
	endpoints []*endpoint
	next      atomic.Uint32
	set       *Set
}

func (s *Set) make(config entry.Upstream) *Upstream {
	u := &Upstream{config: config, set: s}
	for _, t := range config.Targets {
		if e, ok := newEndpoint(t, s, u.timeouts); ok {
			u.endpoints = append(u.endpoints, e)
		}
	}
	return u
}

func (u *Upstream) shut() {
	for _, e := range u.endpoints {
		e.shut()
	}
}

func (u *Upstream) same(config entry.Upstream) bool {
	return u.config.Name == config.Name && slices.Equal(u.config.Targets, config.Targets) && slices.Equal(u.config.Headers, config.Headers) &&
		u.config.ConnectTimeoutMS == config.ConnectTimeoutMS &&
		u.config.HeaderTimeoutMS == config.HeaderTimeoutMS && u.config.IdleTimeoutMS == config.IdleTimeoutMS
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
	return t
}

func (u *Upstream) pick() *endpoint {
	if len(u.endpoints) == 1 {
		return u.endpoints[0]
	}
	return u.endpoints[int(u.next.Add(1)-1)%len(u.endpoints)]
}
