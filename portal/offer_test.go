package portal_test

import (
	"crypto/x509"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/fake"
)

// closing deprecates a plan and gives it the date at which it closes.
func (w *world) closing(o offer, plan apim.Plan, at time.Time) {
	w.t.Helper()
	ctx, tenant := w.t.Context(), o.product.Tenant
	if _, _, err := w.catalog.UpdatePlan(ctx, w.provider, tenant, plan.ID, manager.PlanInput{State: new(apim.PlanDeprecated)}); err != nil {
		w.t.Fatal(err)
	}
	if _, _, err := w.catalog.ClosePlan(ctx, w.provider, tenant, plan.ID, manager.PlanClosing{At: at}); err != nil {
		w.t.Fatal(err)
	}
}

func TestConsumerSeesWhenTheirPlanCloses(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	app := b.subscribe(o, o.automatic, "Checkout", "")
	w.closing(o, o.automatic, time.Date(2027, 3, 31, 0, 0, 0, 0, time.UTC))
	b.get(app).wants(t, http.StatusOK, "plan closes 31 Mar 2027")
	actor, tenant := b.actor("Ines Aguilar")
	detail := must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout"))
	page := app + "/subscriptions/" + string(detail.Subscriptions[0].Subscription.ID)
	b.get(page).wants(t, http.StatusOK, "Meridian Logistics closes the plan Sandbox on 31 March 2027, in 127 days.", "Access ends with it", "Plan closes 31 Mar 2027", "Growth, after approval")
	b.get("/products/meridian/parcels").wants(t, http.StatusOK, "Closes 31 Mar 2027", "plan closes 31 Mar 2027")

	if _, _, err := w.catalog.ClosePlan(t.Context(), w.provider, o.product.Tenant, o.automatic.ID, manager.PlanClosing{}); err != nil {
		t.Fatal(err)
	}
	b.get(page).wants(t, http.StatusOK, "Expired", "The plan Sandbox was closed on", "Request access again")
}

func TestNewKeyEndsAtTheLatestWhenItsPlanSays(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	life := 60 * 24 * time.Hour
	if _, _, err := w.catalog.UpdatePlan(t.Context(), w.provider, o.product.Tenant, o.automatic.ID, manager.PlanInput{MaxKeyLife: &life}); err != nil {
		t.Fatal(err)
	}
	b := w.consumer("Ines Aguilar")
	b.get("/products/meridian/parcels").wants(t, http.StatusOK, "Keys live at most 60 days", "Keys live as you choose")
	app := b.subscribe(o, o.automatic, "Checkout", "")
	form := b.get(app + "/keys/new")
	form.wants(t, http.StatusOK, "At the latest on 22 January 2027: keys for Sandbox of Parcels live at most 60 days.", "30 days", "On 22 Jan 2027, the latest")
	if !strings.Contains(form.body, `<option value="latest" selected`) || strings.Contains(form.body, "Does not expire") || strings.Contains(form.body, "365 days") {
		t.Errorf("the form offers what is refused, or does not choose the latest: %s", form.body)
	}
	b.post(app+"/keys", "nonce", "k", "name", "Shop", "days", "latest").wants(t, http.StatusOK, "Shop", "Ends in 60 days")
	b.post(app+"/keys", "nonce", "l", "name", "Forged", "days", "").wants(t, http.StatusUnprocessableEntity, "Needs an end, at the latest 22 January 2027")
	b.post(app+"/keys", "nonce", "m").wants(t, http.StatusOK, "Ends in 60 days") // the one button of an application without a key
	actor, tenant := b.actor("Ines Aguilar")
	detail := must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout"))
	b.get(app+"/keys/"+string(detail.Credentials[0].ID)).wants(t, http.StatusOK, "The new secret ends on 22 January 2027")

	// What is registered has no new secret.
	ca, key := fake.NewAuthority(t, "Clients"), fake.NewKey(t)
	chain, proof := ca.IssueWith(t, key, func(*x509.Certificate) {}).Chain, fake.Signature(t, key, manager.ProofText(detail.Application.ID))
	for kind, fields := range map[string][]string{
		"jwt":         {"issuer", "https://issuer.example/", "subject", "till", "token", fake.Proof("https://issuer.example/", "till")},
		"certificate": {"certificate", chain, "signature", proof},
	} {
		p := b.post(app+"/keys", append([]string{"nonce", kind, "kind", kind, "name", kind, "days", "latest"}, fields...)...)
		p.wants(t, http.StatusOK, "is registered.", "At the latest on 22 January 2027: keys for Sandbox of Parcels live at most 60 days.")
		p.lacks(t, "The new secret")
	}
}

