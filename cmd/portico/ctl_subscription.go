package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"portico/internal/apim"
)

type ctlSubscriptions struct {
	List       ctlSubscriptionList   `cmd:"" default:"withargs" help:"List subscriptions to the tenant's products, or with --mine those of its applications."`
	Show       ctlSubscriptionShow   `cmd:"" help:"Show a subscription and its history."`
	Approve    ctlApprove            `cmd:"" help:"Approve requests, or changes of plan that wait."`
	Reject     ctlReject             `cmd:"" help:"Reject requests, or changes of plan that wait."`
	Undo       ctlSubscriptionUndo   `cmd:"" help:"Take back an approval of yours, within ten seconds."`
	Terms      ctlSubscriptionTerms  `cmd:"" help:"Grant a start, an end, and limits of its own instead of the plan's limits; the plan's policies hold beside them."`
	Suspend    ctlSuspend            `cmd:"" help:"Stop a subscription to a product of yours, everywhere or in one environment."`
	Resume     ctlResume             `cmd:"" help:"Let a suspended subscription work again."`
	ChangePlan ctlChangePlan         `cmd:"" help:"Ask for another plan of the same product."`
	Renew      ctlRenew              `cmd:"" help:"Ask again for what has ended."`
	Withdraw   ctlWithdraw           `cmd:"" help:"Withdraw a request of yours, or a change of plan, that waits."`
	Stop       ctlSubscriptionStop   `cmd:"" help:"Stop using a subscription of yours for now."`
	Start      ctlSubscriptionStart  `cmd:"" help:"Use a stopped subscription of yours again."`
	Cancel     ctlSubscriptionCancel `cmd:"" help:"End a subscription for good."`
}

type subscriptionAnswer struct {
	ID, State, Requester, Reason, Note, Decider, Renews string
	Stopped                                             bool
	APIs, Environments                                  []string
	RequestedAt                                         time.Time `json:"requested_at"`
	DecidedAt                                           time.Time `json:"decided_at"`
	StartsAt                                            time.Time `json:"starts_at"`
	EndsAt                                              time.Time `json:"ends_at"`
	UndoUntil                                           time.Time `json:"undo_until"`
	CanUndo                                             bool      `json:"can_undo"`
	Limits                                              []limitAnswer
	Application                                         struct{ ID, Name, Tenant string }
	Provider, Product, Plan                             struct{ ID, Slug, Name string }
	Suspensions                                         []struct{ Environment, Reason string }
	NextPlan                                            *struct {
		Plan   struct{ Slug, Name string }
		Reason string
	} `json:"next_plan"`
	History []struct {
		At       time.Time
		Text, By string
	}
}

func (s subscriptionAnswer) live() bool {
	return s.State == string(apim.Pending) || s.State == string(apim.Active) || s.State == string(apim.Suspended)
}

// state says all that decides whether it works.
func (s subscriptionAnswer) state() string {
	parts := []string{s.State}
	if s.Stopped {
		parts = append(parts, "stopped")
	}
	for _, one := range s.Suspensions {
		parts = append(parts, "suspended in "+one.Environment)
	}
	if s.NextPlan != nil {
		parts = append(parts, "to change to "+s.NextPlan.Plan.Slug)
	}
	return strings.Join(parts, ", ")
}

// inboxHeading and inboxRow are how a provider sees subscriptions.
func inboxHeading() []string {
	return []string{"APPLICATION", "TENANT", "PRODUCT", "PLAN", "STATE", "REQUESTED", "BY", "REASON", "ID"}
}

func (s subscriptionAnswer) inboxRow() []string {
	reason := s.Reason
	if s.NextPlan != nil {
		reason = s.NextPlan.Reason
	}
	return []string{s.Application.Name, s.Application.Tenant, s.Product.Slug, s.Plan.Slug, s.state(), when(s.RequestedAt), s.Requester, reason, s.ID}
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
	App         string   `arg:"" name:"application" help:"Slug, id or name of the application."`
	Product     string   `arg:"" help:"Slug of the product; of another tenant's as tenant/product."`
	Plan        string   `arg:"" optional:"" help:"Slug, id or name of the plan. Default: its only one."`
	Reason      string   `help:"Why; needed where a person approves."`
	Environment []string `help:"Only for this environment. May be repeated."`
}

