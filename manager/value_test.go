package manager_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/manager"
	"portico/test/postgres"
)

// liveEntry is the entry of an API's version in an environment.
func (w *world) liveEntry(environment string, version apim.ID) entry.API {
	w.t.Helper()
	key := must[entry.Key](w.t)(entry.APIKey(version.UUID()))
	items := must[[]entry.Item](w.t)(w.store.LoadEntries(w.t.Context(), environment, []entry.Key{key}))
	if len(items) == 0 {
		w.t.Fatalf("%s holds no %s", environment, key)
	}
	return must[entry.API](w.t)(entry.Decode[entry.API](items[0]))
}

func TestARevisionIsTheSameEverywhereAndItsValuesAreNot(t *testing.T) {
	postgres.Both(t, testARevisionIsTheSameEverywhereAndItsValuesAreNot)
}

func testARevisionIsTheSameEverywhereAndItsValuesAreNot(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	if _, _, err := m.fleet.CreateEnvironment(ctx, system, apim.Environment{
		Slug: "sandbox", Kind: apim.Sandbox, GatewayURL: "https://sandbox.example", Settings: apim.DefaultEnvironmentSettings(),
	}); err != nil {
		t.Fatal(err)
	}
	// One node that can open what is sealed, another that is removed later.
	key := bus.NodeKey{1}
	node := must[apim.Node](t)(m.fleet.EnsureNode(ctx, "production", "gw-1", must[string](t)(key.BoxPublic())))
	change := manager.DraftChange{
		UpstreamURLs: &[]string{"https://${orders_host}/v1"},
		Headers:      &[]apim.UpstreamHeader{{Name: "X-Stage", Value: "stage ${stage}"}, {Name: "Authorization", Value: "Bearer ${orders_key}"}},
	}
	if _, err := m.catalog.UpdateDraft(ctx, m.provider, m.shop.ID, m.offer.version.ID, change); err != nil {
		t.Fatal(err)
	}
	_, err := m.catalog.Publish(ctx, m.provider, m.shop.ID, m.offer.version.ID, "production", "")
	if err == nil || !strings.Contains(err.Error(), "${orders_host}") || !strings.Contains(err.Error(), "${orders_key}") || !strings.Contains(err.Error(), "production") {
		t.Fatalf("published without its values: %v", err)
	}
	set := func(environment, name, text string, hidden bool) apim.Change {
		t.Helper()
		v, change, err := m.catalog.SetValue(ctx, m.provider, m.shop.ID, manager.ValueInput{Environment: environment, Name: name, Value: secret.Text(text), Secret: hidden})
		if err != nil || hidden && v.Value != "" {
			t.Fatalf("%s: got %+v, %v", name, v, err)
		}
		return change
	}
	for _, env := range []string{"production", "sandbox"} {
		set(env, "orders_host", env+".internal", false)
		set(env, "stage", env, false)
		set(env, "orders_key", "canary-of-"+env, true)
		if _, err := m.catalog.Publish(ctx, m.provider, m.shop.ID, m.offer.version.ID, env, ""); err != nil {
			t.Fatal(err)
		}
		got := m.liveEntry(env, m.offer.version.ID).Upstreams[0]
		if got.Targets[0].URL != "https://"+env+".internal/v1" || got.Headers[0].Value != "stage "+env || got.Headers[1].Sealed == nil {
			t.Errorf("%s: got %+v", env, got)
		}
	}
	opens := func() string {
		_, raw := m.opened(key, node)
		box := must[*secret.Box](t)(secret.NewBox([32]byte(raw)))
		return m.unsealed(box, "production")
	}
	if got := opens(); got != "Bearer canary-of-production" {
		t.Errorf("the node reads %q", got)
	}
	// A value that changes is in force at once, where it is used.
	before, elsewhere := set("production", "stage", "late", false), m.liveEntry("sandbox", m.offer.version.ID)
	if unused := set("production", "unused", "x", false); unused != (apim.Change{}) {
		t.Errorf("a value that nothing uses is said to be published: %+v", unused)
	}
	rotated := set("production", "orders_key", "canary-2", true)
	if rotated.Sequence != before.Sequence+1 || opens() != "Bearer canary-2" {
		t.Errorf("got %+v after %+v, and the node reads %q", rotated, before, opens())
	}
	if got := m.liveEntry("sandbox", m.offer.version.ID); got.Upstreams[0].Headers[1].Sealed.Box != elsewhere.Upstreams[0].Headers[1].Sealed.Box {
		t.Error("the other environment was published too")
	}
	// A removed node cannot read what is published after its removal.
	m.fleet.Users, m.fleet.Commands = signing{}, &told{}
	gone := must[manager.Enrolled](t)(m.fleet.Enrol(ctx, coming(t, m.enrolment(""), "gw-2", bus.NodeKey{2})))
	_, old := m.opened(bus.NodeKey{2}, gone.Node)
	if err := m.fleet.RemoveNode(ctx, system, "production", "gw-2"); err != nil {
		t.Fatal(err)
	}
	box := must[*secret.Box](t)(secret.NewBox([32]byte(old)))
	if got := m.unsealed(box, "production"); got != "" {
		t.Errorf("the removed node reads %q", got)
	}
	if got := opens(); got != "Bearer canary-2" {
		t.Errorf("after the removal of another the node reads %q", got)
	}
	refused(t, m.catalog.DeleteValue(ctx, m.provider, m.shop.ID, "production", "orders_key"), apim.Conflict)
	if err := m.catalog.DeleteValue(ctx, m.provider, m.shop.ID, "production", "unused"); err != nil {
		t.Error(err)
	}
	for _, v := range must[[]apim.EnvironmentValue](t)(m.catalog.Values(ctx, m.provider, m.shop.ID, "production")) {
		if v.Secret && (v.Value != "" || v.Sealed != nil) {
			t.Errorf("a secret was told: %+v", v)
		}
	}
}

