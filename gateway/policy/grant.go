package policy

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"portico/internal/entry"
)

// Grant is what the holder of one secret may call, compiled. It never changes.
//
// With many of them, most of what a call costs here is waiting for memory. So what
// a call by an ordinary grant reads, its record included, is the first two cache
// lines; and a grant is three, which is a size that is allocated without a remainder.
type Grant struct {
	Hash     [32]byte      // of the secret: its key
	lastUsed atomic.Uint32 // when used was written
	Ended    bool          // it was revoked; kept so that nothing older can bring it back
	tied     bool          // some says from where it may be used
	first    Subscription  // zero for none

	ExpiresAt   int64 // seconds since 1970; 0 never
	Application ID
	Credential  ID

	Tenant ID
	At     entry.Position
	Name   string
	used   atomic.Pointer[Use]
	some   *some // nil where a grant has nothing of it
}

// some is what some grants have.
type some struct {
	addresses []netip.Prefix // that it may be used from; none: any
	referrers []string       // hosts, "*.example.com" too; none: any
	secret    []byte         // that calls are signed with; nil for none
	more      []Subscription // than the first
	limits    [][]limit      // of subscriptions that have their own
}

// Sign gives a new grant the secret that its holder signs calls with.
func (g *Grant) Sign(secret []byte) {
	g.special().secret = secret
}

// special returns what some of the grants have, for a new one that has some of it.
func (g *Grant) special() *some {
	if g.some == nil {
		g.some = new(some)
	}
	return g.some
}

// secret returns what calls are signed with, nil for nothing.
func (g *Grant) secret() []byte {
	if g.some == nil {
		return nil
	}
	return g.some.secret
}

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
	if unix-int64(g.lastUsed.Load()) < usedEvery {
		return false
	}
	g.lastUsed.Store(uint32(unix))
	g.used.Store(&Use{At: unix, Address: address})
	return true
}

// Inherit takes over what was noted on the grant that this one replaces.
func (g *Grant) Inherit(old *Grant) {
	g.lastUsed.Store(old.lastUsed.Load())
	g.used.Store(old.used.Load())
}

// Used returns the newest use that was noted, nil for none.
func (g *Grant) Used() *Use { return g.used.Load() }

// after returns the subscription after so many others than the first, nil for none.
func (g *Grant) after(others int) *Subscription {
	if g.some == nil || others == len(g.some.more) {
		return nil
	}
	return &g.some.more[others]
}

// Subscription ties a grant to a plan's terms.
type Subscription struct {
	Terms    *TermsSlot
	state    uint8  // which of states
	limits   uint32 // which of its grant's is its own, from 1; 0 to use the plan's
	StartsAt int64  // seconds since 1970; 0: it has
	EndsAt   int64  // 0: never
	ID       ID
}

// states are those of subscriptions. What is none of them has expired: entry/check
// refuses others; if it did not, nothing is granted.
var states = [...]entry.SubscriptionState{entry.Expired, entry.Active, entry.Pending, entry.Suspended, entry.Stopped}

// State returns what the subscription's state means to a node.
func (s *Subscription) State() entry.SubscriptionState { return states[s.state] }

// TermsSlot is where a plan's terms stand, now or later: grants keep a pointer
// to it, so that editing a plan costs one store however many subscribe.
type TermsSlot struct {
	Plan    ID // never changes
	current atomic.Pointer[Terms]
}

// Store replaces the terms; nil ends them.
func (s *TermsSlot) Store(t *Terms) { s.current.Store(t) }

// Load returns the terms, nil when there are none.
func (s *TermsSlot) Load() *Terms { return s.current.Load() }

// Terms are what a plan gives, compiled. They never change.
type Terms struct {
	Name   string
	apis   map[ID]map[string]struct{} // of a version its operations; nil is all
	limits []limit
	steps  []Step // of the plan's policies, in order
}

// NewTerms compiles terms that passed entry/check. Their policies keep what they
// count in the limiter.
func NewTerms(t entry.Terms, limiter *Limiter) *Terms {
	out := &Terms{Name: t.Name, apis: make(map[ID]map[string]struct{}, len(t.APIs)), limits: newLimits(t.Limits)}
	for _, p := range t.Policies {
		out.steps = append(out.steps, newPlanStep(p, declared{planned: true, plan: out.Name}, limiter))
	}
	for _, a := range t.APIs {
		version, _ := ParseID(a.Version)
		var operations map[string]struct{}
		if len(a.Operations) > 0 {
			operations = make(map[string]struct{}, len(a.Operations))
			for _, op := range a.Operations {
				operations[op] = struct{}{}
			}
		}
		out.apis[version] = operations
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
	out.tied = len(g.Addresses)+len(g.Referrers) > 0
	for _, a := range g.Addresses {
		if prefix, err := netip.ParsePrefix(a); err == nil {
			out.special().addresses = append(out.special().addresses, prefix)
		}
	}
	for _, r := range g.Referrers {
		out.special().referrers = append(out.special().referrers, strings.ToLower(r))
	}
	if len(g.Subscriptions) > 1 {
		out.special().more = make([]Subscription, len(g.Subscriptions)-1)
	}
	for i, s := range g.Subscriptions {
		sub := &out.first
		if i > 0 {
			sub = &out.some.more[i-1]
		}
		sub.ID, _ = ParseID(s.ID)
		sub.Terms, sub.state = slot(s.Terms), uint8(max(slices.Index(states[:], s.State), 0))
		sub.StartsAt, sub.EndsAt = s.StartsAt, s.EndsAt
		if len(s.Limits) > 0 {
			some := out.special()
			some.limits = append(some.limits, newLimits(s.Limits))
			sub.limits = uint32(len(some.limits))
		}
	}
	return out
}

// covers says whether the terms hold a version, and this operation of it.
func (t *Terms) covers(version *ID, operation string) (api, op bool) {
	operations, api := t.apis[*version]
	if !api || operations == nil {
		return api, api
	}
	_, op = operations[operation]
	return true, op
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
	if s.Terms == nil {
		return missing
	}
	terms := s.Terms.Load()
	if terms == nil {
		return missing
	}
	api, op := terms.covers(version, operation)
	switch state := s.State(); {
	case !api:
		return missing
	case state == entry.Expired, s.EndsAt != 0 && unix >= s.EndsAt:
		return ended
	case state == entry.Suspended:
		return suspended
	case state == entry.Stopped:
		return stopped
	case state == entry.Pending && !op:
		return pendingOthers
	case state == entry.Pending:
		return pending
	case state != entry.Active:
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
	for i, sub := 0, &grant.first; sub != nil; i, sub = i+1, grant.after(i) {
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
