package check

import (
	"encoding/base64"
	"fmt"

	"portico/internal/entry"
)

// secret checks a field that holds a secret: the reference of a draft, or what is
// sealed of an entry. What was written is never repeated: it may be the secret.
func (p *problems) secret(at string, s entry.Secret, wanted bool) {
	switch {
	case s.Sealed != nil:
		if _, err := base64.StdEncoding.DecodeString(s.Sealed.Box); err != nil || s.Sealed.Key == 0 {
			p.add(at, "is not a sealed value")
		}
	case s.Ref != "" && s.Name() == "":
		p.add(at, "holds a text that is no reference, and a secret is never written here: keep it as a secret value of the environment, under a name such as api_secret, and write ${api_secret}")
	case s.IsZero() && wanted:
		p.add(at, "is empty: write ${name} of a secret value of the environment")
	}
}

// noSecrets refuses what policies of an environment cannot have: secret values
// are a tenant's.
func (p *problems) noSecrets(field string, list []entry.Policy) {
	for i, pol := range list {
		for _, s := range entry.Secrets(pol.Config) {
			if !s.IsZero() {
				p.add(fmt.Sprintf("%s[%d].%s", field, i, s.Field), "is a secret, and those are kept by a tenant: attach the policy to a version or an operation")
			}
		}
	}
}
