package manager_test

import (
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

// granted is what a key of the market's application may do in an environment.
func (m *market) granted(environment string, c apim.Credential, secret int) entry.Grant {
	m.t.Helper()
	key := must[entry.Key](m.t)(entry.GrantKey(c.Secrets[secret].Hash))
	items := must[[]entry.Item](m.t)(m.store.LoadEntries(m.t.Context(), environment, []entry.Key{key}))
	if len(items) != 1 || items[0].Ended {
		return entry.Grant{}
	}
	return must[entry.Grant](m.t)(entry.Decode[entry.Grant](items[0]))
}

func (m *market) keyIn(environment string) apim.Credential {
	m.t.Helper()
	return must[manager.MintedKey](m.t)(m.access.CreateKey(m.t.Context(), m.consumer, m.client.ID, m.app.ID, manager.NewKey{Environment: environment})).Credential
}

func (m *market) sandbox() {
	m.t.Helper()
	if _, _, err := m.fleet.CreateEnvironment(m.t.Context(), system, apim.Environment{
		Slug: "sandbox", Kind: apim.Sandbox, GatewayURL: "https://sandbox.example", Settings: apim.DefaultEnvironmentSettings(),
	}); err != nil {
		m.t.Fatal(err)
	}
}

func TestSuspensionInOneEnvironmentLeavesTheOther(t *testing.T) {
	postgres.Both(t, testSuspensionInOneEnvironmentLeavesTheOther)
}

func testSuspensionInOneEnvironmentLeavesTheOther(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	m.sandbox()
	live, test, s := m.keyIn("production"), m.keyIn("sandbox"), m.active()
	states := func() string {
		return string(m.granted("production", live, 0).Subscriptions[0].State) + " " + string(m.granted("sandbox", test, 0).Subscriptions[0].State)
	}
	got, change, err := m.access.Suspend(ctx, m.approver, m.shop.ID, s.ID, "too many tests", "sandbox")
	if err != nil || got.State != apim.Active || change.Environment != "sandbox" || states() != "active suspended" {
		t.Fatalf("got %s, %+v, %v: %s", got.State, change, err, states())
	}
	view := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.consumer, m.client.ID, s.ID))
	if one := view.Subscription.Suspensions; len(one) != 1 || one[0].Reason != "too many tests" || one[0].By != "Ada" {
		t.Errorf("the consumer sees %+v", one)
	}
	for _, env := range []string{"sandbox", "moon"} { // twice, and where nothing is
		if _, _, err := m.access.Suspend(ctx, m.approver, m.shop.ID, s.ID, "x", env); err == nil {
			t.Errorf("suspended in %s", env)
		}
	}
	if _, _, err := m.access.Resume(ctx, m.approver, m.shop.ID, s.ID, "sandbox"); err != nil || states() != "active active" {
		t.Errorf("after it: %v, %s", err, states())
	}
	_, _, err = m.access.Resume(ctx, m.approver, m.shop.ID, s.ID, "sandbox")
	refused(t, err, apim.Conflict)
}

func TestTermsOfASubscriptionGoBeforeThePlans(t *testing.T) {
	postgres.Both(t, testTermsOfASubscriptionGoBeforeThePlans)
}

func testTermsOfASubscriptionGoBeforeThePlans(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	key, s := m.keyIn(""), m.pending()
	end := m.clock().Add(48 * time.Hour).Truncate(time.Second)
	own := []apim.RateLimit{{Requests: 3, Period: time.Second}}
	if _, _, err := m.access.Approve(ctx, m.approver, m.shop.ID, s.ID, manager.Decision{Note: "for the fair", Terms: &apim.SubscriptionTerms{EndsAt: end, Limits: own}}); err != nil {
		t.Fatal(err)
	}
	got := m.granted("production", key, 0).Subscriptions[0]
	if got.State != entry.Active || got.EndsAt != end.Unix() || len(got.Limits) != 1 || got.Limits[0].Requests != 3 || got.Limits[0].PeriodMS != 1000 {
		t.Errorf("nodes get %+v", got)
	}
	if _, _, err := m.access.SetTerms(ctx, m.approver, m.shop.ID, s.ID, apim.SubscriptionTerms{}); err != nil {
		t.Fatal(err)
	}
	if got := m.granted("production", key, 0).Subscriptions[0]; got.EndsAt != 0 || len(got.Limits) != 0 {
		t.Errorf("back to the plan's, nodes get %+v", got)
	}
	for name, terms := range map[string]apim.SubscriptionTerms{
		"ends_at":            {EndsAt: m.clock().Add(-time.Hour)},
		"limits[0].requests": {Limits: []apim.RateLimit{{Requests: 0, Period: time.Second}}},
		// What nodes would refuse: a whole grant would be lost with it.
		"limits[2]":       {Limits: []apim.RateLimit{{Requests: 5, Period: time.Second}, {Requests: 6, Period: time.Second}, {Requests: 5, Period: time.Second, Burst: 5}}},
		"limits[0].burst": {Limits: []apim.RateLimit{{Requests: 1, Period: 366 * 24 * time.Hour, Burst: 1_000_000_000}}},
		"limits": {Limits: []apim.RateLimit{
			{Requests: 1, Period: time.Second},
			{Requests: 2, Period: time.Second},
			{Requests: 3, Period: time.Second},
			{Requests: 4, Period: time.Second},
			{Requests: 5, Period: time.Second},
			{Requests: 6, Period: time.Second},
			{Requests: 7, Period: time.Second},
			{Requests: 8, Period: time.Second},
			{Requests: 9, Period: time.Second},
		}},
	} {
		_, _, err := m.access.SetTerms(ctx, m.approver, m.shop.ID, s.ID, terms)
		wantFields(t, err, name)
	}
	_, _, err := m.access.SetTerms(ctx, m.consumer, m.client.ID, s.ID, apim.SubscriptionTerms{})
	refused(t, err, apim.Forbidden)
}

