package rest

import (
	"context"
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

// transition moves the path's subscription and answers with it.
func transition(r *request, move func(id apim.ID) (apim.Subscription, apim.Change, error)) error {
	id, err := r.id(apim.PrefixSubscription, "subscription")
	if err != nil {
		return err
	}
	_, change, err := move(id)
	if err != nil {
		return err
	}
	return answerSubscription(r, http.StatusOK, id, r.settle(change))
}

// noted is the body of a transition that may say something.
type noted struct {
	Note string `json:"note"`
}

// reasoned is the body of a transition that must say why.
type reasoned struct {
	Reason string `json:"reason"`
}

// subscriptionTerms are granted otherwise than the plan says.
type subscriptionTerms struct {
	StartsAt time.Time    `json:"starts_at"`
	EndsAt   time.Time    `json:"ends_at"`
	Limits   *[]rateLimit `json:"limits"`
}

func (t subscriptionTerms) domain() (apim.SubscriptionTerms, error) {
	limits, err := rateLimits(t.Limits)
	out := apim.SubscriptionTerms{StartsAt: instant(t.StartsAt), EndsAt: instant(t.EndsAt)}
	if limits != nil {
		out.Limits = *limits
	}
	return out, err
}

// instant is a time as the database keeps it.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func approve(r *request) error {
	var in struct {
		noted
		Terms *subscriptionTerms `json:"terms"`
	}
	if err := r.optionalBody(&in); err != nil {
		return err
	}
	d := manager.Decision{Note: in.Note}
	if in.Terms != nil {
		terms, err := in.Terms.domain()
		if err != nil {
			return err
		}
		d.Terms = &terms
	}
	return transition(r, func(id apim.ID) (apim.Subscription, apim.Change, error) {
		return r.Access.Approve(r.ctx, r.actor, r.tenant.ID, id, d)
	})
}

func setTerms(r *request) error {
	var in subscriptionTerms
	if err := r.body(&in); err != nil {
		return err
	}
	terms, err := in.domain()
	if err != nil {
		return err
	}
	return transition(r, func(id apim.ID) (apim.Subscription, apim.Change, error) {
		return r.Access.SetTerms(r.ctx, r.actor, r.tenant.ID, id, terms)
	})
}

func changePlan(r *request) error {
	var in struct {
		Plan   apim.ID `json:"plan"`
		Reason string  `json:"reason"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	return transition(r, func(id apim.ID) (apim.Subscription, apim.Change, error) {
		return r.Access.ChangePlan(r.ctx, r.actor, r.tenant.ID, id, in.Plan, in.Reason)
	})
}

// decided is the outcome of one of several decisions.
type decided struct {
	ID     apim.ID `json:"id"`
	Done   bool    `json:"done"`
	Code   string  `json:"code,omitempty"` // why not
	Detail string  `json:"detail,omitempty"`
	Change *change `json:"change,omitempty"`
}

// decide decides on several requests, each by itself.
func decide(r *request) error {
	var in struct {
		Decision      string    `json:"decision"`
		Subscriptions []apim.ID `json:"subscriptions"`
		Reason        string    `json:"reason"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	all, err := r.Access.Decide(r.ctx, r.actor, r.tenant.ID, in.Subscriptions, in.Decision, in.Reason)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, list[decided]{Items: each(all, func(d manager.Decided) decided {
		out := decided{ID: d.Subscription, Done: d.Err == nil}
		if d.Err != nil {
			problem := web.ProblemOf(r.c, d.Err)
			out.Code, out.Detail = problem.Code, problem.Detail
		} else if d.Change.Sequence > 0 {
			out.Change = &change{Environment: d.Change.Environment, Sequence: d.Change.Sequence}
		}
		return out
	})})
}

func reject(r *request) error {
	var in reasoned
	if err := r.body(&in); err != nil {
		return err
	}
	return transition(r, func(id apim.ID) (apim.Subscription, apim.Change, error) {
		return r.Access.Reject(r.ctx, r.actor, r.tenant.ID, id, in.Reason)
	})
}

func suspend(r *request) error {
	var in struct {
		reasoned
		Environment string `json:"environment"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	return transition(r, func(id apim.ID) (apim.Subscription, apim.Change, error) {
		return r.Access.Suspend(r.ctx, r.actor, r.tenant.ID, id, in.Reason, in.Environment)
	})
}

func cancel(r *request) error {
	var in noted
	if err := r.optionalBody(&in); err != nil {
		return err
	}
	return transition(r, func(id apim.ID) (apim.Subscription, apim.Change, error) {
		return r.Access.Cancel(r.ctx, r.actor, r.tenant.ID, id, in.Note)
	})
}

func undo(r *request) error {
	return wordless(r, r.Access.UndoApproval)
}

func withdraw(r *request) error {
	return wordless(r, r.Access.Withdraw)
}

func resume(r *request) error {
	var in struct {
		Environment string `json:"environment"`
	}
	if err := r.optionalBody(&in); err != nil {
		return err
	}
	return transition(r, func(id apim.ID) (apim.Subscription, apim.Change, error) {
		return r.Access.Resume(r.ctx, r.actor, r.tenant.ID, id, in.Environment)
	})
}

func stop(r *request) error  { return setStopped(r, true) }
func start(r *request) error { return setStopped(r, false) }

func setStopped(r *request, stopped bool) error {
	return wordless(r, func(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Subscription, apim.Change, error) {
		return r.Access.SetStopped(ctx, actor, tenant, id, stopped)
	})
}

// wordless is a transition whose body, if there is one, is an empty object.
func wordless(r *request, move func(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Subscription, apim.Change, error)) error {
	if err := r.optionalBody(&struct{}{}); err != nil {
		return err
	}
	return transition(r, func(id apim.ID) (apim.Subscription, apim.Change, error) {
		return move(r.ctx, r.actor, r.tenant.ID, id)
	})
}
