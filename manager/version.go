package manager

import (
	"context"
	"fmt"
	"reflect"

	"portico/internal/apim"
	"portico/manager/store"
)

// Version returns a version of the tenant.
func (c *Catalog) Version(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (VersionDetail, error) {
	return c.version(ctx, actor, tenant, func(t store.Tenant) (apim.Version, error) { return t.Version(ctx, id) })
}

// VersionByLabel returns a version by its API's slug and its label.
func (c *Catalog) VersionByLabel(ctx context.Context, actor apim.Actor, tenant apim.ID, api, label string) (VersionDetail, error) {
	return c.version(ctx, actor, tenant, func(t store.Tenant) (apim.Version, error) {
		a, err := t.API(ctx, api)
		if err != nil {
			return apim.Version{}, err
		}
		return t.VersionByLabel(ctx, a.ID, label)
	})
}

func (c *Catalog) version(ctx context.Context, actor apim.Actor, tenant apim.ID, load func(store.Tenant) (apim.Version, error)) (VersionDetail, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return VersionDetail{}, err
	}
	var out VersionDetail
	err := c.Store.Read(ctx, func(tx *store.Tx) error {
		v, err := load(tx.Tenant(tenant))
		if err != nil {
			return err
		}
		if err := c.allowVersion(ctx, tx.Tenant(tenant), actor, apim.Read, v.API); err != nil {
			return err
		}
		out, err = versionDetail(ctx, tx, v)
		return err
	})
	return out, err
}

func versionDetail(ctx context.Context, tx *store.Tx, v apim.Version) (VersionDetail, error) {
	t := tx.Tenant(v.Tenant)
	out := VersionDetail{Version: v}
	var err error
	if out.API, err = t.API(ctx, string(v.API)); err != nil {
		return out, err
	}
	owners, err := ownerNames(ctx, t, []apim.ID{out.API.Team})
	if err != nil {
		return out, err
	}
	out.Owner = owners[out.API.Team]
	if v.Document != "" {
		if out.Document, err = t.Document(ctx, v.Document); err != nil {
			return out, err
		}
	}
	lines, err := t.VersionLines(ctx, []apim.ID{v.API})
	if err != nil {
		return out, err
	}
	if out.Siblings, err = versionSummaries(ctx, t, lines); err != nil {
		return out, err
	}
	for _, s := range out.Siblings {
		if s.ID == v.ID {
			out.Deployments = s.Live
		}
	}
	if out.URL, err = versionURL(ctx, tx, v, out.Deployments); err != nil {
		return out, err
	}
	if out.Products, err = t.ProductsWith(ctx, []apim.ID{v.ID}); err != nil {
		return out, err
	}
	if out.Subscribers, err = subscribers(ctx, t, out.Products); err != nil {
		return out, err
	}
	if v.Unpublished && v.Revision > 0 {
		rev, err := t.Revision(ctx, v.ID, v.Revision)
		if err != nil {
			return out, err
		}
		out.Changes = unpublished(rev, v)
	}
	return out, nil
}

// subscribers counts the live subscriptions to products.
func subscribers(ctx context.Context, t store.Tenant, products []apim.Product) (int, error) {
	counts, err := t.LiveSubscribers(ctx, ids(products, func(p apim.Product) apim.ID { return p.ID }))
	n := 0
	for _, one := range counts {
		n += one
	}
	return n, err
}

// versionURL is where a version answers in the first environment that it is
// live in.
func versionURL(ctx context.Context, tx *store.Tx, v apim.Version, live []apim.Deployment) (string, error) {
	environments, err := tx.System().Environments(ctx)
	if err != nil {
		return "", err
	}
	for _, e := range environments {
		for _, d := range live {
			if d.Environment != e.Slug {
				continue
			}
			rev, err := tx.Tenant(v.Tenant).Revision(ctx, v.ID, d.Revision)
			if err != nil || len(rev.Runtime.Mounts) == 0 {
				return "", err
			}
			return rev.Runtime.Mounts[0].URL(e.GatewayURL), nil
		}
	}
	return "", nil
}

