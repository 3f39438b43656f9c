package manager_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

func (w *world) firstRunToken() string {
	w.t.Helper()
	link := must[string](w.t)(w.tenants.FirstRunLink(w.t.Context()))
	return must[*url.URL](w.t)(url.Parse(link)).Query().Get("token")
}

func ada() manager.FirstRun {
	return manager.FirstRun{Name: "Ada", Email: "ada@shop.example", Password: password, TenantName: "Shop", TenantSlug: "shop"}
}

func TestFirstRunLinkWorksOnceAndForADay(t *testing.T) {
	postgres.Both(t, testFirstRunLinkWorksOnceAndForADay)
}

func testFirstRunLinkWorksOnceAndForADay(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	old := w.firstRunToken()
	token := w.firstRunToken()
	for name, wrong := range map[string]string{"replaced": old, "empty": "", "other": "portico_first_x"} {
		if _, err := w.tenants.CheckFirstRun(ctx, wrong); apim.KindOf(err) != apim.NotFound {
			t.Errorf("%s: got %v, want not found", name, err)
		}
		if _, err := w.tenants.FirstRun(ctx, wrong, ada()); apim.KindOf(err) != apim.NotFound {
			t.Errorf("%s: got %v, want not found", name, err)
		}
	}
	if joins := must[apim.Tenant](t)(w.tenants.CheckFirstRun(ctx, token)); joins.ID != "" {
		t.Errorf("got %+v, want no tenant to join", joins)
	}
	must[apim.Person](t)(w.tenants.FirstRun(ctx, token, ada()))
	_, err := w.tenants.FirstRun(ctx, token, ada())
	refused(t, err, apim.NotFound)
	if link := must[string](t)(w.tenants.FirstRunLink(ctx)); link != "" {
		t.Errorf("got %q, want no link: there is an operator", link)
	}

	late := newWorld(t, place)
	token = late.firstRunToken()
	late.pass(24 * time.Hour)
	_, err = late.tenants.FirstRun(ctx, token, ada())
	refused(t, err, apim.NotFound)
}

func TestFirstOperatorJoinsTheTenantThatIsThere(t *testing.T) {
	postgres.Both(t, testFirstOperatorJoinsTheTenantThatIsThere)
}

func testFirstOperatorJoinsTheTenantThatIsThere(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	demo := w.tenant("demo")
	token := w.firstRunToken()
	if joins := must[apim.Tenant](t)(w.tenants.CheckFirstRun(ctx, token)); joins.ID != demo.ID {
		t.Fatalf("got %+v, want the demo", joins)
	}
	in := ada()
	in.TenantName, in.TenantSlug = "", ""
	p := must[apim.Person](t)(w.tenants.FirstRun(ctx, token, in))
	all := must[[]manager.Membership](t)(w.tenants.Memberships(ctx, apim.Actor{Person: p.ID, Operator: true}))
	if len(all) != 1 || len(all[0].Roles) != 1 || all[0].Roles[0] != apim.RoleOwner {
		t.Errorf("got %+v, want the owner of the demo", all)
	}
}

// Somebody who signed up before the first run does not get the operator as a
// colleague, nor as an owner of what is theirs.
func TestFirstOperatorJoinsNobodysTenant(t *testing.T) {
	postgres.Both(t, testFirstOperatorJoinsNobodysTenant)
}

func testFirstOperatorJoinsNobodysTenant(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	must[apim.Person](t)(w.tenants.SignUp(ctx, manager.SignUp{Name: "Aaron", Email: "a@a.example", Password: password}, "192.0.2.1"))
	token := w.firstRunToken()
	if joins := must[apim.Tenant](t)(w.tenants.CheckFirstRun(ctx, token)); joins.ID != "" {
		t.Errorf("got %+v, want none", joins)
	}
	in := ada()
	in.TenantName, in.TenantSlug = "", ""
	_, err := w.tenants.FirstRun(ctx, token, in)
	wantFields(t, err, "tenant_name tenant_slug")
}

func TestFirstRunSaysEverythingThatIsWrong(t *testing.T) {
	postgres.Both(t, testFirstRunSaysEverythingThatIsWrong)
}

