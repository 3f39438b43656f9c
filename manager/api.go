package manager

import (
	"context"
	"strings"

	"portico/internal/apim"
	"portico/manager/store"
)

// APIs lists those of the tenant's APIs that the actor may read, by name.
func (c *Catalog) APIs(ctx context.Context, actor apim.Actor, tenant apim.ID, q APIQuery) (apim.List[APISummary], error) {
	reach, err := c.Authz.Reach(ctx, actor, tenant, apim.Read, apim.ObjectAPI)
	if err != nil {
		return apim.List[APISummary]{}, err
	}
	switch q.State {
	case "", apim.Draft, apim.Published, apim.Deprecated, apim.Retired:
	default:
		return apim.List[APISummary]{}, invalid("state", "unknown", "use draft, published, deprecated or retired")
	}
	var out apim.List[APISummary]
	err = c.Store.Read(ctx, func(tx *store.Tx) error {
		t := tx.Tenant(tenant)
		team, err := filterTeam(ctx, t, q.Team)
		if err != nil {
			return err
		}
		page, err := t.APIs(ctx, reach, strings.TrimSpace(q.Search), q.State, q.Live, team, q.Page)
		if err != nil {
			return err
		}
		out.NextCursor = page.NextCursor
		out.Items, err = summaries(ctx, t, page.Items)
		return err
	})
	return out, err
}

// API returns an API of the tenant by id or slug.
func (c *Catalog) API(ctx context.Context, actor apim.Actor, tenant apim.ID, ref string) (APISummary, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return APISummary{}, err
	}
	var out APISummary
	err := c.Store.Read(ctx, func(tx *store.Tx) error {
		api, err := tx.Tenant(tenant).API(ctx, ref)
		if err != nil {
			return err
		}
		if err := c.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectAPI, api.ID, api.Team); err != nil {
			return err
		}
		all, err := summaries(ctx, tx.Tenant(tenant), []apim.API{api})
		if err == nil {
			out = all[0]
		}
		return err
	})
	return out, err
}

// UpdateAPI changes an API.
func (c *Catalog) UpdateAPI(ctx context.Context, actor apim.Actor, tenant, id apim.ID, in APIChange) (apim.API, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectAPI); err != nil {
		return apim.API{}, err
	}
	var api apim.API
	err := c.write(ctx, actor, func(u *unit) (err error) {
		t := u.Tenant(tenant)
		if api, err = t.API(ctx, string(id)); err != nil {
			return err
		}
		if err := c.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectAPI, api.ID, api.Team); err != nil {
			return err
		}
		if err := apim.CheckLock("API", api.Lock, in.Lock); err != nil {
			return err
		}
		before := api
		if err := u.handOver(ctx, tenant, apim.ObjectAPI, &api.Team, in.Team); err != nil {
			return err
		}
		set(&api.Name, in.Name)
		set(&api.Description, in.Description)
		set(&api.Contact, in.Contact)
		set(&api.Tags, in.Tags)
		set(&api.DefaultVersion, in.DefaultVersion)
		if err := checkAPI(api); err != nil {
			return err
		}
		api.UpdatedAt = u.now
		if err := t.UpdateAPI(ctx, &api); err != nil {
			return err
		}
		if api.DefaultVersion != before.DefaultVersion {
			if err := c.changeDefault(ctx, u, before, api); err != nil {
				return err
			}
		}
		return u.recordChange(ctx, tenant, "api.change", api.ID, apiFacts(before), apiFacts(api), "API %s changed", api.Slug)
	})
	return api, err
}

func apiFacts(a apim.API) any {
	return map[string]any{"name": a.Name, "description": a.Description, "contact": a.Contact, "tags": a.Tags, "team": a.Team, "default_version": a.DefaultVersion}
}

