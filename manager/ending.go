package manager

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
)

// mostNamed is how many things in the way of something are named one by one.
const mostNamed = 10

// DeleteEnvironment ends an environment in which nothing is deployed and no node
// is enrolled. Its entries, enrolment tokens, certificates, values and keys go with it, those
// of applications too, and subscriptions that were for it alone end. The bus
// drops its bucket, and its account lets nobody in.
//
// Its name is free then. What opened something under it before stays shut:
// keys are forgotten, removed nodes stay removed, and positions go on from a
// later epoch, so that no node takes its old copy for newer.
func (f *Fleet) DeleteEnvironment(ctx context.Context, actor apim.Actor, slug string, lock int64) error {
	if err := f.Authz.Allow(ctx, actor, "", apim.Write, apim.ObjectEnvironment); err != nil {
		return err
	}
	return f.write(ctx, actor, func(u *unit) error {
		env, err := u.System().Environment(ctx, slug)
		if err != nil {
			return err
		}
		if err := apim.CheckLock("environment", env.Lock, lock); err != nil {
			return err
		}
		blockers, err := inUse(ctx, u.System(), env)
		if err != nil {
			return err
		}
		if len(blockers) > 0 {
			return &apim.Error{Kind: apim.Conflict, Code: "environment_in_use", Message: env.Name + " is in use", Fields: blockers}
		}
		keys, err := u.System().KeysIn(ctx, env.Slug)
		if err != nil {
			return err
		}
		for _, tenant := range slices.Sorted(maps.Keys(keys)) {
			if err := u.record(ctx, tenant, "credential.end", env.ID, "%d keys of environment %s ended with it", keys[tenant], env.Slug); err != nil {
				return err
			}
		}
		if err := u.leaveEnvironment(ctx, env); err != nil {
			return err
		}
		if err := u.System().DeleteEnvironment(ctx, env, u.now); err != nil {
			return err
		}
		u.touched[env.Slug] = true // its publisher drops what the bus carries
		return u.recordChange(ctx, "", "environment.delete", env.ID, environmentFacts(env), nil, "environment %s deleted", env.Slug)
	})
}

// EnvironmentInUse lists what stands in the way of deleting an environment, with
// the way out of each; none is that it can be deleted.
func (f *Fleet) EnvironmentInUse(ctx context.Context, actor apim.Actor, slug string) (apim.Environment, []apim.FieldError, error) {
	if err := f.Authz.Allow(ctx, actor, "", apim.Write, apim.ObjectEnvironment); err != nil {
		return apim.Environment{}, nil, err
	}
	var env apim.Environment
	var out []apim.FieldError
	err := f.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if env, err = tx.System().Environment(ctx, slug); err == nil {
			out, err = inUse(ctx, tx.System(), env)
		}
		return err
	})
	return env, out, err
}

// inUse is what stands in the way of deleting an environment.
func inUse(ctx context.Context, sys store.System, env apim.Environment) ([]apim.FieldError, error) {
	var out []apim.FieldError
	block := func(field, code string, names []string, wayOut string) {
		if len(names) == 0 {
			return
		}
		list := strings.Join(names[:min(len(names), mostNamed)], ", ")
		if more := len(names) - mostNamed; more > 0 {
			list += " and " + strconv.Itoa(more) + " more"
		}
		out = append(out, apim.FieldError{Field: field, Code: code, Detail: list + ": " + wayOut})
	}
	all, err := sys.Environments(ctx)
	if err != nil {
		return nil, err
	}
	production := func(e apim.Environment) bool { return e.Kind == apim.Production && e.Slug != env.Slug }
	switch {
	case all[0].Slug == env.Slug:
		block("environment", "first", []string{env.Name}, "it is the first environment, which is meant wherever none is named; it stays")
	case env.Kind == apim.Production && !slices.ContainsFunc(all, production):
		block("environment", "last_production", []string{env.Name}, "it is the last production environment; make another first")
	}
	deployed, err := sys.DeployedIn(ctx, env.Slug)
	if err != nil {
		return nil, err
	}
	if len(deployed) > 0 {
		names, err := sys.VersionNames(ctx, ids(deployed, func(d store.DeployedVersion) apim.ID { return d.Version }))
		if err != nil {
			return nil, err
		}
		tenants, err := sys.Tenants(ctx, ids(deployed, func(d store.DeployedVersion) apim.ID { return d.Tenant })...)
		if err != nil {
			return nil, err
		}
		owners, live := map[apim.ID]string{}, make([]string, len(deployed))
		for _, t := range tenants {
			owners[t.ID] = t.Name
		}
		for i, d := range deployed {
			live[i] = names[d.Version] + " of " + owners[d.Tenant]
		}
		block("deployments", "deployed", live, "take it off "+env.Slug+" first, or retire it")
	}
	nodes, err := sys.Nodes(ctx, env.Slug)
	if err != nil {
		return nil, err
	}
	enrolled := make([]string, len(nodes))
	for i, n := range nodes {
		enrolled[i] = n.Name
	}
	block("nodes", "enrolled", enrolled, "remove the gateway node first, also one that has left")
	return out, nil
}

