package manager

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager/store"
)

// NewInvitation asks for an invitation.
type NewInvitation struct {
	Email  string
	Roles  []apim.Role      // on all of the tenant
	Grants []apim.RoleGrant // on teams and objects
	Teams  []apim.ID        // to belong to
}

// InvitationView is an invitation as its page shows it.
type InvitationView struct {
	Invitation apim.Invitation
	Tenant     apim.Tenant
	TeamNames  []string
	Account    bool // there is one with the address
}

// Gives says what an invitation makes of somebody: "Provider on a team, in the
// team Payments". What a role is on is not named: the names of things are for
// members.
func (i InvitationView) Gives() string {
	var all []string
	for _, g := range i.Invitation.Grants {
		kind, _, _ := strings.Cut(string(g.On), "_")
		all = append(all, strings.ToUpper(string(g.Role[:1]))+string(g.Role[1:])+map[string]string{
			apim.PrefixTeam: " on a team", apim.PrefixAPI: " on an API", apim.PrefixProduct: " on a product", apim.PrefixApplication: " on an application",
		}[kind])
	}
	for _, team := range i.TeamNames {
		all = append(all, "in the team "+team)
	}
	return strings.Join(all, ", ")
}

// mostInvitations bounds how many invitations of a tenant are open.
const mostInvitations = 1000

// Invite makes an invitation for an e-mail address. Its link, which the inviter
// passes on, is returned this once.
func (t *Tenants) Invite(ctx context.Context, actor apim.Actor, tenant apim.ID, in NewInvitation) (apim.Invitation, secret.Text, error) {
	if err := t.Authz.Somewhere(ctx, actor, tenant, apim.Manage, apim.ObjectMember); err != nil {
		return apim.Invitation{}, "", err
	}
	token := secret.MintToken("portico_invitation")
	var out apim.Invitation
	var edge string
	err := t.writeRights(ctx, actor, func(u *unit) (err error) {
		out = apim.Invitation{
			ID: apim.NewID(apim.PrefixInvitation, u.now), Tenant: tenant, Email: normalEmail(in.Email), Grants: grantsOf(in.Roles, in.Grants),
			Teams: in.Teams, InvitedBy: actor.Person, Inviter: who(actor), CreatedAt: u.now, ExpiresAt: u.now.Add(apim.InvitationFor),
		}
		if err := u.checkInvitation(ctx, &out); err != nil {
			return err
		}
		if err := u.mayInvite(ctx, out); err != nil {
			return err
		}
		if edge, err = u.edgeOf(ctx, out); err != nil {
			return err
		}
		if err := u.roomFor(ctx, out); err != nil {
			return err
		}
		if err := u.Tenant(tenant).InsertInvitation(ctx, out, secret.HashHex(token.Reveal())); err != nil {
			return err
		}
		return u.recordChange(ctx, tenant, "invitation.create", out.ID, nil, invitationFacts(out), "%s invited", out.Email)
	})
	if err != nil {
		return apim.Invitation{}, "", err
	}
	return out, invitationLink(edge, token), nil
}

// roomFor refuses an invitation of who is a member or invited already, and one
// too many. An invitation of theirs that has ended makes room.
func (u *unit) roomFor(ctx context.Context, i apim.Invitation) error {
	ten := u.Tenant(i.Tenant)
	switch _, err := ten.MemberByEmail(ctx, i.Email); {
	case err == nil:
		return apim.Errorf(apim.Conflict, "%s is a member already; change their roles instead", i.Email).WithCode("already_member")
	case apim.KindOf(err) != apim.NotFound:
		return err
	}
	switch have, err := ten.InvitationFor(ctx, i.Email); {
	case err == nil && !have.Expired(u.now):
		return apim.Errorf(apim.Conflict, "%s is invited already, until %s; send that invitation again, or revoke it", i.Email, have.ExpiresAt.Format("2 January")).WithCode("already_invited")
	case err == nil:
		err = ten.DeleteInvitation(ctx, have.ID)
		if err != nil {
			return err
		}
	case apim.KindOf(err) != apim.NotFound:
		return err
	}
	n, err := ten.CountInvitations(ctx)
	if err != nil {
		return err
	}
	if n >= mostInvitations {
		return apim.Errorf(apim.Conflict, "%d invitations are open, which is the most; revoke some first", n).WithCode("too_many_invitations")
	}
	return nil
}