// Run asks for a plan of a product.
func (c *ctlSubscribe) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	app, err := s.ref(ctx, anApplication(), c.App)
	if err != nil {
		return err
	}
	provider, product, err := s.offered(ctx, c.Product)
	if err != nil {
		return err
	}
	plan, err := s.offeredPlan(ctx, provider, product, c.Plan)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/subscriptions")
	if err != nil {
		return err
	}
	body := map[string]any{"application": app, "plan": plan}
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

// offered reads PRODUCT, which is the tenant's own, or TENANT/PRODUCT.
func (s *session) offered(ctx context.Context, called string) (provider, product string, err error) {
	provider, product, other := strings.Cut(called, "/")
	if other {
		return provider, product, nil
	}
	if _, err := s.in(ctx, ""); err != nil { // finds out the tenant
		return "", "", err
	}
	var own struct{ Slug string }
	if err := s.get(ctx, "/tenants/"+escape(s.tenant), nil, &own); err != nil {
		return "", "", err
	}
	return own.Slug, called, nil
}

// offeredPlan finds the id of a plan in the catalog, by its slug, id or name;
// called "" it is the only one.
func (s *session) offeredPlan(ctx context.Context, provider, product, called string) (string, error) {
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
		if p.Slug == called || p.ID == called || called == "" && len(offer.Plans) == 1 {
			return p.ID, nil
		}
	}
	for _, p := range offer.Plans {
		if strings.EqualFold(p.Name, called) {
			return p.ID, nil
		}
	}
	if called == "" {
		return "", usagef("name a plan of %s: %s", product, orNone(slugs))
	}
	return "", s.unknown("product %s offers no plan %s; it offers %s", product, called, orNone(slugs))
}

// subscription finds a subscription by its id, or as APPLICATION/PRODUCT: the
// one that lives, or else the newest.
func (s *session) subscription(ctx context.Context, called string) (subscriptionAnswer, error) {
	if _, err := apim.ParseID(apim.PrefixSubscription, called); err == nil {
		path, err := s.in(ctx, "/subscriptions/%s", called)
		if err != nil {
			return subscriptionAnswer{}, err
		}
		var sub subscriptionAnswer
		err = s.get(ctx, path, nil, &sub)
		return sub, err
	}
	app, product, ok := strings.Cut(called, "/")
	if !ok || app == "" || product == "" {
		return subscriptionAnswer{}, usagef("%q is neither the id of a subscription (sub_…) nor APPLICATION/PRODUCT; 'portico subscriptions' lists them", called)
	}
	all, err := s.subscriptionsOf(ctx, app, product)
	if err != nil {
		return subscriptionAnswer{}, err
	}
	var live, ended []subscriptionAnswer
	ids := []string{}
	for _, sub := range all {
		if sub.live() {
			live, ids = append(live, sub), append(ids, sub.ID)
		} else {
			ended = append(ended, sub)
		}
	}
	switch {
	case len(live) == 1:
		return live[0], nil
	case len(live) > 1:
		return subscriptionAnswer{}, usagef("%s has %d subscriptions to %s; say which by its id: %s", app, len(live), product, strings.Join(ids, ", "))
	case len(ended) == 0:
		return subscriptionAnswer{}, s.unknown("application %s has no subscription to %s; 'portico subscriptions' lists them", app, product)
	}
	return slices.MaxFunc(ended, func(a, b subscriptionAnswer) int { return a.RequestedAt.Compare(b.RequestedAt) }), nil
}