// UpdateDraft changes a version's draft; nothing of it is live before Publish.
func (c *Catalog) UpdateDraft(ctx context.Context, actor apim.Actor, tenant, version apim.ID, in DraftChange) (apim.Version, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectAPI); err != nil {
		return apim.Version{}, err
	}
	var v apim.Version
	err := c.write(ctx, actor, func(u *unit) (err error) {
		t := u.Tenant(tenant)
		if v, err = t.Version(ctx, version); err != nil {
			return err
		}
		if err := c.allowVersion(ctx, t, actor, apim.Write, v.API); err != nil {
			return err
		}
		if err := apim.CheckLock("version", v.Lock, in.Lock); err != nil {
			return err
		}
		if v.State == apim.Retired {
			return apim.Errorf(apim.Conflict, "version %s is retired; nothing of it can change", v.Label).WithCode("version_retired")
		}
		before := v.Runtime
		if v.Runtime, err = changeDraft(v.Runtime, in); err != nil {
			return err
		}
		if reflect.DeepEqual(before, v.Runtime) {
			return nil
		}
		if in.Mount != nil || in.Mounts != nil {
			field := "mount.base_path"
			if in.Mounts != nil {
				field = "mounts"
			}
			if err := c.holdMounts(ctx, u, v, field, ""); err != nil {
				return err
			}
		}
		if err := checkRuntime(v); err != nil {
			return err
		}
		v.Unpublished, v.UpdatedAt = true, u.now
		if err := t.UpdateVersion(ctx, &v, true); err != nil {
			return err
		}
		was, is := u.runtimeFacts(v, before, v.Runtime)
		return u.recordChange(ctx, tenant, "version.draft", v.ID, was, is, "draft of %s changed%s", v.Label, policySummary(before, v.Runtime))
	})
	return v, err
}

// changeDraft applies a change to a copy of a runtime.
func changeDraft(rt apim.Runtime, in DraftChange) (apim.Runtime, error) {
	var check apim.Check
	if in.Mount != nil {
		rt.Mounts = []apim.Mount{*in.Mount}
	}
	if in.Mounts != nil {
		rt.Mounts = changeMounts(&check, *in.Mounts)
	}
	if in.UpstreamURLs != nil || in.Timeouts != nil || in.Headers != nil || in.Protocol != nil || in.Weights != nil || in.Traffic != nil || in.TLS != nil {
		upstreams := append([]apim.Upstream(nil), rt.Upstreams...)
		if len(upstreams) == 0 {
			upstreams = []apim.Upstream{{Name: mainUpstream}}
		}
		set(&upstreams[0].URLs, in.UpstreamURLs)
		set(&upstreams[0].Headers, in.Headers)
		set(&upstreams[0].Protocol, in.Protocol)
		if err := protocol(upstreams[0].Protocol); err != nil {
			check.Fail("upstream_protocol", "enum", "%s", err)
		}
		if in.TLS != nil {
			upstreams[0].TLS = *in.TLS
			checkUpstreamTLS(&check, *in.TLS)
		}
		if in.UpstreamURLs != nil && in.Weights == nil {
			upstreams[0].Weights = nil // they were those of other addresses
		}
		set(&upstreams[0].Weights, in.Weights)
		set(&upstreams[0].Traffic, in.Traffic)
		if n := len(upstreams[0].Weights); n > 0 && n != len(upstreams[0].URLs) {
			check.Fail("upstream_weights", "count", "has %d weights for %d addresses; give one for each, or none", n, len(upstreams[0].URLs))
		}
		if in.Timeouts != nil {
			upstreams[0].ConnectTimeoutMS, upstreams[0].HeaderTimeoutMS, upstreams[0].IdleTimeoutMS = in.Timeouts.ConnectMS, in.Timeouts.HeaderMS, in.Timeouts.IdleMS
		}
		rt.Upstreams = upstreams
		if len(upstreams[0].URLs) == 0 {
			check.Fail("upstream_urls", "required", "needs at least one address")
		}
		for i, u := range upstreams[0].URLs {
			if err := targetURL(standIn(u)); err != nil {
				check.Fail(fmt.Sprintf("upstream_urls[%d]", i), "url", "%s", err)
			} else if err := protocolFits(upstreams[0].Protocol, standIn(u)); err != nil {
				check.Fail("upstream_protocol", "scheme", "does not fit %s: %s", u, err)
			}
		}
	}
	set(&rt.Credentials, in.Credentials)
	set(&rt.Limits, in.Limits)
	if in.Policies != nil {
		rt.Policies = written(*in.Policies)
		checkPolicies(&check, "policies", rt.Policies)
	}
	set(&rt.MaxBodyBytes, in.MaxBodyBytes)
	checkLimits(&check, rt.Limits, true)
	for _, name := range references(rt) {
		if !valueName.MatchString(name) {
			check.Fail("upstream_urls", "reference", "${%s} is no reference to a value; their names are lower-case letters, digits and underscores", name)
		}
	}
	rt.Routes = changeRoutes(&check, rt.Routes, in)
	return rt, check.Err()
}

