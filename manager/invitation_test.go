package manager_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager"
	"portico/test/postgres"
)

func TestInvitationIsGoodOnceForItsAddress(t *testing.T) {
	postgres.Both(t, testInvitationIsGoodOnceForItsAddress)
}

func testInvitationIsGoodOnceForItsAddress(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	other := y.tenant("other")
	nina := y.person(other, "Nina", apim.RoleConsumer) // nina@other.example
	in := manager.NewInvitation{
		Email: " Nina@Other.example ", Roles: []apim.Role{apim.RoleAuditor},
		Grants: []apim.RoleGrant{{Role: apim.RoleApprover, On: y.ofWest.product.ID}}, Teams: []apim.ID{"east"},
	}
	made, first, err := y.tenants.Invite(ctx, y.owner, shop, in)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = y.tenants.Invite(ctx, y.owner, shop, in)
	refused(t, err, apim.Conflict)
	_, link, err := y.tenants.ResendInvitation(ctx, y.owner, shop, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, last(y.tenants.CheckInvitation(ctx, tokenIn(t, first))), apim.NotFound) // the new link ended it
	token := tokenIn(t, link)
	view := must[manager.InvitationView](t)(y.tenants.CheckInvitation(ctx, token))
	if view.Tenant.ID != shop || !view.Account || len(view.TeamNames) != 1 || view.Invitation.Inviter != "Olga" || view.Invitation.Email != "nina@other.example" {
		t.Errorf("got %+v", view)
	}
	refused(t, last(y.tenants.AcceptInvitation(ctx, y.works, token)), apim.Forbidden) // another address
	refused(t, last(y.tenants.AcceptInvitation(ctx, apim.Actor{}, token)), apim.SignIn)
	byToken := nina
	byToken.Token = "tok_1"
	refused(t, last(y.tenants.AcceptInvitation(ctx, byToken, token)), apim.Forbidden)
	_, err = y.tenants.JoinByInvitation(ctx, token, "Nina", password, "192.0.2.1")
	wantFields(t, err, "email") // there is an account: she signs in
	if tenant := must[apim.Tenant](t)(y.tenants.AcceptInvitation(ctx, nina, token)); tenant.ID != shop {
		t.Errorf("got %+v", tenant)
	}
	m := must[apim.Member](t)(y.tenants.Member(ctx, y.owner, shop, nina.Person))
	if len(m.Roles) != 1 || m.Roles[0] != apim.RoleAuditor || len(m.Grants) != 1 || len(m.Teams) != 1 || m.Teams[0] != y.east.ID {
		t.Errorf("got %+v, want what the invitation said", m)
	}
	if !y.tenants.Can(ctx, nina, shop, apim.Publish, apim.ObjectAPI, y.ofEast.version.API, y.east.ID) {
		t.Error("she cannot do what her team does")
	}
	refused(t, last(y.tenants.AcceptInvitation(ctx, nina, token)), apim.NotFound) // used up
	_, _, err = y.tenants.Invite(ctx, y.owner, shop, in)
	refused(t, err, apim.Conflict) // a member already
}

func TestInvitationMakesAnAccountOnTheSpot(t *testing.T) {
	postgres.Both(t, testInvitationMakesAnAccountOnTheSpot)
}

func testInvitationMakesAnAccountOnTheSpot(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	y.tenants.OpenSignUp = false // an invitation is what lets people in then
	_, link, err := y.tenants.Invite(ctx, y.owner, shop, manager.NewInvitation{Email: "nina@new.example", Teams: []apim.ID{y.east.ID}})
	if err != nil {
		t.Fatal(err)
	}
	token := tokenIn(t, link)
	_, err = y.tenants.JoinByInvitation(ctx, token, "", "short", "192.0.2.1")
	wantFields(t, err, "name password")
	p := must[apim.Person](t)(y.tenants.JoinByInvitation(ctx, token, "Nina", password, "192.0.2.1"))
	if p.Email != "nina@new.example" || p.Operator || p.SignedIn.IsZero() {
		t.Errorf("got %+v", p)
	}
	must[apim.Person](t)(y.tenants.SignIn(ctx, "nina@new.example", password, "192.0.2.1"))
	if !y.tenants.Can(ctx, apim.Actor{Person: p.ID}, shop, apim.Publish, apim.ObjectAPI) {
		t.Error("she is not in the team")
	}
	_, err = y.tenants.JoinByInvitation(ctx, token, "Nina", password, "192.0.2.1")
	refused(t, err, apim.NotFound)
}

func TestInvitationEnds(t *testing.T) { postgres.Both(t, testInvitationEnds) }

