package manager

import (
	"context"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/manager/authz"
)

// CodeSecretUse is the code of a refusal to put the first use of a secret into
// force.
const CodeSecretUse = "secret_use"

// allowSecrets refuses what is to be in force of a version in an environment
// where it refers to a secret that nothing in force of its API refers to there,
// unless the actor may set values. Who publishes an API chooses whom its secrets
// are sent to: so the first use of one by an API is for those who may set it,
// and from then on it is trusted to those who publish that API.
//
// It is asked before anything is compiled: what is wrong with a secret is not
// for everybody to hear either.
func (u *unit) allowSecrets(ctx context.Context, v apim.Version, rt apim.Runtime, environment string) error {
	if len(references(rt)) == 0 {
		return nil
	}
	values, err := u.values(ctx, v.Tenant, environment)
	if err != nil {
		return err
	}
	secrets := func(rt apim.Runtime) []string {
		return slices.DeleteFunc(references(rt), func(name string) bool { return !values[name].Secret })
	}
	asked := secrets(rt)
	if len(asked) == 0 {
		return nil
	}
	denied := u.core.Authz.Allow(ctx, u.actor, v.Tenant, apim.Publish, apim.ObjectAPI) // as SetValue asks
	if denied == nil {
		return nil
	}
	if apim.KindOf(denied) != apim.Forbidden {
		return denied
	}
	t := u.Tenant(v.Tenant)
	api, err := t.API(ctx, string(v.API))
	if err != nil {
		return err
	}
	inForce, err := u.livedIn(ctx, t, api, environment)
	if err != nil {
		return err
	}
	for _, l := range inForce {
		branched, _, err := u.branched(ctx, l.version, l.rev.Runtime, environment)
		if err != nil {
			return err
		}
		trusted := secrets(branched)
		asked = slices.DeleteFunc(asked, func(name string) bool { return slices.Contains(trusted, name) })
	}
	if len(asked) == 0 {
		return nil
	}
	slices.Sort(asked)
	asked = slices.Compact(asked)
	which, is, them := "${"+strings.Join(asked, "}, ${")+"}", "is a secret", "it"
	if len(asked) > 1 {
		is, them = "are secrets", "them"
	}
	return apim.Errorf(apim.Forbidden, "%s %s of %s, and nothing in force of %s refers to %s there: the first use is published by who may set values, which needs the role %s on the whole organisation; ask them, or publish without %s",
		which, is, environment, api.Name, them, authz.Could(apim.Publish, apim.ObjectAPI), them).WithCode(CodeSecretUse)
}