// changeMounts checks what only all mounts of a version together can get wrong.
func changeMounts(check *apim.Check, mounts []apim.Mount) []apim.Mount {
	if len(mounts) == 0 || len(mounts) > 20 {
		check.Fail("mounts", "range", "has %d mounts; use 1 to 20", len(mounts))
	}
	seen := map[string]bool{}
	for i, m := range mounts {
		if err := checkMount(m); err != nil {
			check.Fail(fmt.Sprintf("mounts[%d]", i), "mount", "%s", err)
		}
		key := m.Host + " " + m.BasePath + " " + m.Key()
		if seen[key] {
			check.Fail(fmt.Sprintf("mounts[%d]", i), "twice", "stands there twice")
		}
		seen[key] = true
	}
	return append([]apim.Mount(nil), mounts...)
}

func changeRoutes(check *apim.Check, routes []apim.Route, in DraftChange) []apim.Route {
	if len(in.Public) == 0 && len(in.Off) == 0 && len(in.RoutePolicies) == 0 {
		return routes
	}
	out := append([]apim.Route(nil), routes...)
	at := map[string]int{}
	for i, r := range out {
		at[r.Operation] = i
	}
	for operation, public := range in.Public {
		if i, known := at[operation]; known {
			out[i].Public = public
		} else {
			check.Fail("public", "unknown", "there is no operation %q", operation)
		}
	}
	for operation, off := range in.Off {
		if i, known := at[operation]; known {
			out[i].Off = off
		} else {
			check.Fail("off", "unknown", "there is no operation %q", operation)
		}
	}
	for operation, policies := range in.RoutePolicies {
		if i, known := at[operation]; known {
			out[i].Policies = written(policies)
			checkPolicies(check, "routes["+operation+"].policies", out[i].Policies)
		} else {
			check.Fail("route_policies", "unknown", "there is no operation %q", operation)
		}
	}
	return out
}

// MaxVersionLimits is how many rate limits of its own a version may have.
const MaxVersionLimits = 10

// checkLimits checks rate limits each alone, and reports whether they are good.
// Those of an API say what they count by.
func checkLimits(check *apim.Check, limits []apim.RateLimit, ofAPI bool) bool {
	good := true
	fail := func(field, code, format string, args ...any) {
		good = false
		check.Fail(field, code, format, args...)
	}
	for i, l := range limits {
		at := fmt.Sprintf("limits[%d]", i)
		if l.Requests < 1 || l.Requests > 1_000_000_000 {
			fail(at+".requests", "range", "is %d; use 1 to 1,000,000,000", l.Requests)
		}
		if ms := l.Period.Milliseconds(); ms < 1 || ms > 366*24*3_600_000 {
			fail(at+".period_ms", "range", "is %d; use 1 ms to 366 days", ms)
		}
		if l.Burst < 0 || l.Burst > 1_000_000_000 {
			fail(at+".burst", "range", "is %d; use 0 (as many as requests) to 1,000,000,000", l.Burst)
		}
		switch by := l.By; {
		case ofAPI && by != "caller" && by != "address" && by != "api":
			fail(at+".by", "unknown", "is %q; use caller, address or api", by)
		case !ofAPI && by != "":
			fail(at+".by", "unknown", "is %q; a plan's limits are always by subscription", by)
		}
	}
	if len(limits) > MaxVersionLimits {
		fail("limits", "too_many", "has %d limits, the most is %d", len(limits), MaxVersionLimits)
	}
	return good
}
