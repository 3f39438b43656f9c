package manager_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

func TestAutomaticPlanLetsInAtOnce(t *testing.T) { postgres.Both(t, testAutomaticPlanLetsInAtOnce) }

func testAutomaticPlanLetsInAtOnce(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	key := m.key()
	s, change, err := m.access.Request(t.Context(), m.consumer, m.client.ID, manager.RequestAccess{Application: m.app.ID, Plan: m.offer.automatic.ID})
	if err != nil || s.State != apim.Active || !s.Automatic || change.Sequence == 0 {
		t.Fatalf("got %+v, %+v, %v, want it active with a sequence", s, change, err)
	}
	if got := m.state(key); got != entry.Active {
		t.Errorf("got %q on the nodes, want active", got)
	}
	if m.audited(m.client.ID, "subscription.request") != 1 || m.audited(m.shop.ID, "subscription.request") != 1 {
		t.Error("want the request in the logs of both sides")
	}
}

func TestTransitionsReachTheNodes(t *testing.T) { postgres.Both(t, testTransitionsReachTheNodes) }

func testTransitionsReachTheNodes(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, key := t.Context(), m.key()
	s := m.pending()
	for _, step := range []struct {
		name string
		do   func() (apim.Subscription, apim.Change, error)
		want entry.SubscriptionState
	}{
		{"approve", func() (apim.Subscription, apim.Change, error) {
			return m.access.Approve(ctx, m.approver, m.shop.ID, s.ID, manager.Decision{Note: "welcome"})
		}, entry.Active},
		{"undo", func() (apim.Subscription, apim.Change, error) {
			return m.access.UndoApproval(ctx, m.approver, m.shop.ID, s.ID)
		}, entry.Pending},
		{"approve again", func() (apim.Subscription, apim.Change, error) {
			return m.access.Approve(ctx, m.second, m.shop.ID, s.ID, manager.Decision{Note: ""})
		}, entry.Active},
		{"suspend", func() (apim.Subscription, apim.Change, error) {
			return m.access.Suspend(ctx, m.approver, m.shop.ID, s.ID, "abuse", "")
		}, entry.Suspended},
		{"resume", func() (apim.Subscription, apim.Change, error) {
			return m.access.Resume(ctx, m.approver, m.shop.ID, s.ID, "")
		}, entry.Active},
		{"stop", func() (apim.Subscription, apim.Change, error) {
			return m.access.SetStopped(ctx, m.consumer, m.client.ID, s.ID, true)
		}, entry.Stopped},
		{"start", func() (apim.Subscription, apim.Change, error) {
			return m.access.SetStopped(ctx, m.consumer, m.client.ID, s.ID, false)
		}, entry.Active},
		{"cancel", func() (apim.Subscription, apim.Change, error) {
			return m.access.Cancel(ctx, m.consumer, m.client.ID, s.ID, "done")
		}, ""},
	} {
		m.pass(time.Second)
		_, change, err := step.do()
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := m.state(key); got != step.want {
			t.Errorf("%s: got %q on the nodes, want %q", step.name, got, step.want)
		}
		_, head, err := m.store.Pending(ctx, "production", 1000)
		if err != nil || change.Sequence != head.Sequence {
			t.Errorf("%s: got change %d, want the newest sequence %d", step.name, change.Sequence, head.Sequence)
		}
	}
}

// Fifty people decide at once: one outcome, and one audit row says whose.
func TestParallelDecisionsHaveOneOutcome(t *testing.T) {
	postgres.Both(t, testParallelDecisionsHaveOneOutcome)
}