func testInvitationEnds(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	invite := func(email string) (apim.Invitation, secret.Text) {
		i, link, err := y.tenants.Invite(ctx, y.owner, shop, manager.NewInvitation{Email: email, Roles: []apim.Role{apim.RoleProvider}})
		if err != nil {
			t.Fatal(err)
		}
		return i, tokenIn(t, link)
	}
	revoked, token := invite("a@new.example")
	if err := y.tenants.RevokeInvitation(ctx, y.owner, shop, revoked.ID); err != nil {
		t.Fatal(err)
	}
	refused(t, last(y.tenants.CheckInvitation(ctx, token)), apim.NotFound)
	_, token = invite("b@new.example")
	y.pass(7*24*time.Hour - time.Second)
	must[manager.InvitationView](t)(y.tenants.CheckInvitation(ctx, token))
	y.pass(2 * time.Second)
	refused(t, last(y.tenants.CheckInvitation(ctx, token)), apim.NotFound)
	invite("b@new.example") // the ended one does not stand in the way
	for _, bad := range []secret.Text{"", "portico_invitation_x"} {
		refused(t, last(y.tenants.CheckInvitation(ctx, bad)), apim.NotFound)
	}
	_, _, err := y.tenants.Invite(ctx, y.owner, shop, manager.NewInvitation{Email: "Ada <a@b.c>"})
	wantFields(t, err, "email roles")
	_, _, err = y.tenants.Invite(ctx, y.owner, shop, manager.NewInvitation{Email: "a@b.c", Roles: []apim.Role{"king"}, Teams: []apim.ID{"no", "east", y.east.ID}})
	wantFields(t, err, "roles[0] teams[0] teams[2]")
}

// Who loses a role cannot get it back, or a friend in, by what they sent before.
func TestInvitationsEndWithTheInvitersRole(t *testing.T) {
	postgres.Both(t, testInvitationsEndWithTheInvitersRole)
}

