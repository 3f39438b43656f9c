package manager

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"portico/internal/apim"
	"portico/internal/entry"
)

// Secrets of policies are secret values of the tenant in an environment. A draft
// refers to them, and an entry holds them sealed, each for its place alone.

// policyReferences lists the values that policies refer to, those that are off
// left out: like what cannot be read, they are not served.
func policyReferences(list []apim.Policy) []string {
	var out []string
	for _, p := range list {
		if p.Off || !bytes.ContainsAny(p.Config, `$\`) { // JSON may write a $ as \u0024
			continue
		}
		parsed, err := parsePolicy(p)
		if err != nil {
			continue
		}
		for _, s := range entry.Secrets(parsed.Config) {
			if name := s.Name(); name != "" {
				out = append(out, name)
			}
		}
	}
	return out
}

// writtenSecrets refuses sealed secrets in a draft: nobody there can seal.
func writtenSecrets(p entry.Policy) []apim.FieldError {
	var out []apim.FieldError
	for _, s := range entry.Secrets(p.Config) {
		if s.Sealed != nil {
			out = append(out, apim.FieldError{Field: "config." + s.Field, Code: "policy", Detail: "is sealed by the gateway's manager alone; write ${name} of a secret value of the environment"})
		}
	}
	return out
}

// sealPolicies puts the secrets of a compiled API's policies in the place of the
// references to them.
func (u *unit) sealPolicies(ctx context.Context, v apim.Version, rt apim.Runtime, environment string, values map[string]apim.EnvironmentValue, body *entry.API) error {
	var fields apim.Check
	seal := func(list []entry.Policy, at, operation string) error {
		for i, p := range list {
			for _, s := range entry.Secrets(p.Config) {
				if s.IsZero() {
					continue
				}
				plain, err := u.policySecret(s.Secret, environment, values)
				if err == nil {
					err = secretFits(p.Kind(), s.Field, s.Secret.Name(), plain)
				}
				var refusal *apim.Error
				switch {
				case errors.As(err, &refusal) && refusal.Kind == apim.Invalid:
					fields.Fail(draftField(fmt.Sprintf("%s[%d].%s", at, i, s.Field), rt), refusal.Code, "%s", refusal.Message)
					continue
				case err != nil:
					return err
				}
				sealed, err := u.sealFor(ctx, environment, entry.PolicySecretInfo(v.ID.UUID(), operation, i, p.Kind(), s.Field), plain)
				if err != nil {
					return err
				}
				*s.Secret = entry.Secret{Sealed: &sealed}
			}
		}
		return nil
	}
	if err := seal(body.Policies, "policies", ""); err != nil {
		return err
	}
	for i, r := range body.Routes {
		if err := seal(r.Policies, fmt.Sprintf("routes[%d].policies", i), r.Operation); err != nil {
			return err
		}
	}
	return fields.Err()
}

// secretFits refuses a secret that a field of a policy cannot hold: an upstream would
// take what follows a colon of a user's name for the password (RFC 7617 section 2).
func secretFits(kind entry.PolicyKind, field, name string, plain []byte) error {
	if kind == entry.PolicyUpstreamBasic && field == "username" && bytes.IndexByte(plain, ':') >= 0 {
		return apim.Errorf(apim.Invalid, "refers to ${%s}, which holds a colon; the name of a user has none", name).WithCode("colon")
	}
	return nil
}

// policySecret is the secret that a draft's reference stands for. A refusal of
// kind Invalid is the field's own.
func (u *unit) policySecret(s *entry.Secret, environment string, values map[string]apim.EnvironmentValue) ([]byte, error) {
	name := s.Name()
	value, known := values[name]
	switch {
	case name == "":
		return nil, apim.Errorf(apim.Invalid, "is no reference to a secret value: write ${name}").WithCode("reference")
	case !known:
		return nil, apim.Errorf(apim.Invalid, "refers to ${%s}, and %s has no value of that name", name, environment).WithCode("value_missing")
	case !value.Secret:
		return nil, apim.Errorf(apim.Invalid, "refers to ${%s}, which is no secret in %s; make the value anew as one", name, environment).WithCode("not_secret")
	case u.core.Box == nil:
		return nil, errNoKey
	}
	plain, err := u.core.Box.Open(value.Sealed, valuePlace(value))
	switch {
	case err != nil:
		return nil, fmt.Errorf("value %s of %s: %w", name, environment, err)
	case bytes.ContainsAny(plain, "\r\n"):
		return nil, apim.Errorf(apim.Invalid, "refers to ${%s}, which has several lines; a policy's secret has one", name).WithCode("lines")
	}
	return plain, nil
}
