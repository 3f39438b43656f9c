package manager

import (
	"context"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/manager/store"
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
		holders, err := u.System().MountHolders(ctx, m)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(holders, func(h store.MountHolder) bool { return h.Version == v.ID && h.Selector == m.Key() }) {
			continue // given once is given
		}
		if err := mayMount(u.actor, tenant, m); err != nil {
			check.Fail(field, "mount", "%s", err)
			continue
		}
		if err := u.shareable(ctx, &check, v, field, m, holders); err != nil {
			return err
		}
	}
	if err := check.Err(); err != nil {
		return err
	}
	return t.SetMounts(ctx, v.ID, mounts)
}

// shareable refuses a mount at a place that another API holds, and one that
// another version of the same API could not be told from. Only versions of one
// API share a place: a header must not lead a consumer to somebody else.
func (u *unit) shareable(ctx context.Context, check *apim.Check, v apim.Version, field string, m apim.Mount, holders []store.MountHolder) error {
	for _, h := range holders {
		if h.API == v.API && (h.Version == v.ID || h.Selector != m.Key()) {
			continue
		}
		at := m.Host + m.BasePath
		if h.Tenant != v.Tenant {
			check.Fail(field, "taken", "%s is taken; choose another path", at)
			return nil
		}
		names, err := u.System().VersionNames(ctx, []apim.ID{h.Version})
		if err != nil {
			return err
		}
		switch name := names[h.Version]; {
		case h.API != v.API:
			check.Fail(field, "taken", "%s is taken by %s; choose another path", at, name)
		case m.Select != (apim.Selector{}):
			check.Fail(field, "taken", "%s with %s is taken by %s; choose another value", at, m.Select, name)
		default:
			check.Fail(field, "taken", "%s is taken by %s; choose another path, or say how a call asks for this version (select)", at, name)
		}
		return nil
	}
	return nil
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
