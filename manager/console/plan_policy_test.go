package console_test

import (
	"net/http"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
)

// policiesOf are those of a plan.
func (s *site) policiesOf(plan apim.ID) []apim.Policy {
	s.t.Helper()
	p, err := s.catalog.Plan(s.t.Context(), system(), s.tenantID("acme"), plan)
	if err != nil {
		s.t.Fatal(err)
	}
	return p.Policies
}

// A plan's policies are set in the same forms as an API's, and shown wherever its
// terms are.
func TestPlansPoliciesAreSetAndShown(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	plan := "/t/acme/products/shop/plans/" + string(growth)
	page := plan + "/policies"
	b.get(plan).shows(http.StatusOK, "Edit Growth", "0 policies are set.")
	b.get(page).shows(http.StatusOK, "Policies of Growth", "First its rate: 100 requests per minute, burst 20.", "No policies", "Add the first policy")
	b.get(plan+"/add-policy").shows(http.StatusOK, "For each subscription to Shop under Growth.", "Concurrent calls", "Spike arrest", "Rate limit").hides("API key", "Answers to browsers", "How the request")
	b.get(plan+"/add-policy?q=zzz").shows(http.StatusOK, "Nothing matches")
	b.get(page + "?policy=new&kind=key").shows(http.StatusOK).hides("New:")

	empty := b.get(page+"?policy=new&kind=concurrency").shows(http.StatusOK, "New: Concurrent calls").filledIn(page + "/new")
	if !strings.Contains(strings.Join(empty, " "), "config.by subscription") {
		t.Errorf("the form begins with %v, want it by subscription", empty)
	}
	add := page + "/new?kind=concurrency"
	wrong := b.post(add, set(empty, "config.calls", "2000000")...)
	wrong.shows(http.StatusUnprocessableEntity, "New: Concurrent calls").fieldError("config.calls")
	b.post(page+"/new?kind=key", "config.bearer", "on").shows(http.StatusUnprocessableEntity, "plans take those of the stage limit")
	if len(s.policiesOf(growth)) != 0 {
		t.Fatal("what was refused is kept")
	}
	b.post(add, set(empty, "config.calls", "10")...).shows(http.StatusOK, "Concurrent calls is added.", "is in force on 3 of 3 nodes", "10 calls at once", "Save policy")
	second := b.get(page + "?policy=new&kind=spike_arrest&example=1").filledIn(page + "/new")
	a := b.post(page+"/new?kind=spike_arrest", second...).shows(http.StatusOK, "is added", "20 calls per second, evenly apart; 40 more may wait 2 s", "Earlier")
	a = b.post(page+"/p1/earlier", "lock", a.hidden("lock")).shows(http.StatusOK, "is moved")
	if got := s.policiesOf(growth); len(got) != 2 || got[0].Kind != "spike_arrest" {
		t.Fatalf("after the move there are %+v", got)
	}
	b.get("/t/acme/products/shop").shows(http.StatusOK, "Policies of Growth", "10 calls at once", "20 calls per second, evenly apart", "100 requests per minute, burst 20")
	b.get(ordersPage+"?policy=limit").shows(http.StatusOK, "Limits of the plan", "Shop, Growth", "10 calls at once", "by 2 plans")
	b.post(page+"/p0/off", "lock", a.hidden("lock")).shows(http.StatusOK, "is switched off", "Switch on")
	b.get("/t/acme/products/shop").shows(http.StatusOK, "10 calls at once").hides("20 calls per second")
	b.post(page+"/p0/off", "lock", "1").shows(http.StatusOK, "changed meanwhile")
	ask := b.get(page+"/p0/remove").shows(http.StatusOK, "Remove Spike arrest", "Switch it off instead")
	b.post(page+"/p0/remove", "lock", ask.hidden("lock")).shows(http.StatusOK, "is removed")
	if got := s.policiesOf(growth); len(got) != 1 || got[0].Kind != "concurrency" {
		t.Fatalf("after the removal there are %+v", got)
	}
	b.get(plan).shows(http.StatusOK, "1 policy is set.")
	for _, gone := range []string{"p7", "v0", "e0", "x"} {
		b.post(page+"/"+gone+"/off", "lock", "").shows(http.StatusNotFound)
	}
}

// A rate of its own takes the place of the plan's rate, not of its policies.
func TestASubscriptionsOwnRateIsShownBesideThePlansPolicies(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	_, growth := s.offer(acme)
	plan := "/t/acme/products/shop/plans/" + string(growth)
	form := b.get(plan + "/policies?policy=new&kind=concurrency").filledIn(plan + "/policies/new")
	b.post(plan+"/policies/new?kind=concurrency", set(form, "config.calls", "10")...).shows(http.StatusOK, "is added")
	_, asker, client := s.consumer("meridian")
	id := s.ask(asker, client.ID, growth, "Checkout", "to sell")
	if _, _, err := s.access.Approve(t.Context(), system(), acme, id, manager.Decision{}); err != nil {
		t.Fatal(err)
	}
	at := "/t/acme/subscriptions/" + string(id)
	b.get(at).shows(http.StatusOK, "Rate 100 requests per minute, burst 20", "10 calls at once", "The rate is instead of the plan's rate; the plan's policies hold beside it.")
	b.post(at+"/terms", "requests", "700", "period", "minute").shows(http.StatusOK, "Rate 700 requests per minute", "10 calls at once").hides("100 requests per minute")
}

// Saving a plan's form leaves its policies as they are.
func TestEditingAPlanLeavesItsPolicies(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	plan := "/t/acme/products/shop/plans/" + string(growth)
	form := b.get(plan + "/policies?policy=new&kind=concurrency&example=2").filledIn(plan + "/policies/new")
	b.post(plan+"/policies/new?kind=concurrency", form...).shows(http.StatusOK, "is added")
	b.post(plan, "name", "Growth", "requests", "200", "period", "second", "approval", "manual").shows(http.StatusOK, "200 requests per second", "at once")
	if len(s.policiesOf(growth)) != 1 {
		t.Error("the policy is gone")
	}
	b.post(plan+"/state", "to", "deprecated").shows(http.StatusOK, "deprecated")
	b.post(plan+"/close", "when", "now").shows(http.StatusOK, "closed")
	b.get(plan+"/policies").shows(http.StatusOK, "at once").hides("Add policy", "Edit the plan")
	b.get(plan + "/add-policy").shows(http.StatusForbidden)
}
