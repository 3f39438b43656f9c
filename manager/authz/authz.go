// Package authz decides who may do what, by casbin's role-based access control
// with domains: a person has roles in a tenant, on a team or on one object, a
// role has permissions.
//
// It decides by verb, kind of object, tenant, and the team and object that a
// role may be on. What depends on the state of an object (who asked for it,
// whether it is live) is the use case's to check. The rest of the program knows
// one question, Allow, and for lists where its answer is yes: Reach. A token
// that speaks for a person has what the person has, as far as its scopes go.
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
	places   places

	mu      sync.Mutex // guards answers
	answers map[question]bool
}

type question struct {
	person, tenant apim.ID
	place          apim.ID // "" for all of the tenant
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
		if ok, err = p.enforcer.Enforce(string(q.person), domain(q.tenant, q.place), string(q.object), string(q.verb)); err != nil {
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
	from := &adapter{ctx, a.source, places{}}
	enforcer, err := casbin.NewEnforcer(m, from)
	if err != nil {
		return fmt.Errorf("read permissions: %w", err)
	}
	a.policy.Store(&policy{enforcer: enforcer, places: from.places, answers: map[question]bool{}})
	return nil
}

// Allow returns nil when the actor may do this: in all of the tenant ("" is the
// installation itself), or at one of the places, which are an object and the
// team that owns it. A tenant that the actor does not belong to does not exist
// for it, and neither does what it may not read.
func (a *Authorizer) Allow(ctx context.Context, actor apim.Actor, tenant apim.ID, verb apim.Verb, object apim.Object, places ...apim.ID) error {
	reach, err := a.reach(actor, tenant, verb, object)
	if err != nil {
		return err
	}
	if reach.Covers(places...) {
		return nil
	}
	if len(reach.In) > 0 && len(places) == 0 { // somewhere, and that is not asked
		return refuse(verb, object)
	}
	read := reach
	if verb != apim.Read {
		if read, err = a.reach(actor, tenant, apim.Read, object); err != nil {
			return err
		}
	}
	if len(places) > 0 && (len(reach.In) > 0 || len(read.In) > 0) && !read.Covers(places...) {
		return apim.Errorf(apim.NotFound, "no such %s", one(object))
	}
	return refuse(verb, object)
}

// Reach returns where in the tenant the actor may do this, and refuses who may
// nowhere.
func (a *Authorizer) Reach(_ context.Context, actor apim.Actor, tenant apim.ID, verb apim.Verb, object apim.Object) (apim.Reach, error) {
	reach, err := a.reach(actor, tenant, verb, object)
	if err == nil && !reach.All && len(reach.In) == 0 {
		err = refuse(verb, object)
	}
	return reach, err
}

// Somewhere is Reach for who does not ask where: use cases check again when
// they know the object.
func (a *Authorizer) Somewhere(ctx context.Context, actor apim.Actor, tenant apim.ID, verb apim.Verb, object apim.Object) error {
	_, err := a.Reach(ctx, actor, tenant, verb, object)
	return err
}

func (a *Authorizer) reach(actor apim.Actor, tenant apim.ID, verb apim.Verb, object apim.Object) (apim.Reach, error) {
	switch {
	case actor.System:
		return apim.Reach{All: true}, nil
	case actor.Anonymous():
		return apim.Reach{}, apim.Errorf(apim.SignIn, "sign in to do this")
	case actor.Tenant != "" && actor.Tenant != tenant:
		if tenant == "" {
			return apim.Reach{}, apim.Errorf(apim.Forbidden, "this API token is good for one tenant only; use one that is not limited to a tenant")
		}
		return apim.Reach{}, apim.Errorf(apim.NotFound, "no such tenant")
	}
	p := a.policy.Load()
	switch {
	case actor.Operator:
	case tenant == "":
		return apim.Reach{}, apim.Errorf(apim.Forbidden, "only an operator may %s %s", verb, phrase(object))
	case !p.belongs(actor.Person, tenant):
		return apim.Reach{}, apim.Errorf(apim.NotFound, "no such tenant")
	}
	// Where a token works is no secret to it, whatever else it may.
	if !actor.Scopes.Allow(verb, object) && (verb != apim.Read || object != apim.ObjectTenant) {
		return apim.Reach{}, apim.Errorf(apim.Forbidden, "this API token may not %s %s; make one with the scope %q", verb, phrase(object), string(verb)+" "+string(object)).WithCode("token_scope")
	}
	if actor.Operator {
		return apim.Reach{All: true}, nil
	}
	return p.reach(question{person: actor.Person, tenant: tenant, verb: verb, object: object})
}

func (p *policy) reach(q question) (apim.Reach, error) {
	if ok, err := p.allows(q); err != nil || ok {
		return apim.Reach{All: ok}, err
	}
	var out apim.Reach
	for _, place := range p.places[holder{q.person, q.tenant}] {
		if !concerns(place, q.object) {
			continue
		}
		q.place = place
		ok, err := p.allows(q)
		if err != nil {
			return apim.Reach{}, err
		}
		if ok {
			out.In = append(out.In, place)
		}
	}
	return out, nil
}

// concerns reports whether a role at a place can say anything of a kind of
// object. What is neither owned by teams nor hangs on what is belongs to the
// tenant alone.
func concerns(place apim.ID, object apim.Object) bool {
	kind, _, _ := strings.Cut(string(place), "_")
	return slices.Contains(map[apim.Object][]string{
		apim.ObjectAPI:          {apim.PrefixTeam, apim.PrefixAPI},
		apim.ObjectProduct:      {apim.PrefixTeam, apim.PrefixProduct},
		apim.ObjectApplication:  {apim.PrefixTeam, apim.PrefixApplication},
		apim.ObjectCredential:   {apim.PrefixTeam, apim.PrefixApplication},
		apim.ObjectSubscription: {apim.PrefixTeam, apim.PrefixApplication, apim.PrefixProduct, apim.PrefixAPI},
		apim.ObjectTeam:         {apim.PrefixTeam},
		apim.ObjectMember:       {apim.PrefixTeam},
	}[object], kind)
}

func refuse(verb apim.Verb, object apim.Object) error {
	return apim.Errorf(apim.Forbidden, "you may not %s %s here; it needs the role %s", verb, phrase(object), Could(verb, object))
}

// Grants returns the roles that a person has on teams and objects of a tenant,
// those of the teams that they are in too.
func (a *Authorizer) Grants(person, tenant apim.ID) []apim.RoleGrant {
	p := a.policy.Load()
	var out []apim.RoleGrant
	for _, place := range p.places[holder{person, tenant}] {
		for _, r := range p.enforcer.GetRolesForUserInDomain(string(person), domain(tenant, place)) {
			out = append(out, apim.RoleGrant{Role: apim.Role(r), On: place})
		}
	}
	return out
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

// Could names the roles that may do this, the narrowest first: it is the one
// to ask for.
func Could(verb apim.Verb, object apim.Object) string {
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

func one(o apim.Object) string {
	switch o {
	case apim.ObjectAPI:
		return "API"
	case apim.ObjectToken:
		return "API token"
	}
	return string(o)
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
