package manager_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

func TestSecondRequestIsOneSubscription(t *testing.T) {
	postgres.Both(t, testSecondRequestIsOneSubscription)
}

func testSecondRequestIsOneSubscription(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	in := manager.RequestAccess{Application: m.app.ID, Plan: m.offer.manual.ID, Reason: "to try"}
	var mu sync.Mutex
	made := map[apim.ID]bool{}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			s, _, err := m.access.Request(ctx, m.consumer, m.client.ID, in)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			made[s.ID] = true
		})
	}
	wg.Wait()
	if len(made) != 1 {
		t.Fatalf("got %d subscriptions, want 1", len(made))
	}
	m.pass(time.Minute)
	_, _, err := m.access.Request(ctx, m.consumer, m.client.ID, in)
	refused(t, err, apim.Conflict)
	in.Plan = m.offer.automatic.ID
	_, _, err = m.access.Request(ctx, m.consumer, m.client.ID, in)
	refused(t, err, apim.Conflict)
	if !strings.Contains(err.Error(), "change the plan") {
		t.Errorf("got %q, want an offer to change the plan", err)
	}
}

// The same version by way of another product is still a second access to it.
func TestOneLiveSubscriptionForAnAPIVersion(t *testing.T) {
	postgres.Both(t, testOneLiveSubscriptionForAnAPIVersion)
}

func testOneLiveSubscriptionForAnAPIVersion(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	m.pending()
	bundle := must[apim.Product](t)(m.catalog.CreateProduct(ctx, m.provider, m.shop.ID, manager.ProductInput{
		Name: new("Bundle"), Visibility: new(apim.VisiblePublic), Listed: new(true), Versions: &[]apim.ID{m.offer.version.ID},
	}))
	plan := m.plan(m.provider, bundle, "trial", apim.Automatic)
	_, _, err := m.access.Request(ctx, m.consumer, m.client.ID, manager.RequestAccess{Application: m.app.ID, Plan: plan.ID})
	refused(t, err, apim.Conflict)
	if !strings.Contains(err.Error(), "Orders v1") {
		t.Errorf("got %q, want the version named", err)
	}
	another := m.application(m.consumer, m.client, "web")
	m.request(m.consumer, m.client, another, plan)
}

func TestVersionIsNotAddedWhereItWouldGiveASecondAccess(t *testing.T) {
	postgres.Both(t, testVersionIsNotAddedWhereItWouldGiveASecondAccess)
}

func testVersionIsNotAddedWhereItWouldGiveASecondAccess(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	m.pending()
	empty := must[apim.Product](t)(m.catalog.CreateProduct(ctx, m.provider, m.shop.ID, manager.ProductInput{
		Name: new("Later"), Visibility: new(apim.VisiblePublic), Listed: new(true),
	}))
	m.request(m.consumer, m.client, m.app, m.plan(m.provider, empty, "trial", apim.Automatic))
	_, _, err := m.catalog.UpdateProduct(ctx, m.provider, m.shop.ID, empty.ID, manager.ProductInput{Versions: &[]apim.ID{m.offer.version.ID}})
	refused(t, err, apim.Conflict)
	if !strings.Contains(err.Error(), "App till") {
		t.Errorf("got %q, want the application named", err)
	}
}

// A request's list of environments is compared in the transaction that all
// changes wait for.
func TestRequestForEndlessEnvironmentsIsRefusedAtOnce(t *testing.T) {
	postgres.Both(t, testRequestForEndlessEnvironmentsIsRefusedAtOnce)
}

func testRequestForEndlessEnvironmentsIsRefusedAtOnce(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	many := make([]string, 100_000)
	for i := range many {
		many[i] = fmt.Sprintf("e%d", i)
	}
	begin := time.Now()
	_, _, err := m.access.Request(t.Context(), m.consumer, m.client.ID, manager.RequestAccess{Application: m.app.ID, Plan: m.offer.manual.ID, Reason: "x", Environments: many})
	refused(t, err, apim.Invalid)
	if took := time.Since(begin); took > 2*time.Second || len(err.Error()) > 64<<10 {
		t.Errorf("it took %v and %d bytes to refuse", took, len(err.Error()))
	}
}

func TestWithdrawnRequestCannotBeApproved(t *testing.T) {
	postgres.Both(t, testWithdrawnRequestCannotBeApproved)
}

func testWithdrawnRequestCannotBeApproved(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, s := t.Context(), m.pending()
	if _, _, err := m.access.Withdraw(ctx, m.consumer, m.client.ID, s.ID); err != nil {
		t.Fatal(err)
	}
	if n := must[int](t)(m.access.Waiting(ctx, m.approver, m.shop.ID)); n != 0 {
		t.Errorf("got %d in the inbox, want none", n)
	}
	_, _, err := m.access.Approve(ctx, m.approver, m.shop.ID, s.ID, manager.Decision{Note: ""})
	refused(t, err, apim.Conflict)
	if _, _, err := m.access.Withdraw(ctx, m.consumer, m.client.ID, s.ID); err != nil {
		t.Errorf("a second click: %v", err)
	}
	m.pending() // it can be asked for again
}

func TestRejectedRequestSaysWhyAndCanBeMadeAgain(t *testing.T) {
	postgres.Both(t, testRejectedRequestSaysWhyAndCanBeMadeAgain)
}

