package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"portico/internal/apim"
)

func planHeading() []string {
	return []string{"PLAN", "NAME", "APPROVAL", "STATE", "LIMITS", "KEYS LIVE", "PRICE", "ID"}
}

func (p planAnswer) row() []string {
	state, life := p.State, ""
	if !p.ClosesAt.IsZero() && state != "closed" {
		state += ", closes " + when(p.ClosesAt)
	}
	if p.MaxKeyLifeMS > 0 {
		life = short(time.Duration(p.MaxKeyLifeMS) * time.Millisecond)
	}
	return []string{p.Slug, p.Name, p.Approval, state, p.limits(), life, p.Price, p.ID}
}

// plan returns the path of a plan that is called by its id, or as PRODUCT/PLAN.
func (s *session) plan(ctx context.Context, called string) (string, error) {
	if _, err := apim.ParseID(apim.PrefixPlan, called); err == nil {
		return s.in(ctx, "/plans/%s", called)
	}
	product, plan, ok := strings.Cut(called, "/")
	if !ok || product == "" || plan == "" {
		return "", usagef("%q is neither the id of a plan (plan_…) nor PRODUCT/PLAN; 'portico plans list PRODUCT' lists them", called)
	}
	path, err := s.at(ctx, aProduct(), product)
	if err != nil {
		return "", err
	}
	var p struct{ Plans []json.RawMessage }
	if err := s.get(ctx, path, nil, &p); err != nil {
		return "", err
	}
	for _, raw := range p.Plans {
		var one planAnswer
		if json.Unmarshal(raw, &one) == nil && one.Slug == plan {
			return s.in(ctx, "/plans/%s", one.ID)
		}
	}
	id, err := s.byName("plan", plan, p.Plans)
	if err != nil {
		return "", err
	}
	return s.in(ctx, "/plans/%s", id)
}

type ctlPlanList struct {
	ctlFlags
	Product string `arg:"" help:"Slug, id or name of the product."`
}

// Run prints a product's plans.
func (c *ctlPlanList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.at(ctx, aProduct(), c.Product)
	if err != nil {
		return err
	}
	var p struct{ Plans []json.RawMessage }
	if err := s.get(ctx, path, nil, &p); err != nil {
		return err
	}
	return printItems(s, p.Plans, planHeading(), planAnswer.row)
}

type ctlPlanShow struct {
	ctlFlags
	Plan string `arg:"" help:"PRODUCT/PLAN, or id of the plan."`
}

// Run prints a plan.
func (c *ctlPlanShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.plan(ctx, c.Plan)
	if err != nil {
		return err
	}
	var p planAnswer
	answer, err := s.call(ctx, http.MethodGet, path, nil, nil, &p)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	return s.table([][]string{planHeading(), p.row()})
}

type ctlPlanSet struct {
	ctlFlags
	ctlWait
	Plan        string   `arg:"" help:"PRODUCT/PLAN, or id of the plan."`
	Name        *string  `help:"New name."`
	Description *string  `help:"For whom it is."`
	Price       *string  `help:"Free text; empty is free of charge."`
	Approval    *string  `placeholder:"WHO" help:"Who decides on requests: automatic or manual."`
	Limit       []string `placeholder:"N/PERIOD[/BURST]" help:"All of its rate limits, like 60/1m or 100/1s/200. Give it again for more."`
	NoLimits    bool     `help:"Take all rate limits away."`
	MaxKeyLife  *span    `placeholder:"90d" help:"How long keys that are made for its applications may live; 0s is no bound."`
}

// Run changes a plan.
func (c *ctlPlanSet) Run(ctx context.Context, io *ctlIO) error {
	body := map[string]any{}
	put(body, "name", c.Name)
	put(body, "description", c.Description)
	put(body, "price", c.Price)
	put(body, "approval", c.Approval)
	if err := putLimits(body, c.Limit, c.NoLimits); err != nil {
		return err
	}
	if err := putSpan(body, "max_key_life_ms", "max-key-life", c.MaxKeyLife); err != nil {
		return err
	}
	if len(body) == 0 {
		return usagef("nothing to change; give --name, --description, --price, --approval, --limit or --max-key-life")
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.plan(ctx, c.Plan)
	if err != nil {
		return err
	}
	var p planAnswer
	answer, err := s.call(ctx, http.MethodPatch, path, c.query(), body, &p)
	if err != nil {
		return err
	}
	return s.done(answer, "Changed plan %s.", p.Slug)
}

// losingAnswer is a subscription that ends with its plan.
type losingAnswer struct {
	Subscription, State string
	Application         struct{ Name, Tenant string }
	Environments        []string
}

type ctlPlanClose struct {
	ctlFlags
	ctlWait
	Plan   string `arg:"" help:"PRODUCT/PLAN, or id of the plan."`
	At     moment `placeholder:"DAY" help:"When: a day like 2027-06-30, or a time like 2027-06-30T12:00:00Z. Default: now."`
	DryRun bool   `help:"Say who loses access, and close nothing."`
	Yes    bool   `help:"Do not ask first."`
}

// Run closes a plan.
func (c *ctlPlanClose) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.plan(ctx, c.Plan)
	if err != nil {
		return err
	}
	body := map[string]any{}
	putTime(body, "closes_at", c.At)
	var p planAnswer
	if c.DryRun || !c.Yes {
		answer, err := s.call(ctx, http.MethodPost, path+"/close", url.Values{"dry_run": {"true"}}, body, &p)
		if err != nil {
			return err
		}
		if c.DryRun && c.JSON {
			return s.raw(answer)
		}
		shown := *s
		if !c.DryRun {
			shown.io = &ctlIO{Out: io.Err} // standard output is the answer's
		}
		if err := shown.losing(p); err != nil || c.DryRun {
			return err
		}
		if err := s.confirm(false, "Close plan %s?", p.Slug); err != nil {
			return err
		}
	}
	p = planAnswer{}
	answer, err := s.call(ctx, http.MethodPost, path+"/close", c.query(), body, &p)
	if err != nil {
		return err
	}
	if p.State == "closed" {
		return s.done(answer, "Plan %s is closed; %d subscriptions ended.", p.Slug, len(p.Losing))
	}
	return s.done(answer, "Plan %s closes on %s; %d subscriptions end then. Take it back with: portico plans keep %s", p.Slug, when(p.ClosesAt), len(p.Losing), p.ID)
}

// losing prints who loses access with a plan.
func (s *session) losing(p planAnswer) error {
	if len(p.Losing) == 0 {
		s.say("Nobody loses access with plan %s.", p.Slug)
		return nil
	}
	rows := [][]string{{"APPLICATION", "TENANT", "STATE", "ENVIRONMENTS", "SUBSCRIPTION"}}
	for _, l := range p.Losing {
		rows = append(rows, []string{l.Application.Name, l.Application.Tenant, l.State, strings.Join(l.Environments, ", "), l.Subscription})
	}
	s.say("With plan %s lose access:", p.Slug)
	return s.table(rows)
}

type ctlPlanKeep struct {
	ctlFlags
	Plan string `arg:"" help:"PRODUCT/PLAN, or id of the plan."`
}

// Run takes the closing date back.
func (c *ctlPlanKeep) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.plan(ctx, c.Plan)
	if err != nil {
		return err
	}
	var p planAnswer
	answer, err := s.call(ctx, http.MethodPost, path+"/keep", nil, nil, &p)
	if err != nil {
		return err
	}
	return s.done(answer, "Plan %s is %s, and stays.", p.Slug, p.State)
}
