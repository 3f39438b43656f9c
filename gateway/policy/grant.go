package policy

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"portico/internal/entry"
)

// Grant is what the holder of one secret may call, compiled. It never changes.
type Grant struct {
	At            entry.Position
	Ended         bool // it was revoked; kept so that nothing older can bring it back
	Credential    ID
	Application   ID
	Tenant        ID
	Name          string
	ExpiresAt     int64          // seconds since 1970; 0 never
	Addresses     []netip.Prefix // that it may be used from; none: any
	Referrers     []string       // hosts, "*.example.com" too; none: any
	Subscriptions []Subscription

	Hash   [32]byte // of the secret: its key
	secret []byte   // that calls are signed with; nil for none
	used   atomic.Pointer[Use]
}

// Sign gives a new grant the secret that its holder signs calls with.
func (g *Grant) Sign(secret []byte) { g.secret = secret }

// Use is a call with a secret.
type Use struct {
	At      int64 // seconds since 1970
	Address netip.Addr
}

// usedEvery is how precisely the last use is known, in seconds. A secret in use
// costs one small allocation in that time.
const usedEvery = 10

// note remembers a use, and reports whether it is worth telling.
func (g *Grant) note(unix int64, address netip.Addr) bool {
	if last := g.used.Load(); last != nil && unix-last.At < usedEvery {
		return false
	}
	g.used.Store(&Use{At: unix, Address: address})
	return true
}

// Inherit takes over what was noted on the grant that this one replaces.
func (g *Grant) Inherit(old *Grant) { g.used.Store(old.used.Load()) }

// Used returns the newest use that was noted, nil for none.
func (g *Grant) Used() *Use { return g.used.Load() }

// Subscription ties a grant to a plan's terms.
type Subscription struct {
	ID       ID
	Plan     ID
	Terms    *TermsSlot
	State    entry.SubscriptionState
	StartsAt int64
	EndsAt   int64
	limits   []limit // its own; nil to use the plan's
}

// TermsSlot is where a plan's terms stand, now or later: grants keep a pointer
// to it, so that editing a plan costs one store however many subscribe.
type TermsSlot struct{ current atomic.Pointer[Terms] }

// Store replaces the terms; nil ends them.
func (s *TermsSlot) Store(t *Terms) { s.current.Store(t) }

// Load returns the terms, nil when there are none.
func (s *TermsSlot) Load() *Terms { return s.current.Load() }

// Terms are what a plan gives, compiled. They never change.
type Terms struct {
	Name   string
	apis   []termsAPI
	limits []limit
	steps  []Step // of the plan's policies, in order
}

type termsAPI struct {
	version    ID
	operations map[string]struct{} // nil is all
}

// NewTerms compiles terms that passed entry/check. Their policies keep what they
// count in the limiter.
func NewTerms(t entry.Terms, limiter *Limiter) *Terms {
	out := &Terms{Name: t.Name, limits: newLimits(t.Limits)}
	for _, p := range t.Policies {
		out.steps = append(out.steps, newPlanStep(p, declared{planned: true, plan: out.Name}, limiter))
	}
	for _, a := range t.APIs {
		version, _ := ParseID(a.Version)
		api := termsAPI{version: version}
		if len(a.Operations) > 0 {
			api.operations = make(map[string]struct{}, len(a.Operations))
			for _, op := range a.Operations {
				api.operations[op] = struct{}{}
			}
		}
		out.apis = append(out.apis, api)
	}
	return out
}

// NewGrant compiles a grant that passed entry/check. slot finds the place of a
// plan's terms.
func NewGrant(at entry.Position, g entry.Grant, slot func(plan string) *TermsSlot) *Grant {
	out := &Grant{At: at, Name: strings.Clone(g.Name), ExpiresAt: g.ExpiresAt}
	out.Credential, _ = ParseID(g.Credential)
	out.Application, _ = ParseID(g.Application)
	out.Tenant, _ = ParseID(g.Tenant)
	for _, a := range g.Addresses {
		if prefix, err := netip.ParsePrefix(a); err == nil {
			out.Addresses = append(out.Addresses, prefix)
		}
	}
	for _, r := range g.Referrers {
		out.Referrers = append(out.Referrers, strings.ToLower(r))
	}
	if len(g.Subscriptions) > 0 {
		out.Subscriptions = make([]Subscription, len(g.Subscriptions))
	}
	for i, s := range g.Subscriptions {
		sub := &out.Subscriptions[i]
		sub.ID, _ = ParseID(s.ID)
		sub.Plan, _ = ParseID(s.Terms)
		sub.Terms, sub.State = slot(s.Terms), state(s.State)
		sub.StartsAt, sub.EndsAt = s.StartsAt, s.EndsAt
		if len(s.Limits) > 0 {
			sub.limits = newLimits(s.Limits)
		}
	}
	return out
}

