package console_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

// linkIn is the one-time link that a page shows, as a path of this site.
func linkIn(t *testing.T, s *site, a answer) string {
	t.Helper()
	link := regexp.MustCompile(regexp.QuoteMeta(s.server.URL) + `/invitation\?token=[A-Za-z0-9_]+`).FindString(a.body)
	if link == "" {
		t.Fatalf("%s shows no link", a.path)
	}
	return strings.TrimPrefix(link, s.server.URL)
}

func TestSomebodyIsInvitedAndJoinsOnTheSpot(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	form := b.get("/t/acme/invite").shows(http.StatusOK, "seven days", "On everything in Acme")
	b.post("/t/acme/invite", "email", "no address").shows(http.StatusUnprocessableEntity).fieldError("email")
	made := b.post("/t/acme/invite", "once", form.hidden("once"), "email", "grace@acme.example", "role", "provider", "role", "approver").
		shows(http.StatusOK, "Pass this link on to grace@acme.example", "shown once", "Provider on everything", "the link ends in 7 days")
	link := linkIn(t, s, made)
	if got := made.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: got %q, want no-store", got)
	}
	if again := b.post("/t/acme/invite", "once", form.hidden("once"), "email", "grace@acme.example", "role", "provider"); strings.Contains(again.body, "token=") {
		t.Error("the same post again shows the link")
	}
	if strings.Contains(b.get("/t/acme/members").shows(http.StatusOK, "Invited", "grace@acme.example").body, "token=") {
		t.Error("the link is shown again")
	}

	g := s.browser()
	page := g.get(link).shows(http.StatusOK, "Join Acme", "Ada Byron invites grace@acme.example", "You will be: Provider, Approver")
	if got := page.header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy: got %q: the address holds the token", got)
	}
	g.post(link, "name", "", "password", "short").shows(http.StatusUnprocessableEntity).fieldError("password")
	a := g.post(link, "name", "Grace Hopper", "password", password).shows(http.StatusOK, "You have joined Acme", "Grace Hopper")
	if a.path != "/t/acme" {
		t.Errorf("got to %s, want the tenant", a.path)
	}
	s.browser().get(link).shows(http.StatusGone, "not valid any more")
	b.get("/t/acme/members").shows(http.StatusOK, "Grace Hopper", "Provider", "Approver", "Everything", "just now").hides("Invited")
}

func TestWhoHasAnAccountSignsInToAccept(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	ines, _, _ := s.consumer("halden") // halden@example.org
	link := linkIn(t, s, b.post("/t/acme/invite", "email", "halden@example.org", "role", "auditor"))
	fresh := s.browser()
	a := fresh.get(link).shows(http.StatusOK, "halden@example.org, which has an account here", "You will be: Auditor")
	to := firstMatch(t, a.body, `href="(/sign-in\?[^"]*)"`)
	back := fresh.get(strings.ReplaceAll(to, "&amp;", "&")).hidden("return_to")
	fresh.post("/sign-in", "return_to", back, "email", "halden@example.org", "password", password).shows(http.StatusOK, "Join Acme").hides("Your name")
	b.post(link).shows(http.StatusForbidden, "sign out")
	ines.post(link).shows(http.StatusOK, "You have joined Acme")
	ines.get("/t/acme/audit").shows(http.StatusOK, "joined, invited by Ada Byron")
}

func TestInvitationIsSentAgainOrRevoked(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	first := linkIn(t, s, b.post("/t/acme/invite", "email", "grace@acme.example", "role", "provider"))
	again := firstMatch(t, b.get("/t/acme/members").body, `action="([^"]*/resend)"`)
	second := linkIn(t, s, b.post(again).shows(http.StatusOK, "Pass this link on to grace@acme.example"))
	s.browser().get(first).shows(http.StatusGone, "not valid any more")
	s.browser().get(second).shows(http.StatusOK, "Join Acme")
	for range 2 {
		b.post(strings.Replace(again, "/resend", "/revoke", 1)).shows(http.StatusOK, "The invitation is revoked").hides("grace@acme.example")
	}
	s.browser().get(second).shows(http.StatusGone)
}