func testFirstRunSaysEverythingThatIsWrong(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	w.tenant("shop")
	_, err := w.tenants.FirstRun(t.Context(), w.firstRunToken(), manager.FirstRun{Email: "Ada <a@b.c>", Password: "short", TenantSlug: "shop"})
	wantFields(t, err, "email name password tenant_name tenant_slug")
	empty := newWorld(t, place)
	in := ada()
	in.TenantName, in.TenantSlug = "", ""
	_, err = empty.tenants.FirstRun(t.Context(), empty.firstRunToken(), in)
	wantFields(t, err, "tenant_name tenant_slug")
}

func TestSignInTellsNobodyWhichAccountsExist(t *testing.T) {
	postgres.Both(t, testSignInTellsNobodyWhichAccountsExist)
}

func testSignInTellsNobodyWhichAccountsExist(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	must[apim.Person](t)(w.tenants.FirstRun(ctx, w.firstRunToken(), ada()))
	p := must[apim.Person](t)(w.tenants.SignIn(ctx, " ADA@shop.example ", password, "192.0.2.1"))
	if p.Name != "Ada" {
		t.Errorf("got %+v", p)
	}
	_, wrong := w.tenants.SignIn(ctx, "ada@shop.example", "wrong password", "192.0.2.1")
	_, unknown := w.tenants.SignIn(ctx, "eve@shop.example", "wrong password", "192.0.2.1")
	refused(t, wrong, apim.SignIn)
	if wrong.Error() != unknown.Error() {
		t.Errorf("got %q and %q, want one answer", wrong, unknown)
	}
	_, long := w.tenants.SignIn(ctx, "ada@shop.example", strings.Repeat("x", 1<<20), "192.0.2.1")
	refused(t, long, apim.SignIn)
	stored := must[apim.Person](t)(w.tenants.Person(ctx, p.ID))
	if stored != p {
		t.Errorf("got %+v, want %+v", stored, p)
	}
}

func TestWrongPasswordsAreLimited(t *testing.T) { postgres.Both(t, testWrongPasswordsAreLimited) }

func testWrongPasswordsAreLimited(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	must[apim.Person](t)(w.tenants.FirstRun(ctx, w.firstRunToken(), ada()))
	for i := range 10 {
		_, err := w.tenants.SignIn(ctx, "ada@shop.example", "wrong", fmt.Sprintf("192.0.2.%d", i))
		refused(t, err, apim.SignIn)
	}
	_, err := w.tenants.SignIn(ctx, "ada@shop.example", password, "192.0.2.99")
	refused(t, err, apim.TooMany)
	w.pass(16 * time.Minute)
	must[apim.Person](t)(w.tenants.SignIn(ctx, "ada@shop.example", password, "192.0.2.99"))
}

func TestSignUpMakesAnOrganisationOfOnesOwn(t *testing.T) {
	postgres.Both(t, testSignUpMakesAnOrganisationOfOnesOwn)
}

func testSignUpMakesAnOrganisationOfOnesOwn(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	w.tenant("acme")
	p := must[apim.Person](t)(w.tenants.SignUp(ctx, manager.SignUp{Name: "Carl", Email: "Carl@x.example", Password: password, Organisation: "Acme"}, "192.0.2.1"))
	actor := apim.Actor{Person: p.ID, Name: p.Name}
	all := must[[]manager.Membership](t)(w.tenants.Memberships(ctx, actor))
	if len(all) != 1 || all[0].Tenant.Slug != "acme-2" || p.Operator {
		t.Fatalf("got %+v, want a slug that was free", all)
	}
	if !w.tenants.Can(ctx, actor, all[0].Tenant.ID, apim.Write, apim.ObjectApplication) {
		t.Error("the new owner cannot make an application")
	}
	_, err := w.tenants.SignUp(ctx, manager.SignUp{Name: "Eve", Email: "carl@X.example", Password: password}, "192.0.2.1")
	wantFields(t, err, "email")
	_, err = w.tenants.SignUp(ctx, manager.SignUp{Email: "x", Password: "y"}, "192.0.2.1")
	wantFields(t, err, "email name password")
	w.tenants.OpenSignUp = false
	_, err = w.tenants.SignUp(ctx, manager.SignUp{Name: "Eve", Email: "eve@x.example", Password: password}, "192.0.2.1")
	refused(t, err, apim.Forbidden)
}

func TestMembersAreListedByName(t *testing.T) { postgres.Both(t, testMembersAreListedByName) }