// TestWhatAKeyHasToEndByIsItsEnvironmentsWord has a plan for Production alone that
// bounds the life of keys.
func TestWhatAKeyHasToEndByIsItsEnvironmentsWord(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	w.pass(time.Second) // environments stand by the time they were made
	if _, _, err := w.fleet.CreateEnvironment(t.Context(), apim.Actor{System: true}, apim.Environment{
		Slug: "sandbox", Name: "Sandbox", Kind: apim.Sandbox, GatewayURL: "https://sandbox.example", Settings: apim.DefaultEnvironmentSettings(),
	}); err != nil {
		t.Fatal(err)
	}
	life := 30 * 24 * time.Hour
	if _, _, err := w.catalog.UpdatePlan(t.Context(), w.provider, o.product.Tenant, o.automatic.ID, manager.PlanInput{MaxKeyLife: &life}); err != nil {
		t.Fatal(err)
	}
	b := w.consumer("Ines Aguilar")
	b.post("/applications", "nonce", "a", "name", "Checkout")
	actor, tenant := b.actor("Ines Aguilar")
	application := func() manager.ApplicationDetail {
		return must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout"))
	}
	if _, _, err := w.access.Request(t.Context(), actor, tenant.ID, manager.RequestAccess{Application: application().Application.ID, Plan: o.automatic.ID, Environments: []string{"production"}}); err != nil {
		t.Fatal(err)
	}
	const app = "/applications/checkout"
	form := b.get(app + "/keys/new")
	form.wants(t, http.StatusOK, "In Production at the latest on 23 December 2026: keys for Sandbox of Parcels live at most 30 days.", "Does not expire", "365 days", "As long as the environment allows")
	if !strings.Contains(form.body, `<option value="latest" selected`) {
		t.Errorf("the form does not choose the latest: %s", form.body)
	}
	refused := b.post(app+"/keys", "nonce", "p", "environment", "production", "days", "90")
	refused.wants(t, http.StatusUnprocessableEntity, "Is after 23 December 2026")
	if !strings.Contains(refused.body, `<option value="90" selected`) {
		t.Errorf("the form has lost what was chosen: %s", refused.body)
	}
	for n, c := range []struct {
		fields []string
		ends   time.Duration
	}{
		{[]string{"environment", "sandbox", "days", ""}, 0},
		{[]string{"environment", "sandbox", "days", "90"}, 90 * 24 * time.Hour},
		{[]string{"environment", "sandbox", "days", "latest"}, 0},
		{[]string{"environment", "sandbox"}, 0},
		{[]string{"environment", "production"}, life},
		{[]string{"environment", "production", "days", "latest"}, life},
		{nil, life}, // in the first environment
	} {
		b.post(app+"/keys", append([]string{"nonce", strconv.Itoa(n), "name", strconv.Itoa(n)}, c.fields...)...).wants(t, http.StatusOK, "Copy your new key now")
		made := false
		for _, k := range application().Credentials {
			if k.Name != strconv.Itoa(n) {
				continue
			}
			made = true
			if ends := k.Secrets[0].ExpiresAt; c.ends == 0 && !ends.IsZero() || c.ends > 0 && !ends.Equal(w.clock().Add(c.ends)) {
				t.Errorf("%v: it ends %v, want in %v", c.fields, ends, c.ends)
			}
		}
		if !made {
			t.Errorf("%v: no key was made", c.fields)
		}
	}
}

// TestTheOldSecretAloneCanEndNow has keys that end because their plan says so: the
// newest secret has an end too.
func TestTheOldSecretAloneCanEndNow(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	life := 60 * 24 * time.Hour
	if _, _, err := w.catalog.UpdatePlan(t.Context(), w.provider, o.product.Tenant, o.automatic.ID, manager.PlanInput{MaxKeyLife: &life}); err != nil {
		t.Fatal(err)
	}
	b := w.consumer("Ines Aguilar")
	app := b.subscribe(o, o.automatic, "Checkout", "")
	b.post(app+"/keys", "nonce", "a", "name", "Shop").wants(t, http.StatusOK, "Ends in 60 days")
	actor, tenant := b.actor("Ines Aguilar")
	key := func() apim.Credential {
		return must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout")).Credentials[0]
	}
	page := app + "/keys/" + string(key().ID)
	end := func(s apim.Secret) string { return page + "/secrets/" + string(s.ID) + "/end" }
	w.pass(time.Minute) // what was made in one moment has no order
	b.post(page+"/rotate", "nonce", "b", "grace", "24").wants(t, http.StatusOK, "Two work now")
	secrets, shown := key().Secrets, b.get(page)
	if !strings.Contains(shown.body, end(secrets[0])) || strings.Contains(shown.body, end(secrets[1])) {
		t.Errorf("the old secret is to end, and not the new one: %s", shown.text())
	}
	b.post(end(secrets[1])).wants(t, http.StatusConflict, "newest secret")
	w.pass(25 * time.Hour)
	b.post("/sign-in", "email", "ines.aguilar@halden.example", "password", password).wants(t, http.StatusOK)
	b.get(page).lacks(t, "End now")
	b.post(end(secrets[1])).wants(t, http.StatusConflict, "newest secret")
	if left := key().Secrets; len(left) != 2 || left[1].ID != secrets[1].ID || left[1].Expired(w.clock()) {
		t.Errorf("the key is left with %+v", left)
	}
	b.post(end(secrets[0])).wants(t, http.StatusOK, "has ended")
}

