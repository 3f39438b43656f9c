package gateway_test

import (
	"testing"

	"portico/internal/entry"
)

func addressCase(t *testing.T, lane change) {
	env := environment()
	env.TrustedProxies = []string{"127.0.0.0/8"}
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.AddressPolicy{Allow: []string{"203.0.113.0/24", "2001:db8::/32"}, Deny: []string{"203.0.113.7"}}})
	}, item(t, 2, env))
	for from, status := range map[string]int{
		"203.0.113.8": 200, "203.0.113.7": 403, "198.51.100.1": 403, "::ffff:203.0.113.8": 200, "::ffff:203.0.113.7": 403, "2001:db8::1": 200,
		"203.0.113.8, 198.51.100.1": 403, // what a stranger has written counts for nothing
		"198.51.100.1, 203.0.113.8": 200,
		"garbage":                   403,
	} {
		got := r.call(t, "GET", "/demo/orders/v1/open", "", "X-Forwarded-For: "+from)
		if got.status != status || status == 403 && got.code() != "address_refused" {
			t.Errorf("from %s: got %d %s", from, got.status, got.body)
		}
	}
	if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 403 {
		t.Errorf("from here: got %d %s", got.status, got.body)
	}
}

func TestForwardedForIsNotBelievedFromStrangers(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) {
			api.Policies = append(api.Policies, entry.Policy{Config: &entry.AddressPolicy{Allow: []string{"203.0.113.0/24"}}})
		})
		if got := r.call(t, "GET", "/demo/orders/v1/open", "", "X-Forwarded-For: 203.0.113.8"); got.code() != "address_refused" {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}
