package manager_test

import (
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

func TestRevokedKeyIsGoneFromTheNodes(t *testing.T) {
	postgres.Both(t, testRevokedKeyIsGoneFromTheNodes)
}

func testRevokedKeyIsGoneFromTheNodes(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, key := t.Context(), m.key()
	m.active()
	if m.state(key) != entry.Active {
		t.Fatal("the key is not in force")
	}
	first, change, err := m.access.RevokeKey(ctx, m.consumer, m.client.ID, key.Credential.ID)
	if err != nil || first.RevokedBy != "Carl" || change.Sequence == 0 || m.state(key) != "no grant" {
		t.Fatalf("got %+v, %+v, %v and %q on the nodes", first, change, err, m.state(key))
	}
	m.pass(time.Minute)
	again, change2, err := m.access.RevokeKey(ctx, m.consumer, m.client.ID, key.Credential.ID)
	if err != nil || !again.RevokedAt.Equal(first.RevokedAt) || change2.Sequence != change.Sequence {
		t.Errorf("got %+v, %+v, %v, want the first revocation", again, change2, err)
	}
	if n := m.audited(m.client.ID, "credential.revoke"); n != 1 {
		t.Errorf("got %d audit rows, want 1", n)
	}
	// A later change of the application does not bring it back.
	if _, _, err := m.access.UpdateApplication(ctx, m.consumer, m.client.ID, m.app.ID, manager.ApplicationInput{Name: new("Renamed")}); err != nil {
		t.Fatal(err)
	}
	if m.state(key) != "no grant" {
		t.Error("a revoked key came back")
	}
}

func TestKeyIsShownOnceAndKeptAsAHash(t *testing.T) {
	postgres.Both(t, testKeyIsShownOnceAndKeptAsAHash)
}

func testKeyIsShownOnceAndKeptAsAHash(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	key := m.key()
	if !strings.HasPrefix(key.Key, "portico_live_") {
		t.Errorf("got %.16s…, want a live key", key.Key)
	}
	detail := must[manager.ApplicationDetail](t)(m.access.Application(t.Context(), m.consumer, m.client.ID, "till"))
	s := detail.Credentials[0].Secrets[0]
	if strings.Contains(key.Key[len(s.Prefix):], s.Prefix) || !strings.HasPrefix(key.Key, s.Prefix) || len(s.Hash) != 64 || len(s.LastFour) != 4 {
		t.Errorf("got %+v", s)
	}
	log := must[apim.List[apim.AuditLink]](t)(m.tenants.AuditLog(t.Context(), system, m.client.ID, apim.AuditFilter{}, apim.Page{}))
	for _, a := range log.Items {
		if strings.Contains(a.Summary+a.Before+a.After, key.Key) {
			t.Errorf("audit row %q holds the key", a.Summary)
		}
	}
}

func TestSandboxTakesTestKeys(t *testing.T) { postgres.Both(t, testSandboxTakesTestKeys) }

func testSandboxTakesTestKeys(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	if _, err := m.fleet.EnsureEnvironment(ctx, "sandbox", "Sandbox", apim.Sandbox, "http://sandbox.example", false); err != nil {
		t.Fatal(err)
	}
	key := must[manager.MintedKey](t)(m.access.CreateKey(ctx, m.consumer, m.client.ID, m.app.ID, manager.NewKey{Environment: "sandbox"}))
	if !strings.HasPrefix(key.Key, "portico_test_") || key.Change.Environment != "sandbox" {
		t.Errorf("got %.16s… in %s, want a test key", key.Key, key.Change.Environment)
	}
	items, _, err := m.store.Pending(ctx, "sandbox", 100)
	if err != nil {
		t.Fatal(err)
	}
	terms := 0
	for _, it := range items {
		if it.Kind == entry.KindTerms {
			terms++
		}
	}
	if terms != 2 {
		t.Errorf("got %d terms in the new environment, want those of both plans", terms)
	}
	// A subscription for production alone grants nothing here.
	s, _, err := m.access.Request(ctx, m.consumer, m.client.ID, manager.RequestAccess{
		Application: m.app.ID, Plan: m.offer.automatic.ID, Environments: []string{"production", "production", ""},
	})
	if err != nil || len(s.Environments) != 1 {
		t.Fatalf("got %v, %v", s.Environments, err)
	}
	hash := must[entry.Key](t)(entry.GrantKey(key.Credential.Secrets[0].Hash))
	grants := must[[]entry.Item](t)(m.store.LoadEntries(ctx, "sandbox", []entry.Key{hash}))
	if g := must[entry.Grant](t)(entry.Decode[entry.Grant](grants[0])); len(g.Subscriptions) != 0 {
		t.Errorf("got %+v, want no subscription in the sandbox", g.Subscriptions)
	}
}