func testRejectedRequestSaysWhyAndCanBeMadeAgain(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, s := t.Context(), m.pending()
	_, _, err := m.access.Reject(ctx, m.approver, m.shop.ID, s.ID, "")
	refused(t, err, apim.Invalid)
	if _, _, err := m.access.Reject(ctx, m.approver, m.shop.ID, s.ID, "say what it is for"); err != nil {
		t.Fatal(err)
	}
	v := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.consumer, m.client.ID, s.ID))
	if v.Subscription.Note != "say what it is for" || v.Subscription.State != apim.Rejected {
		t.Errorf("got %+v, want the reason", v.Subscription)
	}
	m.pass(time.Minute)
	again := m.pending()
	seen := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.approver, m.shop.ID, again.ID))
	if len(seen.History) != 1 || !strings.Contains(seen.History[0].Text, "rejected by Ada") {
		t.Errorf("got history %+v, want what was decided before", seen.History)
	}
}

func TestUndoIsForWhoDecidedAndForTenSeconds(t *testing.T) {
	postgres.Both(t, testUndoIsForWhoDecidedAndForTenSeconds)
}

func testUndoIsForWhoDecidedAndForTenSeconds(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, s := t.Context(), m.active()
	_, _, err := m.access.UndoApproval(ctx, m.second, m.shop.ID, s.ID)
	refused(t, err, apim.Conflict)
	m.pass(11 * time.Second)
	_, _, err = m.access.UndoApproval(ctx, m.approver, m.shop.ID, s.ID)
	refused(t, err, apim.Conflict)
	if v := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.approver, m.shop.ID, s.ID)); v.CanUndo {
		t.Error("the page offers what is over")
	}
}

func TestNobodyDecidesOnTheirOwnRequestUnlessAlone(t *testing.T) {
	postgres.Both(t, testNobodyDecidesOnTheirOwnRequestUnlessAlone)
}

func testNobodyDecidesOnTheirOwnRequestUnlessAlone(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	owner := m.person(m.shop, "Olga", apim.RoleOwner)
	app := m.application(owner, m.shop, "inside")
	s := m.request(owner, m.shop, app, m.offer.manual)
	_, _, err := m.access.Approve(ctx, owner, m.shop.ID, s.ID, manager.Decision{Note: ""})
	refused(t, err, apim.Forbidden)
	_, _, err = m.access.Reject(ctx, owner, m.shop.ID, s.ID, "no")
	refused(t, err, apim.Forbidden)
	list := must[apim.List[manager.SubscriptionView]](t)(m.access.Inbox(ctx, owner, m.shop.ID, manager.InboxQuery{}))
	if len(list.Items) != 1 || list.Items[0].CanDecide {
		t.Errorf("got %+v, want it shown without the buttons", list.Items)
	}

	alone := m.tenant("alone")
	only := m.person(alone, "Otto", apim.RoleOwner)
	o := m.world.offer(only, alone, "solo")
	s = m.request(only, alone, m.application(only, alone, "own"), o.manual)
	if s, _, err := m.access.Approve(ctx, only, alone.ID, s.ID, manager.Decision{Note: ""}); err != nil || s.State != apim.Active {
		t.Errorf("got %v, %v: who is alone may decide", s.State, err)
	}
}

func TestPlanThatTakesNobodyRefuses(t *testing.T) { postgres.Both(t, testPlanThatTakesNobodyRefuses) }

func testPlanThatTakesNobodyRefuses(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	draft, _, err := m.catalog.CreatePlan(ctx, m.provider, m.shop.ID, m.offer.product.ID, manager.PlanInput{Name: new("Draft"), Approval: new(apim.Automatic)})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = m.access.Request(ctx, m.consumer, m.client.ID, manager.RequestAccess{Application: m.app.ID, Plan: draft.ID})
	refused(t, err, apim.NotFound)
	if _, _, err := m.catalog.UpdatePlan(ctx, m.provider, m.shop.ID, m.offer.automatic.ID, manager.PlanInput{State: new(apim.PlanDeprecated)}); err != nil {
		t.Fatal(err)
	}
	_, _, err = m.access.Request(ctx, m.consumer, m.client.ID, manager.RequestAccess{Application: m.app.ID, Plan: m.offer.automatic.ID})
	refused(t, err, apim.Conflict)
}

func TestUnlistedProductIsNobodysToAskFor(t *testing.T) {
	postgres.Both(t, testUnlistedProductIsNobodysToAskFor)
}

func testUnlistedProductIsNobodysToAskFor(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	if _, _, err := m.catalog.UpdateProduct(ctx, m.provider, m.shop.ID, m.offer.product.ID, manager.ProductInput{Visibility: new(apim.VisiblePrivate)}); err != nil {
		t.Fatal(err)
	}
	_, _, err := m.access.Request(ctx, m.consumer, m.client.ID, manager.RequestAccess{Application: m.app.ID, Plan: m.offer.automatic.ID})
	refused(t, err, apim.NotFound)
}

func TestRequestToAClosedPlanIsNotApproved(t *testing.T) {
	postgres.Both(t, testRequestToAClosedPlanIsNotApproved)
}

func testRequestToAClosedPlanIsNotApproved(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, s := t.Context(), m.pending()
	for _, state := range []apim.PlanState{apim.PlanDeprecated, apim.PlanClosed} {
		if _, _, err := m.catalog.UpdatePlan(ctx, m.provider, m.shop.ID, m.offer.manual.ID, manager.PlanInput{State: &state}); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := m.access.Approve(ctx, m.approver, m.shop.ID, s.ID, manager.Decision{Note: ""})
	refused(t, err, apim.Conflict)
	view := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.consumer, m.client.ID, s.ID))
	if got := view.Subscription; got.State != apim.Rejected || !strings.Contains(got.Note, "Business was closed on 2 March 2026") {
		t.Errorf("got it %s, %q, want it rejected and why", got.State, got.Note)
	}
}
