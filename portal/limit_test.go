package portal_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

// A consumer reads what a plan's policies admit where it chooses a plan, and where
// it has one; not those that are switched off.
func TestConsumerReadsWhatAPlanAdmits(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	policy := func(kind, config string, off bool) apim.Policy {
		return apim.Policy{Kind: kind, Config: json.RawMessage(config), Off: off}
	}
	list := []apim.Policy{
		policy("concurrency", `{"calls":10,"by":"subscription"}`, false),
		policy("spike_arrest", `{"requests":20,"per":"second","by":"subscription","queue":{"length":40,"wait_ms":2000}}`, false),
		policy("rate_limit", `{"requests":1000,"period_ms":3600000,"algorithm":"sliding_window","by":"credential"}`, false),
		policy("concurrency", `{"calls":77,"by":"subscription"}`, true),
	}
	if _, _, err := w.catalog.UpdatePlan(t.Context(), w.provider, o.product.Tenant, o.automatic.ID, manager.PlanInput{Policies: &list}); err != nil {
		t.Fatal(err)
	}
	none := []apim.RateLimit{}
	only := []apim.Policy{policy("rate_limit", `{"requests":5,"period_ms":60000,"by":"subscription"}`, false)}
	if _, _, err := w.catalog.UpdatePlan(t.Context(), w.provider, o.product.Tenant, o.manual.ID, manager.PlanInput{Limits: &none, Policies: &only}); err != nil {
		t.Fatal(err)
	}
	b := w.consumer("Ines Aguilar")
	product := b.get("/products/meridian/parcels")
	product.wants(t, http.StatusOK, "Rate 10 / s", "Calls 1,000 calls in any hour for each key", "Pace 20 calls per second, evenly apart; 40 more may wait 2 s", "Under way 10 calls at once",
		"Rate —", "Calls 5 calls per minute", "Pace —", "Under way —")
	product.lacks(t, "77 calls", "no limit")
	app := b.subscribe(o, o.automatic, "Checkout", "")
	b.get(app).wants(t, http.StatusOK, "Sandbox · 10 / s · 1,000 calls in any hour for each key · 20 calls per second, evenly apart; 40 more may wait 2 s · 10 calls at once")
	actor, tenant := b.actor("Ines Aguilar")
	detail := must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout"))
	id := detail.Subscriptions[0].Subscription.ID
	b.get(app+"/subscriptions/"+string(id)).wants(t, http.StatusOK, "Rate 10 / s", "Under way 10 calls at once", "Pace 20 calls per second")

	// A rate of its own takes the place of the plan's; the plan's policies hold beside it.
	own := apim.SubscriptionTerms{Limits: []apim.RateLimit{{Requests: 700, Period: time.Minute}}}
	if _, _, err := w.access.SetTerms(t.Context(), w.provider, o.product.Tenant, id, own); err != nil {
		t.Fatal(err)
	}
	page := b.get(app + "/subscriptions/" + string(id))
	page.wants(t, http.StatusOK, "Rate 700 / min", "Calls 1,000 calls in any hour for each key", "Under way 10 calls at once")
	page.lacks(t, "10 / s")
	b.get(app).wants(t, http.StatusOK, "Sandbox · 700 / min · 1,000 calls in any hour for each key")
}
