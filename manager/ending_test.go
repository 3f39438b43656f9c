package manager_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

// blockers returns the fields of a refusal to delete an environment.
func blockers(err error) map[string]string {
	out := map[string]string{}
	var e *apim.Error
	if errors.As(err, &e) {
		for _, f := range e.Fields {
			out[f.Field] = f.Detail
		}
	}
	return out
}

func TestEnvironmentInUseIsNotDeleted(t *testing.T) {
	postgres.Both(t, testEnvironmentInUseIsNotDeleted)
}

func testEnvironmentInUseIsNotDeleted(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	m.pass(time.Second)
	m.sandbox()
	m.fleet.Users = signing{}
	if _, err := m.catalog.Publish(ctx, m.provider, m.shop.ID, m.offer.version.ID, "sandbox", ""); err != nil {
		t.Fatal(err)
	}
	_, token, err := m.fleet.CreateEnrolment(ctx, system, "sandbox", "")
	if err != nil {
		t.Fatal(err)
	}
	must[manager.Enrolled](t)(m.fleet.Enrol(ctx, coming(t, token, "sb-1", bus.NodeKey{1})))

	err = m.fleet.DeleteEnvironment(ctx, system, "sandbox", 0)
	refused(t, err, apim.Conflict)
	got := blockers(err)
	if !strings.Contains(got["deployments"], "Orders v1 of Shop: take it off sandbox") || !strings.Contains(got["nodes"], "sb-1: remove the gateway node") || len(got) != 2 {
		t.Errorf("got %v, want both named with the way out", got)
	}
	err = m.fleet.DeleteEnvironment(ctx, system, "production", 0)
	refused(t, err, apim.Conflict)
	if got := blockers(err); !strings.Contains(got["environment"], "it stays") {
		t.Errorf("got %v", got)
	}
	for _, who := range []apim.Actor{m.provider, m.person(m.shop, "Olga", apim.RoleOwner)} {
		refused(t, m.fleet.DeleteEnvironment(ctx, who, "sandbox", 0), apim.Forbidden)
	}
	refused(t, m.fleet.DeleteEnvironment(ctx, system, "nowhere", 0), apim.NotFound)
	refused(t, m.fleet.DeleteEnvironment(ctx, system, "sandbox", 7), apim.Conflict)
	if m.audited("", "environment.delete") != 0 {
		t.Error("a refusal left a trace")
	}
}

func TestLastProductionEnvironmentStays(t *testing.T) {
	postgres.Both(t, testLastProductionEnvironmentStays)
}

func testLastProductionEnvironmentStays(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	w.pass(time.Second)
	if _, _, err := w.fleet.CreateEnvironment(ctx, system, apim.Environment{Slug: "eu", Kind: apim.Production, GatewayURL: "http://eu.example", Settings: apim.DefaultEnvironmentSettings()}); err != nil {
		t.Fatal(err)
	}
	refused(t, w.fleet.DeleteEnvironment(ctx, system, "production", 0), apim.Conflict) // the first one
	if err := w.fleet.DeleteEnvironment(ctx, system, "eu", 0); err != nil {
		t.Errorf("another production environment: %v", err)
	}
	err := w.fleet.DeleteEnvironment(ctx, system, "production", 0)
	refused(t, err, apim.Conflict)
}

// Whatever opened something in a deleted environment opens nothing in one that
// is made under the same name.
func TestNameOfADeletedEnvironmentOpensNothingAnew(t *testing.T) {
	postgres.Both(t, testNameOfADeletedEnvironmentOpensNothingAnew)
}