func testParallelDecisionsHaveOneOutcome(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, s := t.Context(), m.pending()
	var approvers []apim.Actor
	for i := range 50 {
		approvers = append(approvers, m.person(m.shop, "Approver"+string(rune('A'+i%26))+string(rune('a'+i/26)), apim.RoleApprover))
	}
	var mu sync.Mutex
	won, conflicts := 0, 0
	var wg sync.WaitGroup
	for i, actor := range approvers {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, _, err = m.access.Approve(ctx, actor, m.shop.ID, s.ID, manager.Decision{Note: ""})
			} else {
				_, _, err = m.access.Reject(ctx, actor, m.shop.ID, s.ID, "no")
			}
			mu.Lock()
			defer mu.Unlock()
			var refused *apim.Error
			switch {
			case err == nil:
				won++
			case errors.As(err, &refused) && refused.Kind == apim.Conflict && refused.Code == "already_decided" && strings.Contains(refused.Message, "Approver"):
				conflicts++
			default:
				t.Errorf("got %v, want a conflict that names who decided", err)
			}
		})
	}
	wg.Wait()
	if won != 1 || conflicts != 49 {
		t.Errorf("got %d winners and %d conflicts, want 1 and 49", won, conflicts)
	}
	if n := m.audited(m.shop.ID, "subscription.approve") + m.audited(m.shop.ID, "subscription.reject"); n != 1 {
		t.Errorf("got %d audit rows, want 1", n)
	}
}

func TestSecondClickIsOneDecision(t *testing.T) { postgres.Both(t, testSecondClickIsOneDecision) }

func testSecondClickIsOneDecision(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, s := t.Context(), m.pending()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			got, change, err := m.access.Approve(ctx, m.approver, m.shop.ID, s.ID, manager.Decision{Note: ""})
			if err != nil || got.State != apim.Active || change.Environment != "production" {
				t.Errorf("got %+v, %+v, %v, want the approval", got.State, change, err)
			}
		})
	}
	wg.Wait()
	if n := m.audited(m.shop.ID, "subscription.approve"); n != 1 {
		t.Errorf("got %d audit rows, want 1", n)
	}
	_, _, err := m.access.Approve(ctx, m.second, m.shop.ID, s.ID, manager.Decision{Note: ""})
	refused(t, err, apim.Conflict)
	if !strings.Contains(err.Error(), "Ada decided at 09:00:00 on 2 March 2026") {
		t.Errorf("got %q, want who decided and when", err)
	}
}

func TestEitherSideMayCancel(t *testing.T) { postgres.Both(t, testEitherSideMayCancel) }

func testEitherSideMayCancel(t *testing.T, place postgres.Place) {
	for _, side := range []string{"provider", "consumer"} {
		m := newMarket(t, place)
		ctx, s, key := t.Context(), m.active(), m.key()
		actor, tenant := m.approver, m.shop
		if side == "consumer" {
			actor, tenant = m.consumer, m.client
		}
		got, _, err := m.access.Cancel(ctx, actor, tenant.ID, s.ID, "over")
		if err != nil || got.State != apim.Cancelled || m.state(key) != "" {
			t.Errorf("%s: got %v, %v and %q on the nodes", side, got.State, err, m.state(key))
		}
		if again, _, err := m.access.Cancel(ctx, actor, tenant.ID, s.ID, "over"); err != nil || again.Lock != got.Lock {
			t.Errorf("%s: a second click: %v", side, err)
		}
	}
	m := newMarket(t, place)
	_, _, err := m.access.Cancel(t.Context(), m.provider, m.shop.ID, m.active().ID, "")
	refused(t, err, apim.Forbidden)
}

func TestEachSideSeesItsOwnViewAlone(t *testing.T) { postgres.Both(t, testEachSideSeesItsOwnViewAlone) }

func testEachSideSeesItsOwnViewAlone(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, s := t.Context(), m.pending()
	stranger := m.tenant("stranger")
	other := m.person(stranger, "Xi", apim.RoleOwner)
	_, err := m.access.Subscription(ctx, other, stranger.ID, s.ID)
	refused(t, err, apim.NotFound)
	_, _, err = m.access.Approve(ctx, other, stranger.ID, s.ID, manager.Decision{Note: ""})
	refused(t, err, apim.NotFound)
	_, _, err = m.access.Approve(ctx, m.consumer, m.shop.ID, s.ID, manager.Decision{Note: ""})
	refused(t, err, apim.NotFound) // the shop does not exist for Carl
	_, _, err = m.access.Withdraw(ctx, m.approver, m.shop.ID, s.ID)
	refused(t, err, apim.Forbidden)
	v := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.consumer, m.client.ID, s.ID))
	if v.CanDecide || len(v.History) != 0 || v.Provider != "Shop" || v.Application != "App till" || v.APIs[0] != "Orders v1" {
		t.Errorf("got %+v, want the consumer's view", v)
	}
}