// leaveEnvironment takes an environment out of the subscriptions that name it.
func (u *unit) leaveEnvironment(ctx context.Context, env apim.Environment) error {
	naming, err := u.System().Naming(ctx, env.Slug)
	if err != nil {
		return err
	}
	for _, s := range naming {
		if err := s.LeaveEnvironment(env.Slug, "The environment "+env.Name+" was deleted on "+dated(u.now)+".", u.now); err != nil {
			return err
		}
		if err := u.Tenant(s.Tenant).UpdateSubscription(ctx, &s); err != nil {
			return err
		}
		if s.Live() {
			continue
		}
		app, err := u.applicationOf(ctx, s)
		if err != nil {
			return err
		}
		action := "subscription.expire"
		if s.State == apim.Rejected {
			action = "subscription.reject"
		}
		as := *u
		as.actor = apim.Actor{System: true, Name: "Portico"}
		if err := as.recordBoth(ctx, s.Tenant, s, action, "subscription of %s ended with the environment %s", app.Name, env.Name); err != nil {
			return err
		}
	}
	return nil
}

// TakeOff ends what is live of a version in one environment. Where it is live
// last it is retired instead.
func (c *Catalog) TakeOff(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environment string) (apim.Version, apim.Change, error) {
	return c.end(ctx, actor, tenant, version, func(u *unit, v *apim.Version) (apim.Change, error) {
		t := u.Tenant(tenant)
		live, err := t.Deployments(ctx, []apim.ID{v.ID})
		if err != nil {
			return apim.Change{}, err
		}
		here := func(d apim.Deployment) bool { return d.Environment == environment }
		switch {
		case !slices.ContainsFunc(live[v.ID], here):
			return apim.Change{}, apim.Errorf(apim.Conflict, "version %s is not live in %q", v.Label, clipped(environment, 63)).WithCode("not_deployed")
		case len(live[v.ID]) == 1:
			return apim.Change{}, apim.Errorf(apim.Conflict, "version %s is live nowhere else than in %s; retire it instead", v.Label, environment).WithCode("last_deployment")
		}
		if err := c.makeWay(ctx, u, *v, environment); err != nil {
			return apim.Change{}, err
		}
		if err := t.DeleteSplit(ctx, v.ID, environment); err != nil {
			return apim.Change{}, err
		}
		if err := t.UndeployFrom(ctx, v.ID, environment); err != nil {
			return apim.Change{}, err
		}
		key, err := entry.APIKey(v.ID.UUID())
		if err != nil {
			return apim.Change{}, err
		}
		if err := u.record(ctx, tenant, "version.take_off", v.ID, "version %s taken off %s", v.Label, environment); err != nil {
			return apim.Change{}, err
		}
		return u.emit(ctx, environment, []entry.Item{entry.Tombstone(key, entry.Position{})})
	})
}