// edgeOf returns the address of the pages where an invitation is accepted: the
// portal's for who will be a consumer and nothing else, the console's for all
// others. Both accept any.
func (u *unit) edgeOf(ctx context.Context, i apim.Invitation) (string, error) {
	var roles []apim.Role
	for _, g := range i.Grants {
		roles = append(roles, g.Role)
	}
	for _, ref := range i.Teams {
		team, err := u.Tenant(i.Tenant).Team(ctx, string(ref))
		if apim.KindOf(err) == apim.NotFound {
			continue // deleted since
		}
		if err != nil {
			return "", err
		}
		roles = append(roles, team.Roles...)
	}
	works := func(r apim.Role) bool { return r != apim.RoleConsumer }
	if u.core.PortalURL == "" || len(roles) == 0 || slices.ContainsFunc(roles, works) {
		return u.core.ConsoleURL, nil
	}
	return u.core.PortalURL, nil
}

func invitationLink(edge string, token secret.Text) secret.Text {
	return secret.Text(edge + "/invitation?token=" + token.Reveal())
}

func invitationFacts(i apim.Invitation) any {
	return map[string]any{"email": i.Email, "grants": i.Grants, "teams": i.Teams}
}

func (u *unit) checkInvitation(ctx context.Context, i *apim.Invitation) error {
	var check apim.Check
	if a, err := mail.ParseAddress(i.Email); err != nil || a.Address != i.Email || len(i.Email) > 254 {
		check.Fail("email", "email", "use an address such as ada@example.com")
	}
	if len(i.Grants)+len(i.Teams) == 0 {
		check.Fail("roles", "required", "choose a role or a team: without one there is nothing to see")
	}
	if err := u.checkGrants(ctx, &check, i.Tenant, i.Grants, true); err != nil {
		return err
	}
	if len(i.Teams) > mostGrants {
		check.Fail("teams", "too_many", "has %d, the most is %d", len(i.Teams), mostGrants)
		return check.Err()
	}
	for n, ref := range i.Teams {
		team, err := u.Tenant(i.Tenant).Team(ctx, string(ref))
		switch {
		case apim.KindOf(err) == apim.NotFound:
			check.Fail(fmt.Sprintf("teams[%d]", n), "unknown", "there is no team %q", ref)
		case err != nil:
			return err
		case slices.Contains(i.Teams[:n], team.ID):
			check.Fail(fmt.Sprintf("teams[%d]", n), "twice", "is in the list already")
		default:
			i.Teams[n] = team.ID
		}
	}
	return check.Err()
}

// mayInvite refuses to invite to more than the actor may give.
func (u *unit) mayInvite(ctx context.Context, i apim.Invitation) error {
	for _, g := range i.Grants {
		if err := u.mayGive(ctx, i.Tenant, g); err != nil {
			return err
		}
	}
	for _, team := range i.Teams {
		if err := u.core.Authz.Allow(ctx, u.actor, i.Tenant, apim.Manage, apim.ObjectMember, team); err != nil {
			return err
		}
	}
	return nil
}

// Invitations lists the tenant's invitations, newest first: all, or those to
// what the actor's teams own.
func (t *Tenants) Invitations(ctx context.Context, actor apim.Actor, tenant apim.ID, page apim.Page) (apim.List[apim.Invitation], error) {
	reach, err := t.Authz.Reach(ctx, actor, tenant, apim.Manage, apim.ObjectMember)
	if err != nil {
		return apim.List[apim.Invitation]{}, err
	}
	var out apim.List[apim.Invitation]
	err = t.Store.Read(ctx, func(tx *store.Tx) error {
		u := &unit{Tx: tx, core: &t.Core, actor: actor}
		for {
			list, err := u.Tenant(tenant).Invitations(ctx, page)
			if err != nil {
				return err
			}
			for _, i := range list.Items {
				within, err := u.within(ctx, reach, i)
				if err != nil {
					return err
				}
				if within {
					out.Items = append(out.Items, i)
				}
			}
			out.NextCursor, page.Cursor = list.NextCursor, list.NextCursor
			if len(out.Items) > 0 || list.NextCursor == "" {
				return nil
			}
		}
	})
	return out, err
}

// within reports whether all that an invitation is to lies within a reach.
func (u *unit) within(ctx context.Context, reach apim.Reach, i apim.Invitation) (bool, error) {
	for _, g := range i.Grants {
		var places []apim.ID
		if g.On != "" && !reach.All {
			var err error
			if places, err = u.placesOf(ctx, i.Tenant, g.On); err != nil && apim.KindOf(err) != apim.NotFound {
				return false, err
			}
		}
		if !reach.Covers(places...) {
			return false, nil
		}
	}
	return !slices.ContainsFunc(i.Teams, func(team apim.ID) bool { return !reach.Covers(team) }), nil
}

