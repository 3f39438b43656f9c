package check_test

import (
	"fmt"
	"testing"
	"time"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

// TestListsThatAreTooLongAreRefusedAtOnce gives policies lists that would take
// minutes to compare each with each.
func TestListsThatAreTooLongAreRefusedAtOnce(t *testing.T) {
	list := make([]string, 200_000)
	for i := range list {
		list[i] = fmt.Sprint("x", i)
	}
	calls := make([]entry.CompositionCall, len(list))
	for i := range calls {
		calls[i].Name = list[i]
	}
	for field, config := range map[string]entry.PolicyConfig{
		"origins":         &entry.CORSPolicy{Origins: list},
		"headers":         &entry.CORSPolicy{Origins: []string{"*"}, Headers: list},
		"exposed_headers": &entry.CORSPolicy{Origins: []string{"*"}, ExposedHeaders: list},
		"content_types":   &entry.SizePolicy{ContentTypes: list},
		"audiences":       &entry.JWTPolicy{Audiences: list},
		"components":      &entry.SignaturePolicy{Components: list},
		"all":             &entry.ScopesPolicy{All: list},
		"any":             &entry.ScopesPolicy{Any: list},
		"calls":           &entry.Composition{Calls: calls},
		"classes":         &entry.BotsPolicy{Classes: list},
	} {
		began := time.Now()
		problems := check.Policy(entry.Policy{Config: config})
		if took := time.Since(began); took > 5*time.Second || len(problems) > 1000 {
			t.Errorf("%s: %d problems after %v", field, len(problems), took)
		}
		found := false
		for _, p := range problems {
			found = found || p.Field == field || p.Field == field+"[0]"
		}
		if !found {
			t.Errorf("%s: is not among %d problems", field, len(problems))
		}
	}
}
