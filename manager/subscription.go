package manager

import (
	"context"
	"fmt"
	"strings"

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
	// environment is the one whose change is to be told of; "" is the first.
	environment string
}

// Approve decides on a request to one of the tenant's products, or on a change
// of plan. The same decision twice is one decision.
func (a *Access) Approve(ctx context.Context, actor apim.Actor, tenant, id apim.ID, d Decision) (apim.Subscription, apim.Change, error) {
	if err := checkTerms(d.Terms); err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	return a.provider(ctx, actor, tenant, id, d.Note, transition{
		action: "subscription.approve", said: "approved", mine: true,
		again: func(s apim.Subscription, me apim.ID) bool {
			return s.State == apim.Active && !s.Changing() && s.DecidedBy == me
		},
		move: func(s *apim.Subscription, u *unit) error {
			if err := s.Approve(identity(u.actor), who(u.actor), d.Note, u.now); err != nil || d.Terms == nil {
				return err
			}
			return s.SetTerms(*d.Terms, u.now)
		},
	})
}

// Reject turns a request or a change of plan down, with a reason that the
// requester sees.
func (a *Access) Reject(ctx context.Context, actor apim.Actor, tenant, id apim.ID, reason string) (apim.Subscription, apim.Change, error) {
	return a.provider(ctx, actor, tenant, id, reason, transition{
		action: "subscription.reject", said: "rejected", mine: true,
		again: func(s apim.Subscription, me apim.ID) bool { return s.State == apim.Rejected && s.DecidedBy == me },
		move: func(s *apim.Subscription, u *unit) error {
			return s.Reject(identity(u.actor), who(u.actor), reason, u.now)
		},
	})
}

// mostDecisions bounds how much is decided at once.
const mostDecisions = 200

// Decide approves or rejects several requests; verb is "approve" or "reject",
// which needs a reason. Each is decided
// by itself: one that cannot be leaves the others as they are.
func (a *Access) Decide(ctx context.Context, actor apim.Actor, tenant apim.ID, subscriptions []apim.ID, verb, text string) ([]Decided, error) {
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Approve, apim.ObjectSubscription); err != nil {
		return nil, err
	}
	if verb != "approve" && verb != "reject" {
		return nil, invalid("decision", "unknown", "is approve or reject")
	}
	if len(subscriptions) == 0 || len(subscriptions) > mostDecisions {
		return nil, invalid("subscriptions", "count", "has %d, use 1 to %d", len(subscriptions), mostDecisions)
	}
	out := make([]Decided, len(subscriptions))
	for i, id := range subscriptions {
		out[i].Subscription = id
		if verb == "approve" {
			_, out[i].Change, out[i].Err = a.Approve(ctx, actor, tenant, id, Decision{Note: text})
		} else {
			_, out[i].Change, out[i].Err = a.Reject(ctx, actor, tenant, id, text)
		}
		if err := out[i].Err; err != nil && apim.KindOf(err) == "" {
			return nil, err // a failure of ours, not a refusal
		}
	}
	return out, nil
}

// SetTerms grants a subscription to one of the tenant's products otherwise than
// its plan says, from now on.
func (a *Access) SetTerms(ctx context.Context, actor apim.Actor, tenant, id apim.ID, terms apim.SubscriptionTerms) (apim.Subscription, apim.Change, error) {
	if err := checkTerms(&terms); err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	return a.provider(ctx, actor, tenant, id, "", transition{
		action: "subscription.terms", said: "given terms of its own",
		move: func(s *apim.Subscription, u *unit) error { return s.SetTerms(terms, u.now) },
	})
}

func checkTerms(t *apim.SubscriptionTerms) error {
	var check apim.Check
	if t != nil {
		checkGivenLimits(&check, t.Limits)
		if !t.EndsAt.IsZero() && !t.EndsAt.After(t.StartsAt) {
			check.Fail("ends_at", "before_start", "is not after the start")
		}
	}
	return check.Err()
}