func TestOldPlanHoldsUntilTheNewOneIsApproved(t *testing.T) {
	postgres.Both(t, testOldPlanHoldsUntilTheNewOneIsApproved)
}

func testOldPlanHoldsUntilTheNewOneIsApproved(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	key := m.keyIn("")
	s := changed(t)(m.access.Request(ctx, m.consumer, m.client.ID, manager.RequestAccess{Application: m.app.ID, Plan: m.offer.automatic.ID}))
	plan := func() string { return m.granted("production", key, 0).Subscriptions[0].Terms }
	ask := func(to apim.ID, reason string) error {
		_, _, err := m.access.ChangePlan(ctx, m.consumer, m.client.ID, s.ID, to, reason)
		return err
	}
	wantFields(t, ask(m.offer.manual.ID, ""), "reason")
	waiting := must[int](t)(m.access.Waiting(ctx, m.approver, m.shop.ID))
	for range 2 { // a double click
		if err := ask(m.offer.manual.ID, "we grow"); err != nil || plan() != m.offer.automatic.ID.UUID() {
			t.Fatalf("asked: %v, and nodes have plan %s", err, plan())
		}
	}
	if got := must[int](t)(m.access.Waiting(ctx, m.approver, m.shop.ID)); got != waiting+1 {
		t.Errorf("%d wait, want one more than %d", got, waiting)
	}
	view := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.approver, m.shop.ID, s.ID))
	if !view.CanDecide || view.NextPlan.ID != m.offer.manual.ID || view.Subscription.PlanChange.Reason != "we grow" {
		t.Errorf("the approver sees %+v", view)
	}
	if _, _, err := m.access.Reject(ctx, m.approver, m.shop.ID, s.ID, "not yet"); err != nil || plan() != m.offer.automatic.ID.UUID() {
		t.Errorf("rejected: %v, and nodes have plan %s", err, plan())
	}
	if err := ask(m.offer.manual.ID, "please"); err != nil {
		t.Fatal(err)
	}
	if got := changed(t)(m.access.Withdraw(ctx, m.consumer, m.client.ID, s.ID)); got.State != apim.Active || got.Changing() {
		t.Errorf("withdrawn: got %+v", got)
	}
	if err := ask(m.offer.manual.ID, "please"); err != nil {
		t.Fatal(err)
	}
	if got := changed(t)(m.access.Approve(ctx, m.approver, m.shop.ID, s.ID, manager.Decision{})); got.Plan != m.offer.manual.ID || got.State != apim.Active || plan() != m.offer.manual.ID.UUID() {
		t.Errorf("approved: got %+v, and nodes have plan %s", got, plan())
	}
	if err := ask(m.offer.automatic.ID, ""); err != nil || plan() != m.offer.automatic.ID.UUID() {
		t.Errorf("to a plan that approves by itself: %v, and nodes have plan %s", err, plan())
	}
}

func TestRotatedKeyWorksOnForItsGrace(t *testing.T) {
	postgres.Both(t, testRotatedKeyWorksOnForItsGrace)
}

