package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

func TestProductAndPlansAreOffered(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	version, _ := s.offer(s.tenantID("acme"))
	form := b.get("/t/acme/new-product").shows(http.StatusOK, "New product", "Orders v1")
	wrong := b.post("/t/acme/products", "once", form.hidden("once"), "name", "", "slug", "Wrong Slug", "summary", "For partners", "visibility", "public")
	wrong.shows(http.StatusUnprocessableEntity).has(`value="For partners"`, `value="Wrong Slug"`).fieldError("name")
	b.post("/t/acme/products", "name", "Shop again", "slug", "shop", "visibility", "public").shows(http.StatusUnprocessableEntity).has(`value="Shop again"`).fieldError("slug")
	for range 2 { // a double submit makes one product
		b.post("/t/acme/products", "once", form.hidden("once"), "name", "Partners", "summary", "For partners", "visibility", "private", "versions", string(version)).
			shows(http.StatusOK, "Partners", "For partners", "Orders v1", "Publish a plan", "List it in the catalog")
	}
	b.get("/t/acme/products").shows(http.StatusOK, "Partners", "Shop", "In the catalog", "Not listed")

	plan := b.get("/t/acme/products/partners/new-plan").shows(http.StatusOK, "New plan of Partners")
	wrong = b.post("/t/acme/products/partners/plans", "once", plan.hidden("once"), "name", "Basic", "requests", "0", "period", "minute", "burst", "x", "approval", "automatic")
	wrong.shows(http.StatusUnprocessableEntity).has(`value="Basic"`, `value="x"`)
	wrong.fieldError("requests")
	wrong.fieldError("burst")
	for range 2 {
		b.post("/t/acme/products/partners/plans", "once", plan.hidden("once"), "name", "Basic", "requests", "1,000", "period", "hour", "burst", "20",
			"approval", "manual", "price", "€ 5", "publish", "on").
			shows(http.StatusOK, "Basic", "1,000 requests per hour, burst 20", "€ 5", "A person approves", "Published").hides("Publish a plan.")
	}
	b.post("/t/acme/products/partners/listing", "listed", "yes").shows(http.StatusOK, "Partners is in the catalog", "Take out of the catalog")
	edit := b.get("/t/acme/products/partners/edit").shows(http.StatusOK, "Edit Partners").has(`value="Partners"`)
	b.post("/t/acme/products/partners/edit", "lock", edit.hidden("lock"), "name", "Partner programme", "visibility", "private").
		shows(http.StatusOK, "Partner programme", "Choose the API versions")
}

func TestProductIsSharedWithNamedOrganisations(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	_, actor, tenant := s.consumer("halden")
	s.consumer("quiet")
	s.ask(actor, tenant.ID, growth, "Checkout", "For the shop")
	edit := b.get("/t/acme/products/shop/edit").shows(http.StatusOK, "Named organisations")
	save := func(slugs string) answer {
		edit = b.get("/t/acme/products/shop/edit")
		return b.post("/t/acme/products/shop/edit", "lock", edit.hidden("lock"), "name", "Shop", "listed", "on", "visibility", "shared", "shared_with", slugs)
	}
	save("").shows(http.StatusUnprocessableEntity).fieldError("shared_with")
	save("halden\nhaldne").shows(http.StatusUnprocessableEntity, "No such organisation, or it cannot be reached").has("halden\nhaldne").fieldError("shared_with")
	save("halden, quiet").shows(http.StatusOK, "Shared with", "2 named organisations find it", "halden", "1 live subscription").hides("Quiet")
	b.get("/t/acme/products/shop/edit").shows(http.StatusOK, "Who is taken off keeps what it has", "1 live subscription").has("halden\nquiet")
	save("quiet").shows(http.StatusOK, "whose subscriptions go on", "Not found any more, subscriptions go on")
	b.get("/t/acme/products").shows(http.StatusOK, "1 organisation")
}

func TestPlanMovesThroughItsStates(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	plan := "/t/acme/products/shop/plans/" + string(growth)
	b.get(plan).shows(http.StatusOK, "Edit Growth").has(`value="100"`, `value="20"`)
	b.post(plan, "name", "Growth", "requests", "200", "period", "second", "approval", "manual").
		shows(http.StatusOK, "200 requests per second", "is in force on 3 of 3 nodes · 38 ms")
	b.post(plan+"/state", "to", "deprecated").shows(http.StatusOK, "Plan Growth is deprecated", "Close plan")
	b.post(plan+"/state", "to", "draft").shows(http.StatusOK, "does not go back to draft")
	b.post(plan+"/state", "to", "closed").shows(http.StatusOK, "Close Growth", "Nobody uses the plan")
	b.post(plan+"/close", "when", "now").shows(http.StatusOK, "Plan Growth is closed", "Closed on 23 Nov 2026")
	b.get("/t/acme/products/shop/plans/plan_made-up").shows(http.StatusNotFound)
}

