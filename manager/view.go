package manager

import (
	"context"
	"maps"
	"slices"

	"portico/internal/apim"
	"portico/manager/authz"
	"portico/manager/store"
)

// views adds to subscriptions the names of what they tie together, in a number
// of queries that does not depend on how many they are. tenant is the side
// that looks.
func (c *Core) views(ctx context.Context, tx *store.Tx, actor apim.Actor, tenant apim.ID, subscriptions []apim.Subscription) ([]SubscriptionView, error) {
	if len(subscriptions) == 0 {
		return nil, nil
	}
	n, err := names(ctx, tx, subscriptions)
	if err != nil {
		return nil, err
	}
	reach, places, err := c.decides(ctx, tx, actor, tenant, n.products)
	if err != nil {
		return nil, err
	}
	me, now := identity(actor), c.now()
	out := make([]SubscriptionView, len(subscriptions))
	for i, s := range subscriptions {
		v := SubscriptionView{
			Subscription: s, Application: n.applications[s.Application], Consumer: n.tenants[s.ApplicationTenant].Name,
			Provider: n.tenants[s.Tenant].Name, ProviderSlug: n.tenants[s.Tenant].Slug, Product: n.products[s.Product], Plan: n.plans[s.Plan],
			NextPlan: n.plans[s.PlanChange.Plan],
		}
		if s.Tenant != tenant { // what is being prepared is the provider's alone to know
			v.Product.Team = ""
			v.Product.Versions = slices.DeleteFunc(slices.Clone(v.Product.Versions), func(id apim.ID) bool { return n.drafts[id] })
		}
		for _, id := range v.Product.Versions {
			v.APIs = append(v.APIs, n.versions[id])
		}
		if s.Tenant == tenant && reach.Covers(places[s.Product]...) {
			v.CanDecide = s.Waiting() && (me == "" || asker(s) != me)
			if s.Waiting() && !v.CanDecide { // their own, which they decide when nobody else could
				others, err := tx.Tenant(tenant).Others(ctx, me, authz.RolesThat(apim.Approve, apim.ObjectSubscription), places[s.Product])
				if err != nil {
					return nil, err
				}
				v.CanDecide = others == 0
			}
			v.CanUndo = s.State == apim.Active && !s.Changing() && me != "" && s.DecidedBy == me && now.Sub(s.DecidedAt) <= apim.UndoFor
			if v.CanUndo {
				v.UndoUntil = s.DecidedAt.Add(apim.UndoFor)
			}
		}
		out[i] = v
	}
	return out, nil
}

// decides returns where the actor decides on requests, and the places of the
// tenant's own among products.
func (c *Core) decides(ctx context.Context, tx *store.Tx, actor apim.Actor, tenant apim.ID, products map[apim.ID]apim.Product) (apim.Reach, map[apim.ID][]apim.ID, error) {
	reach, err := c.Authz.Reach(ctx, actor, tenant, apim.Approve, apim.ObjectSubscription)
	if apim.KindOf(err) != "" { // nowhere
		return apim.Reach{}, nil, nil
	}
	if err != nil {
		return apim.Reach{}, nil, err
	}
	own := maps.Clone(products)
	maps.DeleteFunc(own, func(_ apim.ID, p apim.Product) bool { return p.Tenant != tenant })
	places, err := productPlaces(ctx, tx.Tenant(tenant), own)
	return reach, places, err
}

// asker is who asked for what waits for a decision.
func asker(s apim.Subscription) apim.ID {
	if s.Changing() {
		return s.PlanChange.RequestedBy
	}
	return s.RequestedBy
}

// named are the names that views of subscriptions show.
type named struct {
	applications map[apim.ID]string
	tenants      map[apim.ID]apim.Tenant
	products     map[apim.ID]apim.Product
	plans        map[apim.ID]apim.Plan
	versions     map[apim.ID]string
	drafts       map[apim.ID]bool // versions that were never published
}

func names(ctx context.Context, tx *store.Tx, subscriptions []apim.Subscription) (named, error) {
	sys := tx.System()
	n := named{tenants: map[apim.ID]apim.Tenant{}}
	var err error
	if n.applications, err = sys.ApplicationNames(ctx, ids(subscriptions, func(s apim.Subscription) apim.ID { return s.Application })); err != nil {
		return n, err
	}
	tenants, err := sys.Tenants(ctx, append(ids(subscriptions, func(s apim.Subscription) apim.ID { return s.Tenant }),
		ids(subscriptions, func(s apim.Subscription) apim.ID { return s.ApplicationTenant })...)...)
	if err != nil {
		return n, err
	}
	for _, t := range tenants {
		n.tenants[t.ID] = t
	}
	if n.products, err = sys.ProductsByID(ctx, ids(subscriptions, func(s apim.Subscription) apim.ID { return s.Product })); err != nil {
		return n, err
	}
	if n.plans, err = sys.PlansByID(ctx, append(ids(subscriptions, func(s apim.Subscription) apim.ID { return s.Plan }),
		ids(subscriptions, func(s apim.Subscription) apim.ID { return s.PlanChange.Plan })...)); err != nil {
		return n, err
	}
	var versions []apim.ID
	for _, p := range n.products {
		versions = append(versions, p.Versions...)
	}
	if n.versions, err = sys.VersionNames(ctx, versions); err != nil {
		return n, err
	}
	n.drafts, err = sys.DraftVersions(ctx, versions)
	return n, err
}

// history is what was decided before between a provider and a consumer's
// tenant, as far as a reach of the provider's goes.
func (a *Access) history(ctx context.Context, tx *store.Tx, s apim.Subscription, reach apim.Reach) ([]HistoryLine, error) {
	before, err := tx.Tenant(s.Tenant).Between(ctx, s.ApplicationTenant, reach, 20)
	if err != nil {
		return nil, err
	}
	n, err := names(ctx, tx, before)
	if err != nil {
		return nil, err
	}
	var out []HistoryLine
	for _, b := range before {
		if b.DecidedAt.IsZero() {
			continue
		}
		line := HistoryLine{At: b.DecidedAt, By: b.Decider, Text: n.products[b.Product].Name + ", " + n.plans[b.Plan].Name + " "}
		switch {
		case b.Automatic && b.State == apim.Active:
			line.Text += "approved by the plan"
		case b.State == apim.Active:
			line.Text += "approved"
		default:
			line.Text += string(b.State)
		}
		if b.Decider != "" {
			line.Text += " by " + b.Decider
		}
		out = append(out, line)
	}
	slices.SortStableFunc(out, func(a, b HistoryLine) int { return b.At.Compare(a.At) })
	return out, nil
}