func testRotatedKeyWorksOnForItsGrace(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	m.active()
	first := m.keyIn("")
	rotated := must[manager.MintedKey](t)(m.access.RotateKey(ctx, m.consumer, m.client.ID, first.ID, time.Hour))
	c := rotated.Credential
	if c.ID != first.ID || len(c.Secrets) != 2 || rotated.Key == "" || c.Secrets[0].Hash != first.Secrets[0].Hash {
		t.Fatalf("got %+v", c)
	}
	old, next := m.granted("production", c, 0), m.granted("production", c, 1)
	if old.ExpiresAt != c.Secrets[0].ExpiresAt.Unix() || old.ExpiresAt == 0 || next.ExpiresAt != 0 || len(next.Subscriptions) != 1 {
		t.Errorf("nodes get %+v and %+v", old, next)
	}
	_, err := m.access.RotateKey(ctx, m.consumer, m.client.ID, first.ID, time.Hour)
	refused(t, err, apim.Conflict) // two secrets
	_, _, err = m.access.EndSecret(ctx, m.consumer, m.client.ID, first.ID, c.Secrets[1].ID)
	refused(t, err, apim.Conflict) // the newest: the old one ends by itself
	ended := changedKey(t)(m.access.EndSecret(ctx, m.consumer, m.client.ID, first.ID, c.Secrets[0].ID))
	if len(ended.Secrets) != 1 || m.granted("production", first, 0).Credential != "" || m.granted("production", ended, 0).Credential == "" {
		t.Errorf("ended: got %+v", ended)
	}
	_, _, err = m.access.EndSecret(ctx, m.consumer, m.client.ID, first.ID, ended.Secrets[0].ID)
	refused(t, err, apim.Conflict) // the only one
	atOnce := must[manager.MintedKey](t)(m.access.RotateKey(ctx, m.consumer, m.client.ID, first.ID, 0)).Credential
	if len(atOnce.Secrets) != 1 || m.granted("production", ended, 0).Credential != "" {
		t.Errorf("without grace: got %+v", atOnce)
	}
	_, err = m.access.RotateKey(ctx, m.approver, m.shop.ID, first.ID, 0)
	refused(t, err, apim.Forbidden)
	if _, _, err := m.access.RevokeKey(ctx, m.consumer, m.client.ID, first.ID); err != nil {
		t.Fatal(err)
	}
	_, err = m.access.RotateKey(ctx, m.consumer, m.client.ID, first.ID, 0)
	refused(t, err, apim.Conflict)
}

func TestKeysAreHeldToWhereTheyMayBeUsed(t *testing.T) {
	postgres.Both(t, testKeysAreHeldToWhereTheyMayBeUsed)
}

func testKeysAreHeldToWhereTheyMayBeUsed(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	c := must[manager.MintedKey](t)(m.access.CreateKey(ctx, m.consumer, m.client.ID, m.app.ID, manager.NewKey{Addresses: []string{"10.1.2.3", "fd00::/8"}})).Credential
	if got := m.granted("production", c, 0); len(got.Addresses) != 2 || got.Addresses[0] != "10.1.2.3/32" {
		t.Errorf("nodes get %+v", got)
	}
	none, hosts := []string{}, []string{"App.example.com", "*.shop.example"}
	with := changedKey(t)(m.access.UpdateKey(ctx, m.consumer, m.client.ID, c.ID, manager.KeyChange{Addresses: &none, Referrers: &hosts, Lock: c.Lock}))
	if got := m.granted("production", c, 0); len(got.Addresses) != 0 || len(got.Referrers) != 2 || got.Referrers[0] != "app.example.com" {
		t.Errorf("nodes get %+v", got)
	}
	_, _, err := m.access.UpdateKey(ctx, m.consumer, m.client.ID, c.ID, manager.KeyChange{Referrers: &none, Lock: c.Lock})
	refused(t, err, apim.Conflict) // changed meanwhile
	for field, in := range map[string]manager.KeyChange{
		"addresses[0]": {Addresses: &[]string{"10.0.0.1/8"}}, "addresses[1]": {Addresses: &[]string{"10.0.0.0/8", "here"}},
		"referrers[0]": {Referrers: &[]string{"https://x"}}, "name": {Name: new("")},
	} {
		_, _, err := m.access.UpdateKey(ctx, m.consumer, m.client.ID, c.ID, in)
		wantFields(t, err, field)
	}
	if err := m.store.SecretsUsed(ctx, []apim.SecretUse{{Environment: "production", Hash: with.Secrets[0].Hash, At: m.clock(), Address: "10.9.9.9"}, {Environment: "production", Hash: "gone", At: m.clock()}}); err != nil {
		t.Fatal(err)
	}
	detail := must[manager.ApplicationDetail](t)(m.access.Application(ctx, m.consumer, m.client.ID, m.app.Slug))
	if got := detail.Credentials[0].Secrets[0]; got.LastUsedAddress != "10.9.9.9" || got.LastUsedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
}

func TestManyDecisionsAtOnceAreOneDecisionAndOneRecord(t *testing.T) {
	postgres.Both(t, testManyDecisionsAtOnceAreOneDecisionAndOneRecord)
}

