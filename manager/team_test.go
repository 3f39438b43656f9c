package manager_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

// yard is a shop with two teams, each with an API in a product of its own and
// an application, and somebody who works in the first alone.
type yard struct {
	*world
	shop         apim.Tenant
	owner, works apim.Actor
	east, west   apim.Team
	ofEast       offer
	ofWest       offer
}

func newYard(t testing.TB, place postgres.Place) *yard {
	t.Helper()
	y := &yard{world: newWorld(t, place)}
	y.shop = y.tenant("shop")
	y.owner = y.person(y.shop, "Olga", apim.RoleOwner)
	y.east, y.west = y.team("east", apim.RoleProvider, apim.RoleApprover, apim.RoleConsumer), y.team("west", apim.RoleProvider)
	y.ofEast, y.ofWest = y.offer(y.owner, y.shop, "east"), y.offer(y.owner, y.shop, "west")
	y.own(y.ofEast, y.east)
	y.own(y.ofWest, y.west)
	y.works = y.person(y.shop, "Will")
	y.join(y.east, y.works)
	return y
}

func (y *yard) team(slug string, roles ...apim.Role) apim.Team {
	y.t.Helper()
	return must[apim.Team](y.t)(y.tenants.CreateTeam(y.t.Context(), y.owner, y.shop.ID, manager.TeamInput{Slug: slug, Name: new("The " + slug), Roles: &roles}))
}

func (y *yard) join(team apim.Team, who apim.Actor) {
	y.t.Helper()
	if err := y.tenants.AddTeamMember(y.t.Context(), y.owner, y.shop.ID, team.ID, who.Person); err != nil {
		y.t.Fatal(err)
	}
}

// own gives an offer's API and product to a team.
func (y *yard) own(o offer, team apim.Team) {
	y.t.Helper()
	ctx := y.t.Context()
	must[apim.API](y.t)(y.catalog.UpdateAPI(ctx, y.owner, y.shop.ID, o.version.API, manager.APIChange{Team: &team.ID}))
	if _, _, err := y.catalog.UpdateProduct(ctx, y.owner, y.shop.ID, o.product.ID, manager.ProductInput{Team: &team.ID}); err != nil {
		y.t.Fatal(err)
	}
}

func (y *yard) grant(who apim.Actor, grants ...apim.RoleGrant) {
	y.t.Helper()
	must[apim.Member](y.t)(y.tenants.UpdateMember(y.t.Context(), y.owner, y.shop.ID, who.Person, manager.MemberChange{Grants: &grants}))
}

func TestProviderOfATeamChangesWhatTheTeamOwnsAlone(t *testing.T) {
	postgres.Both(t, testProviderOfATeamChangesWhatTheTeamOwnsAlone)
}

