package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

type member struct {
	Person   apim.ID     `json:"person"`
	Name     string      `json:"name"`
	Email    string      `json:"email"`
	Roles    []apim.Role `json:"roles"`
	Grants   []roleGrant `json:"grants"`
	Teams    []apim.ID   `json:"teams"`
	JoinedAt time.Time   `json:"joined_at"`
	SignedIn time.Time   `json:"signed_in_at,omitzero"`
}

// roleGrant is a role on a team or an object; of an invitation, also one on the
// tenant.
type roleGrant struct {
	Role apim.Role `json:"role"`
	On   apim.ID   `json:"on,omitempty"`
}

func grantOf(g apim.RoleGrant) roleGrant { return roleGrant(g) }

func (g roleGrant) domain() apim.RoleGrant { return apim.RoleGrant(g) }

func memberOf(m apim.Member) member {
	return member{
		Person: m.Person, Name: m.Name, Email: m.Email, Roles: orEmpty(m.Roles), Grants: each(m.Grants, grantOf), Teams: orEmpty(m.Teams),
		JoinedAt: m.JoinedAt.UTC(), SignedIn: m.SignedIn.UTC(),
	}
}

func listMembers(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	members, err := r.Tenants.Members(r.ctx, r.actor, r.tenant.ID, page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(members, memberOf))
}

func showMember(r *request) error {
	id, err := r.id(apim.PrefixPerson, "person")
	if err != nil {
		return err
	}
	m, err := r.Tenants.Member(r.ctx, r.actor, r.tenant.ID, id)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, m.Lock, memberOf(m))
}

func updateMember(r *request) error {
	var in struct {
		Roles  *[]apim.Role `json:"roles"`
		Grants *[]roleGrant `json:"grants"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	id, err := r.id(apim.PrefixPerson, "person")
	if err != nil {
		return err
	}
	change := manager.MemberChange{Roles: in.Roles, Lock: r.lock}
	if in.Grants != nil {
		grants := each(*in.Grants, roleGrant.domain)
		change.Grants = &grants
	}
	m, err := r.Tenants.UpdateMember(r.ctx, r.actor, r.tenant.ID, id, change)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, m.Lock, memberOf(m))
}

func removeMember(r *request) error {
	id, err := r.id(apim.PrefixPerson, "person")
	if err != nil {
		return err
	}
	if err := r.Tenants.RemoveMember(r.ctx, r.actor, r.tenant.ID, id); err != nil {
		return err
	}
	return r.gone()
}
