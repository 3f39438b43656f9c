package check

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"portico/internal/entry"
)

const maxUnix = 253402300799 // the last second of the year 9999

// Terms checks a plan's entry alone.
func Terms(t entry.Terms) []Problem {
	p := problems{key: entry.Key("terms." + t.Plan)}
	p.uuid("plan", t.Plan)
	if len(t.APIs) > 10_000 {
		p.add("apis", "want at most 10000, got %d", len(t.APIs))
	}
	seen := map[string]bool{}
	for i, a := range t.APIs {
		at := fmt.Sprintf("apis[%d]", i)
		p.uuid(at+".version", a.Version)
		if seen[a.Version] {
			p.add(at+".version", "%q stands there twice", a.Version)
		}
		seen[a.Version] = true
		if len(a.Operations) > MaxRoutes {
			p.add(at+".operations", "want at most %d, got %d", MaxRoutes, len(a.Operations))
		}
		if slices.Contains(a.Operations, "") {
			p.add(at+".operations", "one of them is empty")
		}
	}
	p.planLimits("limits", t.Limits)
	p.planPolicies("policies", t.Policies)
	return p.list
}

// Grant checks what the holder of one secret may call.
func Grant(key entry.Key, g entry.Grant) []Problem {
	p := problems{key: key}
	p.uuid("credential", g.Credential)
	p.uuid("application", g.Application)
	p.uuid("tenant", g.Tenant)
	if len(g.Name) > 300 {
		p.add("name", "want at most 300 bytes, got %d", len(g.Name))
	}
	p.between("expires_at", g.ExpiresAt, 0, maxUnix)
	if len(g.Addresses) > maxRestrictions || len(g.Referrers) > maxRestrictions {
		p.add("addresses", "want at most %d of them and of referrers", maxRestrictions)
	}
	for i, a := range g.Addresses {
		p.addErr(fmt.Sprintf("addresses[%d]", i), Network(a))
	}
	for i, r := range g.Referrers {
		p.addErr(fmt.Sprintf("referrers[%d]", i), Referrer(r))
	}
	if g.Secret != nil {
		if _, err := base64.StdEncoding.DecodeString(g.Secret.Box); err != nil || g.Secret.Key == 0 {
			p.add("secret", "is not a sealed value")
		}
	}
	if len(g.Subscriptions) > 10_000 {
		p.add("subscriptions", "want at most 10000, got %d", len(g.Subscriptions))
	}
	for i, s := range g.Subscriptions {
		at := fmt.Sprintf("subscriptions[%d]", i)
		p.uuid(at+".id", s.ID)
		p.uuid(at+".terms", s.Terms)
		switch s.State {
		case entry.Active, entry.Pending, entry.Suspended, entry.Stopped, entry.Expired:
		default:
			p.add(at+".state", "%q is not known", s.State)
		}
		p.between(at+".starts_at", s.StartsAt, 0, maxUnix)
		p.between(at+".ends_at", s.EndsAt, 0, maxUnix)
		if s.EndsAt != 0 && s.EndsAt < s.StartsAt {
			p.add(at+".ends_at", "is before it starts")
		}
		p.planLimits(at+".limits", s.Limits)
	}
	return p.list
}

// maxRestrictions bounds each kind of restriction of a credential.
const maxRestrictions = 100

// Network says why s is no network such as 10.0.0.0/8.
func Network(s string) error {
	if prefix, err := netip.ParsePrefix(s); err != nil || prefix.Masked() != prefix {
		return fmt.Errorf("%q is not a network such as 10.0.0.0/8", s)
	}
	return nil
}

// Referrer says why s is no host of pages: a name, or "*." and a name for all
// hosts below it.
func Referrer(s string) error {
	name := strings.TrimPrefix(s, "*.")
	if name == "" || strings.Contains(name, "*") || Host(name) != nil {
		return fmt.Errorf("%q is not a host such as app.example.com or *.example.com", s)
	}
	return nil
}

// MaxLimits is how many limits a plan may have.
const MaxLimits = 8