func testProviderOfATeamChangesWhatTheTeamOwnsAlone(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	apis := must[apim.List[manager.APISummary]](t)(y.catalog.APIs(ctx, y.works, shop, manager.APIQuery{}))
	if len(apis.Items) != 1 || apis.Items[0].API.ID != y.ofEast.version.API || apis.Items[0].API.Team != y.east.ID {
		t.Errorf("got %+v, want the team's API", apis.Items)
	}
	products := must[apim.List[manager.ProductDetail]](t)(y.catalog.Products(ctx, y.works, shop, manager.ProductQuery{}))
	if len(products.Items) != 1 || products.Items[0].Product.ID != y.ofEast.product.ID {
		t.Errorf("got %+v, want the team's product", products.Items)
	}
	// Each use case, on what the team owns and on what another owns.
	for name, use := range map[string]func(o offer) error{
		"read the API":       func(o offer) error { return last(y.catalog.API(ctx, y.works, shop, string(o.version.API))) },
		"read the version":   func(o offer) error { return last(y.catalog.Version(ctx, y.works, shop, o.version.ID)) },
		"read the product":   func(o offer) error { return last(y.catalog.Product(ctx, y.works, shop, string(o.product.ID))) },
		"read the plan":      func(o offer) error { return last(y.catalog.Plan(ctx, y.works, shop, o.manual.ID)) },
		"read the revisions": func(o offer) error { return last(y.catalog.Revisions(ctx, y.works, shop, o.version.ID, apim.Page{})) },
		"read the findings": func(o offer) error {
			return last(y.catalog.Findings(ctx, y.works, shop, o.version.Document, apim.Page{}))
		},
		"read the upstreams": func(o offer) error {
			return last(y.catalog.Upstreams(ctx, y.works, shop, o.version.ID, ""))
		},
		"change the API": func(o offer) error {
			return last(y.catalog.UpdateAPI(ctx, y.works, shop, o.version.API, manager.APIChange{Contact: new("x")}))
		},
		"change the draft": func(o offer) error {
			return last(y.catalog.UpdateDraft(ctx, y.works, shop, o.version.ID, manager.DraftChange{MaxBodyBytes: new(int64(77))}))
		},
		"publish": func(o offer) error {
			return last(y.catalog.Publish(ctx, y.works, shop, o.version.ID, "production", ""))
		},
		"roll back": func(o offer) error {
			return last(y.catalog.RollBack(ctx, y.works, shop, o.version.ID, "production", 1))
		},
		"change the product": func(o offer) error {
			_, _, err := y.catalog.UpdateProduct(ctx, y.works, shop, o.product.ID, manager.ProductInput{Summary: new("x")})
			return err
		},
		"make a plan": func(o offer) error {
			_, _, err := y.catalog.CreatePlan(ctx, y.works, shop, o.product.ID, manager.PlanInput{Name: new("Gold")})
			return err
		},
		"change a plan": func(o offer) error {
			_, _, err := y.catalog.UpdatePlan(ctx, y.works, shop, o.manual.ID, manager.PlanInput{Price: new("1 €")})
			return err
		},
	} {
		if err := use(y.ofEast); err != nil {
			t.Errorf("%s of the own team: %v", name, err)
		}
		if err := use(y.ofWest); apim.KindOf(err) != apim.NotFound {
			t.Errorf("%s of another team: got %v, want it not to be there", name, err)
		}
	}
	// The same document may describe APIs of two teams; it is read by either.
	if got := must[apim.List[manager.APISummary]](t)(y.catalog.APIs(ctx, y.owner, shop, manager.APIQuery{})); len(got.Items) != 2 {
		t.Errorf("the owner sees %d APIs, want both", len(got.Items))
	}
}

// last is the error of a use case that returns something else too.
func last[T any](_ T, err error) error { return err }

func TestWhatATeamMakesBelongsToIt(t *testing.T) { postgres.Both(t, testWhatATeamMakesBelongsToIt) }

func testWhatATeamMakesBelongsToIt(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	v := y.version(y.works, y.shop, "fresh")
	if a := must[manager.APISummary](t)(y.catalog.API(ctx, y.works, shop, "fresh")); a.API.Team != y.east.ID {
		t.Errorf("got %+v, want it to be the team's", a.API)
	}
	if app := must[apim.Application](t)(y.access.CreateApplication(ctx, y.works, shop, manager.ApplicationInput{Name: new("Till")})); app.Team != y.east.ID {
		t.Errorf("got %+v, want it to be the team's", app)
	}
	_, err := y.catalog.UpdateAPI(ctx, y.works, shop, v.API, manager.APIChange{Team: &y.west.ID})
	wantFields(t, err, "team")
	_, err = y.catalog.UpdateAPI(ctx, y.works, shop, v.API, manager.APIChange{Team: new(apim.ID(""))})
	refused(t, err, apim.Forbidden) // to nobody in particular: it would be theirs no more
	_, err = y.catalog.CreateProduct(ctx, y.works, shop, manager.ProductInput{Name: new("West's"), Team: &y.west.ID})
	wantFields(t, err, "team")
	_, err = y.catalog.CreateProduct(ctx, y.works, shop, manager.ProductInput{Name: new("Nobody's"), Team: new(apim.ID("team_0"))})
	wantFields(t, err, "team")
	// Another team's API cannot be offered in a product of one's own.
	_, _, err = y.catalog.UpdateProduct(ctx, y.works, shop, y.ofEast.product.ID, manager.ProductInput{Versions: &[]apim.ID{y.ofEast.version.ID, y.ofWest.version.ID}})
	wantFields(t, err, "versions[1]")

	y.join(y.west, y.works)
	_, err = y.catalog.CreateProduct(ctx, y.works, shop, manager.ProductInput{Name: new("Whose")})
	wantFields(t, err, "team") // of two teams one has to be named
	if err == nil || !strings.Contains(err.Error(), "The east, The west") {
		t.Errorf("got %v, want it to name the teams", err)
	}
	p := must[apim.Product](t)(y.catalog.CreateProduct(ctx, y.works, shop, manager.ProductInput{Name: new("East's"), Team: new(apim.ID("east"))}))
	if p.Team != y.east.ID {
		t.Errorf("got %+v, want it to be the team's, by its slug", p)
	}
}

