package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"portico/internal/apim"
)

func planHeading() []string {
	return []string{"PLAN", "NAME", "APPROVAL", "STATE", "LIMITS", "PRICE", "ID"}
}

func (p planAnswer) row() []string {
	return []string{p.Slug, p.Name, p.Approval, p.State, p.limits(), p.Price, p.ID}
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
	if len(body) == 0 {
		return usagef("nothing to change; give --name, --description, --price, --approval or --limit")
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
