package manager

import (
	"context"
	"fmt"
	"slices"
	"time"

	"portico/internal/apim"
	"portico/manager/store"
)

// doubleClick is how close two equal requests of one person are one.
const doubleClick = 10 * time.Second

// Request asks for a plan on behalf of an application of the tenant. It is
// active at once where the plan approves automatically.
func (a *Access) Request(ctx context.Context, actor apim.Actor, tenant apim.ID, in RequestAccess) (apim.Subscription, apim.Change, error) {
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectSubscription); err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	var s apim.Subscription
	var change apim.Change
	err := a.write(ctx, actor, func(u *unit) error {
		app, err := u.Tenant(tenant).Application(ctx, string(in.Application))
		if err != nil {
			return err
		}
		if err := a.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectSubscription, app.ID, app.Team); err != nil {
			return err
		}
		plan, err := u.Catalog(tenant).PlanByID(ctx, in.Plan)
		if err != nil {
			return err
		}
		product, err := u.Catalog(tenant).OfferByID(ctx, plan.Product)
		if err != nil {
			return err
		}
		s = apim.Subscription{
			ID: apim.NewID(apim.PrefixSubscription, u.now), Tenant: product.Tenant, ApplicationTenant: tenant, Application: app.ID,
			Product: product.ID, Plan: plan.ID, State: apim.Pending, Reason: in.Reason, RequestedBy: identity(actor), Requester: who(actor),
			RequestedAt: u.now, UpdatedAt: u.now, Lock: 1,
		}
		if s.Environments, err = checkRequest(ctx, u, plan, in); err != nil {
			return err
		}
		if s.Renews = in.Renews; in.Renews != "" {
			old, err := u.Tenant(tenant).SubscriptionOf(ctx, in.Renews)
			if err != nil {
				return err
			}
			if old.Live() || old.Product != product.ID || old.Application != app.ID {
				return apim.Errorf(apim.Conflict, "only an ended subscription of the same application to the same product can be renewed").WithCode("not_renewable")
			}
		}
		again, err := u.second(ctx, app, plan, product, s)
		if err != nil {
			return err
		}
		if again != nil {
			s = *again
			change, err = u.regrant(ctx, app)
			return err
		}
		if plan.Approval == apim.Automatic {
			s.Automatic = true
			if err := s.Approve("", "", "", u.now); err != nil {
				return err
			}
		}
		if err := u.Tenant(tenant).InsertSubscription(ctx, s); err != nil {
			return err
		}
		what := "asked for"
		if s.Automatic {
			what = "has, approved by the plan,"
		}
		if err := u.recordBoth(ctx, tenant, s, "subscription.request", "%s %s %s of %s", app.Name, what, plan.Name, product.Name); err != nil {
			return err
		}
		change, err = u.regrant(ctx, app)
		return err
	})
	return s, change, err
}

// checkRequest returns the environments that a request is for: [] is all.
func checkRequest(ctx context.Context, u *unit, plan apim.Plan, in RequestAccess) ([]string, error) {
	if err := plan.Takes(); err != nil {
		return nil, err
	}
	var check apim.Check
	if plan.Approval == apim.Manual {
		check.Require("reason", in.Reason)
	}
	check.Length("reason", in.Reason, 2000)
	known, err := u.System().Environments(ctx)
	if err != nil {
		return nil, err
	}
	out := []string{}
	if most := max(len(known), 100); len(in.Environments) > most {
		check.Fail("environments", "too_many", "has %d, the most is %d", len(in.Environments), most)
		return nil, check.Err()
	}
	for i, slug := range in.Environments {
		if slug == "" || slices.Contains(out, slug) {
			continue
		}
		if !slices.ContainsFunc(known, func(e apim.Environment) bool { return e.Slug == slug }) {
			check.Fail(fmt.Sprintf("environments[%d]", i), "unknown", "there is no environment %q", slug)
		}
		out = append(out, slug)
	}
	slices.Sort(out)
	return out, check.Err()
}

// second refuses a second live subscription of an application to an API
// version in an environment. A double click is not one: it is answered with
// the subscription that the first click made.
func (u *unit) second(ctx context.Context, app apim.Application, plan apim.Plan, product apim.Product, s apim.Subscription) (*apim.Subscription, error) {
	mine, err := u.Tenant(app.Tenant).SubscriptionsOf(ctx, []apim.ID{app.ID})
	if err != nil {
		return nil, err
	}
	for _, have := range mine {
		if !have.Live() || have.Product != product.ID || !overlap(have.Environments, s.Environments) {
			continue
		}
		if have.Plan == plan.ID && have.RequestedBy == s.RequestedBy && u.now.Sub(have.RequestedAt) < doubleClick {
			return &have, nil
		}
		return nil, u.alreadyHas(ctx, app, product.Name, have)
	}
	overlaps, err := u.System().Overlaps(ctx, []apim.ID{app.ID}, product.Versions, "")
	if err != nil {
		return nil, err
	}
	for _, o := range overlaps {
		if !overlap(o.Subscription.Environments, s.Environments) {
			continue
		}
		names, err := u.System().VersionNames(ctx, []apim.ID{o.Version})
		if err != nil {
			return nil, err
		}
		return nil, u.alreadyHas(ctx, app, names[o.Version], o.Subscription)
	}
	return nil, nil
}

