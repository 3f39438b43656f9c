package manager

import (
	"context"
	"slices"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
)

// Upstreams returns how the nodes of an environment, the first when it is "",
// find a version's upstreams. Nodes where nothing is amiss say nothing of them.
func (c *Catalog) Upstreams(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environment string) ([]apim.NodeUpstreams, error) {
	at, version, err := c.whereLive(ctx, actor, tenant, version, environment, apim.Read)
	if err != nil || c.Health == nil {
		return nil, err
	}
	return c.Health.Upstreams(ctx, at, version.UUID())
}

// How long nodes are waited for. A page does without those that do not answer
// at once; a check takes what the targets take.
const (
	targetsFor = 300 * time.Millisecond
	checksFor  = 6 * time.Second
)

// Targets asks the nodes of an environment, the first when it is "", how long
// the targets of a version take, and what was last found of them.
func (c *Catalog) Targets(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environment string) ([]apim.NodeTargets, error) {
	return c.targets(ctx, actor, tenant, version, environment, apim.Read, targetsFor, entry.Look{})
}

// CheckTargets is Targets after each node has asked each target at once, or the
// one with this URL or address where it is not "": by the upstream's health check,
// or, where there is none, whether it can be connected to. Who may publish the API
// may have it asked.
func (c *Catalog) CheckTargets(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environment, target string) ([]apim.NodeTargets, error) {
	var check apim.Check
	check.Length("target", target, 2000)
	if err := check.Err(); err != nil {
		return nil, err
	}
	return c.targets(ctx, actor, tenant, version, environment, apim.Publish, checksFor, entry.Look{Check: true, Target: target})
}

func (c *Catalog) targets(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environment string, need apim.Verb, wait time.Duration, look entry.Look) ([]apim.NodeTargets, error) {
	at, version, err := c.whereLive(ctx, actor, tenant, version, environment, need)
	if err != nil || c.Health == nil {
		return nil, err
	}
	look.Version = version.UUID()
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return c.Health.Targets(waiting, at, look)
}

// whereLive checks that the actor may do what is needed to a version, and
// returns its id and the environment's slug.
func (c *Catalog) whereLive(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environment string, need apim.Verb) (slug string, id apim.ID, err error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, need, apim.ObjectAPI); err != nil {
		return "", "", err
	}
	var v apim.Version
	err = c.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if v, err = tx.Tenant(tenant).Version(ctx, version); err != nil {
			return err
		}
		if err := c.allowVersion(ctx, tx.Tenant(tenant), actor, need, v.API); err != nil {
			return err
		}
		environments, err := tx.System().Environments(ctx)
		if err != nil {
			return err
		}
		if environment == "" && len(environments) > 0 {
			environment = environments[0].Slug
		}
		if !slices.ContainsFunc(environments, func(e apim.Environment) bool { return e.Slug == environment }) {
			return apim.Errorf(apim.NotFound, "there is no environment %q", environment)
		}
		return nil
	})
	return environment, v.ID, err
}