func TestRolesAreGivenAndTaken(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	ines, actor, tenant := s.consumer("halden")
	s.join(s.tenantID("acme"), actor.Person, apim.RoleAuditor)
	roles := "/t/acme/members/" + string(actor.Person) + "/roles"
	form := b.get(roles).shows(http.StatusOK, "Roles of Ines Aguilar", "Product · ").has(`value="auditor" checked`)
	product := firstMatch(t, form.body, `value="(prod_[0-9a-f]{32})"`)
	b.post(roles, "lock", form.hidden("lock"), "new_role", "approver").shows(http.StatusUnprocessableEntity).fieldError("new_on")
	b.post(roles, "lock", form.hidden("lock"), "new_role", "consumer", "new_on", product).shows(http.StatusUnprocessableEntity).fieldError("new_role")
	b.post(roles, "lock", form.hidden("lock"), "new_role", "approver", "new_on", product).shows(http.StatusOK, "are saved", "Approver")
	b.post(roles, "lock", form.hidden("lock"), "role", "admin").shows(http.StatusConflict, "changed meanwhile")

	// What Ines may is what the pages offer her.
	s.ask(actor, tenant.ID, growth, "Checkout", "For the shop")
	ines.get("/t/acme/approvals").shows(http.StatusOK, "Checkout")
	ines.get("/t/acme/apis").shows(http.StatusForbidden)
	ines.get("/t/acme/audit").shows(http.StatusForbidden)
	ines.get(roles).shows(http.StatusOK) // a form; what it sends is refused
	ines.post(roles, "role", "owner").shows(http.StatusForbidden, "role admin or owner")

	me := firstMatch(t, b.get("/t/acme/members").body, `/t/acme/members/(per_[0-9a-f]{32})/roles`)
	if me == string(actor.Person) {
		me = regexp.MustCompile(`per_[0-9a-f]{32}`).FindString(strings.ReplaceAll(b.get("/t/acme/members").body, string(actor.Person), ""))
	}
	b.post("/t/acme/members/"+me+"/roles", "role", "admin").shows(http.StatusConflict, "keeps at least one owner")
	b.get("/t/acme/members/"+me+"/remove").shows(http.StatusOK, "Leave Acme")
	b.post("/t/acme/members/"+me+"/remove").shows(http.StatusConflict, "keeps at least one owner")

	b.get("/t/acme/members/"+string(actor.Person)+"/remove").shows(http.StatusOK, "Remove Ines Aguilar", "at once, in the browser too")
	for range 2 {
		b.post("/t/acme/members/" + string(actor.Person) + "/remove").shows(http.StatusOK).hides("halden@example.org")
	}
	ines.get("/t/acme").shows(http.StatusNotFound)
	ines.get("/t/halden").shows(http.StatusOK)
}

