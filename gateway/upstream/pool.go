package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"portico/gateway/upstream/health"
)

// pool is what is connected to one address by one set of rules: idle connections
// by HTTP/1.1, the last used on top, and those by HTTP/2. The endpoints of all of
// a tenant's upstreams that are the same place by the same rules share one: what
// a node keeps open grows with the places, not with the APIs.
type pool struct {
	key   poolKey
	tls   *tls.Config // nil for plain
	far   *far        // how it is called by HTTP/2; nil for HTTP/1.1 alone
	set   *Set
	users int // endpoints; guarded by set.pools.mu

	mu     sync.Mutex
	idle   []*conn // guarded by mu
	closed bool    // no connection is kept any more; guarded by mu
}

// poolKey is all that a connection depends on. A tenant's connections carry
// nobody else's calls.
type poolKey struct {
	tenant   string
	address  string // host and port
	protocol string
	secure   bool
	rules    [32]byte // of what is shown and trusted by TLS
	name     string   // that the certificate is to be for
}

// The limits of idle connections of one pool.
const (
	maxIdle = 1024
	idleFor = int64(60 * time.Second)
)

// pools are a set's.
type pools struct {
	mu    sync.Mutex
	byKey map[poolKey]*pool // guarded by mu
}

// hold returns the pool of a key for one more endpoint. secure says how TLS is
// spoken, but for the name.
func (p *pools) hold(key poolKey, set *Set, secure *tls.Config) *pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if have := p.byKey[key]; have != nil {
		have.users++
		return have
	}
	one := &pool{key: key, set: set, users: 1}
	if key.secure {
		one.tls = secure.Clone()
		one.tls.ServerName = key.name
		one.tls.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	}
	one.far = newFar(one, key.protocol)
	if p.byKey == nil {
		p.byKey = map[poolKey]*pool{}
	}
	p.byKey[key] = one
	return one
}

// release ends one endpoint's use of a pool, which ends with the last one.
func (p *pools) release(one *pool) {
	p.mu.Lock()
	one.users--
	last := one.users == 0
	if last {
		delete(p.byKey, one.key)
	}
	p.mu.Unlock()
	if last {
		one.shut()
	}
}

// all returns the pools.
func (p *pools) all() []*pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*pool, 0, len(p.byKey))
	for _, one := range p.byKey {
		out = append(out, one)
	}
	return out
}

// take returns an idle connection, nil when there is none.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	c.rested = c.freed != p.set.now.Load()
	return c
}

// put keeps a connection for the next call, or closes it.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	if p.closed || len(p.idle) >= maxIdle {
		p.mu.Unlock()
		p.set.close(c)
		return
	}
	c.freed = p.set.now.Load()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
}

// dial opens a connection for HTTP/1.1, TLS included. Its errors are *dialError,
// but for errSpeaksHTTP2.
func (p *pool) dial(ctx context.Context, timeout time.Duration) (*conn, error) {
	c, err := p.connect(ctx, timeout)
	if err != nil {
		return nil, err
	}
	if t, ok := c.(*tls.Conn); ok && p.far != nil {
		if err := p.far.negotiated(t); err != nil {
			return nil, err
		}
	}
	out := newConn(c, p)
	p.set.open(out)
	return out, nil
}

// connect opens a connection, TLS included. Its errors are *dialError.
func (p *pool) connect(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	plain, err := p.set.dial(ctx, "tcp", p.key.address)
	if err != nil {
		return nil, undialled(ctx, err)
	}
	if p.tls == nil {
		return plain, nil
	}
	secure := tls.Client(plain, p.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = plain.Close() // it carries nothing
		return nil, undialled(ctx, err)
	}
	return secure, nil
}

type dialError struct {
	cause   error
	timeout bool
}

// undialled says why a connection was not made. The time for it may be over by
// the socket's clock before it is by the context's.
func undialled(ctx context.Context, err error) *dialError {
	timeout := net.Error(nil)
	return &dialError{err, ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout()}
}

func (e *dialError) Error() string { return "connect: " + e.cause.Error() }
func (e *dialError) Unwrap() error { return e.cause }

// exhausted reports whether an error is one of connecting that is this node's
// own fault.
func exhausted(err error) bool {
	dial := (*dialError)(nil)
	return errors.As(err, &dial) && health.Exhausted(dial.cause)
}

// shut gives up all idle connections, and those in use when their calls end.
func (p *pool) shut() {
	p.mu.Lock()
	p.closed = true
	list := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range list {
		p.set.close(c)
	}
	if p.far != nil {
		p.far.shut()
	}
}

// looked is how many idle connections are looked at in one go, so that calls
// do not wait for the lock.
const looked = 16

// sweep closes idle connections that were idle for too long, or whose other
// side has hung up.
func (p *pool) sweep(now int64) {
	if p.far != nil {
		p.far.sweep(now)
	}
	for at := 0; ; at += looked {
		var unfit []*conn
		p.mu.Lock()
		if at >= len(p.idle) {
			p.mu.Unlock()
			return
		}
		kept := at
		for i := at; i < len(p.idle); i++ {
			c := p.idle[i]
			if i < at+looked && now-c.freed > int64(sweepEvery) && (now-c.freed > idleFor || !c.silent()) {
				unfit = append(unfit, c)
				continue
			}
			if now-c.freed > int64(sweepEvery) && c.line.Load() != nil {
				c.line.Store(nil) // lets go of who called
			}
			p.idle[kept] = c
			kept++
		}
		clear(p.idle[kept:])
		p.idle = p.idle[:kept]
		at -= len(unfit)
		p.mu.Unlock()
		for _, c := range unfit {
			p.set.close(c)
		}
	}
}
