package manager

import (
	"context"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/manager/authz"
	"portico/manager/store"
)

// CodeSecretUse is the code of a refusal to put the first use of a secret into
// force.
const CodeSecretUse = "secret_use"

// allowSecrets refuses what is to be in force of a version in an environment
// where it refers to a secret that nothing in force of its API refers to there,
// unless the actor may set values. Who publishes an API chooses whom its secrets
// are sent to: so the first use of one by an API is for those who may set it,
// and from then on it is trusted to those who publish that API, for as long as the
// API refers to it. instead is what somebody can do who may not.
//
// It is asked before anything is compiled: what is wrong with a secret is not
// for everybody to hear either.
func (u *unit) allowSecrets(ctx context.Context, v apim.Version, rt apim.Runtime, environment, instead string) error {
	if len(references(rt)) == 0 {
		return nil
	}
	denied := u.core.Authz.Allow(ctx, u.actor, v.Tenant, apim.Publish, apim.ObjectAPI) // as SetValue asks
	if denied == nil || apim.KindOf(denied) != apim.Forbidden {
		return denied
	}
	api, err := u.Tenant(v.Tenant).API(ctx, string(v.API))
	if err != nil {
		return err
	}
	asked, err := u.firstUses(ctx, api, rt, environment)
	if err != nil || len(asked) == 0 {
		return err
	}
	which, is, them := "${"+strings.Join(asked, "}, ${")+"}", "is a secret", "it"
	if len(asked) > 1 {
		is, them = "are secrets", "them"
	}
	return apim.Errorf(apim.Forbidden, "%s %s of %s, and nothing in force of %s refers to %s there: the first use is for who may set values, which needs the role %s on the whole organisation; %s",
		which, is, environment, api.Name, them, authz.Could(apim.Publish, apim.ObjectAPI), instead).WithCode(CodeSecretUse)
}

// firstUses returns the secrets of an environment that a runtime refers to and
// nothing in force of its API does there, by name.
func (u *unit) firstUses(ctx context.Context, api apim.API, rt apim.Runtime, environment string) ([]string, error) {
	t := u.Tenant(api.Tenant)
	values, err := u.values(ctx, api.Tenant, environment)
	if err != nil {
		return nil, err
	}
	secrets := func(rt apim.Runtime) []string {
		return slices.DeleteFunc(references(rt), func(name string) bool { return !values[name].Secret })
	}
	asked := secrets(rt)
	if len(asked) == 0 {
		return nil, nil
	}
	inForce, err := u.livedIn(ctx, t, api, environment)
	if err != nil {
		return nil, err
	}
	for _, l := range inForce {
		branched, _, err := u.branched(ctx, l.version, l.rev.Runtime, environment)
		if err != nil {
			return nil, err
		}
		trusted := secrets(branched)
		asked = slices.DeleteFunc(asked, func(name string) bool { return slices.Contains(trusted, name) })
	}
	slices.Sort(asked)
	return slices.Compact(asked), nil
}

// firstUsesOf is firstUses of a revision, 0 for none.
func (u *unit) firstUsesOf(ctx context.Context, v apim.Version, revision int, environment string) ([]string, error) {
	if revision == 0 {
		return nil, nil
	}
	t := u.Tenant(v.Tenant)
	rev, err := t.Revision(ctx, v.ID, revision)
	if err != nil || len(references(rev.Runtime)) == 0 {
		return nil, err
	}
	api, err := t.API(ctx, string(v.API))
	if err != nil {
		return nil, err
	}
	return u.firstUses(ctx, api, rev.Runtime, environment)
}

// FirstUse is a secret that a draft refers to and that nothing in force of its API
// refers to in an environment yet: publishing the draft there trusts it to those
// who publish the API.
type FirstUse struct{ Environment, Name string }

// FirstUses returns the secrets whose first use a version's draft would be, by
// environment.
func (c *Catalog) FirstUses(ctx context.Context, actor apim.Actor, tenant, version apim.ID) (out []FirstUse, err error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return nil, err
	}
	err = c.Store.Read(ctx, func(tx *store.Tx) error {
		u := &unit{Tx: tx, core: &c.Core, actor: actor}
		v, err := u.Tenant(tenant).Version(ctx, version)
		if err != nil {
			return err
		}
		if err := c.allowVersion(ctx, u.Tenant(tenant), actor, apim.Read, v.API); err != nil {
			return err
		}
		if len(references(v.Runtime)) == 0 {
			return nil
		}
		api, err := u.Tenant(tenant).API(ctx, string(v.API))
		if err != nil {
			return err
		}
		environments, err := u.System().Environments(ctx)
		if err != nil {
			return err
		}
		for _, e := range environments {
			names, err := u.firstUses(ctx, api, v.Runtime, e.Slug)
			if err != nil {
				return err
			}
			for _, name := range names {
				out = append(out, FirstUse{e.Slug, name})
			}
		}
		return nil
	})
	return out, err
}
