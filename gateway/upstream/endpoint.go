package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"portico/gateway/upstream/balance"
)

// endpoint is one address of a target with its idle connections, the last used
// on top.
type endpoint struct {
	balance *balance.Endpoint // whose Data it is

	target  string // its URL
	foundAt string // its address, where the URL does not say it
	host    string // as the header Host says it
	path    string // prefix as it is written, without a trailing slash

	address string
	tls     *tls.Config // nil for plain
	far     *far        // how it is called by HTTP/2; nil for HTTP/1.1 alone
	set     *Set

	mu     sync.Mutex
	idle   []*conn // guarded by mu
	closed bool    // no connection is kept any more; guarded by mu
}

// The limits of idle connections to one endpoint.
const (
	maxIdle = 1024
	idleFor = int64(60 * time.Second)
)

// newEndpoint returns the endpoint of a target's URL. address is where it is,
// host and port; "" is where the URL says. secure is how it is spoken to when it
// is https.
func newEndpoint(target, address, protocol string, set *Set, secure *tls.Config) (*endpoint, bool) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, false
	}
	e := &endpoint{target: target, foundAt: address, host: u.Host, path: strings.TrimSuffix(u.EscapedPath(), "/"), address: address, set: set}
	if e.address == "" {
		e.address = addressOf(u)
	}
	if u.Scheme == "https" {
		if secure == nil {
			return nil, false
		}
		e.tls = secure.Clone()
		if e.tls.ServerName == "" {
			e.tls.ServerName = u.Hostname()
		}
		e.tls.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	}
	e.far = newFar(e, protocol)
	e.balance = balance.NewEndpoint(nameOf(target, address), e)
	return e, true
}

// nameOf is the name by which an endpoint is known again.
func nameOf(target, address string) string {
	if address == "" {
		return target
	}
	return target + " at " + address
}

// addressOf returns host and port of a URL.
func addressOf(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), portOf(u))
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// take returns an idle connection, nil when there is none.
func (e *endpoint) take() *conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(e.idle)
	if n == 0 {
		return nil
	}
	c := e.idle[n-1]
	e.idle[n-1] = nil
	e.idle = e.idle[:n-1]
	c.rested = c.freed != e.set.now.Load()
	return c
}

// put keeps a connection for the next call, or closes it.
func (e *endpoint) put(c *conn) {
	e.mu.Lock()
	if e.closed || len(e.idle) >= maxIdle {
		e.mu.Unlock()
		e.set.close(c)
		return
	}
	c.freed = e.set.now.Load()
	e.idle = append(e.idle, c)
	e.mu.Unlock()
}

// dial opens a connection for HTTP/1.1, TLS included. Its errors are *dialError,
// but for errSpeaksHTTP2.
func (e *endpoint) dial(ctx context.Context, timeout time.Duration) (*conn, error) {
	c, err := e.connect(ctx, timeout)
	if err != nil {
		return nil, err
	}
	if t, ok := c.(*tls.Conn); ok && e.far != nil {
		if err := e.far.negotiated(t); err != nil {
			return nil, err
		}
	}
	out := newConn(c, e)
	e.set.open(out)
	return out, nil
}

// connect opens a connection, TLS included. Its errors are *dialError.
func (e *endpoint) connect(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	plain, err := e.set.dial(ctx, "tcp", e.address)
	if err != nil {
		return nil, &dialError{err, ctx.Err() != nil}
	}
	if e.tls == nil {
		return plain, nil
	}
	secure := tls.Client(plain, e.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = plain.Close() // it carries nothing
		return nil, &dialError{err, ctx.Err() != nil}
	}
	return secure, nil
}

type dialError struct {
	cause   error
	timeout bool
}

func (e *dialError) Error() string { return "connect: " + e.cause.Error() }
func (e *dialError) Unwrap() error { return e.cause }

// shut gives up all idle connections, and those in use when their calls end. An
// endpoint that was shut stays so.
func (e *endpoint) shut() {
	e.mu.Lock()
	e.closed = true
	list := e.idle
	e.idle = nil
	e.mu.Unlock()
	for _, c := range list {
		e.set.close(c)
	}
	if e.far != nil {
		e.far.shut()
	}
}

// looked is how many idle connections are looked at in one go, so that calls
// do not wait for the lock.
const looked = 16

// sweep closes idle connections that were idle for too long, or whose other
// side has hung up.
func (e *endpoint) sweep(now int64) {
	for at := 0; ; at += looked {
		var unfit []*conn
		e.mu.Lock()
		if at >= len(e.idle) {
			e.mu.Unlock()
			return
		}
		kept := at
		for i := at; i < len(e.idle); i++ {
			c := e.idle[i]
			if i < at+looked && now-c.freed > int64(sweepEvery) && (now-c.freed > idleFor || !c.silent()) {
				unfit = append(unfit, c)
				continue
			}
			e.idle[kept] = c
			kept++
		}
		clear(e.idle[kept:])
		e.idle = e.idle[:kept]
		at -= len(unfit)
		e.mu.Unlock()
		for _, c := range unfit {
			e.set.close(c)
		}
	}
}
