package console_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"portico/internal/apim"
	"portico/manager"
)

// The form of an environment's settings does not hold its policies.
func TestChangedEnvironmentKeepsItsPolicies(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	settings := apim.DefaultEnvironmentSettings()
	settings.Policies = []apim.Policy{{Kind: "rate_limit", Config: json.RawMessage(`{"requests":9,"period_ms":1000,"by":"address"}`)}}
	if _, _, err := s.fleet.UpdateEnvironment(t.Context(), system(), "production", manager.EnvironmentChange{Settings: &settings}); err != nil {
		t.Fatal(err)
	}
	b.post("/t/acme/environments/production", "name", "Live", "gateway_url", "https://gateway.example", "max_body_bytes", "1000", "connect_timeout_ms", "1000",
		"header_timeout_ms", "1000", "idle_timeout_ms", "1000", "max_stale_ms", "1000").shows(http.StatusOK, "Live is changed.")
	all, err := s.fleet.Environments(t.Context(), system())
	if err != nil {
		t.Fatal(err)
	}
	if got := all[0].Settings; got.MaxBodyBytes != 1000 || len(got.Policies) != 1 || string(got.Policies[0].Config) != string(settings.Policies[0].Config) {
		t.Errorf("got %+v, want the policy as it was", got)
	}
}

// A field of one line would lose those of certificates and keys.
func TestValuesThatHaveLinesAreSetAndListed(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	const pem = "-----BEGIN CERTIFICATE-----\r\nAAAA\r\nBBBB\r\n-----END CERTIFICATE-----\r\n" // as browsers send it
	b.get("/t/acme/values").shows(http.StatusOK, "Set a value").has(`class="area mono" id="f-value" name="value" rows="3">`)
	b.post("/t/acme/values", "name", "roots", "value", pem).shows(http.StatusOK, "${roots} is set in", "-----BEGIN CERTIFICATE----- and 3 more lines").hides("AAAA")
	values, err := s.catalog.Values(t.Context(), system(), s.tenantID("acme"), "production")
	if err != nil || len(values) != 1 || values[0].Value != "-----BEGIN CERTIFICATE-----\r\nAAAA\r\nBBBB\r\n-----END CERTIFICATE-----" {
		t.Errorf("got %+v %v, want the lines kept", values, err)
	}
	b.post("/t/acme/values", "name", "backend", "value", "one.internal.example").shows(http.StatusOK, "one.internal.example")
}