func TestTeamFromThePages(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, actor, _ := s.consumer("halden")
	s.join(s.tenantID("acme"), actor.Person, apim.RoleConsumer)
	b.get("/t/acme/teams").shows(http.StatusOK, "No teams yet", "New team")
	form := b.get("/t/acme/new-team").shows(http.StatusOK, "and on no others")
	b.post("/t/acme/new-team", "name", "", "role", "provider").shows(http.StatusUnprocessableEntity).fieldError("name")
	for range 2 {
		a := b.post("/t/acme/new-team", "once", form.hidden("once"), "name", "Payments", "role", "provider").shows(http.StatusOK, "Payments", "Nobody yet")
		if a.path != "/t/acme/teams/payments" {
			t.Errorf("got to %s", a.path)
		}
	}
	b.post("/t/acme/teams/payments/members").shows(http.StatusUnprocessableEntity).fieldError("person")
	b.post("/t/acme/teams/payments/members", "person", string(actor.Person)).shows(http.StatusOK, "Ines Aguilar", "Take out")
	edit := b.get("/t/acme/teams/payments/edit").shows(http.StatusOK).has(`value="provider" checked`)
	b.post("/t/acme/teams/payments/edit", "lock", edit.hidden("lock"), "name", "Money", "role", "approver").shows(http.StatusOK, "Money", "Approver")
	b.get("/t/acme/members").shows(http.StatusOK, "In team", "Money")
	b.post("/t/acme/teams/payments/members/"+string(actor.Person)+"/remove").shows(http.StatusOK, "Nobody yet")

	team := s.teamID("acme", "payments")
	api := s.apiID("acme", "owned")
	if _, err := s.catalog.UpdateAPI(t.Context(), system(), s.tenantID("acme"), api, manager.APIChange{Team: &team}); err != nil {
		t.Fatal(err)
	}
	b.get("/t/acme/teams").shows(http.StatusOK, "Money", "1 API")
	b.post("/t/acme/teams/payments/delete").shows(http.StatusConflict, "owns 1 APIs")
	if _, err := s.catalog.UpdateAPI(t.Context(), system(), s.tenantID("acme"), api, manager.APIChange{Team: new(apim.ID(""))}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b.post("/t/acme/teams/payments/delete").shows(http.StatusOK, "No teams yet")
	}
	b.get("/t/acme/roles").shows(http.StatusOK, "Publish, roll back, deprecate and retire", "Auditor")
}

func (s *site) teamID(tenant, slug string) apim.ID {
	s.t.Helper()
	d, err := s.tenants.Team(s.t.Context(), system(), s.tenantID(tenant), slug)
	if err != nil {
		s.t.Fatal(err)
	}
	return d.Team.ID
}

// apiID imports an API and returns its id.
func (s *site) apiID(tenant, slug string) apim.ID {
	s.t.Helper()
	staged, err := s.catalog.StageImport(s.t.Context(), system(), s.tenantID(tenant), manager.Upload{FileName: "orders.yaml", Body: strings.NewReader(ordersDocument)})
	if err != nil {
		s.t.Fatal(err)
	}
	v, err := s.catalog.AcceptImport(s.t.Context(), system(), s.tenantID(tenant), staged.ID, manager.AcceptImport{Name: "Owned", Slug: slug, Access: "key"})
	if err != nil {
		s.t.Fatal(err)
	}
	return v.API
}

