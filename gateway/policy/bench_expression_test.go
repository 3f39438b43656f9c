package policy_test

import (
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

func BenchmarkExpression(b *testing.B) {
	callsNothing(b, policy.Tools{})
	for name, source := range map[string]string{
		"method and header": `request.method == "" && request.headers["authorization"] != ""`,
		"operation":         `request.operation in ["list", "show"]`,
	} {
		b.Run(name, func(b *testing.B) {
			calls(b, policy.NewCompiler(entry.API{Version: uuid(1), Policies: []entry.Policy{{Config: &entry.ExpressionPolicy{Expression: source}}}},
				policy.Tools{}).Route(entry.Route{Operation: "list", Public: true}), "Bearer x")
		})
	}
}