// Where a version is live in a sandbox too, trying it out begins there.
func TestReferencePreselectsTheSandbox(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	b.get("/apis/meridian/parcels/v1").lacks(t, "Environment of addresses")
	const live, test = "http://localhost:8080/meridian/parcels/v1", "https://sandbox.example/meridian/parcels/v1"
	if _, _, err := w.fleet.CreateEnvironment(t.Context(), apim.Actor{System: true}, apim.Environment{
		Slug: "sandbox", Name: "Sandbox", Kind: apim.Sandbox, GatewayURL: "https://sandbox.example", Settings: apim.DefaultEnvironmentSettings(),
	}); err != nil {
		t.Fatal(err)
	}
	b.get("/apis/meridian/parcels/v1").wants(t, http.StatusOK, live) // not live there yet
	must[manager.PublishResult](t)(w.catalog.Publish(t.Context(), w.provider, o.product.Tenant, o.version.ID, "sandbox", ""))

	page := "/apis/meridian/parcels/v1/reference/list_parcels"
	p := b.get(page)
	p.wants(t, http.StatusOK, test+"/parcels", "Set PORTICO_KEY to a test key of your application, made for Sandbox.")
	p.lacks(t, live)
	for _, link := range []string{page + "?environment=production", page + "?environment=sandbox"} {
		if !strings.Contains(p.body, `href="`+link+`"`) {
			t.Errorf("the page has no link %s", link)
		}
	}
	b.get("/apis/meridian/parcels/v1").wants(t, http.StatusOK, "Base URL, Sandbox "+test)
	chosen := b.get(page + "?environment=production")
	chosen.wants(t, http.StatusOK, live+"/parcels", "Set PORTICO_KEY to a live key of your application, made for Production.")
	b.get(page).wants(t, http.StatusOK, live+"/parcels") // the choice is kept
	b.get(page+"?environment=nowhere").wants(t, http.StatusOK, live+"/parcels")
	b.get(page+"?environment=sandbox").wants(t, http.StatusOK, test+"/parcels")

	app := b.subscribe(o, o.automatic, "Checkout", "")
	b.get(app).wants(t, http.StatusOK, test+"/parcels", "a test key")
	made := b.post(app+"/keys", "nonce", "k", "name", "Live", "environment", "production")
	made.wants(t, http.StatusOK, live+"/parcels", "it holds your new key")
	actor, tenant := b.actor("Ines Aguilar")
	detail := must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout"))
	b.get(app+"/keys/"+string(detail.Credentials[0].ID)).wants(t, http.StatusOK, "for Production", "In Production alone, it opens Parcels.")
	b.get(app+"/subscriptions/"+string(detail.Subscriptions[0].Subscription.ID)).wants(t, http.StatusOK, "Environments all")
}

func TestSharedProductIsOnlyThereForWhoIsNamed(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	named, other := w.consumer("Ines Aguilar"), w.consumer("Otto Bauer")
	_, tenant := named.actor("Ines Aguilar")
	shared, with := apim.VisibleShared, []string{tenant.Slug}
	if _, _, err := w.catalog.UpdateProduct(t.Context(), w.provider, o.product.Tenant, o.product.ID, manager.ProductInput{Visibility: &shared, SharedWith: &with}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/products/meridian/parcels", "/products/meridian/parcels/subscribe", "/apis/meridian/parcels/v1", "/apis/meridian/parcels/v1/reference/get_parcel", "/apis/meridian/parcels/v1/plans"} {
		named.get(path).wants(t, http.StatusOK, "Parcels")
		for who, b := range map[string]*browser{"another": other, "nobody": w.anonymous()} {
			if p := b.get(path); p.status == http.StatusOK && strings.HasPrefix(b.last, path) || strings.Contains(p.text(), "Growth") || strings.Contains(p.text(), "All of Parcels") {
				t.Errorf("%s at %s: got %d: %s", who, path, p.status, p.text())
			}
		}
	}
	named.get("/?search=parcels").wants(t, http.StatusOK, "Meridian Logistics")
	if p := other.get("/?search=parcels"); strings.Contains(p.text(), "Meridian Logistics") {
		t.Errorf("another finds it: %s", p.text())
	}
}
