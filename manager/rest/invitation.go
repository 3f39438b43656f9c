package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/internal/web"
	"portico/manager"
)

type invitation struct {
	ID        apim.ID     `json:"id"`
	Email     string      `json:"email"`
	Grants    []roleGrant `json:"grants"`
	Teams     []apim.ID   `json:"teams"`
	Inviter   string      `json:"inviter"`
	CreatedAt time.Time   `json:"created_at"`
	ExpiresAt time.Time   `json:"expires_at"`
	// Link is the one-time link, in the answer that made it alone.
	Link string `json:"link,omitempty"`
}

func invitationOf(i apim.Invitation) invitation {
	return invitation{
		ID: i.ID, Email: i.Email, Grants: each(i.Grants, grantOf), Teams: orEmpty(i.Teams), Inviter: i.Inviter,
		CreatedAt: i.CreatedAt.UTC(), ExpiresAt: i.ExpiresAt.UTC(),
	}
}

func withLink(i apim.Invitation, link secret.Text) invitation {
	out := invitationOf(i)
	out.Link = link.Reveal()
	return out
}

func listInvitations(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	all, err := r.Tenants.Invitations(r.ctx, r.actor, r.tenant.ID, page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(all, invitationOf))
}

func createInvitation(r *request) error {
	var in struct {
		Email  string      `json:"email"`
		Roles  []apim.Role `json:"roles"`
		Grants []roleGrant `json:"grants"`
		Teams  []apim.ID   `json:"teams"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	made, link, err := r.Tenants.Invite(r.ctx, r.actor, r.tenant.ID, manager.NewInvitation{
		Email: in.Email, Roles: in.Roles, Grants: each(in.Grants, roleGrant.domain), Teams: in.Teams,
	})
	if err != nil {
		return err
	}
	return r.answer(http.StatusCreated, 0, withLink(made, link))
}

func resendInvitation(r *request) error {
	if err := r.optionalBody(&struct{}{}); err != nil {
		return err
	}
	id, err := r.id(apim.PrefixInvitation, "invitation")
	if err != nil {
		return err
	}
	made, link, err := r.Tenants.ResendInvitation(r.ctx, r.actor, r.tenant.ID, id)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, withLink(made, link))
}

func revokeInvitation(r *request) error {
	id, err := r.id(apim.PrefixInvitation, "invitation")
	if err != nil {
		return err
	}
	if err := r.Tenants.RevokeInvitation(r.ctx, r.actor, r.tenant.ID, id); err != nil {
		return err
	}
	return r.gone()
}
