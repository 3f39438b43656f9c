// Package authz decides who may do what, by casbin's role-based access control
// with domains: a person has roles in a tenant, a role has permissions.
//
// It decides by verb, kind of object and tenant alone. What depends on the
// state of an object (who asked for it, whether it is live) is the use case's
// to check. The rest of the program knows one question: Allow.
package authz

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"

	"portico/internal/apim"
	"portico/manager/store"
)

// Source yields who belongs to which tenant, and with which roles. The store
// implements it.
type Source interface {
	Memberships(ctx context.Context, yield func(store.MembershipRow) error) error
}

// Authorizer answers permission questions from memory. It is safe for
// concurrent use.
type Authorizer struct {
	source Source
	// Tell, where it is set before the first use, hears of every Reload: other
	// processes are to Refresh.
	Tell func()

	policy atomic.Pointer[policy] // replaced whole

	reloading sync.Mutex // held from the read to the replacement: the last read is kept
}

// policy is what was read at one time, with the answers that it gave. casbin
// takes a tenth of a millisecond for one; people ask the same again.
type policy struct {
	enforcer *casbin.Enforcer

	mu      sync.Mutex // guards answers
	answers map[question]bool
}

type question struct {
	person, tenant apim.ID
	verb           apim.Verb
	object         apim.Object
}

// answersKept bounds the memory of answers.
const answersKept = 50_000

func (p *policy) allows(q question) (bool, error) {
	p.mu.Lock()
	ok, known := p.answers[q]
	p.mu.Unlock()
	if known {
		return ok, nil
	}
	var err error
	if ok = p.belongs(q.person, q.tenant); ok { // casbin would take a person called "owner" for one
		if ok, err = p.enforcer.Enforce(string(q.person), string(q.tenant), string(q.object), string(q.verb)); err != nil {
			return false, fmt.Errorf("check permission: %w", err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answers) >= answersKept {
		clear(p.answers)
	}
	p.answers[q] = ok
	return ok, nil
}

func (p *policy) belongs(person, tenant apim.ID) bool {
	return person != "" && slices.Contains(p.enforcer.GetRolesForUserInDomain(string(person), string(tenant)), member)
}

// A permission is (verb, object) in a tenant; "*" stands for any.
const rules = `
[request_definition]
r = person, tenant, object, verb
[policy_definition]
p = role, object, verb
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.person, p.role, r.tenant) && (p.object == "*" || r.object == p.object) && (p.verb == "*" || r.verb == p.verb)
`

// New returns an Authorizer that has read its source.
func New(ctx context.Context, source Source) (*Authorizer, error) {
	a := &Authorizer{source: source}
	return a, a.Reload(ctx)
}

// Reload reads all memberships again. Who changes one calls it after the
// commit, and has it done also when ctx, that of a request, has ended since.
func (a *Authorizer) Reload(ctx context.Context) error {
	err := a.Refresh(ctx)
	if a.Tell != nil {
		a.Tell()
	}
	return err
}

// Refresh is Reload after a change that another process made.
func (a *Authorizer) Refresh(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	a.reloading.Lock()
	defer a.reloading.Unlock()
	m, err := model.NewModelFromString(rules)
	if err != nil {
		return fmt.Errorf("read permissions: %w", err)
	}
	enforcer, err := casbin.NewEnforcer(m, &adapter{ctx, a.source})
	if err != nil {
		return fmt.Errorf("read permissions: %w", err)
	}
	a.policy.Store(&policy{enforcer: enforcer, answers: map[question]bool{}})
	return nil
}

// Allow returns nil when the actor may do this in the tenant ("" is the
// installation itself). A tenant that the actor does not belong to does not
// exist for it.
func (a *Authorizer) Allow(_ context.Context, actor apim.Actor, tenant apim.ID, verb apim.Verb, object apim.Object) error {
	switch {
	case actor.System:
		return nil
	case actor.Anonymous():
		return apim.Errorf(apim.SignIn, "sign in to do this")
	case actor.Tenant != "" && actor.Tenant != tenant:
		if tenant == "" {
			return apim.Errorf(apim.Forbidden, "this API token is good for one tenant only; use one that is not limited to a tenant")
		}
		return apim.Errorf(apim.NotFound, "no such tenant")
	case actor.Operator:
		return nil
	case tenant == "":
		return apim.Errorf(apim.Forbidden, "only an operator may %s %s", verb, phrase(object))
	}
	p := a.policy.Load()
	ok, err := p.allows(question{actor.Person, tenant, verb, object})
	switch {
	case err != nil:
		return err
	case ok:
		return nil
	case !p.belongs(actor.Person, tenant):
		return apim.Errorf(apim.NotFound, "no such tenant")
	}
	return apim.Errorf(apim.Forbidden, "you may not %s %s here; it needs the role %s", verb, phrase(object), could(verb, object))
}

// Belongs reports whether a person is a member of a tenant.
func (a *Authorizer) Belongs(person, tenant apim.ID) bool {
	return a.policy.Load().belongs(person, tenant)
}

// RolesThat returns the roles that may do this, the widest first.
func RolesThat(verb apim.Verb, object apim.Object) []apim.Role {
	var out []apim.Role
	for _, role := range apim.Roles() {
		for _, p := range matrix()[role] {
			if (p.object == "*" || p.object == object) && (p.verb == "*" || p.verb == verb) {
				out = append(out, role)
				break
			}
		}
	}
	return out
}

// could names the roles that may do this, the narrowest first: it is the one
// to ask for.
func could(verb apim.Verb, object apim.Object) string {
	roles := RolesThat(verb, object)
	slices.Reverse(roles)
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	switch n := len(names); {
	case n == 0:
		return "operator"
	case n == 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
}

func phrase(o apim.Object) string {
	switch o {
	case apim.ObjectAPI:
		return "APIs"
	case apim.ObjectAudit:
		return "the audit log"
	case apim.ObjectToken:
		return "API tokens"
	}
	return string(o) + "s"
}
