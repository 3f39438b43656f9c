package manager

import (
	"context"
	"time"

	"portico/internal/apim"
	"portico/manager/store"
)

// PlanClosing closes a plan.
type PlanClosing struct {
	At   time.Time // zero: now
	Lock int64
}

// Losing is a subscription that ends with its plan.
type Losing struct {
	Subscription apim.Subscription
	Application  string // name
	Consumer     string // name of the application's tenant
}

// Losing lists who loses access when a plan closes, for whoever may close it,
// before they decide.
func (c *Catalog) Losing(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Plan, []Losing, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectProduct); err != nil {
		return apim.Plan{}, nil, err
	}
	var plan apim.Plan
	var out []Losing
	err := c.Store.Read(ctx, func(tx *store.Tx) (err error) {
		t := tx.Tenant(tenant)
		if plan, _, err = c.planToChange(ctx, t, actor, id); err != nil {
			return err
		}
		live, err := t.LiveOn(ctx, plan.ID)
		if err != nil || len(live) == 0 {
			return err
		}
		n, err := names(ctx, tx, live)
		if err != nil {
			return err
		}
		for _, s := range live {
			out = append(out, Losing{Subscription: s, Application: n.applications[s.Application], Consumer: n.tenants[s.ApplicationTenant].Name})
		}
		return nil
	})
	return plan, out, err
}

// ClosePlan closes a deprecated plan, now or at a date. Its subscriptions end
// with it: they expire, and requests that wait are turned down. Closed now,
// nothing passes with it once the nodes confirm.
func (c *Catalog) ClosePlan(ctx context.Context, actor apim.Actor, tenant, id apim.ID, in PlanClosing) (apim.Plan, apim.Change, error) {
	return c.keepPlan(ctx, actor, tenant, id, in.Lock, func(u *unit, plan *apim.Plan, live []apim.Subscription) (action, said string, err error) {
		if !in.At.IsZero() {
			if err := plan.CloseAt(in.At.UTC().Truncate(time.Microsecond), u.now); err != nil {
				return "", "", err
			}
			return "plan.close_at", "closes on " + dated(plan.ClosesAt), nil
		}
		if plan.State == apim.PlanClosed {
			return "", "", nil // a double click
		}
		if err := plan.Move(apim.PlanClosed, len(live)); err != nil {
			return "", "", err
		}
		plan.ClosesAt = u.now
		return "plan.close", "closed", nil
	})
}

// KeepPlan takes a plan's closing date back before it has come.
func (c *Catalog) KeepPlan(ctx context.Context, actor apim.Actor, tenant, id apim.ID, lock int64) (apim.Plan, apim.Change, error) {
	return c.keepPlan(ctx, actor, tenant, id, lock, func(_ *unit, plan *apim.Plan, _ []apim.Subscription) (action, said string, err error) {
		had := !plan.ClosesAt.IsZero()
		if err := plan.KeepOpen(); err != nil || !had {
			return "", "", err
		}
		return "plan.keep", "stays open", nil
	})
}

// planToChange loads a plan that the actor may change, with its product.
func (c *Catalog) planToChange(ctx context.Context, t store.Tenant, actor apim.Actor, id apim.ID) (apim.Plan, apim.Product, error) {
	plan, err := t.Plan(ctx, id)
	if err != nil {
		return apim.Plan{}, apim.Product{}, err
	}
	product, err := t.Product(ctx, string(plan.Product))
	if err != nil {
		return apim.Plan{}, apim.Product{}, err
	}
	return plan, product, c.Authz.Allow(ctx, actor, plan.Tenant, apim.Write, apim.ObjectProduct, product.ID, product.Team)
}

// keepPlan changes when a plan closes. move returns what happened, "" for
// nothing.
func (c *Catalog) keepPlan(ctx context.Context, actor apim.Actor, tenant, id apim.ID, lock int64, move func(u *unit, plan *apim.Plan, live []apim.Subscription) (action, said string, err error)) (apim.Plan, apim.Change, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectProduct); err != nil {
		return apim.Plan{}, apim.Change{}, err
	}
	var plan apim.Plan
	var change apim.Change
	err := c.write(ctx, actor, func(u *unit) (err error) {
		t := u.Tenant(tenant)
		var product apim.Product
		if plan, product, err = c.planToChange(ctx, t, actor, id); err != nil {
			return err
		}
		if err := apim.CheckLock("plan", plan.Lock, lock); err != nil {
			return err
		}
		live, err := t.LiveOn(ctx, plan.ID)
		if err != nil {
			return err
		}
		before := plan
		action, said, err := move(u, &plan, live)
		if err != nil {
			return err
		}
		if action == "" {
			change, err = u.current(ctx)
			return err
		}
		change, err = u.savePlan(ctx, before, &plan, product, live, action, said)
		return err
	})
	if err != nil {
		return apim.Plan{}, apim.Change{}, err
	}
	if plan.State == apim.PlanClosed {
		c.endWithPlans(ctx)
	}
	return plan, change, nil
}