func testNameOfADeletedEnvironmentOpensNothingAnew(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	m.pass(time.Second)
	m.sandbox()
	m.fleet.Users, m.fleet.Commands = signing{}, &told{}
	version := m.offer.version.ID
	if _, err := m.catalog.Publish(ctx, m.provider, m.shop.ID, version, "sandbox", ""); err != nil {
		t.Fatal(err)
	}
	ask := func(app apim.Application, environments ...string) apim.Subscription {
		t.Helper()
		s, _, err := m.access.Request(ctx, m.consumer, m.client.ID, manager.RequestAccess{Application: app.ID, Plan: m.offer.automatic.ID, Environments: environments})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	alone := ask(m.app, "sandbox")
	both := ask(m.application(m.consumer, m.client, "second"), "production", "sandbox")
	everywhere := ask(m.application(m.consumer, m.client, "third"))
	if _, _, err := m.access.Suspend(ctx, m.approver, m.shop.ID, everywhere.ID, "a test", "sandbox"); err != nil {
		t.Fatal(err)
	}
	key := must[manager.MintedKey](t)(m.access.CreateKey(ctx, m.consumer, m.client.ID, m.app.ID, manager.NewKey{Environment: "sandbox"}))
	grant := must[entry.Key](t)(entry.GrantKey(key.Credential.Secrets[0].Hash))
	_, used, err := m.fleet.CreateEnrolment(ctx, system, "sandbox", "")
	if err != nil {
		t.Fatal(err)
	}
	_, unused, err := m.fleet.CreateEnrolment(ctx, system, "sandbox", "")
	if err != nil {
		t.Fatal(err)
	}
	node := must[manager.Enrolled](t)(m.fleet.Enrol(ctx, coming(t, used, "sb-1", bus.NodeKey{1}))).Node
	_, before, err := m.store.Pending(ctx, "sandbox", 1000)
	if err != nil {
		t.Fatal(err)
	}

	if _, _, err := m.catalog.TakeOff(ctx, m.provider, m.shop.ID, version, "sandbox"); err != nil {
		t.Fatal(err)
	}
	if err := m.fleet.RemoveNode(ctx, system, "sandbox", "sb-1"); err != nil {
		t.Fatal(err)
	}
	if err := m.fleet.DeleteEnvironment(ctx, system, "sandbox", 0); err != nil {
		t.Fatal(err)
	}
	if got := must[[]string](t)(m.store.EnvironmentsToDrop(ctx)); !slices.Equal(got, []string{"sandbox"}) || !slices.Contains(m.nudged, "sandbox") {
		t.Errorf("the publisher is to drop %v, and was nudged for %v", got, m.nudged)
	}
	for id, want := range map[apim.ID]struct {
		state        apim.SubscriptionState
		environments []string
	}{alone.ID: {apim.Expired, []string{"sandbox"}}, both.ID: {apim.Active, []string{"production"}}, everywhere.ID: {apim.Active, []string{}}} {
		v := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.consumer, m.client.ID, id))
		if s := v.Subscription; s.State != want.state || !slices.Equal(s.Environments, want.environments) || len(s.Suspensions) != 0 {
			t.Errorf("got %s for %v, suspended in %v, want %s for %v", s.State, s.Environments, s.Suspensions, want.state, want.environments)
		}
	}
	if m.audited("", "environment.delete") != 1 || m.audited(m.client.ID, "credential.end") != 1 || m.audited(m.client.ID, "subscription.expire") != 1 {
		t.Error("want audit rows of the environment, its keys and its subscription")
	}

	m.pass(time.Second)
	m.sandbox() // the name is used again
	_, after, err := m.store.Pending(ctx, "sandbox", 1000)
	if err != nil {
		t.Fatal(err)
	}
	if after.Epoch <= before.Epoch {
		t.Errorf("it begins with epoch %d after %d: nodes would take their old copies for newer", after.Epoch, before.Epoch)
	}
	if items := must[[]entry.Item](t)(m.store.LoadEntries(ctx, "sandbox", []entry.Key{grant, must[entry.Key](t)(entry.APIKey(version.UUID()))})); len(items) != 0 {
		t.Errorf("the nodes get %v", items)
	}
	d := must[manager.ApplicationDetail](t)(m.access.Application(ctx, m.consumer, m.client.ID, string(m.app.ID)))
	if len(d.Credentials) != 0 {
		t.Errorf("its keys of before are still there: %+v", d.Credentials)
	}
	_, err = m.access.RotateKey(ctx, m.consumer, m.client.ID, key.Credential.ID, 0)
	refused(t, err, apim.NotFound)
	for name, in := range map[string]manager.EnrolNode{
		"an unused token": coming(t, unused, "sb-2", bus.NodeKey{2}), "the used one": coming(t, used, "sb-1", bus.NodeKey{1}),
	} {
		if _, err := m.fleet.Enrol(ctx, in); apim.KindOf(err) != apim.Forbidden {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
	if removed := must[[]string](t)(m.store.RemovedNodes(ctx, "sandbox")); !slices.Contains(removed, node.UserKey) {
		t.Errorf("the bus is told to refuse %v, want the node of before among them", removed)
	}
}

func TestVersionIsTakenOffOneEnvironment(t *testing.T) {
	postgres.Both(t, testVersionIsTakenOffOneEnvironment)
}

func testVersionIsTakenOffOneEnvironment(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, v := t.Context(), m.offer.version.ID
	m.pass(time.Second)
	m.sandbox()
	_, _, err := m.catalog.TakeOff(ctx, m.provider, m.shop.ID, v, "sandbox")
	refused(t, err, apim.Conflict)
	_, _, err = m.catalog.TakeOff(ctx, m.provider, m.shop.ID, v, "production")
	refused(t, err, apim.Conflict) // live nowhere else
	if _, err := m.catalog.Publish(ctx, m.provider, m.shop.ID, v, "sandbox", ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.catalog.TakeOff(ctx, m.provider, m.shop.ID, v, "sandbox"); err != nil {
		t.Fatal(err)
	}
	api := must[entry.Key](t)(entry.APIKey(v.UUID()))
	if items := must[[]entry.Item](t)(m.store.LoadEntries(ctx, "sandbox", []entry.Key{api})); len(items) != 1 || !items[0].Ended {
		t.Errorf("the sandbox's nodes hold %+v", items)
	}
	if items := must[[]entry.Item](t)(m.store.LoadEntries(ctx, "production", []entry.Key{api})); len(items) != 1 || items[0].Ended {
		t.Errorf("production's nodes hold %+v", items)
	}
	if m.audited(m.shop.ID, "version.take_off") != 1 {
		t.Error("want one audit row")
	}
}
