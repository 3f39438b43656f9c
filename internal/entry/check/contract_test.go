package check_test

import (
	"encoding/json"
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

// TestContractsThatCannotBeServedAreRefusedByField is asked at publish and by each
// node: what passes compiles.
func TestContractsThatCannotBeServedAreRefusedByField(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*entry.API)
		want   []string
	}{
		"good": {func(a *entry.API) {
			a.Schemas = json.RawMessage(`{"A":{"properties":{"a":{"$ref":"#/$defs/A"}}}}`)
			a.Routes[0].Contract = &entry.Contract{Body: []entry.ContractContent{{Type: "application/json", Schema: json.RawMessage(`{"$ref":"#/$defs/A"}`)}}, Answers: []entry.ContractAnswer{{Status: "2XX"}, {Status: "default"}, {Status: "404"}}}
		}, nil},
		"schemas": {func(a *entry.API) { a.Schemas = json.RawMessage(`[1]`) }, []string{"schemas: no object"}},
		"pattern": {func(a *entry.API) {
			a.Routes[1].Contract = &entry.Contract{Parameters: []entry.ContractParameter{{Name: "a"}, {Name: "b", Schema: json.RawMessage(`{"pattern":"(?!a)"}`)}}}
		}, []string{"routes[1].contract.parameters[1].schema: cannot be used"}},
		"reference": {func(a *entry.API) {
			a.Routes[0].Contract = &entry.Contract{Body: []entry.ContractContent{{Type: "a/b", Schema: json.RawMessage(`{"$ref":"#/$defs/A"}`)}}, Answers: []entry.ContractAnswer{{
				Status: "OK", Headers: []entry.ContractParameter{{Name: "a", Schema: json.RawMessage(`{"type":"x"}`)}}, Content: []entry.ContractContent{{Type: "a/b", Schema: json.RawMessage(`5`)}},
			}}}
		}, []string{
			"routes[0].contract.body[0].schema: leads to nothing", "routes[0].contract.answers[0].status: no status",
			"routes[0].contract.answers[0].headers[0].schema: type is no type", "routes[0].contract.answers[0].content[0].schema: neither an object",
		}},
		"bytes": {func(a *entry.API) {
			a.Routes[0].Contract = &entry.Contract{Answers: []entry.ContractAnswer{{Status: "200", Content: []entry.ContractContent{{Type: "a/b", Examples: []entry.ContractExample{{Body: strings.Repeat("x", check.MaxContractBytes)}}}}}}}
		}, []string{"schemas: at most 8388608 are allowed"}},
		"words": {func(a *entry.API) {
			a.Policies = append(a.Policies, entry.Policy{Config: &entry.Validate{Request: "maybe", Answer: "no", Large: "all", MaxBytes: -1}}, entry.Policy{Config: &entry.Validate{Request: "off"}}, entry.Policy{Config: &entry.Mock{Status: 7, DelayMS: 60_000}})
		}, []string{
			"policies[1].request: refuse, report, off", "policies[1].answer: off, report, refuse", "policies[1].large: error, pass", "policies[1].max_bytes: 0 to",
			"policies[2]: neither requests nor answers", "policies[3].status: 200 to 599", "policies[3].delay_ms: 0 to 30000",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a := goodAPI()
			c.change(&a)
			want(t, check.API(a), c.want...)
		})
	}
}

// TestAnEnvironmentHasNoDocument to hold calls to.
func TestAnEnvironmentHasNoDocument(t *testing.T) {
	e := goodEnv()
	e.Policies = []entry.Policy{{Config: &entry.Validate{}}, {Config: &entry.Mock{}}}
	want(t, check.Env(e), "policies[0]: needs a version's document", "policies[1]: of the stage destination")
}
