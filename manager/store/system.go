package store

import (
	"context"

	"portico/internal/apim"
)

// What the views of a subscription need of both its tenants. The caller says
// what each side may see of it.

// ProductsByID returns products of any tenant.
func (s System) ProductsByID(ctx context.Context, ids []apim.ID) (map[apim.ID]apim.Product, error) {
	rows, err := many[productRow](s.in(ctx).Where("id IN ?", ids), "products")
	if err != nil {
		return nil, err
	}
	versions, err := many[productVersionRow](s.in(ctx).Where("product_id IN ?", ids).Order("product_id, position"), "products")
	out := map[apim.ID]apim.Product{}
	for _, p := range withVersions(rows, versions) {
		out[p.ID] = p
	}
	return out, err
}

// PlansByID returns plans of any tenant.
func (s System) PlansByID(ctx context.Context, ids []apim.ID) (map[apim.ID]apim.Plan, error) {
	rows, err := many[planRow](s.in(ctx).Where("id IN ?", ids), "plans")
	out := map[apim.ID]apim.Plan{}
	for _, r := range rows {
		out[r.ID] = r.domain()
	}
	return out, err
}

// VersionNames returns "Orders v1" for versions of any tenant.
func (s System) VersionNames(ctx context.Context, ids []apim.ID) (map[apim.ID]string, error) {
	versions, err := many[versionRow](s.in(ctx).Select("id", "api_id", "label").Where("id IN ?", ids), "versions")
	if err != nil {
		return nil, err
	}
	apis, err := many[apiRow](s.in(ctx).Select("id", "name").Where("id IN ?", sliceOf(versions, func(v versionRow) apim.ID { return v.APIID })), "APIs")
	if err != nil {
		return nil, err
	}
	names := map[apim.ID]string{}
	for _, a := range apis {
		names[a.ID] = a.Name
	}
	out := map[apim.ID]string{}
	for _, v := range versions {
		out[v.ID] = names[v.APIID] + " " + v.Label
	}
	return out, nil
}

// DraftVersions returns those of the versions that were never published.
func (s System) DraftVersions(ctx context.Context, ids []apim.ID) (map[apim.ID]bool, error) {
	rows, err := many[versionRow](s.in(ctx).Select("id").Where("id IN ? AND state = ?", ids, apim.Draft), "versions")
	out := map[apim.ID]bool{}
	for _, r := range rows {
		out[r.ID] = true
	}
	return out, err
}

// OpenPlans returns every plan that has terms on the nodes: those that are
// neither drafts nor closed.
func (s System) OpenPlans(ctx context.Context) ([]apim.Plan, error) {
	rows, err := many[planRow](s.in(ctx).Where("state IN ('published', 'deprecated')").Order("id"), "plans")
	return sliceOf(rows, planRow.domain), err
}
