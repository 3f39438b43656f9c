package manager_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

// deprecate deprecates the market's manual plan.
func (m *market) deprecate() {
	m.t.Helper()
	if _, _, err := m.catalog.UpdatePlan(m.t.Context(), m.provider, m.shop.ID, m.offer.manual.ID, manager.PlanInput{State: new(apim.PlanDeprecated)}); err != nil {
		m.t.Fatal(err)
	}
}

// closeAt closes it, at a date or now.
func (m *market) closeAt(at time.Time) (apim.Plan, error) {
	m.t.Helper()
	plan, _, err := m.catalog.ClosePlan(m.t.Context(), m.provider, m.shop.ID, m.offer.manual.ID, manager.PlanClosing{At: at})
	return plan, err
}

// expiring runs the job that ends things until the test ends.
func (m *market) expiring() {
	m.t.Helper()
	ctx, cancel := contextWithCancel(m.t)
	done := make(chan error, 1)
	go func() { done <- m.access.RunExpiry(ctx) }()
	m.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			m.t.Error(err)
		}
	})
}

// told returns the kinds of events that wait for a tenant.
func (m *market) told(tenant apim.ID) []string {
	m.t.Helper()
	var out []string
	for _, e := range must[[]apim.Event](m.t)(m.store.System().DueEvents(m.t.Context(), m.clock(), 1000)) {
		if e.Tenant == tenant {
			out = append(out, e.Kind)
		}
	}
	return out
}

func TestPlanClosesAtItsDateAndEndsItsSubscriptions(t *testing.T) {
	postgres.Both(t, testPlanClosesAtItsDateAndEndsItsSubscriptions)
}

func testPlanClosesAtItsDateAndEndsItsSubscriptions(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, key := t.Context(), m.key()
	s := m.active()
	second := m.application(m.consumer, m.client, "second")
	waits := m.request(m.consumer, m.client, second, m.offer.manual)
	m.deprecate()

	plan, losing, err := m.catalog.Losing(ctx, m.provider, m.shop.ID, m.offer.manual.ID)
	if err != nil || plan.State != apim.PlanDeprecated || len(losing) != 2 {
		t.Fatalf("got %+v, %v, want both named before anything is decided", losing, err)
	}
	if l := losing[1]; l.Application != "App till" || l.Consumer != "Client" || l.Subscription.ID != s.ID {
		t.Errorf("got %+v", l)
	}

	date := m.clock().Add(48 * time.Hour)
	if plan, err = m.closeAt(date); err != nil || plan.State != apim.PlanDeprecated || !plan.ClosesAt.Equal(date.Truncate(time.Microsecond)) {
		t.Fatalf("got %+v, %v", plan, err)
	}
	view := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.consumer, m.client.ID, s.ID))
	if !view.Plan.ClosesAt.Equal(plan.ClosesAt) || view.Subscription.State != apim.Active {
		t.Errorf("the consumer sees %v, %s, want the date and access until then", view.Plan.ClosesAt, view.Subscription.State)
	}
	if told := m.told(m.client.ID); !slices.Contains(told, "subscription.plan.close_at") {
		t.Errorf("the consumer is told %v", told)
	}
	m.expiring()
	m.pass(47 * time.Hour)
	if got := m.state(key); got != entry.Active {
		t.Errorf("before the date the nodes hold it as %q", got)
	}

	m.pass(2 * time.Hour)
	waitFor(t, func() bool { return m.state(key) == entry.Expired })
	view = must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.consumer, m.client.ID, s.ID))
	if got := view.Subscription; got.State != apim.Expired || !strings.Contains(got.Note, "Business was closed on 4 March 2026") {
		t.Errorf("got %s, %q, want it expired and why", got.State, got.Note)
	}
	waitFor(t, func() bool {
		v := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.consumer, m.client.ID, waits.ID))
		return v.Subscription.State == apim.Rejected && v.Subscription.Note != ""
	})
	if _, there := m.liveTerms(m.offer.manual); there {
		t.Error("the nodes still hold the plan's terms")
	}
	if m.audited(m.shop.ID, "plan.close") != 1 || m.audited(m.client.ID, "subscription.expire") != 1 {
		t.Error("want one audit row for the plan, and one for the subscription on the consumer's side")
	}
	if told := m.told(m.client.ID); !slices.Contains(told, "subscription.expire") || !slices.Contains(told, "subscription.reject") {
		t.Errorf("the consumer is told %v", told)
	}
	if told := m.told(m.shop.ID); !slices.Contains(told, "plan.close_at") || !slices.Contains(told, "plan.close") {
		t.Errorf("the provider is told %v", told)
	}
}