// state returns the constant, so that a decoded string is not kept.
func state(s entry.SubscriptionState) entry.SubscriptionState {
	for _, known := range []entry.SubscriptionState{entry.Active, entry.Pending, entry.Suspended, entry.Stopped, entry.Expired} {
		if s == known {
			return known
		}
	}
	return entry.Expired // entry/check refuses others; if it did not, nothing is granted
}

// covers says whether the terms hold a version, and this operation of it.
func (t *Terms) covers(version *ID, operation string) (api, op bool) {
	for i := range t.apis {
		if t.apis[i].version != *version {
			continue
		}
		if t.apis[i].operations == nil {
			return true, true
		}
		_, ok := t.apis[i].operations[operation]
		return true, ok
	}
	return false, false
}

// standing says how near a subscription is to admitting a call. A caller with
// several subscriptions gets the best, and the refusal of the best.
type standing int

const (
	missing standing = iota
	ended
	notStarted
	stopped
	suspended
	pendingOthers // it waits for approval, and its plan does not hold the operation
	otherOperations
	pending // it waits for approval, and its plan holds the operation
	admitted
)

func (s *Subscription) standing(version *ID, operation string, unix int64) standing {
	terms := s.Terms.Load()
	if terms == nil {
		return missing
	}
	api, op := terms.covers(version, operation)
	switch {
	case !api:
		return missing
	case s.State == entry.Expired, s.EndsAt != 0 && unix >= s.EndsAt:
		return ended
	case s.State == entry.Suspended:
		return suspended
	case s.State == entry.Stopped:
		return stopped
	case s.State == entry.Pending && !op:
		return pendingOthers
	case s.State == entry.Pending:
		return pending
	case s.State != entry.Active:
		return missing
	case s.StartsAt != 0 && unix < s.StartsAt:
		return notStarted
	case !op:
		return otherOperations
	}
	return admitted
}

// grantStep authorises: the caller's application must be subscribed to the
// version, and the plan must hold the operation. Where the route has a mock, one
// that waits for approval of a plan that holds it reaches that, also when it has
// another subscription whose plan does not.
type grantStep struct{ mock bool }

// Run implements Step.
func (g grantStep) Run(_ context.Context, ex *Exchange) error {
	grant := ex.Caller.Grant
	if grant == nil {
		if ex.Caller.open {
			return nil
		} // else no identify step ran: refuse rather than trust the compiler
		return &Denied{Status: http.StatusUnauthorized, Code: "credential_missing", Detail: "This call needs a credential.", Challenges: []string{bearerChallenge}}
	}
	best, unix := missing, ex.Now.Unix()
	for i := range grant.Subscriptions {
		sub := &grant.Subscriptions[i]
		if s := sub.standing(&ex.Scope.Version, ex.Scope.Operation, unix); s > best {
			best = s
			ex.Caller.Subscription = sub
			if s == admitted {
				return nil
			}
		}
	}
	if best == pending && g.mock {
		ex.MockOnly = true
		return nil
	}
	return best.denied()
}

func (s standing) denied() error {
	d := &Denied{Status: http.StatusForbidden}
	switch s {
	case ended:
		d.Code, d.Detail = "subscription_expired", "The application's subscription has ended. Request access again in the portal."
	case notStarted:
		d.Code, d.Detail = "subscription_not_started", "The application's subscription has not started yet. Call again after its start, which the portal shows."
	case stopped:
		d.Code, d.Detail = "subscription_stopped", "The application has stopped its subscription. Resume it in the portal."
	case suspended:
		d.Code, d.Detail = "subscription_suspended", "The provider has suspended the application's subscription. Ask the provider, whose contact the portal shows."
	case pendingOthers, pending:
		d.Code, d.Detail = "subscription_pending", "The application's request for access waits for approval. Call again when it is approved."
	case otherOperations:
		d.Code, d.Detail = "operation_not_in_plan", "The application's plan does not hold this operation. Choose a plan that does in the portal."
	default:
		d.Code, d.Detail = "subscription_missing", "The application is not subscribed to this API. Request access in the portal."
	}
	return d
}