// savePlan keeps a plan whose end has changed, and tells its provider and who
// is subscribed.
func (u *unit) savePlan(ctx context.Context, before apim.Plan, plan *apim.Plan, product apim.Product, live []apim.Subscription, action, said string) (apim.Change, error) {
	plan.UpdatedAt = u.now
	if err := u.Tenant(plan.Tenant).UpdatePlan(ctx, plan); err != nil {
		return apim.Change{}, err
	}
	if err := u.recordChange(ctx, plan.Tenant, action, plan.ID, planFacts(before), planFacts(*plan), "plan %s of %s %s", plan.Name, product.Name, said); err != nil {
		return apim.Change{}, err
	}
	if err := u.tellOfPlan(ctx, *plan, live, action); err != nil {
		return apim.Change{}, err
	}
	if plan.State != apim.PlanClosed { // on the nodes a date to come changes nothing
		return u.current(ctx)
	}
	return u.emitTerms(ctx, *plan, product)
}

// tellOfPlan leaves word of a plan's end, or that it stays, for its provider and
// for every subscription that lives on it.
func (u *unit) tellOfPlan(ctx context.Context, plan apim.Plan, live []apim.Subscription, action string) error {
	event := func(tenant apim.ID, kind string, object apim.ID, body map[string]any) error {
		body["plan"], body["product"], body["state"], body["by"] = plan.ID, plan.Product, plan.State, who(u.actor)
		if !plan.ClosesAt.IsZero() {
			body["closes_at"] = plan.ClosesAt
		}
		return u.System().InsertEvent(ctx, apim.Event{
			ID: apim.NewID(apim.PrefixEvent, u.now), Tenant: tenant, Kind: kind, Object: object, CreatedAt: u.now, DueAt: u.now, Body: jsonText(body),
		})
	}
	if err := event(plan.Tenant, action, plan.ID, map[string]any{"subscriptions": len(live)}); err != nil {
		return err
	}
	if plan.State == apim.PlanClosed {
		return nil // each subscription tells of its own end
	}
	for _, s := range live {
		body := map[string]any{"subscription": s.ID, "application": s.Application}
		if err := event(s.ApplicationTenant, "subscription."+action, s.ID, body); err != nil {
			return err
		}
	}
	return nil
}

// closeDuePlans closes the plans whose date has come.
func (c *Core) closeDuePlans(ctx context.Context) error {
	due, err := c.Store.System().PlansToClose(ctx, c.now(), 100)
	if err != nil {
		return err
	}
	for _, p := range due {
		err := c.write(ctx, apim.Actor{System: true, Name: "Portico"}, func(u *unit) error {
			t := u.Tenant(p.Tenant)
			plan, err := t.Plan(ctx, p.ID)
			if err != nil || !plan.Due(u.now) { // its date was taken back, or another was faster
				return err
			}
			product, err := t.Product(ctx, string(plan.Product))
			if err != nil {
				return err
			}
			live, err := t.LiveOn(ctx, plan.ID)
			if err != nil {
				return err
			}
			before := plan
			if err := plan.Move(apim.PlanClosed, len(live)); err != nil {
				return err
			}
			_, err = u.savePlan(ctx, before, &plan, product, live, "plan.close", "reached its closing date")
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// endWithPlans ends what lives on a closed plan, and reports whether there may be
// more. What it does not come to is left to RunExpiry: the plan's terms have
// ended already, and with them the access.
func (c *Core) endWithPlans(ctx context.Context) (more bool) {
	const atOnce = 100
	live, err := c.Store.System().OnClosedPlans(ctx, atOnce)
	for _, s := range live {
		if err == nil {
			err = c.endWithPlan(ctx, s)
		}
	}
	if err != nil && ctx.Err() == nil {
		c.Log.ErrorContext(ctx, "subscriptions not ended with their plan", "err", err)
	}
	return err == nil && len(live) > 0
}

func (c *Core) endWithPlan(ctx context.Context, s apim.Subscription) error {
	err := c.write(ctx, apim.Actor{System: true, Name: "Portico"}, func(u *unit) error {
		t := u.Tenant(s.Tenant)
		s, err := t.SubscriptionTo(ctx, s.ID)
		if err != nil {
			return err
		}
		plan, err := t.Plan(ctx, s.Plan)
		if err != nil {
			return err
		}
		if plan.State != apim.PlanClosed {
			return nil // it has another plan meanwhile
		}
		if err := s.End("The plan "+plan.Name+" was closed on "+dated(plan.ClosesAt)+".", u.now); err != nil {
			return err
		}
		if err := t.UpdateSubscription(ctx, &s); err != nil {
			return err
		}
		app, err := u.applicationOf(ctx, s)
		if err != nil {
			return err
		}
		action := "subscription.expire"
		if s.State == apim.Rejected {
			action = "subscription.reject"
		}
		if err := u.recordBoth(ctx, s.Tenant, s, action, "subscription of %s ended with the plan %s", app.Name, plan.Name); err != nil {
			return err
		}
		_, err = u.regrant(ctx, app)
		return err
	})
	if apim.KindOf(err) == apim.Conflict { // somebody was faster
		return nil
	}
	return err
}

// dated writes a day for people: "3 March 2026".
func dated(t time.Time) string {
	if t.IsZero() {
		return "an earlier day"
	}
	return t.UTC().Format("2 January 2006")
}