// ChangePlan asks for another plan of the product that a subscription of the
// tenant has. It changes at once where that plan approves automatically.
func (a *Access) ChangePlan(ctx context.Context, actor apim.Actor, tenant, id, plan apim.ID, reason string) (apim.Subscription, apim.Change, error) {
	if err := checkText(reason); err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	return a.consumer(ctx, actor, tenant, id, transition{
		action: "subscription.change_plan", said: "to change plans",
		again: func(s apim.Subscription, me apim.ID) bool {
			return s.State == apim.Active && (s.PlanChange.Plan == plan || s.Plan == plan && !s.Changing())
		},
		move: func(s *apim.Subscription, u *unit) error {
			next, err := u.Catalog(tenant).PlanByID(ctx, plan)
			if err != nil {
				return err
			}
			if next.Product != s.Product {
				return apim.Errorf(apim.NotFound, "the product has no such plan")
			}
			if err := next.Takes(); err != nil {
				return err
			}
			if next.Approval == apim.Manual && strings.TrimSpace(reason) == "" {
				return invalid("reason", "required", "needs a value: a person decides on this plan")
			}
			change := apim.PlanChange{Plan: plan, Reason: reason, RequestedBy: identity(u.actor), Requester: who(u.actor), At: u.now}
			if err := s.AskForPlan(change); err != nil || next.Approval == apim.Manual {
				return err
			}
			return s.Approve("", "", "", u.now)
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

// Suspend stops a subscription to one of the tenant's products: everywhere, or
// in one environment.
func (a *Access) Suspend(ctx context.Context, actor apim.Actor, tenant, id apim.ID, reason, environmentSlug string) (apim.Subscription, apim.Change, error) {
	return a.provider(ctx, actor, tenant, id, reason, transition{
		action: "subscription.suspend", said: "suspended" + inside(environmentSlug), environment: environmentSlug,
		move: func(s *apim.Subscription, u *unit) error {
			if environmentSlug == "" {
				return s.Suspend(reason, u.now)
			}
			env, err := environment(ctx, u.System(), environmentSlug, "environment")
			if err != nil {
				return err
			}
			return s.SuspendIn(env.Slug, reason, who(u.actor), u.now)
		},
	})
}

// Resume lets a suspended subscription work again: everywhere, or in one
// environment.
func (a *Access) Resume(ctx context.Context, actor apim.Actor, tenant, id apim.ID, environmentSlug string) (apim.Subscription, apim.Change, error) {
	return a.provider(ctx, actor, tenant, id, "", transition{
		action: "subscription.resume", said: "resumed" + inside(environmentSlug), environment: environmentSlug,
		move: func(s *apim.Subscription, u *unit) error {
			if environmentSlug == "" {
				return s.Resume(u.now)
			}
			return s.ResumeIn(environmentSlug, u.now)
		},
	})
}

func inside(environment string) string {
	if environment == "" {
		return ""
	}
	return " in " + environment
}

// Withdraw takes back the tenant's own request.
func (a *Access) Withdraw(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Subscription, apim.Change, error) {
	return a.consumer(ctx, actor, tenant, id, transition{
		action: "subscription.withdraw", said: "withdrawn",
		again: func(s apim.Subscription, me apim.ID) bool { return s.State == apim.Cancelled && s.DecidedBy == me },
		move: func(s *apim.Subscription, u *unit) error {
			if err := s.Withdraw(u.now); err != nil || s.State != apim.Cancelled {
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
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectSubscription); err != nil {
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
	asProvider := false
	err := a.Store.Read(ctx, func(tx *store.Tx) error {
		s, err := tx.Tenant(tenant).SubscriptionTo(ctx, id)
		if apim.KindOf(err) == apim.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		places, err := providerPlaces(ctx, tx, s)
		if err != nil {
			return err
		}
		// Who may not is told the role that could, unless they are the consumer too.
		asProvider = s.ApplicationTenant != tenant || a.Authz.Allow(ctx, actor, tenant, apim.Approve, apim.ObjectSubscription, places...) == nil
		return nil
	})
	if err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	if asProvider {
		return a.provider(ctx, actor, tenant, id, note, cancel)
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
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Approve, apim.ObjectSubscription); err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	if err := checkText(text); err != nil {
		return apim.Subscription{}, apim.Change{}, err
	}
	return a.transit(ctx, actor, tenant, id, tr)
}

// consumer moves a subscription of one of the tenant's applications.
func (a *Access) consumer(ctx context.Context, actor apim.Actor, tenant, id apim.ID, tr transition) (apim.Subscription, apim.Change, error) {
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectSubscription); err != nil {
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
		verb, places := apim.Approve, []apim.ID(nil)
		if tr.consumer {
			verb = apim.Write
			places, err = applicationPlaces(ctx, t, s.Application)
		} else {
			places, err = providerPlaces(ctx, u.Tx, s)
		}
		if err != nil {
			return err
		}
		if err := a.Authz.Allow(ctx, actor, tenant, verb, apim.ObjectSubscription, places...); err != nil {
			return err
		}
		me := identity(actor)
		if tr.again != nil && me != "" && tr.again(s, me) {
			change, err = u.current(ctx)
			return err
		}
		before := s
		if err := tr.move(&s, u); err != nil {
			return err
		}
		if tr.mine {
			if err := notOwn(ctx, u, before); err != nil {
				return err
			}
		}
		plans, err := u.System().PlansByID(ctx, []apim.ID{s.Plan})
		if err != nil {
			return err
		}
		if plan := plans[s.Plan]; plan.State == apim.PlanClosed && before.Waiting() && s.State == apim.Active && !s.Changing() && tr.mine {
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
		change, err = u.regrantIn(ctx, app, tr.environment)
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
func notOwn(ctx context.Context, u *unit, s apim.Subscription) error {
	me := identity(u.actor)
	if !s.Waiting() || me == "" || asker(s) != me {
		return nil
	}
	places, err := providerPlaces(ctx, u.Tx, s)
	if err != nil {
		return err
	}
	others, err := u.Tenant(s.Tenant).Others(ctx, me, authz.RolesThat(apim.Approve, apim.ObjectSubscription), places)
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
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectSubscription); err != nil {
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
		reach, err := a.allowSubscription(ctx, tx, actor, tenant, s)
		if err != nil {
			return err
		}
		views, err := a.views(ctx, tx, actor, tenant, []apim.Subscription{s})
		if err != nil {
			return err
		}
		out = views[0]
		if s.Tenant == tenant {
			if out.History, err = a.history(ctx, tx, s, reach); err != nil {
				return err
			}
			long, err := tx.System().LongKeys(ctx, []apim.ID{s.Plan}, a.now())
			for _, k := range long {
				if k.Subscription == s.ID {
					out.LongKeys++
				}
			}
			return err
		}
		return nil
	})
	return out, err
}

// allowSubscription checks that the actor may read a subscription, as its
// provider or as its consumer. It returns where they read as a provider.
func (a *Access) allowSubscription(ctx context.Context, tx *store.Tx, actor apim.Actor, tenant apim.ID, s apim.Subscription) (apim.Reach, error) {
	reach, err := a.offersReach(ctx, actor, tenant)
	if err != nil && apim.KindOf(err) != apim.Forbidden {
		return reach, err
	}
	if s.Tenant == tenant {
		places, err := providerPlaces(ctx, tx, s)
		if err != nil || reach.Covers(places...) {
			return reach, err
		}
	}
	if s.ApplicationTenant != tenant {
		return reach, apim.Errorf(apim.NotFound, "no such subscription")
	}
	places, err := applicationPlaces(ctx, tx.Tenant(tenant), s.Application)
	if err != nil {
		return reach, err
	}
	return reach, a.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectSubscription, places...)
}
