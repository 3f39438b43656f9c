package manager_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager"
	"portico/manager/store"
	"portico/test/postgres"
)

func TestNobodyGrantsARoleAboveTheirOwn(t *testing.T) {
	postgres.Both(t, testNobodyGrantsARoleAboveTheirOwn)
}

func testNobodyGrantsARoleAboveTheirOwn(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	admin := y.person(y.shop, "Adam", apim.RoleAdmin)
	provider := y.person(y.shop, "Pia", apim.RoleProvider)
	boss := y.person(y.shop, "Bo")
	y.grant(boss, apim.RoleGrant{Role: apim.RoleAdmin, On: y.east.ID})
	operator := apim.Actor{Person: "per_op", Name: "Op", Operator: true}
	roles := func(r ...apim.Role) manager.MemberChange { return manager.MemberChange{Roles: &r} }
	on := func(r apim.Role, place apim.ID) manager.MemberChange {
		return manager.MemberChange{Grants: &[]apim.RoleGrant{{Role: r, On: place}}}
	}
	for name, c := range map[string]struct {
		actor apim.Actor
		give  manager.MemberChange
		want  apim.ErrorKind
	}{
		"an owner gives owner":             {y.owner, roles(apim.RoleOwner), ""},
		"an admin gives owner":             {admin, roles(apim.RoleOwner), apim.Forbidden},
		"an admin gives admin":             {admin, roles(apim.RoleAdmin), ""},
		"an operator gives owner":          {operator, roles(apim.RoleOwner), ""},
		"a provider gives provider":        {provider, roles(apim.RoleProvider), apim.Forbidden},
		"a team's admin, in the team":      {boss, on(apim.RoleApprover, y.east.ID), ""},
		"a team's admin, its admin":        {boss, on(apim.RoleAdmin, y.east.ID), ""},
		"a team's admin, on its API":       {boss, on(apim.RoleApprover, y.ofEast.version.API), ""},
		"a team's admin, in another team":  {boss, on(apim.RoleApprover, y.west.ID), apim.Forbidden},
		"a team's admin, on another's API": {boss, on(apim.RoleProvider, y.ofWest.version.API), apim.Forbidden},
		"a team's admin, on the tenant":    {boss, roles(apim.RoleAuditor), apim.Forbidden},
		"a token without the scope": {
			apim.Actor{Person: y.owner.Person, Token: "tok_1", Tenant: shop, Scopes: apim.Scopes{"write api"}},
			roles(apim.RoleAuditor), apim.Forbidden,
		},
	} {
		t.Run(name, func(t *testing.T) {
			who := y.person(y.shop, apim.Slugify(name))
			_, err := y.tenants.UpdateMember(ctx, c.actor, shop, who.Person, c.give)
			if apim.KindOf(err) != c.want || c.want == "" && err != nil {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil || c.give.Roles == nil || (*c.give.Roles)[0] != apim.RoleOwner {
				return
			}
			// What may not be given may not be taken either.
			refused(t, last(y.tenants.UpdateMember(ctx, admin, shop, who.Person, roles(apim.RoleConsumer))), apim.Forbidden)
			refused(t, y.tenants.RemoveMember(ctx, admin, shop, who.Person), apim.Forbidden)
		})
	}
	_, err := y.tenants.UpdateMember(ctx, y.owner, shop, provider.Person, manager.MemberChange{
		Roles: &[]apim.Role{"king", apim.RoleProvider, apim.RoleProvider},
		Grants: &[]apim.RoleGrant{
			{Role: apim.RoleOwner, On: y.east.ID}, {Role: apim.RoleConsumer, On: y.ofEast.version.API}, {Role: apim.RoleProvider, On: "team_0"}, {Role: apim.RoleAdmin, On: "x"},
		},
	})
	wantFields(t, err, "grants[0] grants[1] grants[2] grants[3] roles[0] roles[2]")
	_, err = y.tenants.UpdateMember(ctx, y.owner, shop, provider.Person, manager.MemberChange{Roles: &[]apim.Role{}, Lock: 99})
	refused(t, err, apim.Conflict)
}

func TestLastOwnerStays(t *testing.T) { postgres.Both(t, testLastOwnerStays) }

func testLastOwnerStays(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	operator := apim.Actor{Person: "per_op", Name: "Op", Operator: true}
	for name, err := range map[string]error{
		"demoted by themself":    last(y.tenants.UpdateMember(ctx, y.owner, shop, y.owner.Person, manager.MemberChange{Roles: &[]apim.Role{apim.RoleAdmin}})),
		"leaving":                y.tenants.RemoveMember(ctx, y.owner, shop, y.owner.Person),
		"removed by an operator": y.tenants.RemoveMember(ctx, operator, shop, y.owner.Person),
		"demoted by an operator": last(y.tenants.UpdateMember(ctx, operator, shop, y.owner.Person, manager.MemberChange{Roles: &[]apim.Role{}})),
	} {
		if apim.KindOf(err) != apim.Conflict || !strings.Contains(err.Error(), "owner") {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
	second := y.person(y.shop, "Oz", apim.RoleOwner)
	if err := y.tenants.RemoveMember(ctx, second, shop, y.owner.Person); err != nil {
		t.Error(err)
	}
	refused(t, y.tenants.RemoveMember(ctx, second, shop, second.Person), apim.Conflict)
}

func TestRemovedMemberIsOutAtOnce(t *testing.T) { postgres.Both(t, testRemovedMemberIsOutAtOnce) }

func testRemovedMemberIsOutAtOnce(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	admin := y.person(y.shop, "Adam", apim.RoleAdmin)
	_, text, err := y.tenants.CreateToken(ctx, admin, shop, manager.NewToken{Name: "CI"})
	if err != nil {
		t.Fatal(err)
	}
	_, link, err := y.tenants.Invite(ctx, admin, shop, manager.NewInvitation{Email: "friend@adam.example", Roles: []apim.Role{apim.RoleAdmin}})
	if err != nil {
		t.Fatal(err)
	}
	y.join(y.east, admin)
	if err := y.tenants.RemoveMember(ctx, y.owner, shop, admin.Person); err != nil {
		t.Fatal(err)
	}
	_, err = y.tenants.TokenActor(ctx, text)
	refused(t, err, apim.SignIn)
	refused(t, last(y.catalog.APIs(ctx, admin, shop, manager.APIQuery{})), apim.NotFound) // as their session asks
	if all := must[[]manager.Membership](t)(y.tenants.Memberships(ctx, admin)); len(all) != 0 {
		t.Errorf("got %+v, want no tenant", all)
	}
	refused(t, last(y.tenants.CheckInvitation(ctx, tokenIn(t, link))), apim.NotFound)
	if team := must[manager.TeamDetail](t)(y.tenants.Team(ctx, y.owner, shop, "east")); len(team.Members) != 1 {
		t.Errorf("got %+v, want the other one alone", team.Members)
	}
	refused(t, y.tenants.RemoveMember(ctx, y.owner, shop, admin.Person), apim.NotFound)
	if n := y.audited(shop, "member.remove"); n != 1 {
		t.Errorf("got %d audit rows, want one", n)
	}
}

// Another manager on the same database, which reads the roles by itself.
func TestRemovedMemberIsOutAtAnotherManager(t *testing.T) {
	postgres.Both(t, testRemovedMemberIsOutAtAnotherManager)
}

func testRemovedMemberIsOutAtAnotherManager(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	other := must[*manager.Tenants](t)(y.another())
	if !other.Can(t.Context(), y.works, y.shop.ID, apim.Publish, apim.ObjectAPI) {
		t.Fatal("the other manager does not know the member")
	}
	told := false
	y.authz.Tell = func() { told = true; _ = other.Authz.Refresh(context.Background()) }
	if err := y.tenants.RemoveMember(t.Context(), y.owner, y.shop.ID, y.works.Person); err != nil {
		t.Fatal(err)
	}
	if !told || other.Can(t.Context(), y.works, y.shop.ID, apim.Read, apim.ObjectTenant) {
		t.Error("the other manager still lets them in")
	}
}

// Whoever another manager has just removed gives nothing and takes nothing here,
// though nobody told this one.
func TestRightsAreGivenByWhatMembersAreNow(t *testing.T) {
	postgres.Both(t, testRightsAreGivenByWhatMembersAreNow)
}

func testRightsAreGivenByWhatMembersAreNow(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	boss, admin := y.person(y.shop, "Bo"), y.person(y.shop, "Adam", apim.RoleAdmin)
	y.grant(boss, apim.RoleGrant{Role: apim.RoleAdmin, On: y.east.ID})
	friend := y.person(y.shop, "Fay")
	for name, do := range map[string]func(here *manager.Tenants) error{
		"a role in the team": func(here *manager.Tenants) error {
			return last(here.UpdateMember(ctx, boss, shop, friend.Person, manager.MemberChange{Grants: &[]apim.RoleGrant{{Role: apim.RoleAdmin, On: y.east.ID}}}))
		},
		"a place in the team": func(here *manager.Tenants) error {
			return here.AddTeamMember(ctx, boss, shop, y.east.ID, friend.Person)
		},
		"roles of the team": func(here *manager.Tenants) error {
			return last(here.UpdateTeam(ctx, boss, shop, y.east.ID, manager.TeamInput{Roles: &[]apim.Role{apim.RoleAdmin}}))
		},
		"an invitation": func(here *manager.Tenants) error {
			_, _, err := here.Invite(ctx, boss, shop, manager.NewInvitation{Email: "x@y.example", Teams: []apim.ID{y.east.ID}})
			return err
		},
		"a team": func(here *manager.Tenants) error {
			return last(here.CreateTeam(ctx, admin, shop, manager.TeamInput{Name: new("Mine"), Roles: &[]apim.Role{apim.RoleAdmin}}))
		},
		"a team's end": func(here *manager.Tenants) error { return here.DeleteTeam(ctx, admin, shop, y.team("spare").ID) },
		"removal": func(here *manager.Tenants) error {
			return here.RemoveMember(ctx, admin, shop, y.person(y.shop, "Gus").Person)
		},
	} {
		here := must[*manager.Tenants](t)(y.another())
		for _, who := range []apim.Actor{boss, admin} {
			must[apim.Member](t)(y.tenants.UpdateMember(ctx, y.owner, shop, who.Person, manager.MemberChange{Roles: &[]apim.Role{}, Grants: &[]apim.RoleGrant{}}))
		}
		if err := do(here); apim.KindOf(err) != apim.Forbidden {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
		must[apim.Member](t)(y.tenants.UpdateMember(ctx, y.owner, shop, admin.Person, manager.MemberChange{Roles: &[]apim.Role{apim.RoleAdmin}}))
		y.grant(boss, apim.RoleGrant{Role: apim.RoleAdmin, On: y.east.ID})
	}
	// Who is no member any more makes no token to come back with.
	here := must[*manager.Tenants](t)(y.another())
	if err := y.tenants.RemoveMember(ctx, y.owner, shop, admin.Person); err != nil {
		t.Fatal(err)
	}
	_, _, err := here.CreateToken(ctx, admin, shop, manager.NewToken{Name: "CI"})
	refused(t, err, apim.NotFound)
}

func tokenIn(t testing.TB, link secret.Text) secret.Text {
	t.Helper()
	u := must[*url.URL](t)(url.Parse(link.Reveal()))
	if u.Path != "/invitation" {
		t.Errorf("got %s, want the page of invitations", u.Path)
	}
	return secret.Text(u.Query().Get("token"))
}

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

func TestTokenMayNoMoreThanItsScopes(t *testing.T) { postgres.Both(t, testTokenMayNoMoreThanItsScopes) }

func testTokenMayNoMoreThanItsScopes(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	consumer := y.person(y.shop, "Con", apim.RoleConsumer)
	use := func(who apim.Actor, scopes ...apim.Scope) apim.Actor {
		t.Helper()
		_, text, err := y.tenants.CreateToken(ctx, who, shop, manager.NewToken{Name: "CI", Scopes: scopes})
		if err != nil {
			t.Fatal(err)
		}
		return must[apim.Actor](t)(y.tenants.TokenActor(ctx, text))
	}
	presets := apim.ScopePresets()
	for name, c := range map[string]struct {
		actor  apim.Actor
		verb   apim.Verb
		object apim.Object
		may    bool
	}{
		"read-only reads":                 {use(y.owner, presets["read-only"]...), apim.Read, apim.ObjectAudit, true},
		"read-only does not write":        {use(y.owner, presets["read-only"]...), apim.Write, apim.ObjectAPI, false},
		"publish publishes":               {use(y.owner, presets["publish"]...), apim.Publish, apim.ObjectAPI, true},
		"publish does not approve":        {use(y.owner, presets["publish"]...), apim.Approve, apim.ObjectSubscription, false},
		"publish gives no roles":          {use(y.owner, presets["publish"]...), apim.Manage, apim.ObjectMember, false},
		"full is all":                     {use(y.owner, presets["full"]...), apim.Manage, apim.ObjectMember, true},
		"no scopes is all":                {use(y.owner), apim.Manage, apim.ObjectMember, true},
		"full is no more than the person": {use(consumer, presets["full"]...), apim.Publish, apim.ObjectAPI, false},
		"any verb on one object":          {use(y.owner, "* api"), apim.Publish, apim.ObjectAPI, true},
		"and none on another":             {use(y.owner, "* api"), apim.Read, apim.ObjectProduct, false},
		"writing lets it read":            {use(y.owner, "write api"), apim.Read, apim.ObjectAPI, true},
		"where it works is no secret":     {use(y.owner, "write api"), apim.Read, apim.ObjectTenant, true},
	} {
		if got := y.tenants.Can(ctx, c.actor, shop, c.verb, c.object); got != c.may {
			t.Errorf("%s: got %v, want %v", name, got, c.may)
		}
	}
	_, _, err := y.tenants.CreateToken(ctx, consumer, shop, manager.NewToken{Name: "CI", Scopes: apim.Scopes{"read application", "publish api", "fly api", "read", "* moon"}})
	wantFields(t, err, "scopes[1] scopes[2] scopes[3] scopes[4]")
	_, _, err = y.tenants.CreateToken(ctx, consumer, shop, manager.NewToken{Name: "CI", Never: true})
	wantFields(t, err, "never_expires")
	operator := apim.Actor{Person: "per_op", Name: "Op", Operator: true}
	_ = y.store.Write(ctx, func(tx *store.Tx) error {
		return tx.System().InsertPerson(ctx, apim.Person{ID: "per_op", Email: "op@x.example", Name: "Op", Operator: true, CreatedAt: y.clock(), Lock: 1}, "")
	})
	token, text, err := y.tenants.CreateToken(ctx, operator, shop, manager.NewToken{Name: "CI", Never: true, Scopes: apim.Scopes{"read api"}})
	if err != nil || !token.ExpiresAt.IsZero() {
		t.Errorf("got %+v, %v, want a token without an end", token, err)
	}
	y.pass(20 * 365 * 24 * time.Hour)
	actor := must[apim.Actor](t)(y.tenants.TokenActor(ctx, text))
	refused(t, last(y.tenants.CreateTenant(ctx, actor, "more", "More")), apim.Forbidden)
	if y.tenants.Can(ctx, actor, shop, apim.Write, apim.ObjectAPI) {
		t.Error("an operator's token may more than its scopes")
	}
	refused(t, last(y.tenants.Sessions(ctx, actor)), apim.Forbidden)
}

// A bootstrap token that was narrowed cannot make a wider one.
func TestNarrowTokenMakesNoWiderOne(t *testing.T) { postgres.Both(t, testNarrowTokenMakesNoWiderOne) }

func testNarrowTokenMakesNoWiderOne(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	narrow := apim.Actor{Token: "tok_1", Operator: true, Name: "automation", Scopes: apim.Scopes{"write token", "read *"}}
	_, _, err := y.tenants.CreateToken(t.Context(), narrow, y.shop.ID, manager.NewToken{Name: "wider"})
	refused(t, err, apim.Forbidden)
	// One that makes tokens gives what it has and no more.
	mints := apim.Actor{Token: "tok_2", Operator: true, Name: "automation", Scopes: apim.Scopes{"* token", "read api"}}
	for asked, want := range map[apim.Scope]string{
		"* *": "scopes[0]", "read *": "scopes[0]", "* api": "scopes[0]", "write api": "scopes[0]", "manage member": "scopes[0]", "read api": "", "write token": "", "* token": "",
	} {
		_, _, err := y.tenants.CreateToken(t.Context(), mints, y.shop.ID, manager.NewToken{Name: "child", Scopes: apim.Scopes{asked}})
		if want == "" && err != nil {
			t.Errorf("%s: %v", asked, err)
		} else if want != "" {
			wantFields(t, err, want)
		}
	}
	made, _, err := y.tenants.CreateToken(t.Context(), mints, y.shop.ID, manager.NewToken{Name: "as it is"})
	if err != nil || !slices.Equal(made.Scopes, mints.Scopes) {
		t.Errorf("got %v, %v, want the scopes of the token that made it", made.Scopes, err)
	}
}

func TestAdminsSeeAndRevokeEverybodysTokens(t *testing.T) {
	postgres.Both(t, testAdminsSeeAndRevokeEverybodysTokens)
}

func testAdminsSeeAndRevokeEverybodysTokens(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	admin := y.person(y.shop, "Adam", apim.RoleAdmin)
	provider, auditor := y.person(y.shop, "Pia", apim.RoleProvider), y.person(y.shop, "Aud", apim.RoleAuditor)
	boss := y.person(y.shop, "Bo")
	y.grant(boss, apim.RoleGrant{Role: apim.RoleAdmin, On: y.east.ID})
	elsewhere := y.tenant("elsewhere")
	outside := y.person(elsewhere, "Xi", apim.RoleOwner)
	mint := func(who apim.Actor, tenant apim.ID) (apim.Token, string) {
		t.Helper()
		token, text, err := y.tenants.CreateToken(ctx, who, tenant, manager.NewToken{Name: "of " + who.Name})
		if err != nil {
			t.Fatal(err)
		}
		return token, text
	}
	pias, text := mint(provider, shop)
	wills, _ := mint(y.works, shop)
	bot, _ := mint(apim.Actor{Token: "tok_1", Operator: true, Name: "automation"}, shop)
	theirs, _ := mint(outside, elsewhere.ID)
	list := must[apim.List[apim.MadeToken]](t)(y.tenants.AllTokens(ctx, admin, shop, apim.Page{}))
	if len(list.Items) != 3 || list.Items[0].ID != bot.ID || list.Items[0].Maker != "" || list.Items[1].Maker != "Will" || list.Items[2].Token.Person != provider.Person {
		t.Errorf("got %+v, want those of the shop, the newest first", list.Items)
	}
	narrow := admin
	narrow.Token, narrow.Tenant, narrow.Scopes = "tok_2", shop, apim.Scopes{"write token"}
	for name, who := range map[string]apim.Actor{"a provider": provider, "an auditor": auditor, "a team's admin": boss, "an admin's token without the scope": narrow} {
		_, err := y.tenants.AllTokens(ctx, who, shop, apim.Page{})
		if apim.KindOf(err) != apim.Forbidden {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
		if err := y.tenants.RevokeToken(ctx, who, shop, wills.ID); apim.KindOf(err) != apim.NotFound {
			t.Errorf("%s: got %v, want another's token not to be there", name, err)
		}
	}
	refused(t, y.tenants.RevokeToken(ctx, admin, shop, theirs.ID), apim.NotFound)
	if err := y.tenants.RevokeToken(ctx, admin, shop, pias.ID); err != nil {
		t.Fatal(err)
	}
	refused(t, last(y.tenants.TokenActor(ctx, text)), apim.SignIn)
	rows := must[apim.List[apim.AuditLink]](t)(y.tenants.AuditLog(ctx, y.owner, shop, apim.AuditFilter{Action: "token.revoke"}, apim.Page{}))
	if len(rows.Items) != 1 || rows.Items[0].Actor.Person != admin.Person || rows.Items[0].Summary != "API token of Pia of Pia revoked" {
		t.Errorf("got %+v, want who revoked whose", rows.Items)
	}
	if err := y.tenants.RevokeToken(ctx, y.works, shop, wills.ID); err != nil {
		t.Errorf("their own: %v", err)
	}
}

func TestSessionsAreListedAndEnded(t *testing.T) { postgres.Both(t, testSessionsAreListedAndEnded) }

func testSessionsAreListedAndEnded(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx := t.Context()
	sessions := y.store.Sessions("console", y.clock)
	for _, s := range []struct {
		who apim.Actor
		id  apim.ID
	}{{y.owner, "ses_1"}, {y.owner, "ses_2"}, {y.owner, "ses_3"}, {y.works, "ses_4"}} {
		err := sessions.CommitSession(ctx, string(s.id), []byte("x"), y.clock().Add(time.Hour), apim.Session{ID: s.id, Person: s.who.Person, Agent: "Firefox", SeenAt: y.clock()})
		if err != nil {
			t.Fatal(err)
		}
	}
	if list := must[[]apim.Session](t)(y.tenants.Sessions(ctx, y.owner)); len(list) != 3 || list[0].ID != "ses_3" || list[0].Use != "console" {
		t.Errorf("got %+v, want the own three, the latest first", list)
	}
	refused(t, y.tenants.EndSession(ctx, y.owner, "ses_4"), apim.NotFound) // another's
	if err := y.tenants.EndSession(ctx, y.owner, "ses_1"); err != nil {
		t.Fatal(err)
	}
	if _, found, err := sessions.FindCtx(ctx, "ses_1"); err != nil || found {
		t.Errorf("the session still lets in: %v, %v", found, err)
	}
	if n := must[int](t)(y.tenants.EndSessions(ctx, y.owner, "ses_3")); n != 1 {
		t.Errorf("ended %d, want the other one", n)
	}
	if list := must[[]apim.Session](t)(y.tenants.Sessions(ctx, y.owner)); len(list) != 1 || list[0].ID != "ses_3" {
		t.Errorf("got %+v, want the one that asks", list)
	}
	if list := must[[]apim.Session](t)(y.tenants.Sessions(ctx, y.works)); len(list) != 1 {
		t.Errorf("got %+v, want another's left alone", list)
	}
}
