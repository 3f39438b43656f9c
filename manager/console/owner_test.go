package console_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
)

// team makes a team of acme with roles.
func (s *site) team(name string, roles ...apim.Role) apim.Team {
	s.t.Helper()
	team, err := s.tenants.CreateTeam(s.t.Context(), system(), s.tenantID("acme"), manager.TeamInput{Name: &name, Roles: &roles})
	if err != nil {
		s.t.Fatal(err)
	}
	return team
}

// worker is somebody new in acme, in teams and with no role on all of it.
func (s *site) worker(slug string, teams ...apim.Team) *browser {
	s.t.Helper()
	b, actor, _ := s.consumer(slug)
	s.join(s.tenantID("acme"), actor.Person, "")
	if _, err := s.tenants.UpdateMember(s.t.Context(), system(), s.tenantID("acme"), actor.Person, manager.MemberChange{Roles: &[]apim.Role{}}); err != nil {
		s.t.Fatal(err)
	}
	for _, team := range teams {
		if err := s.tenants.AddTeamMember(s.t.Context(), system(), s.tenantID("acme"), team.ID, actor.Person); err != nil {
			s.t.Fatal(err)
		}
	}
	return b
}

// ownersIn are the options of a form's owner, and which is chosen.
func ownersIn(t *testing.T, a answer) (labels []string, chosen string) {
	t.Helper()
	at := strings.Index(a.body, `<select class="select"`)
	for ; at >= 0; at = strings.Index(a.body, `<select class="select"`) {
		end := strings.Index(a.body[at:], "</select>") + at
		box := a.body[at:end]
		a.body = a.body[end:]
		if !strings.Contains(box[:strings.Index(box, ">")], `name="team"`) {
			continue
		}
		for _, option := range strings.Split(box, "<option ")[1:] {
			head, label, _ := strings.Cut(option, ">")
			label = entity.Replace(strings.TrimSuffix(label, "</option>"))
			labels = append(labels, label)
			if strings.Contains(head, " selected") {
				chosen = label
			}
		}
	}
	return labels, chosen
}

func TestOwnerOfAnAPIIsShownAndGiven(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	b.get("/t/acme/apis").shows(http.StatusOK, "Orders").hides("Owner")
	if labels, _ := ownersIn(t, b.get("/t/acme/apis/orders/v1/about")); labels != nil {
		t.Errorf("without a team the form asks for one of %v", labels)
	}
	payments, _ := s.team("Payments", apim.RoleProvider), s.team("Museum", apim.RoleApprover)
	form := b.get("/t/acme/apis/orders/v1/about")
	labels, chosen := ownersIn(t, form)
	if want := []string{"No team: the organisation's", "Museum", "Payments"}; !slices.Equal(labels, want) || chosen != want[0] {
		t.Errorf("got %v with %q chosen, want %v", labels, chosen, want)
	}
	save := func(team string) answer {
		return b.post("/t/acme/apis/orders/v1/about", "lock", b.get("/t/acme/apis/orders/v1/about").hidden("lock"), "name", "Orders", "team", team)
	}
	save("team_00000000000000000000000000000000").shows(http.StatusUnprocessableEntity).fieldError("team")
	save(string(payments.ID)).shows(http.StatusOK, "Orders is saved", "Payments · r1 in production")
	b.get("/t/acme/apis").shows(http.StatusOK, "Owner", "Payments")
	if _, chosen := ownersIn(t, b.get("/t/acme/apis/orders/v1/about")); chosen != "Payments" {
		t.Errorf("the form shows %q", chosen)
	}
	// A form without the field leaves the owner.
	b.post("/t/acme/apis/orders/v1/about", "lock", b.get("/t/acme/apis/orders/v1/about").hidden("lock"), "name", "Orders 2").shows(http.StatusOK, "Payments · r1")
	save("").shows(http.StatusOK, "Orders is saved").hides("Payments")

	// The product has its own.
	b.post("/t/acme/products/shop/edit", "lock", b.get("/t/acme/products/shop/edit").hidden("lock"), "name", "Shop", "visibility", "public",
		"listed", "on", "team", string(payments.ID)).shows(http.StatusOK, "Shop is saved", "Payments · everybody finds it")
	b.get("/t/acme/products").shows(http.StatusOK, "Owner", "Payments")
	b.post("/t/acme/products", "name", "Stall", "visibility", "public", "team", string(payments.ID)).shows(http.StatusOK, "Stall is made", "Payments · everybody finds it")
	b.post("/t/acme/products", "name", "Booth", "visibility", "public", "team", "nobody").shows(http.StatusUnprocessableEntity).fieldError("team")
}

