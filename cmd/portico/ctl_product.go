package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"portico/internal/entry"
	"portico/internal/entry/describe"
)

type ctlProducts struct {
	List   ctlProductList   `cmd:"" default:"withargs" help:"List products."`
	Show   ctlProductShow   `cmd:"" help:"Show a product and its plans."`
	Create ctlProductCreate `cmd:"" help:"Make a product."`
	Set    ctlProductSet    `cmd:"" help:"Change a product: what it offers, and to whom."`
	Delete ctlProductDelete `cmd:"" help:"Delete a product that nobody has ever subscribed to."`
}

type limitAnswer struct {
	Requests int
	PeriodMS int64 `json:"period_ms"`
	Burst    int
	By       string
}

func (l limitAnswer) String() string {
	text := fmt.Sprintf("%d per %s", l.Requests, short(time.Duration(l.PeriodMS)*time.Millisecond))
	if l.Burst > 0 {
		text += fmt.Sprintf(", %d at once", l.Burst)
	}
	if l.By != "" {
		text += " by " + l.By
	}
	return text
}

// short prints 1m0s as 1m.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

type planAnswer struct {
	ID, Slug, Name, Approval, State, Price string
	Limits                                 []limitAnswer
	Policies                               []policyAnswer
	MaxKeyLifeMS                           int64     `json:"max_key_life_ms"`
	ClosesAt                               time.Time `json:"closes_at"`
	Losing                                 []losingAnswer
}

