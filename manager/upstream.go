package manager

import (
	"context"
	"slices"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
)

// LiveUpstreams is what is live of a version in an environment, and how its
// nodes find it.
type LiveUpstreams struct {
	Live  []apim.Upstream // as the revision has them; none where none is live
	Nodes []apim.NodeUpstreams
}

// Upstreams returns how the nodes of an environment, the first when it is "",
// find a version's upstreams. Nodes where nothing is amiss say nothing of them.
// Addresses are as the revision has them: references to values stay references.
func (c *Catalog) Upstreams(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environment string) (LiveUpstreams, error) {
	at, version, err := c.whereLive(ctx, actor, tenant, version, environment, apim.Read)
	if err != nil {
		return LiveUpstreams{}, err
	}
	live, known, err := c.liveAddresses(ctx, tenant, version, at)
	out := LiveUpstreams{Live: live}
	if err != nil || c.Health == nil {
		return out, err
	}
	nodes, err := c.Health.Upstreams(ctx, at, version.UUID())
	for _, n := range nodes {
		upstreams := slices.Clone(n.Upstreams)
		for i, u := range upstreams {
			upstreams[i].Worst = nil
			for _, t := range u.Worst {
				for _, t.URL = range known.written(u.Name, t.URL) {
					upstreams[i].Worst = append(upstreams[i].Worst, t)
				}
			}
		}
		n.Upstreams = upstreams
		out.Nodes = append(out.Nodes, n)
	}
	return out, err
}

// How long nodes are waited for. A page does without those that do not answer
// at once; a check takes what the targets take.
const (
	targetsFor = 300 * time.Millisecond
	checksFor  = 6 * time.Second
)

// Targets asks the nodes of an environment, the first when it is "", how long
// the targets of a version take, and what was last found of them. Addresses are as
// in Upstreams.
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
	_, known, err := c.liveAddresses(ctx, tenant, version, at)
	if err != nil {
		return nil, err
	}
	look.Version, look.Target = version.UUID(), known.resolved(look.Target)
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	nodes, err := c.Health.Targets(waiting, at, look)
	out := make([]apim.NodeTargets, 0, len(nodes))
	for _, n := range nodes {
		upstreams := slices.Clone(n.Upstreams)
		for i, u := range upstreams {
			upstreams[i].Targets = nil
			for _, t := range u.Targets {
				for _, t.URL = range known.written(u.Name, t.URL) {
					upstreams[i].Targets = append(upstreams[i].Targets, t)
				}
			}
		}
		n.Upstreams = upstreams
		out = append(out, n)
	}
	return out, err
}

// calledAddress is one of an upstream: as its revision has it, and as nodes know it,
// with values in the place of references.
type calledAddress struct{ upstream, written, resolved string }

// calledAddresses are those of what is live of a version in an environment, its split
// included.
type calledAddresses []calledAddress

// written is how the revision has an address that nodes know. Several of an
// upstream may come to the same; what was live until just now is as nodes have it.
func (a calledAddresses) written(upstream, url string) []string {
	var out []string
	for _, one := range a {
		if one.upstream == upstream && one.resolved == url && !slices.Contains(out, one.written) {
			out = append(out, one.written)
		}
	}
	if out == nil {
		out = []string{url}
	}
	return out
}

// resolved is how nodes know an address; what is none of the revision, they have
// found.
func (a calledAddresses) resolved(url string) string {
	for _, one := range a {
		if one.written == url {
			return one.resolved
		}
	}
	return url
}

// liveAddresses are the upstreams that are live of a version in an environment,
// and all addresses that its nodes call.
func (c *Catalog) liveAddresses(ctx context.Context, tenant, version apim.ID, environment string) (live []apim.Upstream, all calledAddresses, err error) {
	err = c.Store.Read(ctx, func(tx *store.Tx) error {
		number, err := liveRevision(ctx, tx.Tenant(tenant), version, environment)
		if err != nil || number == 0 {
			return err
		}
		rev, err := tx.Tenant(tenant).Revision(ctx, version, number)
		if err != nil {
			return err
		}
		u := &unit{Tx: tx, core: &c.Core}
		branched, _, err := u.branched(ctx, apim.Version{ID: version, Tenant: tenant}, rev.Runtime, environment)
		if err != nil {
			return err
		}
		resolved, _, err := u.resolved(ctx, tenant, environment, branched)
		if err != nil {
			return err
		}
		for i, up := range branched.Upstreams {
			for j, url := range up.URLs {
				all = append(all, calledAddress{up.Name, url, resolved.Upstreams[i].URLs[j]})
			}
		}
		live = rev.Runtime.Upstreams
		return nil
	})
	return live, all, err
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
