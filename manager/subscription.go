package manager

import (
	"context"
	"fmt"

	"portico/internal/apim"
	"portico/manager/authz"
	"portico/manager/store"
)

// transition is one move of a subscription by one of its sides.
type transition struct {
	action string // for the audit log
	said   string // what happened, for its summary
	// consumer says that the application's tenant moves it, not the provider.
	consumer bool
	// again reports that the actor has made this very move: a double click.
	again func(s apim.Subscription, me apim.ID) bool
	move  func(s *apim.Subscription, u *unit) error
	// mine forbids the move to who asked for the subscription.
	mine bool
}

// Approve decides on a request to one of the tenant's products. The same
// decision twice is one decision.
func (a *Access) Approve(ctx context.Context, actor apim.Actor, tenant, id apim.ID, note string) (apim.Subscription, apim.Change, error) {
	return a.provider(ctx, actor, tenant, id, note, transition{
		action: "subscription.approve", said: "approved", mine: true,
		again: func(s apim.Subscription, me apim.ID) bool { return s.State == apim.Active && s.DecidedBy == me },
		move: func(s *apim.Subscription, u *unit) error {
			return s.Approve(identity(u.actor), who(u.actor), note, u.now)
		},
	})
}

// Reject turns a request down, with a reason that the requester sees.
func (a *Access) Reject(ctx context.Context, actor apim.Actor, tenant, id apim.ID, reason string) (apim.Subscription, apim.Change, error) {
	return a.provider(ctx, actor, tenant, id, reason, transition{
		action: "subscription.reject", said: "rejected", mine: true,
		again: func(s apim.Subscription, me apim.ID) bool { return s.State == apim.Rejected && s.DecidedBy == me },
		move: func(s *apim.Subscription, u *unit) error {
			return s.Reject(identity(u.actor), who(u.actor), reason, u.now)
		},
	})
}

// UndoApproval takes an approval back within apim.UndoFor.
func (a *Access) UndoApproval(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Subscription, apim.Change, error) {
	return a.provider(ctx, actor, tenant, id, "", transition{
		action: "subscription.undo", said: "put back to waiting",
		move: func(s *apim.Subscription, u *unit) error { return s.Undo(identity(u.actor), u.now) },
	})
}

// Suspend stops a subscription to one of the tenant's products.
func (a *Access) Suspend(ctx context.Context, actor apim.Actor, tenant, id apim.ID, reason string) (apim.Subscription, apim.Change, error) {
	return a.provider(ctx, actor, tenant, id, reason, transition{
		action: "subscription.suspend", said: "suspended",
		move: func(s *apim.Subscription, u *unit) error { return s.Suspend(reason, u.now) },
	})
}

// Resume lets a suspended subscription work again.
func (a *Access) Resume(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Subscription, apim.Change, error) {
	return a.provider(ctx, actor, tenant, id, "", transition{
		action: "subscription.resume", said: "resumed",
		move: func(s *apim.Subscription, u *unit) error { return s.Resume(u.now) },
	})
}

// Withdraw takes back the tenant's own request.
func (a *Access) Withdraw(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Subscription, apim.Change, error) {
	return a.consumer(ctx, actor, tenant, id, transition{
		action: "subscription.withdraw", said: "withdrawn",
		again: func(s apim.Subscription, me apim.ID) bool { return s.State == apim.Cancelled && s.DecidedBy == me },
		move: func(s *apim.Subscription, u *unit) error {
			if err := s.Withdraw(u.now); err != nil {
				return err
			}
			s.DecidedBy, s.Decider = identity(u.actor), who(u.actor)
			return nil
		},
	})
}

// SetStopped is the consumer's own switch on a subscription.
func (a *Access) SetStopped(ctx context.Context, actor apim.Actor, tenant, id apim.ID, stopped bool) (apim.Subscription, apim.Change, error) {
	said := "started by its application"
	if stopped {
		said = "stopped by its application"
	}
	return a.consumer(ctx, actor, tenant, id, transition{
		action: "subscription.switch", said: said,
		again: func(s apim.Subscription, _ apim.ID) bool { return s.Live() && s.Stopped == stopped },
		move:  func(s *apim.Subscription, u *unit) error { return s.Stop(stopped, u.now) },
	})
}

// Cancel ends a subscription for good, for either of its two tenants.
func (a *Access) Cancel(ctx context.Context, actor apim.Actor, tenant, id apim.ID, note string) (apim.Subscription, apim.Change, error) {
	if err := a.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectSubscription); err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	cancel := transition{
		action: "subscription.cancel", said: "cancelled",
		again: func(s apim.Subscription, me apim.ID) bool { return s.State == apim.Cancelled && s.DecidedBy == me },
		move: func(s *apim.Subscription, u *unit) error {
			if err := s.Cancel(note, u.now); err != nil {
				return err
			}
			s.DecidedBy, s.Decider = identity(u.actor), who(u.actor)
			return nil
		},
	}
	_, err := a.Store.Tenant(tenant).SubscriptionTo(ctx, id)
	switch {
	case err == nil && a.Authz.Allow(ctx, actor, tenant, apim.Approve, apim.ObjectSubscription) == nil:
		return a.provider(ctx, actor, tenant, id, note, cancel)
	case err == nil:
		if _, ours := a.Store.Tenant(tenant).SubscriptionOf(ctx, id); ours != nil {
			return a.provider(ctx, actor, tenant, id, note, cancel) // to be told the role that could
		}
	case apim.KindOf(err) != apim.NotFound:
		return apim.Subscription{}, apim.Change{}, err
	}
	if err := checkText(note); err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	return a.consumer(ctx, actor, tenant, id, cancel)
}

