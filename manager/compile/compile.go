// Package compile turns the control plane's state into entries for gateway
// nodes. It is pure: the same state gives the same entries, and nothing is
// read or written.
//
// It flattens what nodes need not know: products become the API versions in a
// plan's terms, and people do not appear. Whether nodes can serve the result
// is entry/check's to say.
package compile

import (
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
)

// Env compiles an environment. problemURL is the page that explains an error;
// the code is appended.
func Env(e apim.Environment, problemURL string) entry.Env {
	s := e.Settings
	return entry.Env{
		Name: e.Slug, Kind: string(e.Kind), GatewayURL: e.GatewayURL, ProblemURL: problemURL,
		TrustedProxies: s.TrustedProxies, TLSMinimum: s.TLSMinimum, MaxBodyBytes: s.MaxBodyBytes,
		ConnectTimeoutMS: s.ConnectTimeoutMS, HeaderTimeoutMS: s.HeaderTimeoutMS, IdleTimeoutMS: s.IdleTimeoutMS,
		MaxStaleMS: s.MaxStaleMS, RefuseStale: s.RefuseStale,
		Tracing: s.Tracing, TracePerMillion: s.TracePerMillion, Policies: Policies(s.Policies),
	}
}

// Cert compiles a certificate; key is its private key as it travels.
func Cert(c apim.Certificate, key entry.Sealed) entry.Cert {
	out := entry.Cert{ID: c.ID.UUID(), Hosts: c.Hosts, Chain: c.Chain, Key: key, Default: c.Default}
	if m := c.Clients.Mode; m == apim.ClientCertificatesOptional || m == apim.ClientCertificatesRequired {
		out.Clients = &entry.Clients{Mode: entry.ClientsMode(m), Roots: c.Clients.Roots}
	}
	return out
}

// API compiles a revision of a version, whose references to values are resolved.
// Headers of upstreams are the caller's to add: some are sealed. tenantSlug and
// a name it in logs.
func API(tenantSlug string, a apim.API, v apim.Version, r apim.Revision) entry.API {
	rt := r.Runtime
	out := entry.API{
		Version: v.ID.UUID(), API: a.ID.UUID(), Tenant: a.Tenant.UUID(),
		Name: tenantSlug + "/" + a.Slug + " " + v.Label, Revision: r.Number,
		MaxBodyBytes: rt.MaxBodyBytes,
		DeprecatedAt: unix(v.DeprecatedAt), SunsetAt: unix(v.SunsetAt),
	}
	for _, m := range rt.Mounts {
		out.Mounts = append(out.Mounts, entry.Mount{Host: m.Host, BasePath: m.BasePath, Select: entry.Selector(m.Select)})
	}
	for _, u := range rt.Upstreams {
		up := entry.Upstream{
			Name: u.Name, Protocol: u.Protocol, ConnectTimeoutMS: u.ConnectTimeoutMS,
			HeaderTimeoutMS: u.HeaderTimeoutMS, IdleTimeoutMS: u.IdleTimeoutMS, Traffic: traffic(u.Traffic),
		}
		for i, url := range u.URLs {
			t := entry.Target{URL: url}
			if i < len(u.Weights) {
				t.Weight = u.Weights[i]
			}
			up.Targets = append(up.Targets, t)
		}
		out.Upstreams = append(out.Upstreams, up)
	}
	out.Policies = Limits(rt.Limits)
	// The whole API's and not each route's: a public route asks for no key, but
	// has to take one away that a caller sends with every call.
	if identify := Places(rt.Credentials); identify != nil {
		out.Policies = append(out.Policies, entry.Policy{Config: identify})
	}
	out.Policies = append(out.Policies, Policies(rt.Policies)...)
	for _, route := range rt.Routes {
		if !route.Off {
			out.Routes = append(out.Routes, compileRoute(route))
		}
	}
	return out
}

func traffic(t apim.Traffic) entry.Traffic {
	return entry.Traffic{
		Balance: entry.Balance(t.Balance), Health: entry.HealthCheck(t.Health), Ejection: entry.Ejection(t.Ejection),
		Breaker: entry.Breaker(t.Breaker), Concurrency: entry.Concurrency(t.Concurrency), Retry: entry.Retry(t.Retry),
		Discovery: entry.Discovery(t.Discovery), TotalTimeoutMS: t.TotalTimeoutMS,
	}
}