func checkAPI(a apim.API) error {
	var check apim.Check
	checkName(&check, a.Name)
	check.Length("description", a.Description, 20_000)
	check.Length("contact", a.Contact, 200)
	if len(a.Tags) > 20 {
		check.Fail("tags", "too_many", "has %d tags, the most is 20", len(a.Tags))
	}
	for _, tag := range a.Tags {
		check.Length("tags", tag, 50)
		check.Require("tags", tag)
	}
	return check.Err()
}

// checkName is what every name of an object has to be.
func checkName(check *apim.Check, name string) {
	check.Require("name", name)
	check.Length("name", name, 120)
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		check.Fail("name", "control_character", "holds a line break or another control character")
	}
}

// DeleteAPI removes an API none of whose versions is live or in a product.
func (c *Catalog) DeleteAPI(ctx context.Context, actor apim.Actor, tenant, id apim.ID) error {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectAPI); err != nil {
		return err
	}
	return c.write(ctx, actor, func(u *unit) error {
		t := u.Tenant(tenant)
		api, err := t.API(ctx, string(id))
		if err != nil {
			return err
		}
		if err := c.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectAPI, api.ID, api.Team); err != nil {
			return err
		}
		versions, err := t.VersionLines(ctx, []apim.ID{api.ID})
		if err != nil {
			return err
		}
		versionIDs := ids(versions, func(v store.VersionLine) apim.ID { return v.ID })
		live, err := t.Deployments(ctx, versionIDs)
		if err != nil {
			return err
		}
		for _, v := range versions {
			if len(live[v.ID]) > 0 {
				return apim.Errorf(apim.Conflict, "%s %s is live in %s; retire it first", api.Name, v.Label, live[v.ID][0].Environment).WithCode("is_live")
			}
		}
		products, err := t.ProductsWith(ctx, versionIDs)
		if err != nil {
			return err
		}
		if len(products) > 0 {
			return apim.Errorf(apim.Conflict, "%s is in the product %s; take it out there first", api.Name, products[0].Name).WithCode("in_product")
		}
		if err := t.DeleteAPI(ctx, api.ID); err != nil {
			return err
		}
		if err := u.endGrantsOn(ctx, tenant, api.ID); err != nil {
			return err
		}
		return u.record(ctx, tenant, "api.delete", api.ID, "API %s deleted", api.Slug)
	})
}

// summaries adds to APIs what a list shows of their versions, in three queries
// however many they are.
func summaries(ctx context.Context, t store.Tenant, apis []apim.API) ([]APISummary, error) {
	lines, err := t.VersionLines(ctx, ids(apis, func(a apim.API) apim.ID { return a.ID }))
	if err != nil {
		return nil, err
	}
	versions, err := versionSummaries(ctx, t, lines)
	if err != nil {
		return nil, err
	}
	owners, err := ownerNames(ctx, t, ids(apis, func(a apim.API) apim.ID { return a.Team }))
	if err != nil {
		return nil, err
	}
	byAPI := map[apim.ID][]VersionSummary{}
	for i, line := range lines {
		byAPI[line.API] = append(byAPI[line.API], versions[i])
	}
	out := make([]APISummary, len(apis))
	for i, a := range apis {
		out[i] = APISummary{API: a, Owner: owners[a.Team], Versions: byAPI[a.ID]}
	}
	return out, nil
}

func versionSummaries(ctx context.Context, t store.Tenant, lines []store.VersionLine) ([]VersionSummary, error) {
	live, err := t.Deployments(ctx, ids(lines, func(v store.VersionLine) apim.ID { return v.ID }))
	if err != nil {
		return nil, err
	}
	documents, err := t.Documents(ctx, ids(lines, func(v store.VersionLine) apim.ID { return v.Document }))
	if err != nil {
		return nil, err
	}
	out := make([]VersionSummary, len(lines))
	for i, v := range lines {
		score := -1
		if d, ok := documents[v.Document]; ok {
			score = d.Score
		}
		out[i] = VersionSummary{
			ID: v.ID, Label: v.Label, State: v.State, Revision: v.Revision, Unpublished: v.Unpublished,
			Operations: v.Operations, Score: score, Live: live[v.ID],
		}
	}
	return out, nil
}
