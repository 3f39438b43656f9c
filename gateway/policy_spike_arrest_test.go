package gateway_test

import (
	"testing"

	"portico/internal/entry"
)

func spikeArrestCase(t *testing.T, lane change) {
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.SpikeArrest{Requests: 1, Per: "minute", By: "address"}})
	})
	if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 || got.header.Get("RateLimit") != "" {
		t.Errorf("the first: got %d %s %v", got.status, got.body, got.header)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 429 || got.code() != "spike_arrested" || got.header.Get("Retry-After") != "60" {
		t.Errorf("the second: got %d %s", got.status, got.body)
	}
}