// ResendInvitation gives an invitation a new link, good for another seven days.
// The one before is none any more.
func (t *Tenants) ResendInvitation(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Invitation, secret.Text, error) {
	token := secret.MintToken("portico_invitation")
	var out apim.Invitation
	var edge string
	err := t.onInvitation(ctx, actor, tenant, id, func(u *unit, i apim.Invitation) (err error) {
		out = i
		if edge, err = u.edgeOf(ctx, i); err != nil {
			return err
		}
		out.InvitedBy, out.Inviter, out.ExpiresAt = actor.Person, who(actor), u.now.Add(apim.InvitationFor)
		if err := u.Tenant(tenant).RenewInvitation(ctx, out, secret.HashHex(token.Reveal())); err != nil {
			return err
		}
		return u.record(ctx, tenant, "invitation.resend", i.ID, "invitation of %s given a new link", i.Email)
	})
	if err != nil {
		return apim.Invitation{}, "", err
	}
	return out, invitationLink(edge, token), nil
}

// RevokeInvitation ends an invitation; its link is none any more.
func (t *Tenants) RevokeInvitation(ctx context.Context, actor apim.Actor, tenant, id apim.ID) error {
	return t.onInvitation(ctx, actor, tenant, id, func(u *unit, i apim.Invitation) error {
		if err := u.Tenant(tenant).DeleteInvitation(ctx, i.ID); err != nil {
			return err
		}
		return u.record(ctx, tenant, "invitation.revoke", i.ID, "invitation of %s revoked", i.Email)
	})
}

func (t *Tenants) onInvitation(ctx context.Context, actor apim.Actor, tenant, id apim.ID, change func(u *unit, i apim.Invitation) error) error {
	if err := t.Authz.Somewhere(ctx, actor, tenant, apim.Manage, apim.ObjectMember); err != nil {
		return err
	}
	return t.writeRights(ctx, actor, func(u *unit) error {
		i, err := u.Tenant(tenant).Invitation(ctx, id)
		if err != nil {
			return err
		}
		if err := u.mayInvite(ctx, i); err != nil {
			return err
		}
		return change(u, i)
	})
}

// CheckInvitation returns the invitation that a link is of.
func (t *Tenants) CheckInvitation(ctx context.Context, token secret.Text) (InvitationView, error) {
	var out InvitationView
	err := t.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if out.Invitation, err = t.invitationOf(ctx, tx, token); err != nil {
			return err
		}
		if out.Tenant, err = tx.System().Tenant(ctx, string(out.Invitation.Tenant)); err != nil {
			return err
		}
		names, err := tx.Tenant(out.Tenant.ID).TeamNames(ctx)
		if err != nil {
			return err
		}
		for _, team := range out.Invitation.Teams {
			if name := names[team]; name != "" {
				out.TeamNames = append(out.TeamNames, name)
			}
		}
		_, _, err = tx.System().PersonByEmail(ctx, out.Invitation.Email)
		out.Account = err == nil
		if apim.KindOf(err) == apim.NotFound {
			err = nil
		}
		return err
	})
	return out, err
}

// invitationOf returns the invitation that a link is of. What whoever invited
// may not give any more, the link gives nobody.
func (t *Tenants) invitationOf(ctx context.Context, tx *store.Tx, token secret.Text) (apim.Invitation, error) {
	i, err := tx.System().InvitationByHash(ctx, secret.HashHex(token.Reveal()))
	switch {
	case apim.KindOf(err) == apim.NotFound:
		return i, apim.Errorf(apim.NotFound, "this invitation was used, was revoked, or has a newer link; ask who sent it for another").WithCode("link_ended")
	case err != nil:
		return i, err
	case i.Expired(t.now()):
		return i, apim.Errorf(apim.NotFound, "this invitation ended on %s; ask %s for a new link", i.ExpiresAt.UTC().Format("2 January 2006, 15:04 MST"), i.Inviter).WithCode("link_expired")
	case i.InvitedBy == "": // a program of the operators, who may give all
		return i, nil
	}
	p, err := tx.System().Person(ctx, i.InvitedBy)
	if err != nil {
		return i, err
	}
	inviter := &unit{Tx: tx, core: &t.Core, actor: apim.Actor{Person: p.ID, Name: p.Name, Operator: p.Operator}}
	if err = inviter.mayInvite(ctx, i); apim.KindOf(err) == apim.Forbidden || apim.KindOf(err) == apim.NotFound {
		return i, apim.Errorf(apim.NotFound, "this invitation is not valid any more; ask who sent it for another").WithCode("link_ended")
	}
	return i, err
}

