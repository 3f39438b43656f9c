package manager

import (
	"context"
	"strings"

	"portico/internal/apim"
)

// holdMounts makes a version hold the mounts of its draft, of what is live of
// it, and of a revision that is about to be. The mount table's key makes a
// clash impossible; this says so before, in words. field is what the caller
// calls the mount; what is live in the environment replaced is about to end.
func (c *Catalog) holdMounts(ctx context.Context, u *unit, v apim.Version, field, replaced string, also ...apim.Mount) error {
	t := u.Tenant(v.Tenant)
	mounts := append(append([]apim.Mount{}, v.Runtime.Mounts...), also...)
	live, err := t.Deployments(ctx, []apim.ID{v.ID})
	if err != nil {
		return err
	}
	for _, d := range live[v.ID] {
		if d.Environment == replaced {
			continue
		}
		rev, err := t.Revision(ctx, v.ID, d.Revision)
		if err != nil {
			return err
		}
		mounts = append(mounts, rev.Runtime.Mounts...)
	}
	tenant, err := u.System().Tenant(ctx, string(v.Tenant))
	if err != nil {
		return err
	}
	var check apim.Check
	for _, m := range mounts {
		holder, owner, err := u.System().MountHolder(ctx, m)
		if err != nil {
			return err
		}
		if holder == v.ID {
			continue // given once is given
		}
		if err := mayMount(u.actor, tenant, m); err != nil {
			check.Fail(field, "mount", "%s", err)
			continue
		}
		if holder == "" {
			continue
		}
		if owner != v.Tenant {
			check.Fail(field, "taken", "%s is taken; choose another path", m.Host+m.BasePath)
			continue
		}
		names, err := u.System().VersionNames(ctx, []apim.ID{holder})
		if err != nil {
			return err
		}
		check.Fail(field, "taken", "%s is taken by %s; choose another path", m.Host+m.BasePath, names[holder])
	}
	if err := check.Err(); err != nil {
		return err
	}
	return t.SetMounts(ctx, v.ID, mounts)
}

// mayMount refuses a mount that is malformed or that the tenant does not hold:
// its own paths begin with its slug, so that a clash never tells it of another
// tenant. Hosts and other paths are an operator's to give.
func mayMount(actor apim.Actor, tenant apim.Tenant, m apim.Mount) error {
	if err := checkMount(m); err != nil {
		return err
	}
	if actor.System || actor.Operator && actor.Tenant == "" { // a token for one tenant is that tenant's
		return nil
	}
	if m.Host != "" || m.BasePath != "/"+tenant.Slug && !strings.HasPrefix(m.BasePath, "/"+tenant.Slug+"/") {
		return apim.Errorf(apim.Invalid, "begin the path with /%s/; other paths and hosts are given by an operator", tenant.Slug)
	}
	return nil
}
