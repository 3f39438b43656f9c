package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/manager/authz"
)

// MemberChange changes what a member may. nil fields stay.
type MemberChange struct {
	Roles  *[]apim.Role      // on all of the tenant
	Grants *[]apim.RoleGrant // on teams and objects
	Lock   int64
}

// Members lists a tenant's members, by name.
func (t *Tenants) Members(ctx context.Context, actor apim.Actor, tenant apim.ID, page apim.Page) (apim.List[apim.Member], error) {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectMember); err != nil {
		return apim.List[apim.Member]{}, err
	}
	return t.Store.Tenant(tenant).Members(ctx, page)
}

// Member returns a member of a tenant.
func (t *Tenants) Member(ctx context.Context, actor apim.Actor, tenant, person apim.ID) (apim.Member, error) {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectMember); err != nil {
		return apim.Member{}, err
	}
	return t.Store.Tenant(tenant).Member(ctx, person)
}

// UpdateMember gives a member roles and takes others away: such as the actor
// may give, and never the last owner's.
func (t *Tenants) UpdateMember(ctx context.Context, actor apim.Actor, tenant, person apim.ID, in MemberChange) (apim.Member, error) {
	if err := t.Authz.Somewhere(ctx, actor, tenant, apim.Manage, apim.ObjectMember); err != nil {
		return apim.Member{}, err
	}
	var m apim.Member
	err := t.writeRights(ctx, actor, func(u *unit) (err error) {
		if m, err = u.Tenant(tenant).Member(ctx, person); err != nil {
			return err
		}
		if err := apim.CheckLock("member", m.Lock, in.Lock); err != nil {
			return err
		}
		before := m
		set(&m.Roles, in.Roles)
		set(&m.Grants, in.Grants)
		m.Roles = apim.SortRoles(slices.Clone(m.Roles))
		var check apim.Check
		if err := u.checkGrants(ctx, &check, tenant, grantsOf(m.Roles, m.Grants), in.Grants != nil); err != nil {
			return err
		}
		if err := check.Err(); err != nil {
			return err
		}
		return u.changeMember(ctx, before, &m)
	})
	return m, err
}

// writeRights is write for what gives and takes rights. It decides by the
// memberships as they are, also where another manager has just changed them,
// and what it changed holds when it returns.
func (t *Tenants) writeRights(ctx context.Context, actor apim.Actor, fn func(u *unit) error) error {
	if err := t.Authz.Refresh(ctx); err != nil {
		return err
	}
	if err := t.write(ctx, actor, fn); err != nil {
		return err
	}
	return t.Authz.Reload(ctx)
}

func (u *unit) changeMember(ctx context.Context, before apim.Member, m *apim.Member) error {
	had, has := grantsOf(before.Roles, before.Grants), grantsOf(m.Roles, m.Grants)
	given, taken := without(has, had), without(had, has)
	if len(given)+len(taken) == 0 {
		return nil
	}
	for _, g := range append(given, taken...) {
		if err := u.mayGive(ctx, m.Tenant, g); err != nil {
			return err
		}
	}
	if slices.Contains(before.Roles, apim.RoleOwner) && !slices.Contains(m.Roles, apim.RoleOwner) {
		if err := u.notLastOwner(ctx, m.Tenant, m.Person); err != nil {
			return err
		}
	}
	if err := u.Tenant(m.Tenant).UpdateMember(ctx, m); err != nil {
		return err
	}
	ended := 0
	if len(taken) > 0 { // nobody gets by them what they may not give any more
		var err error
		if ended, err = u.Tenant(m.Tenant).EndInvitationsBy(ctx, m.Person); err != nil {
			return err
		}
	}
	said := ""
	if ended > 0 {
		said = fmt.Sprintf(", and %d invitations of theirs ended", ended)
	}
	return u.recordChange(ctx, m.Tenant, "member.change", m.Person, memberFacts(before), memberFacts(*m), "roles of %s changed%s", m.Name, said)
}

// RemoveMember takes a person out of a tenant. Their tokens for it end, and so
// do the invitations that they made. Anybody may leave, but for the last owner.
func (t *Tenants) RemoveMember(ctx context.Context, actor apim.Actor, tenant, person apim.ID) error {
	leaves, verb := actor.Person != "" && actor.Person == person && actor.Token == "", apim.Manage
	if leaves {
		verb = apim.Read
	}
	if err := t.Authz.Allow(ctx, actor, tenant, verb, apim.ObjectMember); err != nil {
		return err
	}
	return t.writeRights(ctx, actor, func(u *unit) error {
		if err := t.Authz.Allow(ctx, actor, tenant, verb, apim.ObjectMember); err != nil {
			return err
		}
		m, err := u.Tenant(tenant).Member(ctx, person)
		if err != nil {
			return err
		}
		for _, g := range grantsOf(m.Roles, nil) {
			if err := u.mayGive(ctx, tenant, g); err != nil && !leaves {
				return err
			}
		}
		if slices.Contains(m.Roles, apim.RoleOwner) {
			if err := u.notLastOwner(ctx, tenant, person); err != nil {
				return err
			}
		}
		tokens, err := u.Tenant(tenant).DeleteMember(ctx, person)
		if err != nil {
			return err
		}
		invitations, err := u.Tenant(tenant).EndInvitationsBy(ctx, person)
		if err != nil {
			return err
		}
		said := "removed"
		if leaves {
			said = "left"
		}
		return u.recordChange(ctx, tenant, "member.remove", person, memberFacts(m), nil, "%s %s; %d API tokens and %d invitations of theirs ended", m.Name, said, tokens, invitations)
	})
}