// unsealed is the second header of the market's API with a key, "" when it does
// not open.
func (m *market) unsealed(box *secret.Box, environment string) string {
	m.t.Helper()
	sealed := m.liveEntry(environment, m.offer.version.ID).Upstreams[0].Headers[1].Sealed
	plain, err := box.Open(must[[]byte](m.t)(base64.StdEncoding.DecodeString(sealed.Box)), entry.HeaderInfo(m.offer.version.ID.UUID(), "main", "Authorization"))
	if err != nil {
		return ""
	}
	return string(plain)
}

func TestValuesThatCannotWorkAreRefused(t *testing.T) {
	postgres.Both(t, testValuesThatCannotWorkAreRefused)
}

func testValuesThatCannotWorkAreRefused(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	for name, in := range map[string]manager.ValueInput{
		"name":  {Name: "Orders-URL", Value: "x"},
		"value": {Name: "a", Value: "${b}"},
	} {
		_, _, err := m.catalog.SetValue(ctx, m.provider, m.shop.ID, in)
		wantFields(t, err, name)
	}
	for _, text := range []string{"", "two\nlines", strings.Repeat("x", 9000)} {
		_, _, err := m.catalog.SetValue(ctx, m.provider, m.shop.ID, manager.ValueInput{Name: "a", Value: secret.Text(text)})
		wantFields(t, err, "value")
	}
	if _, _, err := m.catalog.SetValue(ctx, m.provider, m.shop.ID, manager.ValueInput{Name: "key", Value: "s", Secret: true}); err != nil {
		t.Fatal(err)
	}
	_, _, err := m.catalog.SetValue(ctx, m.provider, m.shop.ID, manager.ValueInput{Name: "key", Value: "s"})
	wantFields(t, err, "secret")
	if _, err := m.catalog.UpdateDraft(ctx, m.provider, m.shop.ID, m.offer.version.ID, manager.DraftChange{UpstreamURLs: &[]string{"https://${key}"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.catalog.Publish(ctx, m.provider, m.shop.ID, m.offer.version.ID, "", ""); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("a secret in an address: got %v", err)
	}
	for _, bad := range []apim.UpstreamHeader{{Name: "X Y", Value: "v"}, {Name: "Host", Value: "v"}, {Name: "X-Forwarded-For", Value: "v"}, {Name: "A", Value: ""}} {
		if _, err := m.catalog.UpdateDraft(ctx, m.provider, m.shop.ID, m.offer.version.ID, manager.DraftChange{Headers: &[]apim.UpstreamHeader{bad}}); apim.KindOf(err) != apim.Invalid {
			t.Errorf("header %+v: got %v", bad, err)
		}
	}
}