// checkText bounds what a side writes to the other.
func checkText(text string) error {
	var check apim.Check
	check.Length("reason", text, 2000)
	return check.Err()
}

// provider moves a subscription to one of the tenant's products.
func (a *Access) provider(ctx context.Context, actor apim.Actor, tenant, id apim.ID, text string, tr transition) (apim.Subscription, apim.Change, error) {
	if err := a.Authz.Allow(ctx, actor, tenant, apim.Approve, apim.ObjectSubscription); err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	if err := checkText(text); err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	return a.transit(ctx, actor, tenant, id, tr)
}

// consumer moves a subscription of one of the tenant's applications.
func (a *Access) consumer(ctx context.Context, actor apim.Actor, tenant, id apim.ID, tr transition) (apim.Subscription, apim.Change, error) {
	if err := a.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectSubscription); err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	tr.consumer = true
	return a.transit(ctx, actor, tenant, id, tr)
}

func (a *Access) transit(ctx context.Context, actor apim.Actor, tenant, id apim.ID, tr transition) (s apim.Subscription, change apim.Change, err error) {
	err = a.write(ctx, actor, func(u *unit) error {
		t := u.Tenant(tenant)
		load := t.SubscriptionTo
		if tr.consumer {
			load = t.SubscriptionOf
		}
		if s, err = load(ctx, id); err != nil {
			return err
		}
		me := identity(actor)
		if tr.again != nil && me != "" && tr.again(s, me) {
			change, err = u.current(ctx)
			return err
		}
		before := s.State
		if err := tr.move(&s, u); err != nil {
			return err
		}
		if tr.mine {
			if err := notOwn(ctx, u, s, before); err != nil {
				return err
			}
		}
		plans, err := u.System().PlansByID(ctx, []apim.ID{s.Plan})
		if err != nil {
			return err
		}
		if plan := plans[s.Plan]; plan.State == apim.PlanClosed && before == apim.Pending && s.State == apim.Active {
			return apim.Errorf(apim.Conflict, "plan %q is closed and gives nothing any more; reject the request", plan.Name).WithCode("plan_closed")
		}
		s.UpdatedAt = u.now
		if err := t.UpdateSubscription(ctx, &s); err != nil {
			return err
		}
		app, err := u.applicationOf(ctx, s)
		if err != nil {
			return err
		}
		names, err := u.System().ProductsByID(ctx, []apim.ID{s.Product})
		if err != nil {
			return err
		}
		if err := u.recordBoth(ctx, tenant, s, tr.action, "subscription of %s to %s %s", app.Name, names[s.Product].Name, tr.said); err != nil {
			return err
		}
		change, err = u.regrant(ctx, app)
		return err
	})
	if err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	return s, change, nil
}

// current is the change that everything decided so far is in force with.
func (u *unit) current(ctx context.Context) (apim.Change, error) {
	env, err := environment(ctx, u.System(), "", "environment")
	return apim.Change{Environment: env.Slug, Sequence: env.Sequence}, err
}

// notOwn refuses a decision on one's own request, unless nobody else could
// make it.
func notOwn(ctx context.Context, u *unit, s apim.Subscription, before apim.SubscriptionState) error {
	me := identity(u.actor)
	if before != apim.Pending || me == "" || s.RequestedBy != me {
		return nil
	}
	others, err := u.Tenant(s.Tenant).OthersWithRole(ctx, me, authz.RolesThat(apim.Approve, apim.ObjectSubscription))
	if err != nil {
		return fmt.Errorf("look for another approver: %w", err)
	}
	if others == 0 {
		return nil
	}
	return apim.Errorf(apim.Forbidden, "you asked for this yourself; somebody else has to decide").WithCode("own_request")
}

// Subscription returns a subscription as the tenant, provider or consumer, may
// see it.
func (a *Access) Subscription(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (SubscriptionView, error) {
	if err := a.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectSubscription); err != nil {
		return SubscriptionView{}, err
	}
	var out SubscriptionView
	err := a.Store.Read(ctx, func(tx *store.Tx) error {
		t := tx.Tenant(tenant)
		s, err := t.SubscriptionTo(ctx, id)
		if apim.KindOf(err) == apim.NotFound {
			s, err = t.SubscriptionOf(ctx, id)
		}
		if err != nil {
			return err
		}
		views, err := a.views(ctx, tx, actor, tenant, []apim.Subscription{s})
		if err != nil {
			return err
		}
		out = views[0]
		if s.Tenant == tenant {
			out.History, err = a.history(ctx, tx, s)
		}
		return err
	})
	return out, err
}
