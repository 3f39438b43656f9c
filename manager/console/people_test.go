package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
)

func TestFirstRunLinkMakesTheOperatorOnce(t *testing.T) {
	s := newSite(t)
	link, err := s.tenants.FirstRunLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(link, s.server.URL)
	b := s.browser()
	b.get(path).shows(http.StatusOK, "Make the first operator", "Organisation")

	wrong := b.post(path, "name", "Ada Byron", "email", "no address", "password", "short", "tenant_name", "")
	wrong.shows(http.StatusUnprocessableEntity).has(`value="Ada Byron"`, `value="no address"`)
	wrong.fieldError("tenant_name")
	if strings.Contains(wrong.body, "short") {
		t.Error("the password that was typed comes back in the page")
	}
	b.post(path, "name", "Ada Byron", "email", "ada@acme.example", "password", password, "tenant_name", "Acme Corporation", "tenant_slug", "").
		shows(http.StatusOK, "Overview", "Acme Corporation", "You are the operator")

	s.browser().get(path).shows(http.StatusGone, "not valid any more")
	s.browser().get("/first-run?token=made-up").shows(http.StatusGone, "not valid any more")
}

func TestFirstOperatorJoinsTheTenantThatIsThere(t *testing.T) {
	s := newSite(t)
	if _, err := s.tenants.CreateTenant(t.Context(), system(), "demo", "Demo"); err != nil {
		t.Fatal(err)
	}
	link, err := s.tenants.FirstRunLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(link, s.server.URL)
	b := s.browser()
	b.get(path).shows(http.StatusOK, "own the tenant Demo").hides("Organisation")
	a := b.post(path, "name", "Ada", "email", "ada@demo.example", "password", password).shows(http.StatusOK, "Overview")
	if a.path != "/t/demo" {
		t.Errorf("got to %s, want /t/demo", a.path)
	}
}

func TestSignInLeadsBackToThePage(t *testing.T) {
	s := newSite(t)
	owner := s.operator()
	owner.post("/sign-out").shows(http.StatusOK, "Sign in to the console")
	a := owner.get("/t/acme/apis").shows(http.StatusOK, "Sign in to the console")
	if !strings.HasPrefix(a.path, "/sign-in?") {
		t.Errorf("got to %s, want the sign-in page", a.path)
	}
	to := a.hidden("return_to")
	owner.post("/sign-in", "return_to", to, "email", "ada@acme.example", "password", "wrong horse").
		shows(http.StatusUnprocessableEntity).has(`value="ada@acme.example"`, `value="/t/acme/apis"`)
	a = owner.post("/sign-in", "return_to", to, "email", "ada@acme.example", "password", password).shows(http.StatusOK, "APIs")
	if a.path != "/t/acme/apis" {
		t.Errorf("got to %s, want /t/acme/apis", a.path)
	}
	owner.post("/sign-out")
	a = owner.post("/sign-in", "return_to", "//evil.example/", "email", "ada@acme.example", "password", password)
	if a.path != "/t/acme" {
		t.Errorf("a foreign return_to led to %s, want /t/acme", a.path)
	}
}

func TestStrangerSeesNoPage(t *testing.T) {
	s := newSite(t)
	s.operator()
	for _, r := range routes(t, s) {
		stranger := s.browser()
		stranger.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		a := stranger.send(stranger.request(r.Method, fill(r.Path, "acme"), "application/x-www-form-urlencoded", nil))
		if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/sign-in") {
			t.Errorf("%s %s: got %d to %q, want a redirect to the sign-in page", r.Method, r.Path, a.status, a.header.Get("Location"))
		}
	}
}

func TestAnotherTenantIsNotFound(t *testing.T) {
	s := newSite(t)
	s.operator()
	s.offer(s.tenantID("acme"))
	neighbour, _, _ := s.consumer("halden")
	for _, r := range routes(t, s) {
		if !strings.HasPrefix(r.Path, "/t/:tenant") {
			continue
		}
		a := neighbour.send(neighbour.request(r.Method, fill(r.Path, "acme"), "application/x-www-form-urlencoded", nil))
		if a.status != http.StatusNotFound || strings.Contains(a.body, "Acme") || strings.Contains(a.body, "Orders") {
			t.Errorf("%s %s: got %d, want 404 without a word of the tenant", r.Method, r.Path, a.status)
		}
	}
}

func TestPostFromAnotherSiteIsRefused(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	for _, r := range routes(t, s) {
		if r.Method != http.MethodPost {
			continue
		}
		req := b.request(r.Method, fill(r.Path, "acme"), "application/x-www-form-urlencoded", nil)
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		req.Header.Set("Origin", "https://evil.example")
		if a := b.send(req); a.status != http.StatusForbidden {
			t.Errorf("%s: got %d, want 403", r.Path, a.status)
		}
	}
	b.get("/t/acme").shows(http.StatusOK, "Overview")
}