func (p planAnswer) limits() string {
	parts := make([]string, len(p.Limits))
	for i, l := range p.Limits {
		parts[i] = l.String()
	}
	for _, one := range p.Policies {
		if one.Off {
			continue
		}
		text := one.Kind // of a newer manager
		if known, err := entry.ParsePolicy(entry.PolicyKind(one.Kind), one.Config); err == nil {
			text = describe.Limit(known.Config)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

type productAnswer struct {
	ID, Slug, Name, Summary, Visibility string
	SharedWith                          []struct{ Slug string } `json:"shared_with"`
	Listed                              bool
	Subscribers                         int
	Plans                               []planAnswer
	Versions                            []struct {
		API     struct{ Slug string }
		Version struct{ Label string }
	}
}

func (p productAnswer) versions() []string {
	parts := make([]string, len(p.Versions))
	for i, v := range p.Versions {
		parts[i] = v.API.Slug + " " + v.Version.Label
	}
	return parts
}

type ctlProductList struct {
	ctlFlags
	ctlOwned
}

// Run prints the tenant's products.
func (c *ctlProductList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	query := url.Values{}
	if err := c.put(ctx, s, query); err != nil {
		return err
	}
	path, err := s.in(ctx, "/products")
	if err != nil {
		return err
	}
	heading := []string{"PRODUCT", "NAME", "APIS", "PLANS", "VISIBILITY", "LISTED", "SUBSCRIBERS"}
	return list(ctx, s, path, query, heading, func(p productAnswer) []string {
		plans := make([]string, len(p.Plans))
		for i, plan := range p.Plans {
			plans[i] = plan.Slug
		}
		return []string{p.Slug, p.Name, strings.Join(p.versions(), ", "), strings.Join(plans, ", "), p.Visibility, yes(p.Listed), strconv.Itoa(p.Subscribers)}
	})
}

type ctlProductShow struct {
	ctlFlags
	Product string `arg:"" help:"Slug, id or name."`
}

// Run prints a product and its plans.
func (c *ctlProductShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.at(ctx, aProduct(), c.Product)
	if err != nil {
		return err
	}
	var p productAnswer
	answer, err := s.call(ctx, http.MethodGet, path, nil, nil, &p)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	s.say("%s (%s, %s)", p.Name, p.Slug, p.ID)
	if p.Summary != "" {
		s.say("%s", p.Summary)
	}
	s.say("APIs: %s. %s, listed: %s.", orNone(p.versions()), p.Visibility, yes(p.Listed))
	if p.Visibility == "shared" {
		with := make([]string, len(p.SharedWith))
		for i, one := range p.SharedWith {
			with[i] = one.Slug
		}
		s.say("Shared with: %s.", orNone(with))
	}
	rows := [][]string{planHeading()}
	for _, plan := range p.Plans {
		rows = append(rows, plan.row())
	}
	return s.table(rows)
}

type ctlProductCreate struct {
	ctlFlags
	Name        string   `arg:"" help:"Name."`
	Slug        string   `help:"Slug. Default: from the name."`
	Summary     string   `help:"One sentence."`
	Description string   `help:"Markdown."`
	Version     []string `name:"version" placeholder:"API/LABEL" help:"A version to offer, like orders/v1. May be repeated."`
	Public      bool     `help:"Everybody sees it, not only the tenant."`
	SharedWith  []string `placeholder:"TENANT" help:"Also this organisation sees it, by slug. Give it again for more."`
	Unlisted    bool     `help:"Keep it out of the catalog for now."`
	Team        string   `help:"The team that is to own it, by slug, id or name."`
}

// Run makes a product.
func (c *ctlProductCreate) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	versions, err := s.versions(ctx, c.Version)
	if err != nil {
		return err
	}
	body := map[string]any{"name": c.Name, "listed": !c.Unlisted, "versions": versions, "visibility": "private"}
	switch {
	case c.Public && len(c.SharedWith) > 0:
		return usagef("--public and --shared-with do not go together")
	case c.Public:
		body["visibility"] = "public"
	case len(c.SharedWith) > 0:
		body["visibility"], body["shared_with"] = "shared", c.SharedWith
	}
	for name, value := range map[string]string{"slug": c.Slug, "summary": c.Summary, "description": c.Description} {
		if value != "" {
			body[name] = value
		}
	}
	if c.Team != "" {
		if body["team"], err = s.ref(ctx, aTeam(), c.Team); err != nil {
			return err
		}
	}
	path, err := s.in(ctx, "/products")
	if err != nil {
		return err
	}
	var p productAnswer
	answer, err := s.call(ctx, http.MethodPost, path, nil, body, &p)
	if err != nil {
		return err
	}
	return s.done(answer, "Made product %s (%s). Add terms with: portico plans create %s …", p.Slug, p.ID, p.Slug)
}

// versions finds the ids of versions that are named API/LABEL.
func (s *session) versions(ctx context.Context, called []string) ([]string, error) {
	ids := []string{}
	for _, ref := range called {
		api, label, _ := strings.Cut(ref, "/")
		v, err := ctlVersion{API: api, Label: label}.find(ctx, s)
		if err != nil {
			return nil, err
		}
		ids = append(ids, v.ID)
	}
	return ids, nil
}

type ctlProductSet struct {
	ctlFlags
	ctlWait
	ctlOwner
	Product     string   `arg:"" help:"Slug, id or name."`
	Name        *string  `help:"New name."`
	Summary     *string  `help:"One sentence."`
	Description *string  `help:"Markdown."`
	Version     []string `name:"version" placeholder:"API/LABEL" help:"All versions that it offers, like orders/v1. Give it again for more."`
	NoVersions  bool     `help:"Offer no version."`
	Visibility  *string  `placeholder:"WHO" help:"Who sees it: private, its own tenant; shared, also the organisations that it is shared with; public, everybody."`
	SharedWith  []string `placeholder:"TENANT" help:"All organisations that see it while it is shared, by slug. Give it again for more."`
	NotShared   bool     `help:"Share it with none."`
	Listed      *bool    `negatable:"" help:"Show it in the catalog, or keep it out."`
}

// Run changes a product.
func (c *ctlProductSet) Run(ctx context.Context, io *ctlIO) error {
	body := map[string]any{}
	put(body, "name", c.Name)
	put(body, "summary", c.Summary)
	put(body, "description", c.Description)
	put(body, "visibility", c.Visibility)
	put(body, "listed", c.Listed)
	if err := putList(body, "shared_with", c.SharedWith, "shared-with", "not-shared", c.NotShared); err != nil {
		return err
	}
	if err := putList(body, "versions", c.Version, "version", "no-versions", c.NoVersions); err != nil {
		return err
	}
	if len(c.Version) > 0 {
		s, err := c.open(io)
		if err != nil {
			return err
		}
		if body["versions"], err = s.versions(ctx, c.Version); err != nil {
			return err
		}
	}
	var p productAnswer
	return c.set(ctx, io, aProduct(), c.Product, c.ctlOwner, c.query(), body, &p, "--name, --summary, --description, --version, --visibility, --shared-with, --listed or --team", func() string {
		return "Changed product " + p.Slug + "."
	})
}

type ctlProductDelete struct {
	ctlFlags
	Product string `arg:"" help:"Slug, id or name."`
}

// Run deletes a product.
func (c *ctlProductDelete) Run(ctx context.Context, io *ctlIO) error {
	return c.remove(ctx, io, nil, aProduct(), c.Product)
}

type ctlPlans struct {
	List   ctlPlanList   `cmd:"" help:"List a product's plans."`
	Show   ctlPlanShow   `cmd:"" help:"Show a plan."`
	Create ctlPlanCreate `cmd:"" help:"Add a plan to a product."`
	Set    ctlPlanSet    `cmd:"" help:"Change a plan's name, price, limits or who approves."`
	Move   ctlPlanMove   `cmd:"" help:"Publish, deprecate or close a plan."`
	Close  ctlPlanClose  `cmd:"" help:"Close a plan, now or at a date, after those who lose access were shown."`
	Keep   ctlPlanKeep   `cmd:"" help:"Take a plan's closing date back."`
}

type ctlPlanCreate struct {
	ctlFlags
	ctlWait
	Product     string   `arg:"" help:"Slug, id or name of the product."`
	Name        string   `arg:"" help:"Name."`
	Slug        string   `help:"Slug. Default: from the name."`
	Description string   `help:"For whom it is."`
	Price       string   `help:"Free text. Default: free of charge."`
	Approval    string   `enum:"automatic,manual" default:"automatic" help:"Who decides on requests: automatic or manual."`
	Limit       []string `placeholder:"N/PERIOD[/BURST]" help:"Rate limit, like 60/1m or 100/1s/200. May be repeated."`
	MaxKeyLife  *span    `placeholder:"90d" help:"How long keys of its applications may live. Default: no bound."`
	Draft       bool     `help:"Do not offer it yet."`
}

// Run adds a plan to a product.
func (c *ctlPlanCreate) Run(ctx context.Context, io *ctlIO) error {
	limits, err := parseLimits(c.Limit)
	if err != nil {
		return err
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	body := map[string]any{"name": c.Name, "approval": c.Approval, "limits": limits, "state": "published"}
	if c.Draft {
		body["state"] = "draft"
	}
	if err := putSpan(body, "max_key_life_ms", "max-key-life", c.MaxKeyLife); err != nil {
		return err
	}
	for name, value := range map[string]string{"slug": c.Slug, "price": c.Price, "description": c.Description} {
		if value != "" {
			body[name] = value
		}
	}
	path, err := s.at(ctx, aProduct(), c.Product)
	if err != nil {
		return err
	}
	var p planAnswer
	answer, err := s.call(ctx, http.MethodPost, path+"/plans", c.query(), body, &p)
	if err != nil {
		return err
	}
	return s.done(answer, "Made plan %s (%s), %s.", p.Slug, p.ID, p.State)
}

// parseLimit reads 60/1m or 100/1s/200.
func parseLimit(text string) (map[string]any, error) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return nil, usagef("limit %q is not like 60/1m or 100/1s/200", text)
	}
	requests, err := strconv.Atoi(parts[0])
	if err != nil || requests < 1 {
		return nil, usagef("limit %q: %q is not a number of requests", text, parts[0])
	}
	period, err := time.ParseDuration(parts[1])
	if err != nil || period < time.Millisecond {
		return nil, usagef("limit %q: %q is not a period like 1s, 1m or 24h", text, parts[1])
	}
	limit := map[string]any{"requests": requests, "period_ms": period.Milliseconds()}
	if len(parts) == 3 {
		burst, err := strconv.Atoi(parts[2])
		if err != nil || burst < 1 {
			return nil, usagef("limit %q: %q is not a burst", text, parts[2])
		}
		limit["burst"] = burst
	}
	return limit, nil
}

type ctlPlanMove struct {
	ctlFlags
	ctlWait
	Plan  string `arg:"" help:"PRODUCT/PLAN, or id of the plan."`
	State string `arg:"" enum:"published,deprecated,closed" help:"published, deprecated or closed."`
}

// Run takes a plan to another state.
func (c *ctlPlanMove) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.plan(ctx, c.Plan)
	if err != nil {
		return err
	}
	var p planAnswer
	answer, err := s.call(ctx, http.MethodPatch, path, c.query(), map[string]string{"state": c.State}, &p)
	if err != nil {
		return err
	}
	return s.done(answer, "Plan %s is %s.", p.Slug, p.State)
}
