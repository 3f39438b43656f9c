package manager

import (
	"fmt"

	"portico/internal/apim"
	"portico/internal/entry/check"
	"portico/manager/compile"
)

// checkPolicies checks each policy alone, also those that are off. What only a
// version as a whole can get wrong is checkRuntime's.
func checkPolicies(c *apim.Check, field string, list []apim.Policy) {
	for i, p := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		parsed, err := compile.ParsePolicy(p)
		if err != nil {
			c.Fail(at, "policy", "%s", err)
			continue
		}
		for _, wrong := range check.Policy(parsed) {
			name := at + ".config"
			if wrong.Field != "" {
				name += "." + wrong.Field
			}
			c.Fail(name, "policy", "%s", wrong.Reason)
		}
	}
}