// AcceptInvitation joins the actor to the tenant of an invitation: who has
// signed in with the invited address, and not by a token.
func (t *Tenants) AcceptInvitation(ctx context.Context, actor apim.Actor, token secret.Text) (apim.Tenant, error) {
	if err := signedIn(actor); err != nil {
		return apim.Tenant{}, err
	}
	if actor.Person == "" || actor.Token != "" {
		return apim.Tenant{}, apim.Errorf(apim.Forbidden, "an API token cannot accept an invitation; sign in as the person who is invited")
	}
	if _, err := t.CheckInvitation(ctx, token); err != nil {
		return apim.Tenant{}, err // before all memberships are read for nothing
	}
	var tenant apim.Tenant
	err := t.writeRights(ctx, actor, func(u *unit) error {
		i, err := t.invitationOf(ctx, u.Tx, token)
		if err != nil {
			return err
		}
		p, err := u.System().Person(ctx, actor.Person)
		if err != nil {
			return err
		}
		if p.Email != i.Email {
			return apim.Errorf(apim.Forbidden, "the invitation is for %s, and you are signed in as %s; sign out and come back with the invited address", i.Email, p.Email).WithCode("other_address")
		}
		if tenant, err = u.System().Tenant(ctx, string(i.Tenant)); err != nil {
			return err
		}
		return u.join(ctx, i, p)
	})
	return tenant, err
}

// JoinByInvitation makes an account for the invited address and joins it to the
// tenant. Who has an account signs in and accepts.
func (t *Tenants) JoinByInvitation(ctx context.Context, token secret.Text, name, password, address string) (apim.Person, error) {
	view, err := t.CheckInvitation(ctx, token)
	if err != nil {
		return apim.Person{}, err
	}
	var check apim.Check
	checkPerson(&check, name, view.Invitation.Email, password)
	if view.Account {
		check.Fail("email", "taken", "there is an account with this address; sign in to accept")
	}
	if err := check.Err(); err != nil {
		return apim.Person{}, err
	}
	if err := t.attempts.begin("invitation "+view.Invitation.Email, address, t.now()); err != nil {
		return apim.Person{}, err
	}
	hash, err := t.hashing.hash(ctx, password)
	if err != nil {
		return apim.Person{}, err
	}
	var p apim.Person
	err = t.writeRights(ctx, apim.Actor{Name: strings.TrimSpace(name), Address: address}, func(u *unit) error {
		i, err := t.invitationOf(ctx, u.Tx, token)
		if err != nil {
			return err
		}
		if _, _, err := u.System().PersonByEmail(ctx, i.Email); apim.KindOf(err) != apim.NotFound {
			if err == nil {
				err = invalid("email", "taken", "there is an account with this address; sign in to accept")
			}
			return err
		}
		p = apim.Person{ID: apim.NewID(apim.PrefixPerson, u.now), Email: i.Email, Name: strings.TrimSpace(name), CreatedAt: u.now, SignedIn: u.now, Lock: 1}
		u.actor.Person = p.ID
		if err := u.System().InsertPerson(ctx, p, hash); err != nil {
			return err
		}
		if err := u.record(ctx, "", "person.sign_up", p.ID, "%s made an account by invitation", p.Name); err != nil {
			return err
		}
		return u.join(ctx, i, p)
	})
	return p, err
}

// join carries an invitation out and uses it up. What it was for and is gone
// since is left out; one that was for nothing else is refused.
func (u *unit) join(ctx context.Context, i apim.Invitation, p apim.Person) error {
	t := u.Tenant(i.Tenant)
	m, err := t.Member(ctx, p.ID)
	fresh := apim.KindOf(err) == apim.NotFound
	if fresh {
		m = apim.Member{Tenant: i.Tenant, Person: p.ID, JoinedAt: u.now}
	} else if err != nil {
		return err
	}
	gives := 0
	for _, g := range i.Grants {
		if g.On != "" {
			if _, err := u.placesOf(ctx, i.Tenant, g.On); apim.KindOf(err) == apim.NotFound {
				continue
			} else if err != nil {
				return err
			}
		}
		gives++
		switch {
		case g.On == "" && !slices.Contains(m.Roles, g.Role):
			m.Roles = append(m.Roles, g.Role)
		case g.On != "" && !slices.Contains(m.Grants, g):
			m.Grants = append(m.Grants, g)
		}
	}
	if fresh {
		err = t.InsertMember(ctx, m)
	} else {
		err = t.UpdateMember(ctx, &m)
	}
	if err != nil {
		return err
	}
	for _, team := range i.Teams {
		if _, err := t.Team(ctx, string(team)); apim.KindOf(err) == apim.NotFound {
			continue
		} else if err != nil {
			return err
		}
		if gives++; slices.Contains(m.Teams, team) {
			continue
		}
		if err := t.InsertTeamMember(ctx, apim.TeamMember{Tenant: i.Tenant, Team: team, Person: p.ID, JoinedAt: u.now}); err != nil {
			return err
		}
		m.Teams = append(m.Teams, team)
	}
	if gives == 0 {
		return apim.Errorf(apim.NotFound, "what the invitation was for is not there any more; ask %s for another", i.Inviter).WithCode("link_ended")
	}
	if err := t.DeleteInvitation(ctx, i.ID); err != nil {
		return err
	}
	return u.recordChange(ctx, i.Tenant, "member.join", p.ID, nil, memberFacts(m), "%s joined, invited by %s", p.Name, i.Inviter)
}
