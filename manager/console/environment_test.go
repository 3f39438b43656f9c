package console_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"portico/internal/apim"
	"portico/manager"
)

func TestAValueIsSaidToBeInForceWhereSomethingLiveRefersToIt(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	set := func(name, text string) answer {
		return b.post("/t/acme/values", "name", name, "value", text).shows(http.StatusOK, "${"+name+"} is set in")
	}
	set("backend", "next.internal.example").shows(http.StatusOK, "Nothing that is live there refers to it yet.").hides("The value is")
	b.post("/t/acme/apis/orders/v1/upstream", "urls", "https://${backend}").shows(http.StatusOK, "Upstream saved")
	b.post("/t/acme/apis/orders/v1/publish", "environment", "production").shows(http.StatusOK)
	set("backend", "other.internal.example").shows(http.StatusOK, "The value is").hides("Nothing that is live")
}

func TestFirstUseOfASecretIsRefusedInItsForm(t *testing.T) {
	s := newSite(t)
	admin := s.operator()
	acme, payments := s.tenantID("acme"), s.team("Payments", apim.RoleProvider)
	version, _ := s.offer(acme)
	d, err := s.catalog.Version(t.Context(), system(), acme, version)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.catalog.UpdateAPI(t.Context(), system(), acme, d.API.ID, manager.APIChange{Team: &payments.ID}); err != nil {
		t.Fatal(err)
	}
	b := s.worker("nora", payments)
	admin.post("/t/acme/values", "name", "other_key", "value", "canary", "secret", "on").shows(http.StatusOK, "${other_key} is set in")
	admin.get("/t/acme/values").shows(http.StatusOK, "an API's first use of a secret is published by who may set values", "is trusted to those who publish it")
	b.get("/t/acme/values").shows(http.StatusOK, "an API's first use of a secret").hides("Set a value")
	const at = "/t/acme/apis/orders/v1"
	b.post(at+"/upstream", "urls", "https://mine.example", "headers", "X-Sent: ${other_key}").shows(http.StatusOK, "Upstream saved")
	const refusal = "${other_key} is a secret of production, and nothing in force of Orders refers to it there"
	b.post(at+"/publish", "environment", "production", "note", "a note to keep").shows(http.StatusForbidden, refusal, "Publish Orders v1").has("a note to keep")
	b.post(at+"/traffic/offer", "share", "5").shows(http.StatusForbidden, refusal, "Traffic split")
	const warning = "In production it is the first use of the secret ${other_key} by Orders."
	admin.get(at+"/publish").shows(http.StatusOK, warning)
	admin.post(at+"/publish", "environment", "production").shows(http.StatusOK)
	b.post(at+"/upstream", "urls", "https://moved.example", "headers", "X-Sent: ${other_key}").shows(http.StatusOK, "Upstream saved")
	b.get(at+"/publish").shows(http.StatusOK, "Publish Orders v1").hides(warning)
	b.post(at+"/publish", "environment", "production").shows(http.StatusOK)

	// What taking a candidate needs is told as soon as it is one.
	admin.post("/t/acme/values", "name", "third_key", "value", "canary", "secret", "on").shows(http.StatusOK, "${third_key} is set in")
	ask := []apim.Policy{{Kind: "introspection", Config: json.RawMessage(`{"url":"https://id.example.com/introspect","issuer":"https://id.example.com/","client_id":"gateway","client_secret":"${third_key}","in":"header","name":"X-Token"}`)}}
	if _, err := s.catalog.UpdateDraft(t.Context(), system(), acme, version, manager.DraftChange{Policies: &ask}); err != nil {
		t.Fatal(err)
	}
	b.get(at + "/traffic").hides("is the first use of the secret")
	const needs = "live is the first use of the secret ${third_key} by Orders in production: who may set values does it"
	b.post(at+"/traffic/offer", "share", "5").shows(http.StatusOK, "The draft is the candidate now", needs)
	b.post(at+"/traffic/take").shows(http.StatusForbidden, "${third_key} is a secret of production", "ask them to make r4 live, or choose a revision that does without")
	admin.post(at+"/traffic/take").shows(http.StatusOK, "The candidate is live")
}

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
