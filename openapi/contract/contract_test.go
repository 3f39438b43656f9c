package contract_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"portico/openapi/contract"
	"portico/openapi/spec"
)

func load(t *testing.T) *contract.Contract {
	t.Helper()
	c, err := contract.Load(spec.Management())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOurDocumentIsComplete(t *testing.T) {
	ids := map[string]bool{}
	for _, o := range load(t).Operations() {
		if o.ID == "" || ids[o.ID] {
			t.Errorf("%s %s: operation id %q is missing or not unique", o.Method, o.Path, o.ID)
		}
		ids[o.ID] = true
		if !regexp.MustCompile(`^(anybody|signed in|(read|write|publish|approve|manage) [a-z]+)$`).MatchString(o.Permission) {
			t.Errorf("%s: x-permission %q", o.ID, o.Permission)
		}
	}
	if len(ids) < 50 {
		t.Errorf("the document has %d operations", len(ids))
	}
}

func TestEveryObjectOfOurDocumentIsClosed(t *testing.T) {
	lines := strings.Split(spec.Management(), "\n")
	for i, line := range lines {
		open := strings.TrimSpace(line) == "type: object"
		if open && (i+1 >= len(lines) || strings.TrimSpace(lines[i+1]) != "additionalProperties: false") {
			t.Errorf("line %d: an object that takes any field", i+1)
		}
	}
}

func TestACallHasOneOperation(t *testing.T) {
	c := load(t)
	for _, want := range []struct{ method, path, id string }{
		{"GET", "/api/v1/tenants/acme/plans/plan_1", "getPlan"},
		{"DELETE", "/api/v1/sessions", "endSessions"},
		{"DELETE", "/api/v1/sessions/ses_1", "endSession"},
		{"GET", "/api/v1/tenants/acme/audit/verify", "verifyAudit"},
	} {
		if id, err := c.OperationID(want.method, want.path); err != nil || id != want.id {
			t.Errorf("%s %s: got %q, %v, want %s", want.method, want.path, id, err, want.id)
		}
	}
	for _, path := range []string{"/api/v1/nowhere", "/elsewhere"} {
		if id, err := c.OperationID("GET", path); !errors.Is(err, contract.ErrNoOperation) {
			t.Errorf("%s: got %q, %v, want ErrNoOperation", path, id, err)
		}
	}
}

func TestExamplesHaveToFit(t *testing.T) {
	bad := strings.Replace(spec.Management(), "slug: acme, name: Acme, created_at", "slug: acme, nam: Acme, created_at", 1)
	if bad == spec.Management() {
		t.Fatal("the example is not where it was")
	}
	if _, err := contract.Load(bad); err == nil || !strings.Contains(err.Error(), "schema Tenant") {
		t.Errorf("got %v, want the schema's name", err)
	}
}

// call is a request and its answer, to be checked.
type call struct {
	method, path, body string
	status             int
	media, answer      string
}

func (c call) check(t *testing.T) error {
	t.Helper()
	r := httptest.NewRequest(c.method, "http://localhost/api/v1"+c.path, strings.NewReader(c.body))
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return load(t).Check(r, []byte(c.body), c.status, http.Header{"Content-Type": {c.media}}, []byte(c.answer))
}

const tenant = `{"id":"ten_0190b7e5a1c27d3e8f4a5b6c7d8e9f00","slug":"acme","name":"Acme","created_at":"2026-03-02T09:15:00Z"}`

func TestCallsAsInTheDocumentPass(t *testing.T) {
	for _, c := range []call{
		{"GET", "/tenants/acme", "", 200, "application/json", tenant},
		{"POST", "/tenants", `{"slug":"acme","name":"Acme"}`, 201, "application/json", tenant},
		{"GET", "/tenants?limit=3", "", 200, "application/json", `{"items":[` + tenant + `]}`},
		{"POST", "/tenants", `{"slog":1}`, 422, "application/problem+json", `{"type":"about:blank","title":"x","status":422,"code":"invalid","request_id":"1"}`},
		{"DELETE", "/tenants/acme/tokens/tok_1", "", 204, "", ""},
	} {
		if err := c.check(t); err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
	}
}

func TestCallsOutsideTheDocumentFail(t *testing.T) {
	for name, c := range map[string]call{
		"undeclared status":       {"GET", "/tenants/acme", "", 418, "application/problem+json", `{}`},
		"undeclared content type": {"GET", "/tenants/acme", "", 200, "text/html", tenant},
		"undeclared field":        {"GET", "/tenants/acme", "", 200, "application/json", strings.Replace(tenant, `"slug"`, `"plan":1,"slug"`, 1)},
		"missing field":           {"GET", "/tenants/acme", "", 200, "application/json", `{}`},
		"wrong type":              {"GET", "/tenants/acme", "", 200, "application/json", strings.Replace(tenant, `"Acme"`, `7`, 1)},
		"wrong id":                {"GET", "/tenants/acme", "", 200, "application/json", strings.Replace(tenant, `ten_`, `app_`, 1)},
		"body of an empty answer": {"DELETE", "/tenants/acme/tokens/tok_1", "", 204, "", "x"},
		"bad request taken":       {"POST", "/tenants", `{"slug":"acme","name":"Acme","plan":1}`, 201, "application/json", tenant},
		"bad parameter taken":     {"GET", "/tenants/acme/members?limit=900", "", 200, "application/json", `{"items":[]}`},
		"problem as plain JSON":   {"GET", "/tenants/acme", "", 404, "application/json", `{}`},
	} {
		if err := c.check(t); err == nil {
			t.Errorf("%s: passes", name)
		}
	}
	if err := (call{"PUT", "/tenants", "", 405, "", ""}).check(t); !errors.Is(err, contract.ErrNoOperation) {
		t.Errorf("got %v, want ErrNoOperation", err)
	}
}
