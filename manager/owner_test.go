package manager_test

import (
	"slices"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

func TestListsAreFilteredByTheTeamThatOwns(t *testing.T) {
	postgres.Both(t, testListsAreFilteredByTheTeamThatOwns)
}

func testListsAreFilteredByTheTeamThatOwns(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	y.offer(y.owner, y.shop, "plain") // no team's
	apis := func(actor apim.Actor, team apim.ID) (slugs []string) {
		for _, a := range must[apim.List[manager.APISummary]](t)(y.catalog.APIs(ctx, actor, shop, manager.APIQuery{Team: team})).Items {
			slugs = append(slugs, a.API.Slug)
		}
		return slugs
	}
	products := func(actor apim.Actor, team apim.ID) (slugs []string) {
		for _, p := range must[apim.List[manager.ProductDetail]](t)(y.catalog.Products(ctx, actor, shop, manager.ProductQuery{Team: team})).Items {
			slugs = append(slugs, p.Product.Slug)
		}
		return slugs
	}
	for _, a := range must[apim.List[manager.APISummary]](t)(y.catalog.APIs(ctx, y.owner, shop, manager.APIQuery{})).Items {
		if want := map[string]string{"east": "The east", "west": "The west"}[a.API.Slug]; a.Owner != want {
			t.Errorf("%s is of %q, want %q", a.API.Slug, a.Owner, want)
		}
	}
	if got := must[manager.VersionDetail](t)(y.catalog.Version(ctx, y.works, shop, y.ofEast.version.ID)).Owner; got != "The east" {
		t.Errorf("the version's API is of %q", got)
	}
	for _, c := range []struct {
		who   string
		actor apim.Actor
		team  apim.ID
		want  []string
	}{
		{"the owner", y.owner, "", []string{"east", "plain", "west"}},
		{"the owner", y.owner, y.east.ID, []string{"east"}},
		{"the owner", y.owner, "west", []string{"west"}}, // by slug
		{"the owner", y.owner, apim.NoTeam, []string{"plain"}},
		{"a member of the east", y.works, y.east.ID, []string{"east"}},
		{"a member of the east", y.works, y.west.ID, nil},
		{"a member of the east", y.works, apim.NoTeam, nil},
	} {
		if got := slices.Sorted(slices.Values(apis(c.actor, c.team))); !slices.Equal(got, c.want) {
			t.Errorf("APIs of %q for %s: got %v, want %v", c.team, c.who, got, c.want)
		}
		if got := slices.Sorted(slices.Values(products(c.actor, c.team))); !slices.Equal(got, c.want) {
			t.Errorf("products of %q for %s: got %v, want %v", c.team, c.who, got, c.want)
		}
	}
	refused(t, last(y.catalog.APIs(ctx, y.owner, shop, manager.APIQuery{Team: "nobody"})), apim.Invalid)
	refused(t, last(y.catalog.Products(ctx, y.owner, shop, manager.ProductQuery{Team: "nobody"})), apim.Invalid)
}

func TestOwnersAreThoseThatTheActorMayGiveTo(t *testing.T) {
	postgres.Both(t, testOwnersAreThoseThatTheActorMayGiveTo)
}

func testOwnersAreThoseThatTheActorMayGiveTo(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	for _, c := range []struct {
		who    string
		actor  apim.Actor
		verb   apim.Verb
		object apim.Object
		none   bool
		teams  []apim.ID
	}{
		{"the owner", y.owner, apim.Write, apim.ObjectAPI, true, []apim.ID{y.east.ID, y.west.ID}},
		{"a member of the east", y.works, apim.Write, apim.ObjectAPI, false, []apim.ID{y.east.ID}},
		{"a member of the east", y.works, apim.Write, apim.ObjectApplication, false, []apim.ID{y.east.ID}},
		{"a member of the east", y.works, apim.Read, apim.ObjectProduct, false, []apim.ID{y.east.ID}},
	} {
		got := must[manager.Owners](t)(y.tenants.Owners(ctx, c.actor, shop, c.verb, c.object))
		var teams []apim.ID
		for _, team := range got.Teams {
			teams = append(teams, team.ID)
		}
		if got.None != c.none || !slices.Equal(teams, c.teams) {
			t.Errorf("%s %s for %s: got %v %v, want %v %v", c.verb, c.object, c.who, got.None, teams, c.none, c.teams)
		}
	}
	// Who has a role on an object alone has nobody to make things for.
	idle := y.person(y.shop, "Ida")
	y.grant(idle, apim.RoleGrant{Role: apim.RoleProvider, On: y.ofEast.version.API})
	if got := must[manager.Owners](t)(y.tenants.Owners(ctx, idle, shop, apim.Write, apim.ObjectAPI)); got.None || len(got.Teams) != 0 {
		t.Errorf("got %+v for who has a role on one API, want nobody", got)
	}
}

func TestConsumersAreInvitedIntoThePortal(t *testing.T) {
	postgres.Both(t, testConsumersAreInvitedIntoThePortal)
}

func testConsumersAreInvitedIntoThePortal(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	buyers, idle := y.team("buyers", apim.RoleConsumer), y.team("idle")
	app := y.application(y.owner, y.shop, "till")
	for email, c := range map[string]struct {
		in   manager.NewInvitation
		want string
	}{
		"consumer@new.example":     {manager.NewInvitation{Roles: []apim.Role{apim.RoleConsumer}}, "http://portal.example"},
		"buyer@new.example":        {manager.NewInvitation{Teams: []apim.ID{buyers.ID}}, "http://portal.example"},
		"both@new.example":         {manager.NewInvitation{Roles: []apim.Role{apim.RoleConsumer}, Teams: []apim.ID{buyers.ID}}, "http://portal.example"},
		"till@new.example":         {manager.NewInvitation{Grants: []apim.RoleGrant{{Role: apim.RoleConsumer, On: app.ID}}}, "http://portal.example"},
		"provider@new.example":     {manager.NewInvitation{Roles: []apim.Role{apim.RoleProvider}}, "http://console.example"},
		"mixed@new.example":        {manager.NewInvitation{Roles: []apim.Role{apim.RoleConsumer, apim.RoleAuditor}}, "http://console.example"},
		"works@new.example":        {manager.NewInvitation{Roles: []apim.Role{apim.RoleConsumer}, Teams: []apim.ID{y.west.ID}}, "http://console.example"},
		"without-role@new.example": {manager.NewInvitation{Teams: []apim.ID{idle.ID}}, "http://console.example"},
	} {
		c.in.Email = email
		made, link, err := y.tenants.Invite(ctx, y.owner, shop, c.in)
		if err != nil {
			t.Fatal(err)
		}
		again := func() string {
			_, link, err := y.tenants.ResendInvitation(ctx, y.owner, shop, made.ID)
			if err != nil {
				t.Fatal(err)
			}
			return link.Reveal()
		}
		for _, got := range []string{link.Reveal(), again()} {
			if !strings.HasPrefix(got, c.want+"/invitation?token=") {
				t.Errorf("the link of %s leads to %s, want %s", email, got[:strings.Index(got, "?")], c.want)
			}
		}
	}
}
