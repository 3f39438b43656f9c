package gateway_test

import (
	"strings"
	"testing"

	"portico/internal/entry"
)

// TestRefusalsQuoteLittleOfWhatCallersSend sends names as long as bodies may be:
// an answer must not be many times what was sent.
func TestRefusalsQuoteLittleOfWhatCallersSend(t *testing.T) {
	long := strings.Repeat("n", 300<<10)
	twenty := `{"` + long + `":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1}}`
	closed := &entry.Contract{Body: []entry.ContractContent{{Type: "application/json", Schema: []byte(`{"additionalProperties":{"additionalProperties":false}}`)}}}
	for name, c := range map[string]struct {
		policy     entry.PolicyConfig
		kind, body string
	}{
		"validate":     {&entry.Validate{}, "application/json", twenty},
		"JSON to XML":  {&entry.XMLJSON{Request: entry.ToXML}, "application/json", `{"r":{"` + long + `":1,"` + long + `":2}}`},
		"XML to JSON":  {&entry.XMLJSON{Request: entry.ToJSON}, "application/xml", "<" + long + ">"},
		"GraphQL":      {&entry.GraphQL{MaxBytes: 1 << 20}, "application/json", `{"query":"{ ...` + long + ` }"}`},
		"GraphQL read": {&entry.GraphQL{MaxBytes: 1 << 20}, "application/json", `{"query":"` + long + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := governed(t, noLane, func(api *entry.API) {
				for i := range api.Routes {
					if api.Routes[i].Operation == "do" {
						api.Routes[i].Contract, api.Routes[i].Policies = closed, []entry.Policy{{Config: c.policy}}
					}
				}
			})
			got := r.call(t, "POST", do+"echo", c.body, "Content-Type: "+c.kind)
			if len(got.body) > 16<<10 || !strings.Contains(got.body, "…") || got.header.Get("X-Portico-Mock") != "" {
				t.Errorf("got %d and %d bytes: %.300s", got.status, len(got.body), got.body)
			}
			if n := r.upstream.Calls(); n != 0 {
				t.Errorf("%d calls reached the upstream", n)
			}
		})
	}
}