// routes are all that need somebody to be signed in.
func routes(t *testing.T, s *site) []gin.RouteInfo {
	t.Helper()
	engine, ok := s.handler.(*gin.Engine)
	if !ok {
		t.Fatalf("the console is a %T", s.handler)
	}
	var out []gin.RouteInfo
	for _, r := range engine.Routes() {
		switch {
		case strings.HasPrefix(r.Path, "/assets/"), r.Path == "/first-run", r.Path == "/invitation", r.Path == "/sign-in", r.Path == "/sign-out", r.Path == "/theme":
		default:
			out = append(out, r)
		}
	}
	if len(out) < 40 {
		t.Fatalf("found only %d routes", len(out))
	}
	return out
}

// fill puts names that exist into a route's parameters where there can be.
func fill(path, tenant string) string {
	return strings.NewReplacer(":tenant", tenant, ":api", "orders", ":version", "v1", ":product", "shop", ":policy", "key", ":kind", "key",
		":revision", "1", ":verb", "approve", ":subscription", "sub_0190", ":plan", "plan_0190", ":token", "tok_0190", ":import", "imp_0190", ":team", "sellers", ":person", "per_0190", ":invitation", "inv_0190", ":certificate", "cert_0190", ":session", "ses_0190").Replace(path)
}

func TestThemeIsKept(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	b.get("/t/acme").shows(http.StatusOK)
	a := b.post("/theme", "theme", "dark", "back", "/t/acme/apis")
	if a.path != "/t/acme/apis" {
		t.Errorf("got to %s, want /t/acme/apis", a.path)
	}
	a.has(`data-theme="dark"`)
	b.post("/theme", "theme", "light", "back", "https://evil.example/").has(`data-theme="light"`)

	other := s.browser() // the choice comes with the person
	other.post("/sign-in", "email", "ada@acme.example", "password", password)
	other.get("/t/acme").has(`data-theme="light"`)
}

func TestTenantOfAnOperatorIsMadeOnce(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	form := b.get("/tenants").shows(http.StatusOK, "New tenant")
	b.post("/tenants", "once", form.hidden("once"), "name", "", "slug", "Bad Slug").shows(http.StatusUnprocessableEntity).fieldError("name")
	b.post("/tenants", "once", form.hidden("once"), "name", "Meridian", "slug", "Bad Slug").shows(http.StatusUnprocessableEntity).has(`value="Meridian"`).fieldError("slug")
	for range 2 {
		a := b.post("/tenants", "once", form.hidden("once"), "name", "Meridian", "slug", "meridian").shows(http.StatusOK, "Overview")
		if a.path != "/t/meridian" {
			t.Errorf("got to %s, want /t/meridian", a.path)
		}
	}
	consumer, _, _ := s.consumer("halden")
	consumer.get("/tenants").shows(http.StatusForbidden, "You may not do this")
}

func TestRolesDecideWhatIsShown(t *testing.T) {
	s := newSite(t)
	s.operator()
	acme := s.tenantID("acme")
	s.offer(acme)
	b, actor, _ := s.consumer("halden")
	s.join(acme, actor.Person, apim.RoleConsumer)
	a := b.get("/t/acme").shows(http.StatusOK, "Overview", "Applications").hides("Products & plans", "Audit log", "Import OpenAPI")
	for _, href := range a.links() {
		if strings.HasSuffix(href, "/apis") {
			t.Errorf("a consumer is led to %s", href)
		}
	}
	b.get("/t/acme/apis").shows(http.StatusForbidden, "You may not do this", "needs the role")
	b.post("/t/acme/apis/orders/v1/publish", "next", "2").shows(http.StatusForbidden)
	b.post("/t/acme/products", "name", "Mine", "visibility", "public").shows(http.StatusForbidden)

	auditor, person, _ := s.consumer("audit")
	s.join(acme, person.Person, apim.RoleAuditor)
	auditor.get("/t/acme/apis/orders/v1").shows(http.StatusOK, "Routes & policies").hides("Publish r", "Save switches", "Save in the draft")
	auditor.get("/t/acme/products/shop").shows(http.StatusOK, "Growth").hides("Edit Growth", "New plan", "Take out of the catalog")
	auditor.get("/t/acme/audit").shows(http.StatusOK, "Audit log")
	auditor.post("/t/acme/apis/orders/v1/retire", "reason", "x").shows(http.StatusForbidden)
}
