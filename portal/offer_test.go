package portal_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
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
	named.get("/?search=parcels").wants(t, http.StatusOK, "Growth, Sandbox")
	if p := other.get("/?search=parcels"); strings.Contains(p.text(), "Growth") {
		t.Errorf("another finds it: %s", p.text())
	}
}
