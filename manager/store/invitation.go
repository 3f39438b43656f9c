package store

import (
	"context"

	"portico/internal/apim"
)

type invitationRow struct {
	ID        apim.ID `gorm:"primaryKey"`
	TenantID  apim.ID
	Email     string
	Grants    jsonOf[[]apim.RoleGrant]
	Teams     jsonOf[[]apim.ID]
	Hash      string
	InvitedBy apim.ID
	Inviter   string
	Created   int64 `gorm:"column:created_at"`
	Expires   int64 `gorm:"column:expires_at"`
}

func (invitationRow) TableName() string { return "invitation" }

func (r invitationRow) domain() apim.Invitation {
	return apim.Invitation{
		ID: r.ID, Tenant: r.TenantID, Email: r.Email, Grants: r.Grants.V, Teams: r.Teams.V, InvitedBy: r.InvitedBy, Inviter: r.Inviter,
		CreatedAt: when(r.Created), ExpiresAt: when(r.Expires),
	}
}

// InsertInvitation adds an invitation by the hash of its token.
func (t Tenant) InsertInvitation(ctx context.Context, i apim.Invitation, hash string) error {
	return insert(t.in(ctx), "invitation", &invitationRow{
		ID: i.ID, TenantID: i.Tenant, Email: i.Email, Grants: jsonOf[[]apim.RoleGrant]{i.Grants}, Teams: jsonOf[[]apim.ID]{i.Teams}, Hash: hash,
		InvitedBy: i.InvitedBy, Inviter: i.Inviter, Created: micros(i.CreatedAt), Expires: micros(i.ExpiresAt),
	})
}

// RenewInvitation gives an invitation another token and end: the link of before
// is none any more.
func (t Tenant) RenewInvitation(ctx context.Context, i apim.Invitation, hash string) error {
	n, err := change(t.own(ctx).Where("id = ?", i.ID), "invitation",
		&invitationRow{Hash: hash, InvitedBy: i.InvitedBy, Inviter: i.Inviter, Expires: micros(i.ExpiresAt)}, "hash", "invited_by", "inviter", "expires_at")
	if err == nil && n == 0 {
		return apim.Errorf(apim.NotFound, "no such invitation")
	}
	return err
}

// Invitation returns an invitation of the tenant.
func (t Tenant) Invitation(ctx context.Context, id apim.ID) (apim.Invitation, error) {
	row, err := one[invitationRow](t.own(ctx).Where("id = ?", id), "invitation")
	return row.domain(), err
}

// InvitationFor returns the tenant's invitation of an e-mail address.
func (t Tenant) InvitationFor(ctx context.Context, email string) (apim.Invitation, error) {
	row, err := one[invitationRow](t.own(ctx).Where("email = ?", email), "invitation")
	return row.domain(), err
}

// Invitations returns a page of the tenant's invitations, newest first.
func (t Tenant) Invitations(ctx context.Context, page apim.Page) (apim.List[apim.Invitation], error) {
	rows, next, err := paged(t.own(ctx), "invitations", page, order{"invitation", "created_at", "id", true}, func(r invitationRow) (any, any) { return r.Created, r.ID })
	return apim.List[apim.Invitation]{Items: sliceOf(rows, invitationRow.domain), NextCursor: next}, err
}

// CountInvitations counts the tenant's invitations.
func (t Tenant) CountInvitations(ctx context.Context) (int, error) {
	return count[invitationRow](t.own(ctx), "invitations")
}

// DeleteInvitation ends an invitation.
func (t Tenant) DeleteInvitation(ctx context.Context, id apim.ID) error {
	n, err := remove[invitationRow](t.own(ctx).Where("id = ?", id), "invitation")
	if err == nil && n == 0 {
		return apim.Errorf(apim.NotFound, "no such invitation")
	}
	return err
}

// EndInvitationsBy ends what a person has invited others to.
func (t Tenant) EndInvitationsBy(ctx context.Context, person apim.ID) (int, error) {
	if person == "" {
		return 0, nil
	}
	n, err := remove[invitationRow](t.own(ctx).Where("invited_by = ?", person), "invitations")
	return int(n), err
}

// InvitationByHash returns an invitation by the hash of its token, also one
// whose time is over.
func (s System) InvitationByHash(ctx context.Context, hash string) (apim.Invitation, error) {
	row, err := one[invitationRow](s.in(ctx).Where("hash = ?", hash), "invitation")
	return row.domain(), err
}