// Limits compiles an API's own limits, which its routes share.
func Limits(limits []apim.RateLimit) []entry.Policy {
	var out []entry.Policy
	for _, l := range limits {
		limit := rateLimit(l)
		out = append(out, entry.Policy{Config: &limit})
	}
	return out
}

// Policies compiles policies, but for those that are off. One that cannot be read
// is of no kind, which entry/check refuses: ask ParsePolicy for the reason.
func Policies(list []apim.Policy) []entry.Policy {
	var out []entry.Policy
	for _, p := range list {
		if !p.Off {
			one, _ := ParsePolicy(p)
			out = append(out, one)
		}
	}
	return out
}

// ParsePolicy reads a policy's configuration.
func ParsePolicy(p apim.Policy) (entry.Policy, error) {
	return entry.ParsePolicy(entry.PolicyKind(p.Kind), p.Config)
}

// Terms compiles a plan of a product.
func Terms(p apim.Plan, product apim.Product) entry.Terms {
	out := entry.Terms{Plan: p.ID.UUID(), Name: product.Name + ", " + p.Name, APIs: []entry.TermsAPI{}, Limits: []entry.RateLimit{}}
	for _, v := range product.Versions {
		out.APIs = append(out.APIs, entry.TermsAPI{Version: v.UUID()})
	}
	for _, l := range p.Limits {
		out.Limits = append(out.Limits, rateLimit(l))
	}
	out.Policies = Policies(p.Policies)
	return out
}

// Grant compiles one secret of a credential with the application's
// subscriptions. Of these only what covers the credential's environment and
// can explain an answer travels: the rest grants nothing.
func Grant(c apim.Credential, s apim.Secret, app apim.Application, subs []apim.Subscription) entry.Grant {
	out := entry.Grant{
		Credential: c.ID.UUID(), Application: app.ID.UUID(), Name: app.Name, Tenant: app.Tenant.UUID(),
		ExpiresAt: unix(s.ExpiresAt), Addresses: c.Addresses, Referrers: c.Referrers, Subscriptions: []entry.Subscription{},
	}
	if s.NodeBox != "" {
		out.Secret = &entry.Sealed{Key: s.NodeKey, Box: s.NodeBox}
	}
	for _, sub := range subs {
		state, travels := subscriptionState(sub)
		if !travels || !sub.Covers(c.Environment) {
			continue
		}
		if state == entry.Active && sub.SuspendedIn(c.Environment) {
			state = entry.Suspended
		}
		one := entry.Subscription{
			ID: sub.ID.UUID(), Terms: sub.Plan.UUID(), State: state,
			StartsAt: unix(sub.StartsAt), EndsAt: unix(sub.EndsAt),
		}
		for _, l := range sub.Limits {
			one.Limits = append(one.Limits, rateLimit(l))
		}
		out.Subscriptions = append(out.Subscriptions, one)
	}
	return out
}

func subscriptionState(s apim.Subscription) (entry.SubscriptionState, bool) {
	switch s.State {
	case apim.Active:
		if s.Stopped {
			return entry.Stopped, true
		}
		return entry.Active, true
	case apim.Pending:
		return entry.Pending, true
	case apim.Suspended:
		return entry.Suspended, true
	case apim.Expired:
		return entry.Expired, true
	}
	return "", false
}

func compileRoute(r apim.Route) entry.Route {
	out := entry.Route{
		Operation: r.Operation, Method: r.Method, Path: r.Path, Upstream: r.Upstream, Public: r.Public,
		Policies: Policies(r.Policies),
	}
	for _, p := range r.Predicates {
		out.Predicates = append(out.Predicates, entry.Predicate{In: p.In, Name: p.Name, Value: p.Value})
	}
	return out
}

// Places compiles where callers may present an API key, nil for nowhere.
func Places(p apim.CredentialPlaces) *entry.KeyPolicy {
	if p == (apim.CredentialPlaces{}) {
		return nil
	}
	return &entry.KeyPolicy{Bearer: p.Bearer, Header: p.Header, Query: p.Query}
}

func rateLimit(l apim.RateLimit) entry.RateLimit {
	return entry.RateLimit{Requests: l.Requests, PeriodMS: l.Period.Milliseconds(), Burst: l.Burst, By: l.By}
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
