package policy

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"portico/internal/entry"
)

// scopesStep asks the caller's token for scopes.
type scopesStep struct {
	config    entry.ScopesPolicy
	wanted    string
	challenge string
}

func newScopesStep(config entry.ScopesPolicy) *scopesStep {
	s := &scopesStep{config: config}
	var wanted []string
	if len(config.All) > 0 {
		wanted = append(wanted, strings.Join(config.All, " and "))
	}
	if len(config.Any) > 0 {
		wanted = append(wanted, strings.Join(config.Any, " or "))
	}
	s.wanted = strings.Join(wanted, ", and ")
	s.challenge = bearerChallenge + `, error="insufficient_scope", scope="` + strings.Join(append(slices.Clone(config.All), config.Any...), " ") + `"`
	return s
}

// Run implements Step.
func (s *scopesStep) Run(_ context.Context, ex *Exchange) error {
	switch ex.Caller.By {
	case "", entry.PolicyAnonymous:
		return &Denied{
			Status: http.StatusUnauthorized, Code: "credential_missing", Challenges: []string{bearerChallenge},
			Detail: "This operation needs a token with the scope " + s.wanted + ", and the call carries none.",
		}
	case entry.PolicyKey:
		if s.config.PassKeys {
			return nil
		}
	}
	if s.enough(ex.Caller.Scopes) {
		return nil
	}
	return &Denied{
		Status: http.StatusForbidden, Code: "insufficient_scope", Challenges: []string{s.challenge},
		Detail: "This operation needs the scope " + s.wanted + ". Ask the token's issuer for one that has it.",
	}
}

func (s *scopesStep) enough(have []string) bool {
	for _, scope := range s.config.All {
		if !slices.Contains(have, scope) {
			return false
		}
	}
	return len(s.config.Any) == 0 || slices.ContainsFunc(s.config.Any, func(scope string) bool { return slices.Contains(have, scope) })
}

func (s *scopesStep) explain(ex *Exchange) string {
	if ex.Caller.By == entry.PolicyKey && s.config.PassKeys {
		return "callers with an API key are asked for no scope"
	}
	return "needs the scope " + s.wanted
}