func (u *unit) alreadyHas(ctx context.Context, app apim.Application, what string, have apim.Subscription) error {
	plans, err := u.System().PlansByID(ctx, []apim.ID{have.Plan})
	if err != nil {
		return err
	}
	return apim.Errorf(apim.Conflict, "%s has %s already, by the plan %s (%s); change the plan of that subscription, or cancel it first",
		app.Name, what, plans[have.Plan].Name, have.State).WithCode("already_subscribed")
}

// recordBoth records an event of a subscription in the log of the tenant that
// acted, and, where that is another, in the log of the other side, which sees
// a name and nothing else of the actor.
func (u *unit) recordBoth(ctx context.Context, acting apim.ID, s apim.Subscription, action, format string, args ...any) error {
	if err := u.recordChange(ctx, acting, action, s.ID, nil, map[string]any{"state": s.State, "stopped": s.Stopped}, format, args...); err != nil {
		return err
	}
	other := s.Tenant
	if other == acting {
		other = s.ApplicationTenant
	}
	if err := u.tell(ctx, acting, action, s); err != nil {
		return err
	}
	if other == acting {
		return nil
	}
	if err := u.tell(ctx, other, action, s); err != nil {
		return err
	}
	theirs := *u
	theirs.actor = apim.Actor{Name: who(u.actor), System: u.actor.System, Operator: u.actor.Operator}
	return theirs.recordChange(ctx, other, action, s.ID, nil, map[string]any{"state": s.State, "stopped": s.Stopped}, format, args...)
}

// tell leaves word of a transition for a tenant's people and programs. An
// approval is told when it cannot be undone any more.
func (u *unit) tell(ctx context.Context, tenant apim.ID, kind string, s apim.Subscription) error {
	due := u.now
	switch kind {
	case "subscription.undo":
		return u.System().DropEvents(ctx, s.ID, "subscription.approve", u.now)
	case "subscription.approve":
		due = due.Add(apim.UndoFor)
	}
	return u.System().InsertEvent(ctx, apim.Event{
		ID: apim.NewID(apim.PrefixEvent, u.now), Tenant: tenant, Kind: kind, Object: s.ID, CreatedAt: u.now, DueAt: due,
		Body: jsonText(map[string]any{
			"subscription": s.ID, "state": s.State, "stopped": s.Stopped, "plan": s.Plan, "product": s.Product, "application": s.Application,
			"note": s.Note, "by": who(u.actor),
		}),
	})
}

// applicationOf loads a subscription's application, whichever side acts.
func (u *unit) applicationOf(ctx context.Context, s apim.Subscription) (apim.Application, error) {
	return u.Tenant(s.ApplicationTenant).Application(ctx, string(s.Application))
}

// Waiting counts the requests in the inbox.
func (a *Access) Waiting(ctx context.Context, actor apim.Actor, tenant apim.ID) (int, error) {
	reach, err := a.offersReach(ctx, actor, tenant)
	if err != nil {
		return 0, err
	}
	return a.Store.Tenant(tenant).WaitingRequests(ctx, reach)
}

// Inbox lists requests to those of the tenant's products that the actor may
// read: waiting ones oldest first, answered ones newest first.
func (a *Access) Inbox(ctx context.Context, actor apim.Actor, tenant apim.ID, q InboxQuery) (apim.List[SubscriptionView], error) {
	reach, err := a.offersReach(ctx, actor, tenant)
	if err != nil {
		return apim.List[SubscriptionView]{}, err
	}
	parts := map[string]store.Inbox{
		"": store.InboxWaiting, "waiting": store.InboxWaiting, "answered": store.InboxAnswered,
		"automatic": store.InboxAutomatic, "all": store.InboxAll,
	}
	part, known := parts[q.Tab]
	if !known {
		return apim.List[SubscriptionView]{}, invalid("tab", "unknown", "is %q; use waiting, answered, automatic or all", q.Tab)
	}
	var out apim.List[SubscriptionView]
	err = a.Store.Read(ctx, func(tx *store.Tx) error {
		list, err := tx.Tenant(tenant).Requests(ctx, reach, store.RequestFilter{Part: part, State: q.State, Product: q.Product, Application: q.Application}, q.Page)
		if err != nil {
			return err
		}
		out.NextCursor = list.NextCursor
		out.Items, err = a.views(ctx, tx, actor, tenant, list.Items)
		return err
	})
	return out, err
}