func TestAuditLogIsFilteredCheckedAndExported(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	tenant := s.tenantID("acme")
	api := s.apiID("acme", "owned")
	if _, err := s.catalog.UpdateAPI(t.Context(), system(), tenant, api, manager.APIChange{Contact: new("help@acme.example"), Tags: &[]string{"a", "b"}}); err != nil {
		t.Fatal(err)
	}
	b.get("/t/acme/audit").shows(http.StatusOK, "API owned changed", "Show 2 values", "contact: none", "contact: help@acme.example", "tags: a, b")
	b.get("/t/acme/audit?what=member").shows(http.StatusOK, "joined as owner", "Clear").hides("API owned changed")
	b.get("/t/acme/audit?q=Ada+Byron").shows(http.StatusOK).hides("API owned changed")
	b.get("/t/acme/audit?q="+string(api)).shows(http.StatusOK, "API owned changed").hides("joined as owner")
	b.get("/t/acme/audit?q=Nobody").shows(http.StatusOK, "No such rows")
	s.clock.pass(48 * time.Hour)
	b = s.browser()
	b.post("/sign-in", "email", "ada@acme.example", "password", password)
	b.get("/t/acme/audit?when=24h").shows(http.StatusOK, "No such rows")
	page := b.get("/t/acme/audit?what=api").shows(http.StatusOK, "Check chain")
	b.get("/t/acme/audit?check=chain").shows(http.StatusOK, "Chain intact, ")
	export := strings.ReplaceAll(firstMatch(t, page.body, `href="(/api/v1/tenants/acme/audit/export[^"]*format=csv[^"]*)"`), "&amp;", "&")
	a := b.get(export)
	if a.status != http.StatusOK || !strings.HasPrefix(a.body, "sequence,") || !strings.Contains(a.body, "API owned changed") || strings.Contains(a.body, "joined as owner") {
		t.Errorf("got %d %s, want the rows that the page shows", a.status, a.body)
	}

	db := postgres.SQL(t, s.path)
	for _, q := range []string{"DROP TRIGGER audit_is_append_only_update", "UPDATE audit SET summary = 'x' WHERE sequence = 2 AND tenant_id <> ''"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	b.get("/t/acme/audit?check=chain").shows(http.StatusOK, "The chain is broken", "Row 2 does not fit")
}

func TestSessionsAreEndedFromTheAccountPage(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	other := s.browser()
	other.post("/sign-in", "email", "ada@acme.example", "password", password).shows(http.StatusOK, "Overview")
	a := b.get("/t/acme/account").shows(http.StatusOK, "ada@acme.example", "this one", "Sign out everywhere else")
	if n := strings.Count(a.body, `/account/sessions/ses_`); n != 2 {
		t.Errorf("got %d sessions, want both", n)
	}
	b.post("/t/acme/account/sessions").shows(http.StatusOK, "Signed out of 1 other session").hides("Sign out everywhere else")
	if got := other.get("/t/acme"); !strings.HasPrefix(got.path, "/sign-in") {
		t.Errorf("the other browser is at %s, want it signed out", got.path)
	}
	b.get("/t/acme").shows(http.StatusOK, "Overview")
}

func TestAdminRevokesAnothersToken(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	hana, actor, _ := s.consumer("halden")
	s.join(s.tenantID("acme"), actor.Person, apim.RoleProvider)
	hana.post("/t/acme/tokens", "name", "Hers", "expires", "30", "may", "full").shows(http.StatusOK, "Copy the token Hers now").hides("Everybody")
	hana.get("/t/acme/tokens?show=all").shows(http.StatusForbidden).hides("Hers")
	b.get("/t/acme/tokens").shows(http.StatusOK, "Everybody", "No tokens yet").hides("Hers")
	all := b.get("/t/acme/tokens?show=all").shows(http.StatusOK, "Hers", actor.Name, "all that they may")
	revoke := strings.TrimPrefix(html.UnescapeString(firstMatch(t, all.body, `action="([^"]*/revoke[^"]*)"`)), s.server.URL)
	if a := b.post(revoke).shows(http.StatusOK, "The token is revoked").hides("Hers"); a.path != "/t/acme/tokens?show=all" {
		t.Errorf("got to %s, want everybody's tokens", a.path)
	}
	hana.get("/t/acme/tokens").shows(http.StatusOK, "No tokens yet")
}

func TestConsumerIsNotLedToRequests(t *testing.T) {
	s := newSite(t)
	s.operator()
	hana, actor, _ := s.consumer("halden")
	s.join(s.tenantID("acme"), actor.Person, apim.RoleConsumer)
	hana.get("/t/acme").shows(http.StatusOK, "Applications", "Gateway nodes").hides("Approvals").hides("Open inbox").hides(">Subscriptions<")
	hana.get("/t/acme/approvals").shows(http.StatusForbidden)
}

func TestTokenIsMadeWithScopes(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	b.post("/t/acme/tokens", "name", "CI", "expires", "90", "may", "custom", "scopes", "fly api").shows(http.StatusUnprocessableEntity).fieldError("scopes")
	b.post("/t/acme/tokens", "name", "CI", "expires", "90", "may", "custom").shows(http.StatusUnprocessableEntity).fieldError("scopes")
	b.post("/t/acme/tokens", "name", "CI", "expires", "never", "may", "custom", "scopes", "publish api, read  product").
		shows(http.StatusOK, "publish api, read product", "never")
	b.post("/t/acme/tokens", "name", "Reader", "expires", "30", "may", "read-only").shows(http.StatusOK, "Copy the token Reader now")
	ines, _, _ := s.consumer("halden")
	ines.get("/t/halden/tokens").shows(http.StatusOK).hides("never")
	ines.post("/t/halden/tokens", "name", "CI", "expires", "never", "may", "full").shows(http.StatusUnprocessableEntity).fieldError("expires")
}