func testMembersAreListedByName(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	shop := w.tenant("shop")
	for _, name := range []string{"Zoe", "Ada", "Max"} {
		w.person(shop, name, apim.RoleConsumer, apim.RoleProvider)
	}
	actor := w.person(shop, "Bo")
	var names []string
	cursor := ""
	for {
		page := must[apim.List[apim.Member]](t)(w.tenants.Members(t.Context(), actor, shop.ID, apim.Page{Limit: 2, Cursor: cursor}))
		for _, m := range page.Items {
			names = append(names, m.Name)
			if m.Name == "Ada" && (len(m.Roles) != 2 || m.Roles[0] != apim.RoleProvider) {
				t.Errorf("got roles %v, want the widest first", m.Roles)
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "Ada Bo Max Zoe" {
		t.Errorf("got %s", got)
	}
}

func TestTokenSpeaksForItsPersonUntilItEnds(t *testing.T) {
	postgres.Both(t, testTokenSpeaksForItsPersonUntilItEnds)
}

func testTokenSpeaksForItsPersonUntilItEnds(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	shop, other := w.tenant("shop"), w.tenant("other")
	petra := w.person(shop, "Petra", apim.RoleProvider)
	token, text, err := w.tenants.CreateToken(ctx, petra, shop.ID, manager.NewToken{Name: "CI"})
	if err != nil || !strings.HasPrefix(text, "portico_token_") || !strings.HasSuffix(text, token.Hint) {
		t.Fatalf("got %+v, %.20s, %v", token, text, err)
	}
	actor := must[apim.Actor](t)(w.tenants.TokenActor(ctx, text))
	if actor.Person != petra.Person || actor.Token != token.ID || actor.Operator || actor.Tenant != shop.ID {
		t.Errorf("got %+v", actor)
	}
	if !w.tenants.Can(ctx, actor, shop.ID, apim.Publish, apim.ObjectAPI) || w.tenants.Can(ctx, actor, shop.ID, apim.Approve, apim.ObjectSubscription) {
		t.Error("the token can do what its person cannot, or the reverse")
	}
	if w.tenants.Can(ctx, actor, other.ID, apim.Read, apim.ObjectTenant) {
		t.Error("the token reaches another tenant")
	}
	_, _, err = w.tenants.CreateToken(ctx, actor, shop.ID, manager.NewToken{Name: "child"})
	refused(t, err, apim.Forbidden)
	list := must[apim.List[apim.Token]](t)(w.tenants.Tokens(ctx, petra, shop.ID, apim.Page{}))
	if len(list.Items) != 1 || list.Items[0].LastUsed.IsZero() {
		t.Errorf("got %+v, want when it was last used", list.Items)
	}
	eve := w.person(shop, "Eve", apim.RoleProvider) // admins may
	refused(t, w.tenants.RevokeToken(ctx, eve, shop.ID, token.ID), apim.NotFound)
	w.pass(91 * 24 * time.Hour)
	_, err = w.tenants.TokenActor(ctx, text)
	refused(t, err, apim.SignIn)

	token, text, err = w.tenants.CreateToken(ctx, petra, shop.ID, manager.NewToken{Name: "CI", ExpiresAt: w.clock().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.tenants.RevokeToken(ctx, petra, shop.ID, token.ID); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{text, "", "portico_token_x", strings.Repeat("x", 1<<16)} {
		_, err = w.tenants.TokenActor(ctx, bad)
		refused(t, err, apim.SignIn)
	}
	_, _, err = w.tenants.CreateToken(ctx, petra, shop.ID, manager.NewToken{Name: "", ExpiresAt: w.clock().Add(-time.Second)})
	wantFields(t, err, "expires_at name")
	_, _, err = w.tenants.CreateToken(ctx, petra, shop.ID, manager.NewToken{Name: "x", ExpiresAt: w.clock().Add(400 * 24 * time.Hour)})
	wantFields(t, err, "expires_at")
}

func TestBootstrapTokenMakesAnOperator(t *testing.T) {
	postgres.Both(t, testBootstrapTokenMakesAnOperator)
}

func testBootstrapTokenMakesAnOperator(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	err := w.tenants.EnsureBootstrapToken(ctx, strings.Repeat("x", 31))
	wantFields(t, err, "PORTICO_BOOTSTRAP_TOKEN")
	text := strings.Repeat("secret", 6)
	for range 2 {
		if err := w.tenants.EnsureBootstrapToken(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	actor := must[apim.Actor](t)(w.tenants.TokenActor(ctx, text))
	if !actor.Operator || actor.Anonymous() || actor.Person != "" {
		t.Errorf("got %+v, want an operator", actor)
	}
	tenant := must[apim.Tenant](t)(w.tenants.CreateTenant(ctx, actor, "made", "Made"))
	if !w.tenants.Can(ctx, actor, tenant.ID, apim.Publish, apim.ObjectAPI) {
		t.Error("the operator's token cannot work in a tenant")
	}
	if _, _, err := w.tenants.CreateToken(ctx, actor, "", manager.NewToken{Name: "automation"}); err != nil {
		t.Error(err)
	}
	if err := w.tenants.EnsureBootstrapToken(ctx, strings.Repeat("other!", 6)); err != nil {
		t.Fatal(err)
	}
	_, err = w.tenants.TokenActor(ctx, strings.Repeat("other!", 6))
	refused(t, err, apim.SignIn) // there is one already
}

func TestThemeIsKept(t *testing.T) { postgres.Both(t, testThemeIsKept) }

func testThemeIsKept(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	actor := w.person(w.tenant("shop"), "Petra")
	if err := w.tenants.SetTheme(t.Context(), actor, "dark"); err != nil {
		t.Fatal(err)
	}
	if p := must[apim.Person](t)(w.tenants.Person(t.Context(), actor.Person)); p.Theme != "dark" {
		t.Errorf("got %q", p.Theme)
	}
	wantFields(t, w.tenants.SetTheme(t.Context(), actor, "pink"), "theme")
	refused(t, w.tenants.SetTheme(t.Context(), apim.Actor{}, "dark"), apim.SignIn)
}

func TestTenantSlugIsCheckedAndUnique(t *testing.T) {
	postgres.Both(t, testTenantSlugIsCheckedAndUnique)
}

func testTenantSlugIsCheckedAndUnique(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	w.tenant("shop")
	for _, slug := range []string{"shop", "v1", "Shop", "-x", "a_b", strings.Repeat("x", 64)} {
		_, err := w.tenants.CreateTenant(t.Context(), system, slug, "Name")
		wantFields(t, err, "slug")
	}
}

// The chain of every tenant's audit log holds after a day's work.
func TestAuditLogsVerify(t *testing.T) { postgres.Both(t, testAuditLogsVerify) }

func testAuditLogsVerify(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	s := m.active()
	m.key()
	if _, _, err := m.access.Cancel(t.Context(), m.consumer, m.client.ID, s.ID, ""); err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []apim.ID{"", m.shop.ID, m.client.ID} {
		n, err := m.store.System().VerifyAudit(t.Context(), tenant)
		if err != nil || n.Rows == 0 || n.Broken != "" {
			t.Errorf("%q: got %+v, %v", tenant, n, err)
		}
	}
	list := must[apim.List[apim.AuditLink]](t)(m.tenants.AuditLog(t.Context(), m.person(m.client, "Otis", apim.RoleAuditor), m.client.ID, apim.AuditFilter{}, apim.Page{Limit: 2}))
	if len(list.Items) != 2 || list.NextCursor == "" || list.Items[0].Action != "subscription.cancel" || list.Items[0].Actor.Name != "Carl" {
		t.Errorf("got %+v, want the newest first", list.Items)
	}
}

// What the other side's log says of an actor is a name.
func TestOtherSideOfASubscriptionSeesANameAlone(t *testing.T) {
	postgres.Both(t, testOtherSideOfASubscriptionSeesANameAlone)
}

func testOtherSideOfASubscriptionSeesANameAlone(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	actor := m.consumer
	actor.Address, actor.Request = "192.0.2.77", "req-1"
	if _, _, err := m.access.Request(t.Context(), actor, m.client.ID, manager.RequestAccess{Application: m.app.ID, Plan: m.offer.automatic.ID}); err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[apim.ID]string{m.client.ID: "192.0.2.77", m.shop.ID: ""} {
		list := must[apim.List[apim.AuditLink]](t)(m.tenants.AuditLog(t.Context(), system, tenant, apim.AuditFilter{}, apim.Page{}))
		if a := list.Items[0]; a.Action != "subscription.request" || a.Actor.Address != want || (a.Actor.Person == "") != (want == "") || a.Actor.Name != "Carl" {
			t.Errorf("got %+v", a)
		}
	}
}
