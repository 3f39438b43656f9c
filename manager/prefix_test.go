package manager_test

import (
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager"
	"portico/test/postgres"
)

func TestTenantsKeysHaveItsOwnPrefix(t *testing.T) {
	postgres.Both(t, testTenantsKeysHaveItsOwnPrefix)
}

func testTenantsKeysHaveItsOwnPrefix(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	owner := m.person(m.client, "Olga", apim.RoleOwner)
	before := m.key()
	if !strings.HasPrefix(before.Key, "portico_live_") {
		t.Fatalf("got %q", before.Key[:20])
	}
	m.active()
	m.pass(time.Second)
	m.sandbox()
	got, err := m.tenants.SetKeyPrefix(ctx, owner, m.client.ID, "acme", 0)
	if err != nil || got.KeyPrefix != "acme" {
		t.Fatalf("got %+v, %v", got, err)
	}
	for environment, want := range map[string]string{"production": "acme_live_", "sandbox": "acme_test_"} {
		key := must[manager.MintedKey](t)(m.access.CreateKey(ctx, m.consumer, m.client.ID, m.app.ID, manager.NewKey{Environment: environment}))
		if parsed, err := secret.ParseKey(key.Key); err != nil || !strings.HasPrefix(key.Key, want) || parsed.Prefix != strings.TrimSuffix(want, "_") {
			t.Errorf("%s: got %q, %v, want a key that begins with %s", environment, parsed, err, want)
		}
	}
	if got := m.state(before); got != "active" {
		t.Errorf("the nodes hold the key of before as %q, want it to work on", got)
	}
	rotated := must[manager.MintedKey](t)(m.access.RotateKey(ctx, m.consumer, m.client.ID, before.Credential.ID, time.Hour))
	if !strings.HasPrefix(rotated.Key, "acme_live_") {
		t.Errorf("rotated to %q", rotated.Key[:20])
	}
	if m.audited(m.client.ID, "tenant.key_prefix") != 1 {
		t.Error("want one audit row")
	}

	_, err = m.tenants.SetKeyPrefix(ctx, m.consumer, m.client.ID, "mine", 0)
	refused(t, err, apim.Forbidden)
	_, err = m.tenants.SetKeyPrefix(ctx, owner, m.client.ID, "other", 1)
	refused(t, err, apim.Conflict)
	shop := m.person(m.shop, "Otto", apim.RoleOwner)
	for _, bad := range []string{"ac", "Acme", "9acme", "acme_live", "portico", "porticoo", "ghp", strings.Repeat("a", 21), "acme"} {
		_, err := m.tenants.SetKeyPrefix(ctx, shop, m.shop.ID, bad, 0)
		refused(t, err, apim.Invalid)
		if err != nil && !strings.HasPrefix(err.Error(), "some fields need another look: key_prefix:") || err != nil && strings.Contains(err.Error(), "Client") {
			t.Errorf("%q: got %v, want the field named, and nobody else", bad, err)
		}
	}
	if _, err := m.tenants.SetKeyPrefix(ctx, owner, m.client.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	if key := m.key(); !strings.HasPrefix(key.Key, "portico_live_") {
		t.Errorf("got %q, want ours again", key.Key[:20])
	}
	if _, err := m.tenants.SetKeyPrefix(ctx, shop, m.shop.ID, "acme", 0); err != nil {
		t.Errorf("a prefix that was given up: %v", err)
	}
}