// subscriptionsOf returns an application's subscriptions to a product: one of
// the tenant's own, or else one that uses a product of the tenant.
func (s *session) subscriptionsOf(ctx context.Context, app, product string) ([]subscriptionAnswer, error) {
	var found []subscriptionAnswer
	path, err := s.at(ctx, anApplication(), app)
	switch {
	case err == nil:
		var own appAnswer
		if err := s.get(ctx, path, nil, &own); err != nil {
			return nil, err
		}
		found = own.Subscriptions
	case missing(err):
		if path, err = s.in(ctx, "/subscriptions"); err != nil {
			return nil, err
		}
		items, err := s.all(ctx, path, url.Values{"show": {"all"}})
		if err != nil {
			return nil, err
		}
		for _, raw := range items {
			var sub subscriptionAnswer
			if err := json.Unmarshal(raw, &sub); err != nil {
				return nil, fmt.Errorf("read subscription: %w", err)
			}
			if sub.Application.ID == app || strings.EqualFold(sub.Application.Name, app) {
				found = append(found, sub)
			}
		}
	default:
		return nil, err
	}
	return slices.DeleteFunc(found, func(sub subscriptionAnswer) bool { return !sub.to(product) }), nil
}

// to reports whether the subscription is to a product: by its slug, id or name,
// or as TENANT/PRODUCT.
func (s subscriptionAnswer) to(product string) bool {
	return product == s.Product.Slug || product == s.Product.ID || strings.EqualFold(product, s.Product.Name) || product == s.Provider.Slug+"/"+s.Product.Slug
}

type ctlSubscriptionList struct {
	ctlFlags
	Mine        bool   `help:"Those of the tenant's own applications, instead of those to its products."`
	Show        string `enum:"waiting,answered,automatic,all" default:"all" help:"waiting, answered, automatic or all."`
	State       string `enum:"pending,active,rejected,suspended,expired,cancelled," default:"" help:"Only in this state: pending, active, rejected, suspended, expired or cancelled."`
	Product     string `help:"Only to this product: slug, id or name; with --mine also TENANT/PRODUCT."`
	Application string `help:"Only of this application: slug, id or name; of another tenant's the id."`
	Limit       int    `default:"50" help:"How many at most, up to 200."`
	Cursor      string `help:"Go on where a page ended: its next_cursor."`
	All         bool   `help:"All pages."`
}

// Run prints subscriptions.
func (c *ctlSubscriptionList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	if c.Mine {
		return c.mine(ctx, s)
	}
	return c.print(ctx, s)
}

// print prints what others have of the tenant's products.
func (c *ctlSubscriptionList) print(ctx context.Context, s *session) error {
	query := url.Values{"show": {c.Show}}
	if c.State != "" {
		query.Set("state", c.State)
	}
	for _, of := range []struct {
		name, called string
		kind         kind
	}{{"product", c.Product, aProduct()}, {"application", c.Application, anApplication()}} {
		if of.called == "" {
			continue
		}
		ref, err := s.ref(ctx, of.kind, of.called)
		if err != nil {
			return err
		}
		query.Set(of.name, ref)
	}
	path, err := s.in(ctx, "/subscriptions")
	if err != nil {
		return err
	}
	if c.All {
		return list(ctx, s, path, query, inboxHeading(), subscriptionAnswer.inboxRow)
	}
	query.Set("limit", strconv.Itoa(c.Limit))
	if c.Cursor != "" {
		query.Set("cursor", c.Cursor)
	}
	var page struct {
		Items      []json.RawMessage
		NextCursor string `json:"next_cursor"`
	}
	answer, err := s.call(ctx, http.MethodGet, path, query, nil, &page)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	if err := printItems(s, page.Items, inboxHeading(), subscriptionAnswer.inboxRow); err != nil || page.NextCursor == "" {
		return err
	}
	s.say("There are more: --all prints them too, --cursor %s goes on here.", page.NextCursor)
	return nil
}

