package main

import (
	"context"
	"net/http"
)

// ctlSubscription names one subscription.
type ctlSubscription struct {
	ctlFlags
	ctlWait
	Subscription string `arg:"" help:"Id (sub_…), or APPLICATION/PRODUCT."`
}

// move posts a transition of it.
func (c *ctlSubscription) move(ctx context.Context, io *ctlIO, verb string, body any) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	sub, err := s.subscription(ctx, c.Subscription)
	if err != nil {
		return err
	}
	return s.transit(ctx, c.ctlWait, sub.ID, http.MethodPost, verb, body)
}

type ctlSubscriptionUndo struct{ ctlSubscription }

// Run takes an approval back.
func (c *ctlSubscriptionUndo) Run(ctx context.Context, io *ctlIO) error {
	return c.move(ctx, io, "undo", nil)
}

type ctlSubscriptionTerms struct {
	ctlSubscription
	ctlTerms
	AsPlan bool `help:"Nothing of its own: start, end and limits are as the plan says."`
}

// Run grants terms. What is not given is as the plan says.
func (c *ctlSubscriptionTerms) Run(ctx context.Context, io *ctlIO) error {
	body, err := c.ctlTerms.body()
	switch {
	case err != nil:
		return err
	case c.AsPlan && len(body) > 0:
		return usagef("--as-plan and terms of its own do not go together")
	case !c.AsPlan && len(body) == 0:
		return usagef("give --starts-at, --ends-at or --limit; what is left out will be as the plan says, and with --as-plan all is")
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	sub, err := s.subscription(ctx, c.Subscription)
	if err != nil {
		return err
	}
	return s.transit(ctx, c.ctlWait, sub.ID, http.MethodPut, "terms", body)
}

// ctlPlace is one environment or all of them.
type ctlPlace struct {
	Environment string `help:"In this environment alone. Default: everywhere."`
}

// moveIn posts a transition that may be for one environment.
func (c *ctlSubscription) moveIn(ctx context.Context, io *ctlIO, place ctlPlace, verb string, body map[string]any) error {
	if place.Environment != "" {
		s, err := c.open(io)
		if err != nil {
			return err
		}
		e, err := s.environment(ctx, place.Environment)
		if err != nil {
			return err
		}
		body["environment"] = e.Slug
	}
	return c.move(ctx, io, verb, body)
}

type ctlSuspend struct {
	ctlSubscription
	ctlPlace
	Reason string `required:"" help:"Why; the application's people see it."`
}

// Run suspends a subscription.
func (c *ctlSuspend) Run(ctx context.Context, io *ctlIO) error {
	return c.moveIn(ctx, io, c.ctlPlace, "suspend", map[string]any{"reason": c.Reason})
}

type ctlResume struct {
	ctlSubscription
	ctlPlace
}

// Run resumes a subscription.
func (c *ctlResume) Run(ctx context.Context, io *ctlIO) error {
	return c.moveIn(ctx, io, c.ctlPlace, "resume", map[string]any{})
}

type ctlChangePlan struct {
	ctlSubscription
	Plan   string `arg:"" help:"Slug, id or name of the new plan."`
	Reason string `help:"Why; needed where a person approves."`
}

// Run asks for another plan.
func (c *ctlChangePlan) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	sub, err := s.subscription(ctx, c.Subscription)
	if err != nil {
		return err
	}
	plan, err := s.offeredPlan(ctx, sub.Provider.Slug, sub.Product.Slug, c.Plan)
	if err != nil {
		return err
	}
	body := map[string]any{"plan": plan}
	putText(body, "reason", c.Reason)
	return s.transit(ctx, c.ctlWait, sub.ID, http.MethodPost, "change-plan", body)
}

type ctlRenew struct {
	ctlSubscription
	Plan        string   `help:"Slug, id or name of another plan. Default: the one it had."`
	Reason      string   `help:"Why; needed where a person approves. Default: the reason that was given before."`
	Environment []string `help:"Only for this environment. Give it again for more. Default: those that it had."`
}

// Run asks again for what has ended.
func (c *ctlRenew) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	old, err := s.subscription(ctx, c.Subscription)
	if err != nil {
		return err
	}
	body := map[string]any{"application": old.Application.ID, "plan": old.Plan.ID, "renews": old.ID}
	if c.Plan != "" {
		if body["plan"], err = s.offeredPlan(ctx, old.Provider.Slug, old.Product.Slug, c.Plan); err != nil {
			return err
		}
	}
	putText(body, "reason", old.Reason)
	putText(body, "reason", c.Reason)
	if places := append([]string{}, old.Environments...); len(places) > 0 || len(c.Environment) > 0 {
		if len(c.Environment) > 0 {
			places = c.Environment
		}
		body["environments"] = places
	}
	path, err := s.in(ctx, "/subscriptions")
	if err != nil {
		return err
	}
	var sub subscriptionAnswer
	answer, err := s.call(ctx, http.MethodPost, path, c.query(), body, &sub)
	if err != nil {
		return err
	}
	return s.done(answer, "%s: the renewed subscription to %s, %s is %s (%s).", sub.Application.Name, sub.Product.Name, sub.Plan.Name, sub.state(), sub.ID)
}

type ctlWithdraw struct{ ctlSubscription }

// Run withdraws what waits.
func (c *ctlWithdraw) Run(ctx context.Context, io *ctlIO) error {
	return c.move(ctx, io, "withdraw", nil)
}

type ctlSubscriptionStop struct{ ctlSubscription }

// Run stops a subscription.
func (c *ctlSubscriptionStop) Run(ctx context.Context, io *ctlIO) error {
	return c.move(ctx, io, "stop", nil)
}

type ctlSubscriptionStart struct{ ctlSubscription }

// Run starts a subscription.
func (c *ctlSubscriptionStart) Run(ctx context.Context, io *ctlIO) error {
	return c.move(ctx, io, "start", nil)
}

type ctlSubscriptionCancel struct {
	ctlSubscription
	Note string `help:"For the other side."`
}

// Run cancels a subscription.
func (c *ctlSubscriptionCancel) Run(ctx context.Context, io *ctlIO) error {
	body := map[string]any{}
	putText(body, "note", c.Note)
	return c.move(ctx, io, "cancel", body)
}