func testManyDecisionsAtOnceAreOneDecisionAndOneRecord(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	s := m.pending()
	var all sync.WaitGroup
	var mu sync.Mutex
	outcomes := map[string]int{}
	for i := range 50 {
		actor := m.approver
		if i%2 == 1 {
			actor = m.second
		}
		all.Go(func() {
			var err error
			if i%4 < 2 {
				_, _, err = m.access.Approve(ctx, actor, m.shop.ID, s.ID, manager.Decision{})
			} else {
				_, _, err = m.access.Reject(ctx, actor, m.shop.ID, s.ID, "no")
			}
			mu.Lock()
			defer mu.Unlock()
			outcomes[string(apim.KindOf(err))]++
			if err != nil && apim.KindOf(err) != apim.Conflict {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if n := m.audited(m.shop.ID, "subscription.approve") + m.audited(m.shop.ID, "subscription.reject"); n != 1 {
		t.Errorf("%d decisions are in the audit log, want one; outcomes %v", n, outcomes)
	}
}

func TestSeveralAreDecidedEachByItself(t *testing.T) {
	postgres.Both(t, testSeveralAreDecidedEachByItself)
}

func testSeveralAreDecidedEachByItself(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	s := m.pending()
	got, err := m.access.Decide(ctx, m.approver, m.shop.ID, []apim.ID{s.ID, "sub_" + apim.ID(s.ID.UUID()[1:]+"0")}, "approve", "")
	if err != nil || len(got) != 2 || got[0].Err != nil || got[0].Change.Sequence == 0 || apim.KindOf(got[1].Err) != apim.NotFound {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = m.access.Decide(ctx, m.approver, m.shop.ID, nil, "approve", "")
	wantFields(t, err, "subscriptions")
	_, err = m.access.Decide(ctx, m.approver, m.shop.ID, []apim.ID{s.ID}, "postpone", "")
	wantFields(t, err, "decision")
}

// An approval is told when it cannot be undone any more; one that was undone is
// told to nobody.
func TestTransitionsLeaveWordForBothSides(t *testing.T) {
	postgres.Both(t, testTransitionsLeaveWordForBothSides)
}

func testTransitionsLeaveWordForBothSides(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	s := m.pending()
	told := func() map[string]int {
		out := map[string]int{}
		for _, e := range must[[]apim.Event](t)(m.store.System().DueEvents(ctx, m.clock(), 100)) {
			side := "provider "
			if e.Tenant == m.client.ID {
				side = "consumer "
			}
			out[side+e.Kind]++
		}
		return out
	}
	if _, _, err := m.access.Approve(ctx, m.approver, m.shop.ID, s.ID, manager.Decision{}); err != nil {
		t.Fatal(err)
	}
	if got := told(); got["consumer subscription.request"] != 1 || got["provider subscription.request"] != 1 || got["consumer subscription.approve"] != 0 {
		t.Errorf("at once: %v", got)
	}
	if _, _, err := m.access.UndoApproval(ctx, m.approver, m.shop.ID, s.ID); err != nil {
		t.Fatal(err)
	}
	m.pass(time.Minute)
	if got := told(); got["consumer subscription.approve"] != 0 {
		t.Errorf("after the undo: %v", got)
	}
	if _, _, err := m.access.Approve(ctx, m.approver, m.shop.ID, s.ID, manager.Decision{}); err != nil {
		t.Fatal(err)
	}
	m.pass(apim.UndoFor + time.Second)
	if got := told(); got["consumer subscription.approve"] != 1 || got["provider subscription.approve"] != 1 {
		t.Errorf("later: %v", got)
	}
}

func TestOnlyEndedSubscriptionsAreRenewed(t *testing.T) {
	postgres.Both(t, testOnlyEndedSubscriptionsAreRenewed)
}

func testOnlyEndedSubscriptionsAreRenewed(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	s := m.active()
	in := manager.RequestAccess{Application: m.app.ID, Plan: m.offer.manual.ID, Reason: "again", Renews: s.ID}
	_, _, err := m.access.Request(ctx, m.consumer, m.client.ID, in)
	refused(t, err, apim.Conflict)
	if _, _, err := m.access.Cancel(ctx, m.consumer, m.client.ID, s.ID, ""); err != nil {
		t.Fatal(err)
	}
	if got := changed(t)(m.access.Request(ctx, m.consumer, m.client.ID, in)); got.State != apim.Pending || got.Renews != s.ID {
		t.Errorf("got %+v", got)
	}
}

// changed is must for use cases on subscriptions, which also return the change.
func changed(t testing.TB) func(apim.Subscription, apim.Change, error) apim.Subscription {
	return func(s apim.Subscription, _ apim.Change, err error) apim.Subscription {
		return must[apim.Subscription](t)(s, err)
	}
}

// changedKey is changed for those on keys.
func changedKey(t testing.TB) func(apim.Credential, apim.Change, error) apim.Credential {
	return func(c apim.Credential, _ apim.Change, err error) apim.Credential {
		return must[apim.Credential](t)(c, err)
	}
}