// liveTerms reports whether the nodes hold a plan's terms.
func (w *world) liveTerms(plan apim.Plan) (entry.Item, bool) {
	w.t.Helper()
	key := must[entry.Key](w.t)(entry.TermsKey(plan.ID.UUID()))
	items, _, err := w.store.Pending(w.t.Context(), "production", 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, it := range items {
		if it.Key == key {
			return it, !it.Ended
		}
	}
	return entry.Item{}, false
}

func TestClosingDateTakenBackEndsNothing(t *testing.T) {
	postgres.Both(t, testClosingDateTakenBackEndsNothing)
}

func testClosingDateTakenBackEndsNothing(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, key := t.Context(), m.key()
	m.active()
	m.deprecate()
	if _, err := m.closeAt(m.clock().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a double click
		plan, _, err := m.catalog.KeepPlan(ctx, m.provider, m.shop.ID, m.offer.manual.ID, 0)
		if err != nil || !plan.ClosesAt.IsZero() {
			t.Fatalf("got %v, %v", plan.ClosesAt, err)
		}
	}
	if m.audited(m.shop.ID, "plan.keep") != 1 || !slices.Contains(m.told(m.client.ID), "subscription.plan.keep") {
		t.Error("want one audit row, and the consumer told")
	}
	another := m.pendingOnTrial()
	m.expiring()
	m.pass(2 * time.Hour)
	m.endAt(another, m.clock())
	waitFor(t, func() bool { // the job has looked
		v := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.consumer, m.client.ID, another.ID))
		return v.Subscription.State == apim.Expired
	})
	if got := m.state(key); got != entry.Active {
		t.Errorf("the nodes hold the subscription as %q, want active", got)
	}
}

// pendingOnTrial subscribes another application to the automatic plan.
func (m *market) pendingOnTrial() apim.Subscription {
	m.t.Helper()
	return m.request(m.consumer, m.client, m.application(m.consumer, m.client, "clock"), m.offer.automatic)
}

func TestPlanClosedNowEndsItsSubscriptionsAtOnce(t *testing.T) {
	postgres.Both(t, testPlanClosedNowEndsItsSubscriptionsAtOnce)
}

func testPlanClosedNowEndsItsSubscriptionsAtOnce(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	key := m.key()
	m.active()
	m.deprecate()
	for range 2 { // a double click
		if plan, err := m.closeAt(time.Time{}); err != nil || plan.State != apim.PlanClosed {
			t.Fatalf("got %s, %v", plan.State, err)
		}
	}
	if got := m.state(key); got != entry.Expired {
		t.Errorf("the nodes hold the subscription as %q, want expired", got)
	}
	if m.audited(m.shop.ID, "plan.close") != 1 {
		t.Error("want one audit row")
	}
	_, _, err := m.catalog.KeepPlan(t.Context(), m.provider, m.shop.ID, m.offer.manual.ID, 0)
	refused(t, err, apim.Conflict)
}

func TestPlanIsClosedOnlyWhenItIsDeprecatedAndNotInThePast(t *testing.T) {
	postgres.Both(t, testPlanIsClosedOnlyWhenItIsDeprecatedAndNotInThePast)
}

func testPlanIsClosedOnlyWhenItIsDeprecatedAndNotInThePast(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	m.active()
	_, err := m.closeAt(m.clock().Add(time.Hour))
	refused(t, err, apim.Conflict)
	_, err = m.closeAt(time.Time{})
	refused(t, err, apim.Conflict)
	m.deprecate()
	_, err = m.closeAt(m.clock().Add(-time.Hour))
	refused(t, err, apim.Invalid)
	_, _, err = m.catalog.ClosePlan(t.Context(), m.provider, m.shop.ID, m.offer.manual.ID, manager.PlanClosing{At: m.clock().Add(time.Hour), Lock: 1})
	refused(t, err, apim.Conflict)
}