func TestPlanBoundsTheLifeOfKeys(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	_, actor, tenant := s.consumer("halden")
	id := s.ask(actor, tenant.ID, growth, "Checkout", "For the shop")
	view, err := s.access.Subscription(t.Context(), actor, tenant.ID, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.access.CreateKey(t.Context(), actor, tenant.ID, view.Subscription.Application, manager.NewKey{Name: "old"}); err != nil {
		t.Fatal(err)
	}
	plan := "/t/acme/products/shop/plans/" + string(growth)
	save := func(days string) answer {
		return b.post(plan, "name", "Growth", "requests", "200", "period", "second", "approval", "manual", "max_key_days", days)
	}
	save("soon").shows(http.StatusUnprocessableEntity).has(`value="soon"`).fieldError("max_key_days")
	save("0.001").shows(http.StatusUnprocessableEntity).fieldError("max_key_days")
	save("90").shows(http.StatusOK, "at most 90 days", "1 key lives longer than that")
	b.get(plan).shows(http.StatusOK).has(`value="90"`)
	b.get("/t/acme/subscriptions/"+string(id)).shows(http.StatusOK, "1 key lives longer than the 90 days of the plan")
	save("").shows(http.StatusOK).hides("at most 90 days", "lives longer")
}

func TestPlanClosesAtADateWithItsSubscribersNamed(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	_, actor, tenant := s.consumer("halden")
	id := s.ask(actor, tenant.ID, growth, "Checkout", "For the shop")
	if _, _, err := s.access.Approve(t.Context(), system(), s.tenantID("acme"), id, manager.Decision{}); err != nil {
		t.Fatal(err)
	}
	plan := "/t/acme/products/shop/plans/" + string(growth)
	b.post(plan+"/close", "when", "now").shows(http.StatusConflict, "deprecate it first")
	b.post(plan+"/state", "to", "deprecated").shows(http.StatusOK, "Close plan")

	form := b.get(plan+"/close").shows(http.StatusOK, "Close Growth", "1 subscription ends with it", "Checkout", "halden", "all environments").has(`value="2026-12-23"`)
	b.post(plan+"/close", "when", "").shows(http.StatusUnprocessableEntity, "Checkout", "Choose when it closes.")
	b.post(plan+"/close", "when", "date", "closes_at", "soon").shows(http.StatusUnprocessableEntity).has(`value="soon"`).fieldError("closes_at")
	b.post(plan+"/close", "when", "date", "closes_at", "2026-11-01").shows(http.StatusUnprocessableEntity).fieldError("closes_at")
	b.post(plan+"/close", "lock", form.hidden("lock"), "when", "date", "closes_at", "2026-12-31").
		shows(http.StatusOK, "Plan Growth closes on 31 Dec 2026", "Closes on 31 Dec 2026", "Keep it open", "Change the date")
	b.post(plan+"/close", "lock", form.hidden("lock"), "when", "now").shows(http.StatusConflict, "changed meanwhile")
	for range 2 {
		b.post(plan+"/keep").shows(http.StatusOK, "Plan Growth stays open").hides("Closes on")
	}
	for range 2 {
		b.post(plan+"/close", "when", "now").shows(http.StatusOK, "Closed on 23 Nov 2026")
	}
	b.get("/t/acme/subscriptions/"+string(id)).shows(http.StatusOK, "Expired", "The plan Growth was closed on 23 November 2026.")
	b.post(plan+"/keep").shows(http.StatusOK, "is closed, and what it gave has ended")
}

func TestEnvironmentIsDeletedFromItsPage(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	version, _ := s.offer(s.tenantID("acme"))
	b.get("/t/acme/environments/production").shows(http.StatusOK, "Delete it", "In the way", "it is the first environment").hides("Delete environment")
	s.clock.pass(time.Second)
	b.post("/t/acme/environments/+", "slug", "sandbox", "name", "Sandbox", "kind", "sandbox", "gateway_url", "https://sandbox.example", "max_body_bytes", "1000",
		"connect_timeout_ms", "1000", "header_timeout_ms", "1000", "idle_timeout_ms", "1000", "max_stale_ms", "1000").shows(http.StatusOK, "Sandbox is made")
	if _, err := s.catalog.Publish(t.Context(), system(), s.tenantID("acme"), version, "sandbox", ""); err != nil {
		t.Fatal(err)
	}
	b.get("/t/acme/environments/sandbox").shows(http.StatusOK, "Orders v1 of Acme: take it off sandbox first").hides("Delete environment")
	b.post("/t/acme/environments/sandbox/delete").shows(http.StatusOK, "is in use", "take it off sandbox first")
	b.get("/t/acme/apis/orders/v1/history").shows(http.StatusOK, "Take off Sandbox")
	b.post("/t/acme/apis/orders/v1/take-off", "environment", "sandbox").shows(http.StatusOK, "Orders v1 is off Sandbox").hides("Take off")
	for range 2 {
		b.post("/t/acme/environments/sandbox/delete").shows(http.StatusOK, "Settings")
	}
	b.get("/t/acme/environments/sandbox").shows(http.StatusNotFound)
}

func TestSubscriptionIsSuspendedResumedAndCancelledWithReasons(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	_, actor, tenant := s.consumer("halden")
	id := s.ask(actor, tenant.ID, growth, "Checkout", "For the shop")
	page := "/t/acme/subscriptions/" + string(id)
	b.get("/t/acme/subscriptions").shows(http.StatusOK, "Checkout", "halden", "Pending")
	b.get(page).shows(http.StatusOK, "Decide on it")
	if _, _, err := s.access.Approve(t.Context(), system(), s.tenantID("acme"), id, manager.Decision{}); err != nil {
		t.Fatal(err)
	}
	b.post(page + "/suspend").shows(http.StatusUnprocessableEntity).fieldError("suspend_reason")
	for range 2 {
		b.post(page+"/suspend", "suspend_reason", "Invoice 2291 is unpaid").shows(http.StatusOK, "Suspended", "Invoice 2291 is unpaid")
	}
	for range 2 {
		b.post(page+"/resume").shows(http.StatusOK, "Active")
	}
	b.post(page+"/cancel", "cancel_reason", "").shows(http.StatusUnprocessableEntity).fieldError("cancel_reason")
	for range 2 {
		b.post(page+"/cancel", "cancel_reason", "Contract ended").shows(http.StatusOK, "Cancelled", "Contract ended").hides("Cancel for good")
	}
	b.get("/t/acme/subscriptions/sub_made-up").shows(http.StatusNotFound)
}

func TestTokenIsShownOnce(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	b.post("/t/acme/tokens", "name", "", "expires", "90").shows(http.StatusUnprocessableEntity).fieldError("name")
	form := b.get("/t/acme/tokens").shows(http.StatusOK, "No tokens yet")
	a := b.post("/t/acme/tokens", "once", form.hidden("once"), "name", "CI of orders", "expires", "30").shows(http.StatusOK, "Copy the token CI of orders now", "23 Dec 2026")
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: got %q, want no-store", got)
	}
	_, rest, _ := strings.Cut(a.body, `<code id="fresh-key-secret"`)
	_, rest, _ = strings.Cut(rest, ">")
	text, _, _ := strings.Cut(rest, "<")
	if text == "" {
		t.Fatal("the token is not in the page")
	}
	who, err := s.tenants.TokenActor(t.Context(), text)
	if err != nil || who.Name == "" {
		t.Fatalf("the token that was shown does not work: %v", err)
	}
	again := b.post("/t/acme/tokens", "once", form.hidden("once"), "name", "CI of orders", "expires", "30")
	if strings.Contains(again.body, text) || strings.Count(again.body, "<b>CI of orders</b>") != 1 {
		t.Error("the same post again shows the token or made another one")
	}
	if strings.Contains(b.get("/t/acme/tokens").body, text) {
		t.Error("the token is shown again")
	}
	revoke := strings.TrimPrefix(firstMatch(t, b.get("/t/acme/tokens").body, `action="([^"]*/revoke)"`), s.server.URL)
	for range 2 {
		b.post(revoke).shows(http.StatusOK, "The token is revoked")
	}
	if _, err := s.tenants.TokenActor(t.Context(), text); apim.KindOf(err) != apim.SignIn {
		t.Errorf("a revoked token: got %v, want a refusal", err)
	}
	if strings.Contains(s.log.String(), text) {
		t.Error("the token is in the log")
	}
}
