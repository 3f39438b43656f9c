package store

import (
	"context"
	"fmt"
	"time"

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

// LongKey is a secret that lives longer than a plan of its application's allows.
type LongKey struct {
	Plan, Subscription, Secret apim.ID
}

// LongKeys returns the secrets that work and live longer than these plans allow,
// for each live subscription that covers their environment; of more than 10,000
// the rest is left out.
func (s System) LongKeys(ctx context.Context, plans []apim.ID, now time.Time) ([]LongKey, error) {
	var rows []struct {
		PlanID, SubscriptionID, SecretID apim.ID
		Environments                     jsonOf[[]string]
		Environment                      string
	}
	err := s.in(ctx).Raw(`SELECT p.id AS plan_id, s.id AS subscription_id, k.id AS secret_id, s.environments, c.environment
		FROM plan p
		JOIN subscription s ON s.plan_id = p.id AND s.state IN ('pending', 'active', 'suspended')
		JOIN credential c ON c.tenant_id = s.application_tenant_id AND c.application_id = s.application_id AND c.revoked_at = 0
		JOIN secret k ON k.tenant_id = c.tenant_id AND k.credential_id = c.id
		WHERE p.id IN ? AND p.max_key_life_ms > 0
			AND (k.expires_at = 0 OR k.expires_at > ? AND k.expires_at - k.created_at > p.max_key_life_ms * 1000)
		ORDER BY k.id LIMIT 10000`, plans, micros(now)).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("look for keys that live too long: %w", away(err))
	}
	var out []LongKey
	for _, r := range rows {
		if (apim.Subscription{Environments: r.Environments.V}).Covers(r.Environment) {
			out = append(out, LongKey{r.PlanID, r.SubscriptionID, r.SecretID})
		}
	}
	return out, nil
}

// OpenPlans returns every plan that has terms on the nodes: those that are
// neither drafts nor closed.
func (s System) OpenPlans(ctx context.Context) ([]apim.Plan, error) {
	rows, err := many[planRow](s.in(ctx).Where("state IN ('published', 'deprecated')").Order("id"), "plans")
	return sliceOf(rows, planRow.domain), err
}