func TestDeletedApplicationLosesEverything(t *testing.T) {
	postgres.Both(t, testDeletedApplicationLosesEverything)
}

func testDeletedApplicationLosesEverything(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, s, key := t.Context(), m.active(), m.key()
	change, err := m.access.DeleteApplication(ctx, m.consumer, m.client.ID, m.app.ID)
	if err != nil || change.Sequence == 0 || m.state(key) != "no grant" {
		t.Fatalf("got %+v, %v and %q on the nodes", change, err, m.state(key))
	}
	_, err = m.access.Application(ctx, m.consumer, m.client.ID, "till")
	refused(t, err, apim.NotFound)
	v := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.approver, m.shop.ID, s.ID))
	if v.Subscription.State != apim.Cancelled || v.Application != "App till" {
		t.Errorf("got %s of %q, want the provider to see what became of it", v.Subscription.State, v.Application)
	}
	m.application(m.consumer, m.client, "till") // the slug is free again
}

func TestEditedPlanIsOneEntry(t *testing.T) { postgres.Both(t, testEditedPlanIsOneEntry) }

func testEditedPlanIsOneEntry(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	m.active()
	m.key()
	_, head, _ := m.store.Pending(ctx, "production", 1000)
	if err := m.store.MarkPublished(ctx, "production", head); err != nil {
		t.Fatal(err)
	}
	_, change, err := m.catalog.UpdatePlan(ctx, m.provider, m.shop.ID, m.offer.manual.ID, manager.PlanInput{Limits: &[]apim.RateLimit{{Requests: 7, Period: time.Second}}})
	if err != nil {
		t.Fatal(err)
	}
	items, _, err := m.store.Pending(ctx, "production", 1000)
	if err != nil || len(items) != 1 || items[0].Kind != entry.KindTerms || items[0].Sequence != change.Sequence {
		t.Fatalf("got %v, %v, want the terms alone", items, err)
	}
	terms := must[entry.Terms](t)(entry.Decode[entry.Terms](items[0]))
	if len(terms.Limits) != 1 || terms.Limits[0].Requests != 7 || terms.Limits[0].PeriodMS != 1000 {
		t.Errorf("got %+v", terms.Limits)
	}
}

func TestClosedPlanGivesNothingAnyMore(t *testing.T) {
	postgres.Both(t, testClosedPlanGivesNothingAnyMore)
}

func testClosedPlanGivesNothingAnyMore(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	m.active()
	_, _, err := m.catalog.UpdatePlan(ctx, m.provider, m.shop.ID, m.offer.manual.ID, manager.PlanInput{State: new(apim.PlanClosed)})
	refused(t, err, apim.Conflict) // deprecate it first
	for _, state := range []apim.PlanState{apim.PlanDeprecated, apim.PlanClosed} {
		if _, _, err := m.catalog.UpdatePlan(ctx, m.provider, m.shop.ID, m.offer.manual.ID, manager.PlanInput{State: &state}); err != nil {
			t.Fatal(err)
		}
	}
	key := must[entry.Key](t)(entry.TermsKey(m.offer.manual.ID.UUID()))
	if items := must[[]entry.Item](t)(m.store.LoadEntries(ctx, "production", []entry.Key{key})); len(items) != 1 || !items[0].Ended {
		t.Errorf("got %v, want a tombstone", items)
	}
}

func TestInputIsRefusedWithTheNamesOfItsFields(t *testing.T) {
	postgres.Both(t, testInputIsRefusedWithTheNamesOfItsFields)
}

