package gateway_test

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"testing"

	"portico/internal/entry"
)

// hashItem is a grant by its hash.
func hashItem(t testing.TB, sequence uint64, hash [32]byte, g entry.Grant) entry.Item {
	t.Helper()
	key, err := entry.GrantKey(hex.EncodeToString(hash[:]))
	if err != nil {
		t.Fatal(err)
	}
	it, err := entry.Encode(key, at(sequence), g)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func basicAuth(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func basicCase(t *testing.T, lane change) {
	registered := func(sequence uint64) entry.Item {
		return hashItem(t, sequence, entry.BasicHash("ann", "pass:word"), demoGrant())
	}
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = []entry.Policy{{Config: &entry.KeyPolicy{Bearer: true}}, {Config: &entry.BasicPolicy{Realm: "Orders"}}}
	}, registered(2))
	good := basicAuth("ann", "pass:word")
	for _, method := range []string{"GET", "POST"} {
		got := r.call(t, method, "/demo/orders/v1/orders", "", good)
		if got.status != 200 || got.echo(t).Header["Authorization"] != nil {
			t.Errorf("%s: got %d %s", method, got.status, got.body)
		}
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer "+goodKey); got.status != 200 {
		t.Errorf("with a key: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "POST", "/demo/orders/v1/do/echo", "{}", good); got.status != 200 || got.echo(t).Header["Authorization"] != nil {
		t.Errorf("on a public operation: got %d %s", got.status, got.body)
	}
	got := r.call(t, "GET", "/demo/orders/v1/orders", "")
	if want := []string{`Bearer realm="portico"`, `Basic realm="Orders", charset="UTF-8"`}; got.status != 401 || got.code() != "credential_missing" || !slices.Equal(got.header.Values("WWW-Authenticate"), want) {
		t.Errorf("without: got %d %s %q", got.status, got.body, got.header.Values("WWW-Authenticate"))
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", basicAuth("ann", "password")); got.status != 401 || got.code() != "credential_invalid" {
		t.Errorf("with another password: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/hidden", "", good); got.status != 403 || got.code() != "operation_not_in_plan" {
		t.Errorf("beyond its plan: got %d %s", got.status, got.body)
	}
	r.serve(t, 3, entry.Tombstone(registered(3).Key, at(3)))
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", good); got.status != 401 || got.code() != "credential_invalid" {
		t.Errorf("after it was revoked: got %d %s", got.status, got.body)
	}
}
