// Package upstream calls the backends of APIs: one Upstream for each that an
// API names, with its own connections, so that a bad one harms only itself.
//
// It is a policy.Destination over net/http's Transport. It decides nothing
// about who may call; it makes no connection but by the dialler it is given,
// which is where the egress guard stands; and it never follows a redirect.
package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"portico/internal/entry"
)

// Timeouts bound a call. Each must be above zero.
type Timeouts struct {
	Connect time.Duration // name, connection and TLS
	Header  time.Duration // from the last byte of the request to the answer's head
	Idle    time.Duration // between two reads of the answer's body
}

// Set makes and keeps upstreams, so that those which a new revision leaves as
// they are keep their connections. It is safe for concurrent use.
type Set struct {
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	defaults atomic.Pointer[Timeouts]

	mu        sync.Mutex
	byVersion map[string]map[string]*Upstream // guarded by mu; then by name
}

// NewSet returns an empty set that connects with dial. TLS trusts the system's
// roots.
func NewSet(dial func(ctx context.Context, network, address string) (net.Conn, error), defaults Timeouts) *Set {
	s := &Set{dial: dial, byVersion: map[string]map[string]*Upstream{}}
	s.SetDefaults(defaults)
	return s
}

// SetDefaults changes the timeouts of upstreams that set none of their own.
func (s *Set) SetDefaults(t Timeouts) { s.defaults.Store(&t) }

// Upstreams returns an API's upstreams by name, and drops those of its version
// that it no longer names. Calls under way on them finish.
func (s *Set) Upstreams(api entry.API) map[string]*Upstream {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.byVersion[api.Version]
	next := make(map[string]*Upstream, len(api.Upstreams))
	for _, config := range api.Upstreams {
		if have := old[config.Name]; have != nil && have.same(config) {
			next[config.Name] = have
		} else {
			next[config.Name] = s.open(config)
		}
	}
	s.byVersion[api.Version] = next
	closeIdle(old, next)
	return next
}

// Drop forgets a version's upstreams.
func (s *Set) Drop(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	closeIdle(s.byVersion[version], nil)
	delete(s.byVersion, version)
}

// Close gives up all connections that no call uses.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range s.byVersion {
		closeIdle(list, nil)
	}
}

func closeIdle(old, kept map[string]*Upstream) {
	for name, u := range old {
		if kept[name] != u {
			u.transport.CloseIdleConnections()
		}
	}
}

// Upstream is one backend. It is safe for concurrent use.
type Upstream struct {
	config    entry.Upstream
	targets   []target
	next      atomic.Uint32
	set       *Set
	transport *http.Transport
}

type target struct {
	scheme, host string
	path         string // decoded prefix, without a trailing slash
	rawPath      string // the same as it is written
}

func (s *Set) open(config entry.Upstream) *Upstream {
	u := &Upstream{config: config, set: s}
	for _, t := range config.Targets {
		if parsed, err := url.Parse(t.URL); err == nil {
			u.targets = append(u.targets, target{parsed.Scheme, parsed.Host, parsed.Path, parsed.EscapedPath()})
		}
	}
	u.transport = &http.Transport{
		DialContext:            u.dialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxIdleConns:           0,
		MaxIdleConnsPerHost:    256,
		IdleConnTimeout:        60 * time.Second,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 256 << 10,
		WriteBufferSize:        16 << 10,
		ReadBufferSize:         32 << 10,
		Protocols:              http1Only(),
	}
	return u
}

func http1Only() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
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

// dialContext bounds connecting and marks its failures, so that they are told
// from those of a call.
func (u *Upstream) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	t := u.timeouts()
	ctx, cancel := context.WithTimeout(ctx, t.Connect)
	defer cancel()
	conn, err := u.set.dial(ctx, network, address)
	if err != nil {
		return nil, &dialError{err, ctx.Err() != nil}
	}
	return &steady{Conn: conn, write: t.Header}, nil
}

type dialError struct {
	cause   error
	timeout bool
}

func (e *dialError) Error() string { return "connect: " + e.cause.Error() }
func (e *dialError) Unwrap() error { return e.cause }

// steady gives up on an upstream that does not take what is sent to it.
type steady struct {
	net.Conn
	write time.Duration
}

func (c *steady) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.write)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (u *Upstream) pick() *target {
	if len(u.targets) == 1 {
		return &u.targets[0]
	}
	return &u.targets[int(u.next.Add(1)-1)%len(u.targets)]
}

// url joins a target with the exchange's path. Both are escaped already, and
// stay byte for byte as they are.
func (t *target) url(path, query string) *url.URL {
	u := &url.URL{Scheme: t.scheme, Host: t.host, RawQuery: query}
	if t.path == t.rawPath && strings.IndexByte(path, '%') < 0 {
		u.Path = t.path + path
		u.RawPath = u.Path
		return u
	}
	u.RawPath = t.rawPath + path
	u.Path, _ = url.PathUnescape(u.RawPath)
	return u
}