func testInvitationsEndWithTheInvitersRole(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	admin := y.person(y.shop, "Adam", apim.RoleAdmin, apim.RoleProvider)
	_, _, err := y.tenants.Invite(ctx, admin, shop, manager.NewInvitation{Email: "a@b.example", Roles: []apim.Role{apim.RoleOwner}})
	refused(t, err, apim.Forbidden)
	_, link, err := y.tenants.Invite(ctx, admin, shop, manager.NewInvitation{Email: "a@b.example", Roles: []apim.Role{apim.RoleAdmin}})
	if err != nil {
		t.Fatal(err)
	}
	must[apim.Member](t)(y.tenants.UpdateMember(ctx, y.owner, shop, admin.Person, manager.MemberChange{Roles: &[]apim.Role{apim.RoleProvider}}))
	refused(t, last(y.tenants.CheckInvitation(ctx, tokenIn(t, link))), apim.NotFound)
	boss := y.person(y.shop, "Bo")
	y.grant(boss, apim.RoleGrant{Role: apim.RoleAdmin, On: y.east.ID})
	if _, _, err := y.tenants.Invite(ctx, boss, shop, manager.NewInvitation{Email: "in@b.example", Teams: []apim.ID{y.east.ID}}); err != nil {
		t.Error(err)
	}
	_, _, err = y.tenants.Invite(ctx, boss, shop, manager.NewInvitation{Email: "out@b.example", Teams: []apim.ID{y.west.ID}})
	refused(t, err, apim.Forbidden)
	if _, _, err := y.tenants.Invite(ctx, y.owner, shop, manager.NewInvitation{Email: "west@b.example", Teams: []apim.ID{y.west.ID}}); err != nil {
		t.Fatal(err)
	}
	_, _, err = y.tenants.Invite(ctx, boss, shop, manager.NewInvitation{Email: "api@b.example", Grants: []apim.RoleGrant{{Role: apim.RoleProvider, On: y.ofEast.version.API}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := y.tenants.Invite(ctx, y.owner, shop, manager.NewInvitation{Email: "west2@b.example", Teams: []apim.ID{y.west.ID}}); err != nil {
		t.Fatal(err)
	}
	var seen []string
	for page := (apim.Page{Limit: 1}); ; {
		list := must[apim.List[apim.Invitation]](t)(y.tenants.Invitations(ctx, boss, shop, page))
		if len(list.Items) != 1 {
			t.Fatalf("got %+v after %v, want no page without a line", list, seen)
		}
		seen = append(seen, list.Items[0].Email)
		if page.Cursor = list.NextCursor; page.Cursor == "" || len(seen) > 2 {
			break
		}
	}
	if !slices.Equal(seen, []string{"api@b.example", "in@b.example"}) {
		t.Errorf("got %v, want those to the own team and to what it owns", seen)
	}
}

// However somebody lost the right to give it, what they have invited others to
// is not given.
func TestInvitationGivesNothingThatItsInviterMayNotGiveAnyMore(t *testing.T) {
	postgres.Both(t, testInvitationGivesNothingThatItsInviterMayNotGiveAnyMore)
}

func testInvitationGivesNothingThatItsInviterMayNotGiveAnyMore(t *testing.T, place postgres.Place) {
	for name, lose := range map[string]func(y *yard, boss apim.Actor, boards apim.Team) error{
		"out of the team": func(y *yard, boss apim.Actor, boards apim.Team) error {
			return y.tenants.RemoveTeamMember(y.t.Context(), y.owner, y.shop.ID, boards.ID, boss.Person)
		},
		"the team has the role no more": func(y *yard, _ apim.Actor, boards apim.Team) error {
			return last(y.tenants.UpdateTeam(y.t.Context(), y.owner, y.shop.ID, boards.ID, manager.TeamInput{Roles: &[]apim.Role{apim.RoleProvider}}))
		},
		"the API is another team's": func(y *yard, _ apim.Actor, _ apim.Team) error {
			return last(y.catalog.UpdateAPI(y.t.Context(), y.owner, y.shop.ID, y.ofEast.version.API, manager.APIChange{Team: &y.west.ID}))
		},
		"at another manager": func(y *yard, boss apim.Actor, boards apim.Team) error {
			there, err := y.another()
			if err != nil {
				return err
			}
			return there.RemoveTeamMember(y.t.Context(), y.owner, y.shop.ID, boards.ID, boss.Person)
		},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t, place)
			ctx, shop := t.Context(), y.shop.ID
			boards := y.team("board", apim.RoleAdmin)
			must[apim.API](t)(y.catalog.UpdateAPI(ctx, y.owner, shop, y.ofEast.version.API, manager.APIChange{Team: &boards.ID}))
			boss := y.person(y.shop, "Bo")
			y.join(boards, boss)
			friend := y.person(y.tenant("elsewhere"), "Fay", apim.RoleOwner)
			_, link, err := y.tenants.Invite(ctx, boss, shop, manager.NewInvitation{
				Email: "fay@elsewhere.example", Grants: []apim.RoleGrant{{Role: apim.RoleProvider, On: y.ofEast.version.API}},
			})
			if err != nil {
				t.Fatal(err)
			}
			_, made, err := y.tenants.Invite(ctx, boss, shop, manager.NewInvitation{
				Email: "new@elsewhere.example", Grants: []apim.RoleGrant{{Role: apim.RoleProvider, On: y.ofEast.version.API}},
			})
			if err != nil {
				t.Fatal(err)
			}
			must[manager.InvitationView](t)(y.tenants.CheckInvitation(ctx, tokenIn(t, link)))
			if err := lose(y, boss, boards); err != nil {
				t.Fatal(err)
			}
			_, err = y.tenants.AcceptInvitation(ctx, friend, tokenIn(t, link))
			refused(t, err, apim.NotFound)
			_, err = y.tenants.JoinByInvitation(ctx, tokenIn(t, made), "Nell", password, "192.0.2.1")
			refused(t, err, apim.NotFound)
			refused(t, last(y.tenants.Member(ctx, y.owner, shop, friend.Person)), apim.NotFound)
		})
	}
}

func TestInvitationToWhatIsGoneJoinsNobody(t *testing.T) {
	postgres.Both(t, testInvitationToWhatIsGoneJoinsNobody)
}

func testInvitationToWhatIsGoneJoinsNobody(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	spare := y.team("spare", apim.RoleProvider)
	friend := y.person(y.tenant("elsewhere"), "Fay", apim.RoleOwner)
	_, link, err := y.tenants.Invite(ctx, y.owner, shop, manager.NewInvitation{Email: "fay@elsewhere.example", Teams: []apim.ID{spare.ID}})
	if err != nil {
		t.Fatal(err)
	}
	if err := y.tenants.DeleteTeam(ctx, y.owner, shop, spare.ID); err != nil {
		t.Fatal(err)
	}
	_, err = y.tenants.AcceptInvitation(ctx, friend, tokenIn(t, link))
	refused(t, err, apim.NotFound)
	if !strings.Contains(err.Error(), "ask Olga for another") {
		t.Errorf("got %q, want the way out", err)
	}
	refused(t, last(y.tenants.Member(ctx, y.owner, shop, friend.Person)), apim.NotFound)
}