func memberFacts(m apim.Member) any {
	return map[string]any{"roles": m.Roles, "grants": m.Grants, "teams": m.Teams}
}

func (u *unit) notLastOwner(ctx context.Context, tenant, person apim.ID) error {
	others, err := u.Tenant(tenant).Others(ctx, person, []apim.Role{apim.RoleOwner}, nil)
	if err != nil {
		return fmt.Errorf("look for another owner: %w", err)
	}
	if others == 0 {
		return apim.Errorf(apim.Conflict, "an organisation keeps at least one owner; make somebody else an owner first").WithCode("last_owner")
	}
	return nil
}

// grantsOf puts roles on the tenant and elsewhere into one list.
func grantsOf(roles []apim.Role, grants []apim.RoleGrant) []apim.RoleGrant {
	out := make([]apim.RoleGrant, 0, len(roles)+len(grants))
	for _, r := range roles {
		out = append(out, apim.RoleGrant{Role: r})
	}
	return append(out, grants...)
}

func without(all, these []apim.RoleGrant) []apim.RoleGrant {
	return slices.DeleteFunc(slices.Clone(all), func(g apim.RoleGrant) bool { return slices.Contains(these, g) })
}

// RoleMay reports whether a role lets a member do this, for the page that says
// what roles mean.
func RoleMay(role apim.Role, verb apim.Verb, object apim.Object) bool {
	return authz.May(role, verb, object)
}

// mostGrants bounds the roles of one member.
const mostGrants = 100

// rolesOn returns the roles that mean something at a place.
func rolesOn(place apim.ID) []apim.Role {
	switch kind, _, _ := strings.Cut(string(place), "_"); kind {
	case "":
		return apim.Roles()
	case apim.PrefixTeam:
		return apim.Roles()[1:]
	case apim.PrefixAPI, apim.PrefixProduct:
		return []apim.Role{apim.RoleProvider, apim.RoleApprover, apim.RoleAuditor}
	case apim.PrefixApplication:
		return []apim.Role{apim.RoleConsumer, apim.RoleAuditor}
	}
	return nil
}

// checkGrants checks roles that somebody is to have; elsewhere says that the
// places of those that are not on the tenant are to be looked up.
func (u *unit) checkGrants(ctx context.Context, check *apim.Check, tenant apim.ID, grants []apim.RoleGrant, elsewhere bool) error {
	if len(grants) > mostGrants {
		check.Fail("grants", "too_many", "has %d, the most is %d", len(grants), mostGrants)
		return nil
	}
	roles, at := 0, 0
	for i, g := range grants {
		field := fmt.Sprintf("grants[%d]", at)
		if g.On == "" && roles == i {
			field = fmt.Sprintf("roles[%d]", roles)
			roles++
		} else {
			at++
		}
		if slices.Contains(grants[:i], g) {
			check.Fail(field, "twice", "is in the list already")
			continue
		}
		if fit := rolesOn(g.On); !slices.Contains(fit, g.Role) {
			names := make([]string, len(fit))
			for i, r := range fit {
				names[i] = string(r)
			}
			if fit == nil {
				check.Fail(field, "place", "%q is no team, API, product or application", g.On)
			} else {
				check.Fail(field, "unknown", "%q is no role there; use %s", g.Role, strings.Join(names, ", "))
			}
			continue
		}
		if g.On != "" && elsewhere {
			_, err := u.placesOf(ctx, tenant, g.On)
			if apim.KindOf(err) == apim.NotFound {
				check.Fail(field, "unknown", "there is no %q", g.On)
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// placesOf returns a place and the team that owns it. One that is not there is
// NotFound.
func (u *unit) placesOf(ctx context.Context, tenant, place apim.ID) ([]apim.ID, error) {
	t := u.Tenant(tenant)
	switch kind, _, _ := strings.Cut(string(place), "_"); kind {
	case apim.PrefixTeam:
		team, err := t.Team(ctx, string(place))
		return []apim.ID{team.ID}, err
	case apim.PrefixAPI:
		a, err := t.API(ctx, string(place))
		return []apim.ID{a.ID, a.Team}, err
	case apim.PrefixProduct:
		p, err := t.Product(ctx, string(place))
		return []apim.ID{p.ID, p.Team}, err
	case apim.PrefixApplication:
		a, err := t.Application(ctx, string(place))
		return []apim.ID{a.ID, a.Team}, err
	}
	return nil, apim.Errorf(apim.NotFound, "no such place")
}

// mayGive refuses to give or take a role that is above the actor's own, or
// beyond the team that theirs is on.
func (u *unit) mayGive(ctx context.Context, tenant apim.ID, g apim.RoleGrant) error {
	if u.actor.System || u.actor.Operator {
		return nil
	}
	if g.On != "" {
		places, err := u.placesOf(ctx, tenant, g.On)
		if apim.KindOf(err) == apim.NotFound {
			places, err = nil, nil // what is gone is the whole tenant's to clear away
		}
		if err != nil {
			return err
		}
		return u.core.Authz.Allow(ctx, u.actor, tenant, apim.Manage, apim.ObjectMember, places...)
	}
	me, err := u.Tenant(tenant).Member(ctx, u.actor.Person)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(me.Roles, func(r apim.Role) bool { return r.MayGive(g.Role) }) {
		return nil
	}
	if g.Role == apim.RoleOwner {
		return apim.Errorf(apim.Forbidden, "only somebody with the role owner gives that role or takes it away").WithCode("above_own_role")
	}
	return apim.Errorf(apim.Forbidden, "you may give roles in your teams alone; one on the whole organisation needs the role admin or owner").WithCode("above_own_role")
}