// mine prints what the tenant's own applications have.
func (c *ctlSubscriptionList) mine(ctx context.Context, s *session) error {
	if c.Show != "all" || c.Cursor != "" {
		return usagef("--mine prints all; narrow it by --state, --product or --application")
	}
	path, err := s.in(ctx, "/applications")
	if err != nil {
		return err
	}
	apps, err := s.all(ctx, path, nil)
	if err != nil {
		return err
	}
	items := []json.RawMessage{}
	for _, raw := range apps {
		var app struct {
			ID, Slug, Name string
			Subscriptions  []json.RawMessage
		}
		if err := json.Unmarshal(raw, &app); err != nil {
			return fmt.Errorf("read application: %w", err)
		}
		if c.Application != "" && c.Application != app.ID && c.Application != app.Slug && !strings.EqualFold(c.Application, app.Name) {
			continue
		}
		for _, raw := range app.Subscriptions {
			var sub subscriptionAnswer
			if err := json.Unmarshal(raw, &sub); err != nil {
				return fmt.Errorf("read subscription: %w", err)
			}
			if (c.State == "" || c.State == sub.State) && (c.Product == "" || sub.to(c.Product)) {
				items = append(items, raw)
			}
		}
	}
	return printItems(s, items, append([]string{"APPLICATION"}, subscriptionHeading()...), func(sub subscriptionAnswer) []string {
		return append([]string{sub.Application.Name}, sub.row()...)
	})
}

type ctlSubscriptionShow struct {
	ctlFlags
	Subscription string `arg:"" help:"Id (sub_…), or APPLICATION/PRODUCT."`
}

// Run prints a subscription.
func (c *ctlSubscriptionShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	sub, err := s.subscription(ctx, c.Subscription)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/subscriptions/%s", sub.ID)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodGet, path, nil, nil, &sub)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	s.say("%s of %s to %s/%s under %s is %s (%s).", sub.Application.Name, sub.Application.Tenant, sub.Provider.Slug, sub.Product.Slug, sub.Plan.Slug, sub.state(), sub.ID)
	limits := make([]string, len(sub.Limits))
	for i, l := range sub.Limits {
		limits[i] = l.String()
	}
	places := "everywhere"
	if len(sub.Environments) > 0 {
		places = strings.Join(sub.Environments, ", ")
	}
	for _, fact := range [][2]string{
		{"APIs", strings.Join(sub.APIs, ", ")},
		{"Environments", places},
		{"Asked by", sub.Requester + ", " + when(sub.RequestedAt)},
		{"Reason", sub.Reason},
		{"Note", sub.Note},
		{"Decided by", sub.Decider},
		{"Starts", when(sub.StartsAt)},
		{"Ends", when(sub.EndsAt)},
		{"Own limits", strings.Join(limits, "; ")},
		{"Renews", sub.Renews},
	} {
		if fact[1] != "" {
			s.say("%s: %s.", fact[0], strings.TrimSuffix(fact[1], "."))
		}
	}
	for _, one := range sub.Suspensions {
		s.say("Suspended in %s: %s.", one.Environment, strings.TrimSuffix(one.Reason, "."))
	}
	if sub.NextPlan != nil {
		s.say("Waits to change to %s: %s.", sub.NextPlan.Plan.Slug, orNone(nonEmpty(strings.TrimSuffix(sub.NextPlan.Reason, "."))))
	}
	rows := [][]string{{"AT", "BY", "WHAT"}}
	for _, line := range sub.History {
		rows = append(rows, []string{when(line.At), line.By, line.Text})
	}
	if len(rows) == 1 {
		return nil
	}
	return s.table(rows)
}

type ctlRequests struct {
	ctlFlags
	Show    string `enum:"waiting,answered,automatic,all" default:"waiting" help:"waiting, answered, automatic or all."`
	Product string `help:"Only to this product: slug, id or name."`
}

// Run prints requests to the tenant's products.
func (c *ctlRequests) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	return (&ctlSubscriptionList{ctlFlags: c.ctlFlags, Show: c.Show, Product: c.Product, All: true}).print(ctx, s)
}