func testInputIsRefusedWithTheNamesOfItsFields(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	long := strings.Repeat("x", 3000)
	for name, c := range map[string]struct {
		run    func() error
		fields string
	}{
		"application": {func() error {
			_, err := m.access.CreateApplication(ctx, m.consumer, m.client.ID, manager.ApplicationInput{Slug: "Bad Slug", Description: &long})
			return err
		}, "name description slug"},
		"application again": {func() error {
			_, err := m.access.CreateApplication(ctx, m.consumer, m.client.ID, manager.ApplicationInput{Slug: "till", Name: new("Till")})
			return err
		}, "slug"},
		"application's slug": {func() error {
			_, _, err := m.access.UpdateApplication(ctx, m.consumer, m.client.ID, m.app.ID, manager.ApplicationInput{Slug: "other", Name: new("a\nb")})
			return err
		}, "name slug"},
		"request": {func() error {
			_, _, err := m.access.Request(ctx, m.consumer, m.client.ID, manager.RequestAccess{Application: m.app.ID, Plan: m.offer.manual.ID, Environments: []string{"mars"}})
			return err
		}, "reason environments[0]"},
		"key": {func() error {
			_, err := m.access.CreateKey(ctx, m.consumer, m.client.ID, m.app.ID, manager.NewKey{Name: long, ExpiresAt: m.clock()})
			return err
		}, "name expires_at"},
		"key's environment": {func() error {
			_, err := m.access.CreateKey(ctx, m.consumer, m.client.ID, m.app.ID, manager.NewKey{Environment: "mars"})
			return err
		}, "environment"},
		"inbox": {func() error {
			_, err := m.access.Inbox(ctx, m.approver, m.shop.ID, manager.InboxQuery{Tab: "other"})
			return err
		}, "tab"},
		"plan": {func() error {
			_, _, err := m.catalog.CreatePlan(ctx, m.provider, m.shop.ID, m.offer.product.ID, manager.PlanInput{
				Slug: "trial", Name: new(""), Approval: new(apim.Approval("maybe")), State: new(apim.PlanClosed),
				Limits: &[]apim.RateLimit{{Requests: 0, Period: -1, Burst: -1, By: "caller"}},
			})
			return err
		}, "name approval limits[0].requests limits[0].period_ms limits[0].burst limits[0].by state slug"},
		"product": {func() error {
			_, err := m.catalog.CreateProduct(ctx, m.provider, m.shop.ID, manager.ProductInput{
				Slug: "orders", Name: new(" "), Visibility: new(apim.Visibility("x")), Versions: &[]apim.ID{"ver_nobody", m.offer.version.ID, m.offer.version.ID},
			})
			return err
		}, "name visibility versions[0] versions[2] slug"},
		"suspension": {func() error {
			_, _, err := m.access.Suspend(ctx, m.approver, m.shop.ID, m.active().ID, "", "")
			return err
		}, "reason"},
	} {
		err := c.run()
		refused(t, err, apim.Invalid)
		var e *apim.Error
		errors.As(err, &e)
		var fields []string
		for _, f := range e.Fields {
			fields = append(fields, f.Field)
		}
		if got := strings.Join(fields, " "); got != c.fields {
			t.Errorf("%s: got fields %q, want %q", name, got, c.fields)
		}
	}
}

func TestStaleFormIsRefused(t *testing.T) { postgres.Both(t, testStaleFormIsRefused) }

func testStaleFormIsRefused(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	if _, _, err := m.access.UpdateApplication(ctx, m.consumer, m.client.ID, m.app.ID, manager.ApplicationInput{Name: new("One"), Lock: m.app.Lock}); err != nil {
		t.Fatal(err)
	}
	_, _, err := m.access.UpdateApplication(ctx, m.consumer, m.client.ID, m.app.ID, manager.ApplicationInput{Name: new("Two"), Lock: m.app.Lock})
	refused(t, err, apim.Conflict)
}

func TestSubscriptionExpiresAtItsEnd(t *testing.T) { postgres.Both(t, testSubscriptionExpiresAtItsEnd) }

func testSubscriptionExpiresAtItsEnd(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, key := t.Context(), m.key()
	s := m.active()
	m.endAt(s, m.clock().Add(time.Hour))
	running, cancel := contextWithCancel(t)
	done := make(chan error, 1)
	go func() { done <- m.access.RunExpiry(running) }()
	m.pass(time.Hour)
	waitFor(t, func() bool { return m.state(key) == entry.Expired })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if m.audited(m.shop.ID, "subscription.expire") != 1 {
		t.Error("want one audit row")
	}
	_, _, err := m.access.Resume(ctx, m.approver, m.shop.ID, s.ID, "")
	refused(t, err, apim.Conflict)
	m.pending() // renewing is a new request
	if m.state(key) != entry.Pending {
		t.Errorf("got %q, want the new request alone to be told", m.state(key))
	}
}