// A subscription is decided by approvers of the tenant, of the product's team,
// of the product, or of an API in it, and by nobody else.
func TestApproverOfATeamProductOrAPIDecides(t *testing.T) {
	postgres.Both(t, testApproverOfATeamProductOrAPIDecides)
}

func testApproverOfATeamProductOrAPIDecides(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	client := y.tenant("client")
	carl := y.person(client, "Carl", apim.RoleConsumer)
	for name, c := range map[string]struct {
		role   apim.Role
		grants []apim.RoleGrant
		decide bool
	}{
		"of the tenant":           {apim.RoleApprover, nil, true},
		"of the product's team":   {"", []apim.RoleGrant{{Role: apim.RoleApprover, On: y.east.ID}}, true},
		"of the product":          {"", []apim.RoleGrant{{Role: apim.RoleApprover, On: y.ofEast.product.ID}}, true},
		"of an API in it":         {"", []apim.RoleGrant{{Role: apim.RoleApprover, On: y.ofEast.version.API}}, true},
		"of another team":         {"", []apim.RoleGrant{{Role: apim.RoleApprover, On: y.west.ID}}, false},
		"of another product":      {"", []apim.RoleGrant{{Role: apim.RoleApprover, On: y.ofWest.product.ID}}, false},
		"of another API":          {"", []apim.RoleGrant{{Role: apim.RoleApprover, On: y.ofWest.version.API}}, false},
		"provider of the product": {"", []apim.RoleGrant{{Role: apim.RoleProvider, On: y.ofEast.product.ID}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			slug := apim.Slugify(name)
			asked := y.request(carl, client, y.application(carl, client, slug), y.ofEast.manual)
			var roles []apim.Role
			if c.role != "" {
				roles = append(roles, c.role)
			}
			who := y.person(y.shop, slug, roles...)
			y.grant(who, c.grants...)
			_, _, err := y.access.Approve(ctx, who, shop, asked.ID, manager.Decision{})
			if (err == nil) != c.decide {
				t.Errorf("got %v, want a decision: %v", err, c.decide)
			}
			if err != nil && apim.KindOf(err) != apim.NotFound && apim.KindOf(err) != apim.Forbidden {
				t.Errorf("got %v, want a refusal", err)
			}
			inbox, err := y.access.Inbox(ctx, who, shop, manager.InboxQuery{Tab: "all"})
			sees := slices.ContainsFunc(inbox.Items, func(v manager.SubscriptionView) bool { return v.Subscription.ID == asked.ID })
			if err != nil || sees != (c.decide || strings.HasPrefix(name, "provider")) {
				t.Errorf("sees the request: %v, %v", sees, err)
			}
		})
	}
	_, _, err := y.access.Approve(ctx, carl, client.ID, y.request(carl, client, y.application(carl, client, "last"), y.ofEast.manual).ID, manager.Decision{})
	refused(t, err, apim.Forbidden)
}

