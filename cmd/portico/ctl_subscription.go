package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type subscriptionAnswer struct {
	ID, State, Requester, Reason, Note string
	Stopped                            bool
	RequestedAt                        time.Time `json:"requested_at"`
	Application                        struct{ Name, Tenant string }
	Provider, Product, Plan            struct{ Slug, Name string }
}

func (s subscriptionAnswer) state() string {
	if s.Stopped {
		return s.State + ", stopped"
	}
	return s.State
}

func subscriptionHeading() []string {
	return []string{"PRODUCT", "PLAN", "STATE", "REQUESTED", "NOTE", "ID"}
}

func (s subscriptionAnswer) row() []string {
	return []string{s.Provider.Slug + "/" + s.Product.Slug, s.Plan.Slug, s.state(), when(s.RequestedAt), s.Note, s.ID}
}

type ctlSubscribe struct {
	ctlFlags
	ctlWait
	App         string   `arg:"" help:"Slug or id of the application."`
	Product     string   `arg:"" help:"Slug of the product; of another tenant's as tenant/product."`
	Plan        string   `arg:"" optional:"" help:"Slug of the plan. Default: its only one."`
	Reason      string   `help:"Why; needed where a person approves."`
	Environment []string `help:"Only for this environment. May be repeated."`
}

// Run asks for a plan of a product.
func (c *ctlSubscribe) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	plan, err := c.plan(ctx, s)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/subscriptions")
	if err != nil {
		return err
	}
	body := map[string]any{"application": c.App, "plan": plan}
	if c.Reason != "" {
		body["reason"] = c.Reason
	}
	if len(c.Environment) > 0 {
		body["environments"] = c.Environment
	}
	var sub subscriptionAnswer
	answer, err := s.call(ctx, http.MethodPost, path, c.query(), body, &sub)
	if err != nil {
		return err
	}
	return s.done(answer, "The subscription to %s, %s is %s (%s).", sub.Product.Name, sub.Plan.Name, sub.State, sub.ID)
}

// plan finds the plan's id in the catalog.
func (c *ctlSubscribe) plan(ctx context.Context, s *session) (string, error) {
	provider, product, other := strings.Cut(c.Product, "/")
	if !other {
		if _, err := s.in(ctx, ""); err != nil { // finds out the tenant
			return "", err
		}
		var own struct{ Slug string }
		if err := s.get(ctx, "/tenants/"+escape(s.tenant), nil, &own); err != nil {
			return "", err
		}
		provider, product = own.Slug, c.Product
	}
	path, err := s.in(ctx, "/offers/%s/%s", provider, product)
	if err != nil {
		return "", err
	}
	var offer struct{ Plans []planAnswer }
	if err := s.get(ctx, path, nil, &offer); err != nil {
		return "", err
	}
	slugs := []string{}
	for _, p := range offer.Plans {
		slugs = append(slugs, p.Slug)
		if p.Slug == c.Plan || p.ID == c.Plan || c.Plan == "" && len(offer.Plans) == 1 {
			return p.ID, nil
		}
	}
	if c.Plan == "" {
		return "", usagef("name a plan of %s: %s", product, orNone(slugs))
	}
	return "", &refusal{Status: http.StatusNotFound, Code: "not_found", Detail: "product " + product + " offers no plan " + c.Plan + "; it offers " + orNone(slugs)}
}

type ctlRequests struct {
	ctlFlags
	Show string `enum:"waiting,answered,automatic,all" default:"waiting" help:"waiting, answered, automatic or all."`
}

// Run prints requests to the tenant's products.
func (c *ctlRequests) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/subscriptions")
	if err != nil {
		return err
	}
	heading := []string{"APPLICATION", "TENANT", "PRODUCT", "PLAN", "STATE", "REQUESTED", "BY", "REASON", "ID"}
	return list(ctx, s, path, url.Values{"show": {c.Show}}, heading, func(sub subscriptionAnswer) []string {
		return []string{sub.Application.Name, sub.Application.Tenant, sub.Product.Slug, sub.Plan.Slug, sub.state(), when(sub.RequestedAt), sub.Requester, sub.Reason, sub.ID}
	})
}

// decide posts a decision on a request.
func (f ctlFlags) decide(ctx context.Context, io *ctlIO, wait ctlWait, id, verb string, body map[string]string) error {
	s, err := f.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/subscriptions/%s/"+verb, id)
	if err != nil {
		return err
	}
	var sub subscriptionAnswer
	answer, err := s.call(ctx, http.MethodPost, path, wait.query(), body, &sub)
	if err != nil {
		return err
	}
	return s.done(answer, "%s: the subscription to %s, %s is %s.", sub.Application.Name, sub.Product.Name, sub.Plan.Name, sub.State)
}

type ctlApprove struct {
	ctlFlags
	ctlWait
	Subscription string `arg:"" help:"Id of the request (sub_…)."`
	Note         string `help:"For the requester."`
}

// Run approves a request.
func (c *ctlApprove) Run(ctx context.Context, io *ctlIO) error {
	return c.decide(ctx, io, c.ctlWait, c.Subscription, "approve", map[string]string{"note": c.Note})
}

type ctlReject struct {
	ctlFlags
	Subscription string `arg:"" help:"Id of the request (sub_…)."`
	Reason       string `required:"" help:"Why; the requester sees it."`
}

// Run rejects a request.
func (c *ctlReject) Run(ctx context.Context, io *ctlIO) error {
	return c.decide(ctx, io, ctlWait{}, c.Subscription, "reject", map[string]string{"reason": c.Reason})
}