func (p *problems) planLimits(field string, limits []entry.RateLimit) {
	if len(limits) > MaxLimits {
		p.add(field, "want at most %d, got %d", MaxLimits, len(limits))
	}
	for i, l := range limits {
		at := fmt.Sprintf("%s[%d]", field, i)
		p.rateLimit(at, l)
		if l.By != "" {
			p.add(at+".by", "a plan's limit is by subscription and leaves it empty, got %q", l.By)
		}
		if l.Name != "" {
			p.add(at+".name", "a plan's limit is by subscription and leaves it empty, got %q", l.Name)
		}
		if l.Expression != "" {
			p.add(at+".expression", "a plan's limit is by subscription and leaves it empty")
		}
		if l.Queue != (entry.Queue{}) {
			p.add(at+".queue", "calls over a plan's limit do not wait")
		}
		for _, other := range limits[:i] {
			if spelledOut(l) == spelledOut(other) {
				p.add(at, "is the same limit as another before it, and each call would count twice")
				break
			}
		}
	}
}

// planPolicies checks those of a plan, which are of the stage limit alone: the
// rest of a chain is the API's business, whoever calls.
func (p *problems) planPolicies(field string, list []entry.Policy) {
	if len(list) > MaxLimits {
		p.add(field, "want at most %d, got %d", MaxLimits, len(list))
	}
	for i, pol := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		p.policy(at, pol)
		p.sameLimit(field, list, i)
		if s := pol.Kind().Stage(); s != entry.Limit && s != "" {
			p.add(at, "is of the stage %s; a plan takes policies of the stage limit", s)
		}
	}
}

// Env checks the environment's own entry.
func Env(e entry.Env) []Problem {
	p := problems{key: entry.EnvKey}
	if !isSlug(e.Name) {
		p.add("name", "%q is not a slug", e.Name)
	}
	if e.Kind != "production" && e.Kind != "sandbox" {
		p.add("kind", "want \"production\" or \"sandbox\", got %q", e.Kind)
	}
	p.webURL("gateway_url", e.GatewayURL)
	if strings.HasSuffix(e.GatewayURL, "/") {
		p.add("gateway_url", "ends with a slash")
	}
	if e.ProblemURL != "" {
		p.webURL("problem_url", e.ProblemURL)
	}
	for i, raw := range e.TrustedProxies {
		p.addErr(fmt.Sprintf("trusted_proxies[%d]", i), Network(raw))
	}
	if e.TLSMinimum != "" && e.TLSMinimum != "1.2" && e.TLSMinimum != "1.3" {
		p.add("tls_minimum", "want 1.2 or 1.3, got %q", e.TLSMinimum)
	}
	p.between("max_body_bytes", e.MaxBodyBytes, 1, MaxBodyBytes)
	p.between("connect_timeout_ms", int64(e.ConnectTimeoutMS), 1, MaxConnectMS)
	p.between("header_timeout_ms", int64(e.HeaderTimeoutMS), 1, MaxTimeoutMS)
	p.between("idle_timeout_ms", int64(e.IdleTimeoutMS), 1, MaxTimeoutMS)
	p.between("max_stale_ms", e.MaxStaleMS, 0, MaxTimeoutMS)
	p.policies("policies", e.Policies)
	p.pathTemplates("policies", e.Policies, anyPath())
	p.noSecrets("policies", e.Policies)
	for i, pol := range e.Policies {
		if s := pol.Kind().Stage(); s == entry.Identify || s == entry.Authorize || s == entry.Destination {
			p.add(fmt.Sprintf("policies[%d]", i), "is of the stage %s, which is an API's own business", s)
		}
		if pol.Kind() == entry.PolicyValidate {
			p.add(fmt.Sprintf("policies[%d]", i), "needs a version's document; attach it to a version or an operation")
		}
	}
	p.between("trace_per_million", int64(e.TracePerMillion), 0, 1_000_000)
	return p.list
}

func (p *problems) between(field string, n, low, high int64) {
	if n < low || n > high {
		p.add(field, "want %d to %d, got %d", low, high, n)
	}
}

func (p *problems) uuid(field, s string) {
	ok := len(s) == 32
	for _, c := range []byte(s) {
		ok = ok && (c >= '0' && c <= '9' || c >= 'a' && c <= 'f')
	}
	if !ok {
		p.add(field, "want 32 lower-case hexadecimal digits, got %q", s)
	}
}

func (p *problems) webURL(field, raw string) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		p.add(field, "want an http or https URL, got %q", raw)
	}
}

func isSlug(s string) bool {
	for i, c := range []byte(s) {
		edge := i == 0 || i == len(s)-1
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-' && !edge) {
			return false
		}
	}
	return s != "" && len(s) <= 63
}