// Requester ≠ approver: with roles on teams too, and only for who could.
func TestAskerDecidesOnlyWhenNobodyElseCould(t *testing.T) {
	postgres.Both(t, testAskerDecidesOnlyWhenNobodyElseCould)
}

func testAskerDecidesOnlyWhenNobodyElseCould(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	app := must[apim.Application](t)(y.access.CreateApplication(ctx, y.works, shop, manager.ApplicationInput{Name: new("Till")}))
	s := y.request(y.works, y.shop, app, y.ofEast.manual)
	_, _, err := y.access.Approve(ctx, y.works, shop, s.ID, manager.Decision{})
	refused(t, err, apim.Forbidden) // the owner could
	view := must[manager.SubscriptionView](t)(y.access.Subscription(ctx, y.works, shop, s.ID))
	if view.CanDecide {
		t.Error("the page offers a decision on their own request")
	}
	if _, _, err := y.access.Approve(ctx, y.owner, shop, s.ID, manager.Decision{}); err != nil {
		t.Error(err)
	}
}

func TestConsumerOfATeamSeesItsApplicationsAlone(t *testing.T) {
	postgres.Both(t, testConsumerOfATeamSeesItsApplicationsAlone)
}

func testConsumerOfATeamSeesItsApplicationsAlone(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	ours := must[apim.Application](t)(y.access.CreateApplication(ctx, y.works, shop, manager.ApplicationInput{Name: new("Ours")}))
	theirs := must[apim.Application](t)(y.access.CreateApplication(ctx, y.owner, shop, manager.ApplicationInput{Name: new("Theirs"), Team: &y.west.ID}))
	list := must[apim.List[manager.ApplicationDetail]](t)(y.access.Applications(ctx, y.works, shop, apim.Page{}))
	if len(list.Items) != 1 || list.Items[0].Application.ID != ours.ID {
		t.Errorf("got %+v, want the team's application", list.Items)
	}
	key := func(app apim.Application) error {
		minted, err := y.access.CreateKey(ctx, y.works, shop, app.ID, manager.NewKey{Name: "key"})
		if err != nil {
			return err
		}
		_, _, err = y.access.RevokeKey(ctx, y.works, shop, minted.Credential.ID)
		return err
	}
	ask := func(app apim.Application) error {
		s, _, err := y.access.Request(ctx, y.works, shop, manager.RequestAccess{Application: app.ID, Plan: y.ofWest.manual.ID, Reason: "to try"})
		if err != nil {
			return err
		}
		if err := last(y.access.Subscription(ctx, y.works, shop, s.ID)); err != nil {
			return err
		}
		_, _, err = y.access.Withdraw(ctx, y.works, shop, s.ID)
		return err
	}
	for name, use := range map[string]func(apim.Application) error{
		"read": func(app apim.Application) error {
			return last(y.access.Application(ctx, y.works, shop, string(app.ID)))
		},
		"change": func(app apim.Application) error {
			_, _, err := y.access.UpdateApplication(ctx, y.works, shop, app.ID, manager.ApplicationInput{Description: new("x")})
			return err
		},
		"keys": key, "ask": ask,
		"delete": func(app apim.Application) error { return last(y.access.DeleteApplication(ctx, y.works, shop, app.ID)) },
	} {
		if name != "delete" {
			if err := use(ours); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := use(theirs); apim.KindOf(err) != apim.NotFound {
			t.Errorf("%s of another team: got %v, want it not to be there", name, err)
		}
	}
	minted := must[manager.MintedKey](t)(y.access.CreateKey(ctx, y.owner, shop, theirs.ID, manager.NewKey{Name: "key"}))
	_, _, err := y.access.RevokeKey(ctx, y.works, shop, minted.Credential.ID)
	refused(t, err, apim.NotFound)
	_, err = y.access.RotateKey(ctx, y.works, shop, minted.Credential.ID, 0)
	refused(t, err, apim.NotFound)
	theirSubscription := y.request(y.owner, y.shop, theirs, y.ofWest.manual)
	refused(t, last(y.access.Subscription(ctx, y.works, shop, theirSubscription.ID)), apim.NotFound)
	_, _, err = y.access.Cancel(ctx, y.works, shop, theirSubscription.ID, "")
	refused(t, err, apim.NotFound)
}

func TestTeamThatOwnsThingsStays(t *testing.T) { postgres.Both(t, testTeamThatOwnsThingsStays) }

func testTeamThatOwnsThingsStays(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	err := y.tenants.DeleteTeam(ctx, y.owner, shop, y.west.ID)
	refused(t, err, apim.Conflict)
	if !strings.Contains(err.Error(), "1 APIs, 1 products") {
		t.Errorf("got %q, want what it owns", err)
	}
	y.own(y.ofWest, y.east)
	gone := must[apim.Application](t)(y.access.CreateApplication(ctx, y.owner, shop, manager.ApplicationInput{Name: new("Gone"), Team: &y.west.ID}))
	must[apim.Change](t)(y.access.DeleteApplication(ctx, y.owner, shop, gone.ID))
	held := y.person(y.shop, "Hal")
	y.grant(held, apim.RoleGrant{Role: apim.RoleApprover, On: y.west.ID})
	if err := y.tenants.DeleteTeam(ctx, y.owner, shop, y.west.ID); err != nil {
		t.Fatal(err)
	}
	if m := must[apim.Member](t)(y.tenants.Member(ctx, y.owner, shop, held.Person)); len(m.Grants) != 0 {
		t.Errorf("got %+v, want no role on a team that is gone", m.Grants)
	}
	refused(t, y.tenants.DeleteTeam(ctx, y.owner, shop, y.west.ID), apim.NotFound)
}

func TestTeamIsRunByItsAdmins(t *testing.T) { postgres.Both(t, testTeamIsRunByItsAdmins) }

func testTeamIsRunByItsAdmins(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	boss := y.person(y.shop, "Bo")
	y.grant(boss, apim.RoleGrant{Role: apim.RoleAdmin, On: y.east.ID})
	idle := y.person(y.shop, "Ida")
	for name, c := range map[string]struct {
		use  func() error
		want apim.ErrorKind
	}{
		"name the own team": {func() error {
			return last(y.tenants.UpdateTeam(ctx, boss, shop, y.east.ID, manager.TeamInput{Name: new("East side"), Roles: &[]apim.Role{apim.RoleProvider}}))
		}, ""},
		"name another": {func() error {
			return last(y.tenants.UpdateTeam(ctx, boss, shop, y.west.ID, manager.TeamInput{Name: new("x")}))
		}, apim.Forbidden},
		"add to the own team":   {func() error { return y.tenants.AddTeamMember(ctx, boss, shop, y.east.ID, idle.Person) }, ""},
		"add to another":        {func() error { return y.tenants.AddTeamMember(ctx, boss, shop, y.west.ID, idle.Person) }, apim.Forbidden},
		"add who is no member":  {func() error { return y.tenants.AddTeamMember(ctx, boss, shop, y.east.ID, "per_0") }, apim.NotFound},
		"make a team":           {func() error { return last(y.tenants.CreateTeam(ctx, boss, shop, manager.TeamInput{Name: new("Mine")})) }, apim.Forbidden},
		"delete the own team":   {func() error { return y.tenants.DeleteTeam(ctx, boss, shop, y.east.ID) }, apim.Forbidden},
		"read the tenant's log": {func() error { return last(y.tenants.AuditLog(ctx, boss, shop, apim.AuditFilter{}, apim.Page{})) }, apim.Forbidden},
		"leave the own team":    {func() error { return y.tenants.RemoveTeamMember(ctx, y.works, shop, y.east.ID, y.works.Person) }, ""},
		"take another out":      {func() error { return y.tenants.RemoveTeamMember(ctx, y.works, shop, y.east.ID, boss.Person) }, apim.Forbidden},
		"change a tenant's role": {func() error {
			return last(y.tenants.UpdateMember(ctx, boss, shop, idle.Person, manager.MemberChange{Roles: &[]apim.Role{apim.RoleProvider}}))
		}, apim.Forbidden},
		"remove a member": {func() error { return y.tenants.RemoveMember(ctx, boss, shop, idle.Person) }, apim.Forbidden},
	} {
		if err := c.use(); apim.KindOf(err) != c.want || err != nil && c.want == "" {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// A role on one object is for it alone.
func TestRoleOnOneObject(t *testing.T) { postgres.Both(t, testRoleOnOneObject) }

func testRoleOnOneObject(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	who := y.person(y.shop, "Hal")
	y.grant(who, apim.RoleGrant{Role: apim.RoleProvider, On: y.ofWest.version.API})
	if _, err := y.catalog.Publish(ctx, who, shop, y.ofWest.version.ID, "production", ""); err != nil {
		t.Error(err)
	}
	refused(t, last(y.catalog.Publish(ctx, who, shop, y.ofEast.version.ID, "production", "")), apim.NotFound)
	staged := must[apim.Import](t)(y.catalog.StageImport(ctx, who, shop, manager.Upload{FileName: "o.yaml", Body: strings.NewReader(ordersDocument)}))
	_, err := y.catalog.AcceptImport(ctx, who, shop, staged.ID, manager.AcceptImport{Name: "New", Slug: "new"})
	refused(t, err, apim.Forbidden) // not a new API
	if _, err := y.catalog.AcceptImport(ctx, who, shop, staged.ID, manager.AcceptImport{API: y.ofWest.version.API, Label: "v2", Access: "key"}); err != nil {
		t.Error(err)
	}
	// It ends with the object.
	api := y.version(y.owner, y.shop, "short").API
	y.grant(who, apim.RoleGrant{Role: apim.RoleProvider, On: api})
	if err := y.catalog.DeleteAPI(ctx, y.owner, shop, api); err != nil {
		t.Fatal(err)
	}
	if m := must[apim.Member](t)(y.tenants.Member(ctx, y.owner, shop, who.Person)); len(m.Grants) != 0 {
		t.Errorf("got %+v, want no role on what is gone", m.Grants)
	}
}

// The catalog does not tell which team owns a product.
func TestTeamsAreTheProvidersAloneToKnow(t *testing.T) {
	postgres.Both(t, testTeamsAreTheProvidersAloneToKnow)
}

func testTeamsAreTheProvidersAloneToKnow(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	client := y.tenant("client")
	carl := y.person(client, "Carl", apim.RoleConsumer)
	offers := must[apim.List[manager.Offer]](t)(y.catalog.Offers(context.Background(), carl, client.ID, manager.OfferQuery{}))
	s := y.request(carl, client, y.application(carl, client, "till"), y.ofEast.manual)
	view := must[manager.SubscriptionView](t)(y.access.Subscription(t.Context(), carl, client.ID, s.ID))
	if len(offers.Items) != 2 || offers.Items[0].Product.Team != "" || view.Product.Team != "" {
		t.Errorf("got %+v and %+v, want no team", offers.Items, view.Product)
	}
}

// Who uses what others offer reads their own side of subscriptions: what other
// tenants ask of the own one is for who offers it.
func TestConsumerDoesNotReadWhatOthersAsk(t *testing.T) {
	postgres.Both(t, testConsumerDoesNotReadWhatOthersAsk)
}

func testConsumerDoesNotReadWhatOthersAsk(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	client := y.tenant("client")
	cem := y.person(client, "Cem", apim.RoleOwner)
	asked := y.request(cem, client, y.application(cem, client, "till"), y.ofEast.manual)
	con := y.person(y.shop, "Con", apim.RoleConsumer)
	own := y.request(con, y.shop, y.application(con, y.shop, "inside"), y.ofEast.manual)
	onTeam := y.person(y.shop, "Tea")
	y.grant(onTeam, apim.RoleGrant{Role: apim.RoleConsumer, On: y.east.ID})
	both := y.person(y.shop, "Bob", apim.RoleConsumer)
	y.grant(both, apim.RoleGrant{Role: apim.RoleApprover, On: y.ofWest.product.ID})
	for name, who := range map[string]apim.Actor{"a consumer": con, "a team's consumer": onTeam} {
		_, err := y.access.Inbox(ctx, who, shop, manager.InboxQuery{Tab: "all"})
		if apim.KindOf(err) != apim.Forbidden {
			t.Errorf("%s: the inbox: got %v", name, err)
		}
		if _, err := y.access.Waiting(ctx, who, shop); apim.KindOf(err) != apim.Forbidden {
			t.Errorf("%s: how many wait: got %v", name, err)
		}
		if _, err := y.access.Subscription(ctx, who, shop, asked.ID); apim.KindOf(err) != apim.NotFound {
			t.Errorf("%s: a request: got %v", name, err)
		}
	}
	mine := must[manager.SubscriptionView](t)(y.access.Subscription(ctx, con, shop, own.ID))
	if mine.Subscription.ID != own.ID || len(mine.History) != 0 {
		t.Errorf("got %+v, want their own request without what others were told", mine)
	}
	if list := must[apim.List[manager.SubscriptionView]](t)(y.access.Inbox(ctx, both, shop, manager.InboxQuery{Tab: "all"})); len(list.Items) != 0 {
		t.Errorf("got %+v, want what is asked of the one product", list.Items)
	}
	west := y.request(cem, client, y.application(cem, client, "second"), y.ofWest.manual)
	if n := must[int](t)(y.access.Waiting(ctx, both, shop)); n != 1 {
		t.Errorf("%d wait, want the one", n)
	}
	must[manager.SubscriptionView](t)(y.access.Subscription(ctx, both, shop, west.ID))
	// A token needs no scope for products to see what is asked of them.
	token := y.owner
	token.Token, token.Tenant, token.Scopes = "tok_1", shop, apim.Scopes{"approve subscription"}
	if list := must[apim.List[manager.SubscriptionView]](t)(y.access.Inbox(ctx, token, shop, manager.InboxQuery{})); len(list.Items) != 3 {
		t.Errorf("got %d requests, want all", len(list.Items))
	}
}

// What was decided before is told as far as its reader may read it.
func TestHistoryIsOfTheProductsThatTheReaderReads(t *testing.T) {
	postgres.Both(t, testHistoryIsOfTheProductsThatTheReaderReads)
}

func testHistoryIsOfTheProductsThatTheReaderReads(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	client := y.tenant("client")
	cem := y.person(client, "Cem", apim.RoleOwner)
	west := y.request(cem, client, y.application(cem, client, "one"), y.ofWest.manual)
	if _, _, err := y.access.Reject(ctx, y.owner, shop, west.ID, "not them"); err != nil {
		t.Fatal(err)
	}
	before := y.request(cem, client, y.application(cem, client, "two"), y.ofEast.manual)
	if _, _, err := y.access.Approve(ctx, y.owner, shop, before.ID, manager.Decision{}); err != nil {
		t.Fatal(err)
	}
	asked := y.request(cem, client, y.application(cem, client, "three"), y.ofEast.manual)
	approver := y.person(y.shop, "Ann")
	y.grant(approver, apim.RoleGrant{Role: apim.RoleApprover, On: y.ofEast.product.ID})
	for name, c := range map[string]struct {
		who  apim.Actor
		want int
	}{"the owner": {y.owner, 2}, "the product's approver": {approver, 1}} {
		v := must[manager.SubscriptionView](t)(y.access.Subscription(ctx, c.who, shop, asked.ID))
		if len(v.History) != c.want || strings.Contains(v.History[0].Text+v.History[len(v.History)-1].Text, "west") != (c.want == 2) {
			t.Errorf("%s: got %+v, want %d lines", name, v.History, c.want)
		}
	}
}
