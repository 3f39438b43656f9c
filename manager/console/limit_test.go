package console_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry/check"
	"portico/manager"
)

// limits are those of the draft of Orders v1.
func (s *site) limits() []apim.RateLimit {
	s.t.Helper()
	d, err := s.catalog.VersionByLabel(s.t.Context(), system(), s.tenantID("acme"), "orders", "v1")
	if err != nil {
		s.t.Fatal(err)
	}
	return d.Version.Runtime.Limits
}

// Each limit of a version stands for itself: what is done to one leaves the others
// and their periods as they are, whichever those are.
func TestLimitsOfAVersionAreChangedOneByOne(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, _ := s.offer(acme)
	slow := apim.RateLimit{Requests: 100, Period: 10 * time.Minute, By: "caller"}
	fast := apim.RateLimit{Requests: 5, Period: time.Second, Burst: 2, By: "address"}
	if _, err := s.catalog.UpdateDraft(t.Context(), system(), acme, version, manager.DraftChange{Limits: &[]apim.RateLimit{slow, fast}}); err != nil {
		t.Fatal(err)
	}
	holds := func(want ...apim.RateLimit) {
		t.Helper()
		if got := s.limits(); !slices.Equal(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	shown := func(key string) []string {
		t.Helper()
		return b.get(ordersPage+"?policy="+key).
			shows(http.StatusOK, "100 requests per 10 minutes for each application", "5 requests per second, burst 2 for each address").
			filledIn(ordersPage + "/policies/" + key)
	}
	for _, key := range []string{"limit-0", "limit-1"} {
		b.post(ordersPage+"/policies/"+key, shown(key)...).shows(http.StatusOK, "Saved in the draft")
		holds(slow, fast)
	}
	b.post(ordersPage+"/policies/limit-0", set(shown("limit-0"), "requests", "many")...).shows(http.StatusUnprocessableEntity).has(`value="10m0s"`).fieldError("requests")

	second := shown("limit-1")
	b.post(ordersPage+"/policies/limit-1", set(second, "requests", "7", "period", "hour")...).shows(http.StatusOK, "100 requests per 10 minutes", "7 requests per hour, burst 2")
	fast.Requests, fast.Period = 7, time.Hour
	holds(slow, fast)
	b.post(ordersPage+"/policies/limit-1", second...).shows(http.StatusConflict, "changed meanwhile")
	holds(slow, fast)

	b.get(ordersPage+"?policy=limit-0").shows(http.StatusOK, "Add another limit").has(`?policy=limit#policy`)
	another := b.get(ordersPage + "?policy=limit").filledIn(ordersPage + "/policies/limit")
	b.post(ordersPage+"/policies/limit", set(another, "requests", "9", "period", "day", "by", "api")...).shows(http.StatusOK, "9 requests per day for all callers together")
	holds(slow, fast, apim.RateLimit{Requests: 9, Period: 24 * time.Hour, By: "api"})
	b.get(ordersPage+"/review").shows(http.StatusOK, "none → 100 calls per 10 min", "none → 7 calls per hour, 2 at once for each address")

	first := b.get(ordersPage+"?policy=limit-0").shows(http.StatusOK, "Take out this limit").filledIn(ordersPage + "/policies/limit-0")
	b.post(ordersPage+"/policies/limit-0", set(first, "requests", "")...).shows(http.StatusOK, "Saved in the draft").hides("10 minutes")
	holds(fast, apim.RateLimit{Requests: 9, Period: 24 * time.Hour, By: "api"})
	last := b.get(ordersPage + "?policy=limit-1").filledIn(ordersPage + "/policies/limit-1")
	b.post(ordersPage+"/policies/limit-1", set(last, "requests", "many", "rearrange", "0")...).shows(http.StatusOK, "Saved in the draft").hides("9 requests per day")
	holds(fast)
	b.post(ordersPage+"/policies/limit-7", "requests", "1", "period", "second", "by", "api").shows(http.StatusNotFound)
}

// The form of a plan has all of its limits.
func TestLimitsOfAPlanStay(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	_, growth := s.offer(acme)
	slow, fast := apim.RateLimit{Requests: 100, Period: 10 * time.Minute}, apim.RateLimit{Requests: 5, Period: time.Second, Burst: 2}
	if _, _, err := s.catalog.UpdatePlan(t.Context(), system(), acme, growth, manager.PlanInput{Limits: &[]apim.RateLimit{slow, fast}}); err != nil {
		t.Fatal(err)
	}
	holds := func(want ...apim.RateLimit) {
		t.Helper()
		p, err := s.catalog.Plan(t.Context(), system(), acme, growth)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(p.Limits, want) {
			t.Fatalf("got %+v, want %+v", p.Limits, want)
		}
	}
	plan := "/t/acme/products/shop/plans/" + string(growth)
	shown := func() []string {
		t.Helper()
		return b.get(plan).shows(http.StatusOK, "Limit 1 of 2", "10 minutes", "Limit 2 of 2").filledIn(plan)
	}
	b.post(plan, shown()...).shows(http.StatusOK, "100 requests per 10 minutes; 5 requests per second, burst 2")
	holds(slow, fast)
	b.post(plan, set(shown(), "requests[1]", "many")...).shows(http.StatusUnprocessableEntity).fieldError("requests[1]")
	b.post(plan, set(shown(), "requests[1]", "100", "period[1]", "10m0s", "burst[1]", "100")...).shows(http.StatusUnprocessableEntity).fieldError("requests[1]")
	holds(slow, fast)
	b.post(plan, set(shown(), "requests[1]", "7")...).shows(http.StatusOK, "is saved")
	fast.Requests = 7
	holds(slow, fast)
	b.post(plan, set(shown(), "requests", "")...).shows(http.StatusOK, "is saved")
	holds(fast)
}

// Limits are added to a plan and taken out of it in its form, without a script too:
// what was typed beside them stays, and nothing is saved before the plan is.
func TestLimitsOfAPlanAreAddedAndTakenOut(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	_, growth := s.offer(acme)
	plan := "/t/acme/products/shop/plans/" + string(growth)
	limits := func() []apim.RateLimit {
		t.Helper()
		p, err := s.catalog.Plan(t.Context(), system(), acme, growth)
		if err != nil {
			t.Fatal(err)
		}
		return p.Limits
	}
	one := apim.RateLimit{Requests: 100, Period: time.Minute, Burst: 20}
	page := b.get(plan).shows(http.StatusOK, "Add a limit").hides("Take out limit")
	page.has(`hx-post="`+plan+`"`, `hx-target="#limits"`)
	page = b.post(plan, set(page.filledIn(plan), "name", "", "requests", "lots", "rearrange", "more")...).
		shows(http.StatusOK, "Limit 1 of 2", "Take out limit 2").has(`value="lots"`)
	if at := page.found(`(<input [^>]*\bautofocus\b[^>]*>)`); !strings.Contains(at, `name="requests[1]"`) {
		t.Errorf("the cursor is in %s", at)
	}
	if got := limits(); !slices.Equal(got, []apim.RateLimit{one}) {
		t.Fatalf("adding a row saved %+v", got)
	}
	wrong := b.post(plan, set(page.filledIn(plan), "name", "Growth", "requests", "100", "requests[1]", "5", "period[1]", "second", "burst[1]", "-1")...).
		shows(http.StatusUnprocessableEntity, "Limit 2 of 2")
	wrong.fieldError("burst[1]")
	page = b.post(plan, set(wrong.filledIn(plan), "burst[1]", "2", "rearrange", "more")...).shows(http.StatusOK, "Limit 3 of 3")
	b.post(plan, set(page.filledIn(plan), "requests[2]", "9", "period[2]", "day")...).
		shows(http.StatusOK, "100 requests per minute, burst 20; 5 requests per second, burst 2; 9 requests per day")

	page = b.get(plan)
	page = b.post(plan, set(page.filledIn(plan), "rearrange", "0")...).shows(http.StatusOK, "Limit 2 of 2").hides("Limit 3").has(`value="5"`, `value="9"`)
	b.post(plan, page.filledIn(plan)...).shows(http.StatusOK, "is saved")
	if got, want := limits(), []apim.RateLimit{{Requests: 5, Period: time.Second, Burst: 2}, {Requests: 9, Period: 24 * time.Hour}}; !slices.Equal(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	page = b.post(plan, set(b.get(plan).filledIn(plan), "rearrange", "1")...).shows(http.StatusOK).hides("Limit 1 of", "Take out limit")
	page = b.post(plan, set(page.filledIn(plan), "rearrange", "0")...).shows(http.StatusOK) // as somebody with an older page would
	b.post(plan, page.filledIn(plan)...).shows(http.StatusOK, "is saved")
	if got := limits(); len(got) != 0 {
		t.Errorf("got %+v, want none", got)
	}

	// As many as nodes take, and no more.
	page = b.get(plan)
	for n := 2; n <= check.MaxLimits; n++ {
		page = b.post(plan, set(page.filledIn(plan), "rearrange", "more")...).shows(http.StatusOK, fmt.Sprintf("Limit %d of %d", n, n))
	}
	page.hides("Add a limit")
	b.post(plan, set(page.filledIn(plan), "rearrange", "more")...).shows(http.StatusOK, "Limit 8 of 8").hides("Limit 9")

	// A new plan's are the same.
	fresh := "/t/acme/products/shop/plans"
	page = b.get("/t/acme/products/shop/new-plan").shows(http.StatusOK, "Add a limit")
	page = b.post(fresh, set(page.filledIn(fresh), "name", "Bulk", "rearrange", "more")...).shows(http.StatusOK, "Limit 2 of 2").has(`value="Bulk"`)
	b.post(fresh, set(page.filledIn(fresh), "requests[1]", "9", "period[1]", "hour")...).shows(http.StatusOK, "Plan Bulk is made", "9 requests per hour")
}

// So are those of a subscription's own terms.
func TestLimitsOfASubscriptionAreAddedAndTakenOut(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	_, growth := s.offer(acme)
	_, asker, client := s.consumer("meridian")
	id := s.ask(asker, client.ID, growth, "Checkout", "to sell")
	first, second := apim.RateLimit{Requests: 100, Period: 10 * time.Minute}, apim.RateLimit{Requests: 5, Period: time.Second}
	if _, _, err := s.access.Approve(t.Context(), system(), acme, id, manager.Decision{Terms: &apim.SubscriptionTerms{Limits: []apim.RateLimit{first, second}}}); err != nil {
		t.Fatal(err)
	}
	at := "/t/acme/subscriptions/" + string(id)
	page := b.post(at+"/terms", set(b.get(at).filledIn(at+"/terms"), "rearrange", "0")...).shows(http.StatusOK, "Add a limit").hides("Limit 1 of")
	page = b.post(at+"/terms", set(page.filledIn(at+"/terms"), "rearrange", "more")...).shows(http.StatusOK, "Limit 2 of 2")
	b.post(at+"/terms", set(page.filledIn(at+"/terms"), "requests[1]", "7", "period[1]", "hour")...).shows(http.StatusOK, "on terms of its own")
	view, err := s.access.Subscription(t.Context(), system(), acme, id)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := view.Subscription.Limits, []apim.RateLimit{second, {Requests: 7, Period: time.Hour}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	b.get("/t/acme/approvals").shows(http.StatusOK).hides("Add a limit") // there a button decides
}

// So has that of the terms that a subscription has of its own.
func TestLimitsOfASubscriptionsOwnStay(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	_, growth := s.offer(acme)
	_, asker, client := s.consumer("meridian")
	id := s.ask(asker, client.ID, growth, "Checkout", "to sell")
	want := []apim.RateLimit{{Requests: 100, Period: 10 * time.Minute}, {Requests: 5, Period: time.Second, Burst: 2}}
	if _, _, err := s.access.Approve(t.Context(), system(), acme, id, manager.Decision{Terms: &apim.SubscriptionTerms{Limits: want}}); err != nil {
		t.Fatal(err)
	}
	at := "/t/acme/subscriptions/" + string(id)
	shown := b.get(at).shows(http.StatusOK, "Limit 1 of 2").filledIn(at + "/terms")
	b.post(at+"/terms", shown...).shows(http.StatusOK, "on terms of its own")
	view, err := s.access.Subscription(t.Context(), system(), acme, id)
	if err != nil {
		t.Fatal(err)
	}
	if got := view.Subscription.Limits; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
