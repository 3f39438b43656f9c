package manager

import (
	"context"
	"slices"

	"portico/internal/apim"
	"portico/manager/store"
)

// Upstreams returns how the nodes of an environment, the first when it is "",
// find a version's upstreams. Nodes where nothing is amiss say nothing of them.
func (c *Catalog) Upstreams(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environment string) ([]apim.NodeUpstreams, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return nil, err
	}
	var v apim.Version
	err := c.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if v, err = tx.Tenant(tenant).Version(ctx, version); err != nil {
			return err
		}
		if err := c.allowVersion(ctx, tx.Tenant(tenant), actor, apim.Read, v.API); err != nil {
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
	if err != nil || c.Health == nil {
		return nil, err
	}
	return c.Health.Upstreams(ctx, environment, v.ID.UUID())
}
