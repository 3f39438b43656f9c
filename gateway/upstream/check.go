package upstream

import (
	"cmp"
	"net/http"

	"portico/gateway/upstream/health"
	"portico/internal/entry"
	"portico/internal/entry/check"
)

// checkOf reads an entry's health check, and reports whether there is one.
func checkOf(h entry.HealthCheck) (health.Check, bool) {
	c := health.Check{
		Method: cmp.Or(h.Method, http.MethodGet), Path: cmp.Or(h.Path, "/"), Body: h.Body, Service: h.Service,
		Interval: ms(h.IntervalMS, 10_000), Timeout: ms(h.TimeoutMS, 2000),
		Healthy: cmp.Or(h.Healthy, 2), Unhealthy: cmp.Or(h.Unhealthy, 3),
	}
	c.Statuses, _ = check.Statuses(h.Status) // the entry passed entry/check
	switch h.Kind {
	case "http":
		c.Kind = health.HTTP
	case "tcp":
		c.Kind = health.TCP
	case "grpc":
		c.Kind = health.GRPC
	default:
		return c, false
	}
	return c, true
}

// watch has the endpoints checked that are there now, and no others. mu is
// held.
func (u *Upstream) watch() {
	c, ok := checkOf(u.config.Traffic.Health)
	if !ok || u.over {
		for _, e := range u.endpoints { // what an earlier check found counts no more
			if e.balance.Sick() {
				u.group.SetHealth(e.balance, u.set.now.Load(), "")
			}
		}
		return
	}
	if u.watched == nil {
		u.watched = map[string]*health.Watch{}
	}
	for name, watch := range u.watched {
		if u.endpoints[name] == nil {
			watch.Stop()
			delete(u.watched, name)
		}
	}
	for name, e := range u.endpoints {
		if u.watched[name] != nil {
			continue
		}
		u.watched[name] = u.set.checks.Watch(e.asTarget(), c, func(why string) {
			u.mu.Lock()
			over := u.over
			u.mu.Unlock()
			if !over {
				u.group.SetHealth(e.balance, u.set.now.Load(), why)
			}
		})
	}
}

// asTarget is the endpoint as checks ask it.
func (e *endpoint) asTarget() health.Target {
	t := health.Target{Tenant: e.key.tenant, Address: e.key.address, Host: e.host, TLS: e.tls}
	if e.far != nil {
		t.Protocols.SetHTTP1(e.key.protocol == protocolAuto)
		t.Protocols.SetHTTP2(e.tls != nil)
		t.Protocols.SetUnencryptedHTTP2(e.key.protocol == protocolH2C)
	}
	return t
}

// end stops all checks and searches for good, for which it does not wait, and leaves
// what becomes of the endpoints to whoever has them from now on.
func (u *Upstream) end() {
	if u.search != nil {
		for _, stop := range u.search.stop {
			stop()
		}
	}
	u.group.Retire()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.over = true
	for name, watch := range u.watched {
		watch.Stop()
		delete(u.watched, name)
	}
}
