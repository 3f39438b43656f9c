package rest

import (
	"context"
	"net/http"

	"portico/internal/apim"
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

func approve(r *request) error {
	var in noted
	if err := r.optionalBody(&in); err != nil {
		return err
	}
	return transition(r, func(id apim.ID) (apim.Subscription, apim.Change, error) {
		return r.Access.Approve(r.ctx, r.actor, r.tenant.ID, id, in.Note)
	})
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
	var in reasoned
	if err := r.body(&in); err != nil {
		return err
	}
	return transition(r, func(id apim.ID) (apim.Subscription, apim.Change, error) {
		return r.Access.Suspend(r.ctx, r.actor, r.tenant.ID, id, in.Reason)
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
	return wordless(r, r.Access.Resume)
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