func TestListsAreFilteredByOwnerInTheAddress(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	payments := s.team("Payments", apim.RoleProvider)
	b.get("/t/acme/apis").shows(http.StatusOK).hides("Owner: all") // nothing to choose from
	s.team("Museum", apim.RoleProvider)
	if _, err := s.catalog.UpdateAPI(t.Context(), system(), s.tenantID("acme"), s.apiID("acme", "owned"), manager.APIChange{Team: &payments.ID}); err != nil {
		t.Fatal(err)
	}
	all := b.get("/t/acme/apis").shows(http.StatusOK, "Owner: all", "Orders", "owned", "No team")
	if !slices.Contains(all.links(), "/t/acme/apis?team=payments") {
		t.Errorf("the menu does not lead to the team's list: %v", all.links())
	}
	mine := b.get("/t/acme/apis?team=payments").shows(http.StatusOK, "Owner: Payments", "Owned").hides("Orders")
	for _, want := range []string{"/t/acme/apis?state=draft&team=payments", "/t/acme/apis"} {
		if !slices.Contains(mine.links(), want) {
			t.Errorf("the list does not lead to %s", want)
		}
	}
	mine.has(`<input type="hidden" name="team" value="payments">`)
	b.get("/t/acme/apis?team=-").shows(http.StatusOK, "Owner: No team", "Orders").hides("Owned")
	b.get("/t/acme/apis?team=museum").shows(http.StatusOK, "Museum owns no API yet", "Import OpenAPI", "Show all APIs")
	b.get("/t/acme/apis?team=museum&q=x").shows(http.StatusOK, "Nothing matches", "Clear filter")
	b.get("/t/acme/apis?team=nobody").shows(http.StatusNotFound)
	b.get("/t/acme/products?team=-").shows(http.StatusOK, "Shop", "Owner: No team")
	b.get("/t/acme/products?team=museum").shows(http.StatusOK, "Museum owns no product yet", "New product", "Show all products").hides("Shop")
	b.get("/t/acme/products?team=nobody").shows(http.StatusNotFound)
	b.get("/t/acme/teams/payments").shows(http.StatusOK, "1 API")
	if !slices.Contains(b.get("/t/acme/teams/payments").links(), "/t/acme/apis?team=payments") {
		t.Error("the team's page does not lead to what it owns")
	}
}

func TestProviderOfATeamSeesAndEditsOnlyItsAPI(t *testing.T) {
	s := newSite(t)
	s.operator()
	acme := s.tenantID("acme")
	s.offer(acme)
	payments, museum := s.team("Payments", apim.RoleProvider), s.team("Museum", apim.RoleAuditor)
	for slug, team := range map[string]apim.Team{"paid": payments, "seen": museum} {
		if _, err := s.catalog.UpdateAPI(t.Context(), system(), acme, s.apiID("acme", slug), manager.APIChange{Team: &team.ID}); err != nil {
			t.Fatal(err)
		}
	}
	w := s.worker("will", payments, museum)
	w.get("/t/acme/apis").shows(http.StatusOK, "paid v1", "seen v1").hides("Orders")
	w.get("/t/acme/apis/orders/v1").shows(http.StatusNotFound)
	w.get("/t/acme/apis/paid/v1").shows(http.StatusOK, "Publish r1", "Edit")
	w.get("/t/acme/apis/seen/v1").shows(http.StatusOK).hides("Publish r1", "Edit")
	w.post("/t/acme/apis/seen/v1/about", "name", "Mine").shows(http.StatusForbidden)

	// What is new is the team's: there is no other choice.
	form := w.upload("/t/acme/import", "orders.yaml", ordersDocument, "from", "upload")
	labels, _ := ownersIn(t, form)
	if want := []string{"Payments"}; !slices.Equal(labels, want) {
		t.Errorf("got %v, want %v", labels, want)
	}
	w.post(form.path, "name", "Fresh", "slug", "fresh", "label", "v1", "access", "key", "server", "https://orders.internal.example/v1", "team", string(museum.ID)).
		shows(http.StatusUnprocessableEntity).fieldError("team")
	w.post(form.path, "name", "Fresh", "slug", "fresh", "label", "v1", "access", "key", "server", "https://orders.internal.example/v1", "team", string(payments.ID)).
		shows(http.StatusOK, "The draft of Fresh v1 is made", "Payments · ")

	// A product of a team that somebody only reads offers no button.
	if _, _, err := s.catalog.UpdateProduct(t.Context(), system(), acme, s.productID("shop"), manager.ProductInput{Team: &museum.ID}); err != nil {
		t.Fatal(err)
	}
	w.get("/t/acme/products/shop").shows(http.StatusOK, "Growth").hides("Edit", "New plan", "Take out of the catalog")
}

func (s *site) productID(slug string) apim.ID {
	s.t.Helper()
	d, err := s.catalog.Product(s.t.Context(), system(), s.tenantID("acme"), slug)
	if err != nil {
		s.t.Fatal(err)
	}
	return d.Product.ID
}

func TestGivingAwayWhatOneWouldLoseIsConfirmed(t *testing.T) {
	s := newSite(t)
	s.operator()
	acme := s.tenantID("acme")
	s.offer(acme)
	both, one := s.team("Both", apim.RoleProvider, apim.RoleApprover), s.team("One", apim.RoleProvider)
	if _, _, err := s.catalog.UpdateProduct(t.Context(), system(), acme, s.productID("shop"), manager.ProductInput{Team: &both.ID}); err != nil {
		t.Fatal(err)
	}
	w := s.worker("will", both, one)
	form := w.get("/t/acme/products/shop/edit").shows(http.StatusOK).hides("You give something up")
	send := func(pairs ...string) answer {
		return w.post("/t/acme/products/shop/edit", append([]string{"lock", form.hidden("lock"), "name", "Shop", "visibility", "public", "listed", "on"}, pairs...)...)
	}
	asked := send("team", string(one.ID)).shows(http.StatusUnprocessableEntity, "You give something up", "you could no longer answer its access requests", "Give it away all the same")
	asked.fieldError("sure")
	asked.has(`value="` + string(one.ID) + `"`)
	send("team", string(one.ID), "sure", string(both.ID)).shows(http.StatusUnprocessableEntity) // another's answer
	if d, err := s.catalog.Product(t.Context(), system(), acme, "shop"); err != nil || d.Product.Team != both.ID {
		t.Fatalf("got %v, %v, want the product where it was", d.Product.Team, err)
	}
	send("team", string(one.ID), "sure", string(one.ID)).shows(http.StatusOK, "Shop is saved", "One · ")
	// Back again nothing is lost, so nothing is asked.
	form = w.get("/t/acme/products/shop/edit")
	send("team", string(both.ID)).shows(http.StatusOK, "Shop is saved", "Both · ")
}
