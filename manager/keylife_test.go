package manager_test

import (
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

// bound sets how long keys may live for a plan.
func (m *market) bound(plan apim.Plan, life time.Duration) {
	m.t.Helper()
	if _, _, err := m.catalog.UpdatePlan(m.t.Context(), m.provider, m.shop.ID, plan.ID, manager.PlanInput{MaxKeyLife: &life}); err != nil {
		m.t.Fatal(err)
	}
}

func TestKeyMayNotOutliveItsPlan(t *testing.T) { postgres.Both(t, testKeyMayNotOutliveItsPlan) }

func testKeyMayNotOutliveItsPlan(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	m.pass(time.Second)
	m.sandbox()
	const day = 24 * time.Hour
	m.bound(m.offer.manual, 90*day)
	make := func(environment string, ends time.Time) (manager.MintedKey, error) {
		return m.access.CreateKey(ctx, m.consumer, m.client.ID, m.app.ID, manager.NewKey{Environment: environment, ExpiresAt: ends})
	}
	before := m.key() // nothing binds it yet
	s, _, err := m.access.Request(ctx, m.consumer, m.client.ID, manager.RequestAccess{Application: m.app.ID, Plan: m.offer.manual.ID, Reason: "to try", Environments: []string{"production"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, ends := range map[string]time.Time{"no end": {}, "too late": m.clock().Add(91 * day)} {
		_, err := make("production", ends)
		refused(t, err, apim.Invalid)
		if err == nil || !strings.Contains(err.Error(), "expires_at") || !strings.Contains(err.Error(), "keys for Business of Orders orders live at most 90 days") || !strings.Contains(err.Error(), "31 May 2026") {
			t.Errorf("%s: got %v, want the field, the latest end, and whose bound it is", name, err)
		}
	}
	if _, err := make("production", m.clock().Add(90*day)); err != nil {
		t.Errorf("the latest end: %v", err)
	}
	if _, err := make("sandbox", time.Time{}); err != nil {
		t.Errorf("where the subscription does not reach: %v", err)
	}

	d := must[manager.ApplicationDetail](t)(m.access.Application(ctx, m.consumer, m.client.ID, string(m.app.ID)))
	if want := (manager.KeyLimit{Environment: "production", Life: 90 * day, Plan: "Business", Product: "Orders orders"}); len(d.KeyLimits) != 1 || d.KeyLimits[0] != want {
		t.Errorf("got %+v, want %+v", d.KeyLimits, want)
	}

	// What was made before works on, and its provider sees how many there are.
	if g, ok := m.grant(before); !ok || g.ExpiresAt != 0 {
		t.Errorf("the key of before was cut: %+v", g)
	}
	view := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.approver, m.shop.ID, s.ID))
	product := must[manager.ProductDetail](t)(m.catalog.Product(ctx, m.provider, m.shop.ID, "orders"))
	if view.LongKeys != 1 || product.LongKeys[m.offer.manual.ID] != 1 {
		t.Errorf("the provider sees %d and %v, want one", view.LongKeys, product.LongKeys)
	}
	if mine := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.consumer, m.client.ID, s.ID)); mine.LongKeys != 0 {
		t.Error("the count is the provider's")
	}

	rotated := must[manager.MintedKey](t)(m.access.RotateKey(ctx, m.consumer, m.client.ID, before.Credential.ID, time.Hour)).Credential
	if end := rotated.Secrets[1].ExpiresAt; end.Before(m.clock().Add(90*day-time.Minute)) || end.After(m.clock().Add(90*day)) {
		t.Errorf("the rotated key ends at %v, want in 90 days", end)
	}
	m.pass(2 * time.Hour)
	if view = must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.approver, m.shop.ID, s.ID)); view.LongKeys != 0 {
		t.Errorf("after the rotation the provider sees %d", view.LongKeys)
	}
}

func TestShortestBoundOfAnApplicationsPlansHolds(t *testing.T) {
	postgres.Both(t, testShortestBoundOfAnApplicationsPlansHolds)
}

func testShortestBoundOfAnApplicationsPlansHolds(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	other := m.offer.product
	second := m.world.offer(m.provider, m.shop, "returns")
	m.bound(m.offer.automatic, 48*time.Hour)
	m.bound(second.automatic, 36*time.Hour)
	m.request(m.consumer, m.client, m.app, m.offer.automatic)
	s := m.request(m.consumer, m.client, m.app, second.automatic)
	_, err := m.access.CreateKey(ctx, m.consumer, m.client.ID, m.app.ID, manager.NewKey{ExpiresAt: m.clock().Add(40 * time.Hour)})
	if err == nil || !strings.Contains(err.Error(), "live at most 36 hours") {
		t.Errorf("got %v, want the shorter bound", err)
	}
	if _, _, err := m.access.Cancel(ctx, m.consumer, m.client.ID, s.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := m.access.CreateKey(ctx, m.consumer, m.client.ID, m.app.ID, manager.NewKey{ExpiresAt: m.clock().Add(40 * time.Hour)}); err != nil {
		t.Errorf("after %s was left: %v", other.Name, err)
	}
	for _, life := range []time.Duration{time.Minute, 11 * 365 * 24 * time.Hour} {
		_, _, err := m.catalog.UpdatePlan(ctx, m.provider, m.shop.ID, m.offer.manual.ID, manager.PlanInput{MaxKeyLife: &life})
		refused(t, err, apim.Invalid)
	}
}
