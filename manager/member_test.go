package manager_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager"
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
