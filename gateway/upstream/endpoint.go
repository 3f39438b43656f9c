package upstream

import (
	"net"
	"net/url"
	"strings"
	"sync"

	"portico/gateway/upstream/balance"
)

// endpoint is one address of a target, as one upstream knows it. Its connections
// are a pool's.
type endpoint struct {
	balance *balance.Endpoint // whose Data it is

	target  string // its URL
	foundAt string // its address, where the URL does not say it
	host    string // as the header Host says it
	path    string // prefix as it is written, without a trailing slash

	*pool
	once sync.Once // it gives the pool up
}

// newEndpoint returns the endpoint of a target's URL. address is where it is,
// host and port; "" is where the URL says.
func (u *Upstream) newEndpoint(target, address string) (*endpoint, bool) {
	at, err := url.Parse(target)
	if err != nil {
		return nil, false
	}
	e := &endpoint{target: target, foundAt: address, host: at.Host, path: strings.TrimSuffix(at.EscapedPath(), "/")}
	key := poolKey{tenant: u.tenant, protocol: u.config.Protocol, address: address}
	if address == "" {
		key.address = addressOf(at)
	}
	if at.Scheme == "https" {
		if u.tls == nil {
			return nil, false
		}
		key.secure, key.rules, key.name = true, u.rules, u.tls.ServerName
		if key.name == "" {
			key.name = at.Hostname()
		}
	}
	e.pool = u.set.pools.hold(key, u.set, u.tls)
	e.balance = balance.NewEndpoint(nameOf(target, address), e)
	return e, true
}

// shut gives the endpoint's connections up. It stays so.
func (e *endpoint) shut() { e.once.Do(func() { e.set.pools.release(e.pool) }) }

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
