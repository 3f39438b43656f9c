package portal

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/manager"
	"portico/ui"
)

// subscriptionRow is a subscription as a line of a list.
type subscriptionRow struct {
	Title, URL       string
	Product, Plan    string
	State, StateTone string
	Line             string // what is to be known about its state
	Quote, By        string // what the provider said
	CanWithdraw      bool
	CanCancel        bool
	CanStop          bool
	CanStart         bool
	Withdraw, Cancel string
	Stop, Start      string
}

// subscriptionView is the page of one subscription: after a request, what
// happens now.
type subscriptionView struct {
	frame
	subscriptionRow
	Application, ApplicationURL string
	Provider, ProductURL        string
	Headline                    string
	Closes                      string // that its plan closes, and what to do
	Sentences                   []string
	APIs                        []string
	Facts                       []fact
	Reason                      string
	Active, Pending             bool
	HasKey                      bool
	NewKey, KeysPost, Nonce     string
	Catalog                     string
	Reference                   string
	Proof                       *proofView
	Sample                      *sampleView
	Change                      changeView
	Renew                       string // the form that asks again
}

// changeView is the change of a subscription's plan: one that waits, or the
// plans that it could have.
type changeView struct {
	Waiting, Withdraw string // what waits, and where to take it back
	Action            string
	Plans             []choice
	Manual            bool // of some of them a person decides
	Plan, Reason      string
	Errors            fieldErrors
}

// proofView says on how many nodes a change is in force.
type proofView struct {
	Text string
	Tone string
	Done bool
	Poll string // where the line comes from again while it is not done
}

func newSubscriptionRow(s manager.SubscriptionView, application string, now time.Time) subscriptionRow {
	sub := s.Subscription
	row := subscriptionRow{
		Title: s.Product.Name, Product: s.Product.Name, Plan: s.Plan.Name,
		URL:      subscriptionLink(application, sub.ID),
		Withdraw: subscriptionActionLink(application, sub.ID, "withdraw"),
		Cancel:   subscriptionActionLink(application, sub.ID, "cancel"),
		Stop:     subscriptionActionLink(application, sub.ID, "stop"),
		Start:    subscriptionActionLink(application, sub.ID, "start"),
	}
	row.State, row.StateTone = stateWord(sub)
	closes := ""
	if sub.Live() && !s.Plan.ClosesAt.IsZero() {
		closes = " · plan closes " + shortDay(s.Plan.ClosesAt)
	}
	terms := []string{s.Plan.Name}
	for _, l := range rates(s) {
		terms = append(terms, rate(l))
	}
	for _, r := range limitRows(s.Plan, limitKinds(s.Plan)) {
		terms = append(terms, r.Value)
	}
	switch sub.State {
	case apim.Pending:
		row.Line = s.Plan.Name + " · asked " + ago(sub.RequestedAt, now) + closes
		row.CanWithdraw = true
	case apim.Active:
		row.Line = strings.Join(terms, " · ")
		if !sub.EndsAt.IsZero() {
			row.Line += " · until " + shortDay(sub.EndsAt)
		}
		row.Line += closes
		row.CanCancel, row.CanStop, row.CanStart = true, !sub.Stopped, sub.Stopped
	case apim.Suspended:
		row.Line, row.CanCancel = s.Plan.Name+closes, true
	case apim.Expired:
		row.Line = s.Plan.Name + " · ended " + ago(sub.EndsAt, now)
	default:
		row.Line = s.Plan.Name + " · " + ago(sub.DecidedAt, now)
	}
	if len(sub.Environments) > 0 {
		row.Line += " · " + list(sub.Environments) + " only"
	}
	if sub.Note != "" {
		row.Quote, row.By = sub.Note, sub.Decider
	}
	return row
}

func stateWord(s apim.Subscription) (word, tone string) {
	switch s.State {
	case apim.Pending:
		return "Pending", "acc"
	case apim.Active:
		if s.Stopped {
			return "Stopped by you", "off"
		}
		if len(s.Suspensions) > 0 {
			return "Active, suspended in " + s.Suspensions[0].Environment, "warn"
		}
		return "Active", "ok"
	case apim.Suspended:
		return "Suspended", "bad"
	case apim.Rejected:
		return "Rejected", "off"
	case apim.Expired:
		return "Expired", "off"
	}
	return "Cancelled", "off"
}

// ownSubscription loads a subscription of the application in the path.
func (p *portal) ownSubscription(c *gin.Context, r *reader) (manager.ApplicationDetail, manager.SubscriptionView, error) {
	none := manager.SubscriptionView{}
	app, err := p.application(c, r)
	if err != nil {
		return app, none, err
	}
	id, err := apim.ParseID(apim.PrefixSubscription, c.Param("subscription"))
	if err != nil {
		return app, none, err
	}
	s, err := p.Access.Subscription(c.Request.Context(), r.Actor, r.Tenant.ID, id)
	if err != nil {
		return app, none, err
	}
	if s.Subscription.Application != app.Application.ID {
		return app, none, apim.Errorf(apim.NotFound, "application %q has no such subscription", app.Application.Name)
	}
	return app, s, nil
}

func (p *portal) subscription(c *gin.Context, r *reader) error {
	return p.showSubscription(c, r, http.StatusOK, changeView{})
}

func (p *portal) showSubscription(c *gin.Context, r *reader, status int, change changeView) error {
	ctx := c.Request.Context()
	app, s, err := p.ownSubscription(c, r)
	if err != nil {
		return err
	}
	slug := app.Application.Slug
	v := subscriptionView{
		frame:           r.frame(s.Product.Name+" for "+app.Application.Name, atApplications),
		subscriptionRow: newSubscriptionRow(s, slug, p.Now()),
		Application:     app.Application.Name, ApplicationURL: applicationLink(slug),
		Provider: s.Provider, ProductURL: productLink(s.ProviderSlug, s.Product.Slug),
		APIs: s.APIs, Reason: s.Subscription.Reason,
		Active:  s.Subscription.State == apim.Active && !s.Subscription.Stopped,
		Pending: s.Subscription.State == apim.Pending,
		NewKey:  newKeyLink(slug), KeysPost: keysLink(slug), Nonce: newNonce(), Catalog: catalogPath,
	}
	v.Crumbs = []ui.Crumb{{Label: "Applications", Href: applicationsPath}, {Label: app.Application.Name, Href: v.ApplicationURL}, {Label: s.Product.Name}}
	for _, k := range app.Credentials {
		v.HasKey = v.HasKey || keyWorks(k, p.Now())
	}
	v.Headline, v.Sentences = whatNow(s, v.HasKey)
	v.Closes = closing(s, p.Now())
	v.Facts = subscriptionFacts(s)
	if !v.Pending { // a request puts nothing in force
		if v.Proof, err = p.proofFromQuery(c, r); err != nil {
			return err
		}
	}
	if v.Active || v.Pending {
		v.Sample, v.Reference = p.productSample(ctx, r, s.ProviderSlug, s.Product.Slug, "", s.Subscription.Environments)
	}
	if v.Change, err = p.changeOf(ctx, r, slug, s, change); err != nil {
		return err
	}
	v.Renew = with(subscribeLink(s.ProviderSlug, s.Product.Slug), "application", string(app.Application.ID), "plan", string(s.Plan.ID), "renews", string(s.Subscription.ID))
	return p.render(c, status, subscriptionPageOf(v))
}

// changeOf offers the product's other plans, or shows the change that waits.
func (p *portal) changeOf(ctx context.Context, r *reader, application string, s manager.SubscriptionView, v changeView) (changeView, error) {
	sub := s.Subscription
	if sub.State != apim.Active {
		return changeView{}, nil
	}
	if sub.Changing() {
		return changeView{
			Waiting:  "Your change to " + s.NextPlan.Name + ", asked " + ago(sub.PlanChange.At, p.Now()) + ", waits for " + s.Provider + ". Until then " + s.Plan.Name + " holds.",
			Withdraw: subscriptionActionLink(application, sub.ID, "withdraw"),
		}, nil
	}
	offer, err := p.Catalog.Offer(ctx, r.Actor, r.Tenant.ID, s.ProviderSlug, s.Product.Slug)
	if apim.KindOf(err) == apim.NotFound {
		return changeView{}, nil // it is not offered any more; what was granted holds
	}
	if err != nil {
		return changeView{}, err
	}
	v.Action = subscriptionActionLink(application, sub.ID, "change")
	for _, plan := range offer.Plans {
		if plan.State != apim.PlanPublished || plan.ID == sub.Plan {
			continue
		}
		label := plan.Name + ", at once"
		if plan.Approval == apim.Manual {
			label, v.Manual = plan.Name+", after approval", true
		}
		v.Plans = append(v.Plans, choice{Value: string(plan.ID), Label: label, Chosen: string(plan.ID) == v.Plan})
	}
	return v, nil
}

// whatNow says what a subscription's state means and what to do.
func whatNow(s manager.SubscriptionView, hasKey bool) (headline string, sentences []string) {
	sub := s.Subscription
	switch {
	case sub.State == apim.Active && sub.Stopped:
		return "Stopped by you", []string{
			"The gateway refuses this application's calls with 403 subscription_stopped until you start it again.",
			"Your keys and the subscription stay as they are.",
		}
	case sub.State == apim.Active && len(sub.Suspensions) > 0:
		for _, one := range sub.Suspensions {
			sentences = append(sentences, "Suspended in "+one.Environment+" by "+s.Provider+": "+one.Reason)
		}
		return "You have access, but not everywhere", append(sentences, "The gateway answers there with 403 subscription_suspended. Settle the reason with "+s.Provider+".")
	case sub.State == apim.Active:
		first := "Every key of " + s.Application + " works with " + list(s.APIs) + " now."
		if !hasKey {
			first = s.Application + " may call " + list(s.APIs) + " now. It has no key yet: make one, and the first call takes a minute."
		}
		return "You have access", []string{first}
	case sub.State == apim.Pending:
		sentences = []string{
			s.Provider + " decides on your request. This page shows the answer.",
			"Until then your keys answer 403 subscription_pending on these APIs. You need no other key afterwards.",
		}
		if hasKey {
			return "Waiting for approval", append(sentences, "Meanwhile you can read the reference and write your code against it.")
		}
		return "Waiting for approval", append(sentences, "Meanwhile you can make a key and write your code; both are ready when the approval comes.")
	case sub.State == apim.Suspended:
		return "Suspended by " + s.Provider, []string{"The gateway refuses this application's calls with 403 subscription_suspended. Settle the reason with " + s.Provider + "; nothing needs to be set up again afterwards."}
	case sub.State == apim.Rejected:
		return "Not approved", []string{"You can ask again, with what was missing."}
	case sub.State == apim.Expired:
		return "Ended on " + shortDay(sub.EndsAt), []string{"To go on, request access again."}
	}
	return "Cancelled", []string{"The application has no access to " + list(s.APIs) + ". You can request it again."}
}

// closing says that a live subscription's plan closes, "" when it does not.
func closing(s manager.SubscriptionView, now time.Time) string {
	date := s.Plan.ClosesAt
	if !s.Subscription.Live() || date.IsZero() {
		return ""
	}
	when := day(date)
	if in := left(date, now); in != "" {
		when += ", " + in
	}
	if s.Subscription.State == apim.Pending {
		return s.Provider + " closes the plan " + s.Plan.Name + " on " + when + ". A request that waits then is turned down: ask for another plan."
	}
	return s.Provider + " closes the plan " + s.Plan.Name + " on " + when + ". Access ends with it: change to another plan before, and your keys go on working."
}

// rates are a subscription's own limits, else its plan's. The plan's policies hold
// beside either.
func rates(s manager.SubscriptionView) []apim.RateLimit {
	if len(s.Subscription.Limits) > 0 {
		return s.Subscription.Limits
	}
	return s.Plan.Limits
}

func subscriptionFacts(s manager.SubscriptionView) []fact {
	sub := s.Subscription
	facts := []fact{{Label: "Provider", Value: s.Provider}, {Label: "APIs", Value: strings.Join(s.APIs, ", ")}, {Label: "Plan", Value: s.Plan.Name + ", " + price(s.Plan)}}
	for _, l := range rates(s) {
		facts = append(facts, fact{Label: "Rate", Value: rate(l)})
	}
	for _, r := range limitRows(s.Plan, limitKinds(s.Plan)) {
		facts = append(facts, fact{Label: r.Label, Value: r.Value})
	}
	if s.Plan.MaxKeyLife > 0 {
		facts = append(facts, fact{Label: "Keys live", Value: "at most " + duration(s.Plan.MaxKeyLife)})
	}
	facts = append(facts, fact{Label: "Requested", Value: shortDay(sub.RequestedAt) + " by " + sub.Requester})
	if !sub.DecidedAt.IsZero() {
		by := ""
		if sub.Decider != "" {
			by = " by " + sub.Decider
		}
		facts = append(facts, fact{Label: "Decided", Value: shortDay(sub.DecidedAt) + by})
	}
	if !sub.EndsAt.IsZero() {
		facts = append(facts, fact{Label: "Ends", Value: shortDay(sub.EndsAt)})
	}
	if sub.Live() && !s.Plan.ClosesAt.IsZero() {
		facts = append(facts, fact{Label: "Plan closes", Value: shortDay(s.Plan.ClosesAt)})
	}
	facts = append(facts, fact{Label: "Environments", Value: environmentsText(sub.Environments)})
	return facts
}

// confirmView asks before something is ended for good.
type confirmView struct {
	frame
	Back, BackLabel string
	Heading         string
	Text            []string
	Action, Button  string
}

func (p *portal) confirmEnd(c *gin.Context, r *reader) error {
	app, s, err := p.ownSubscription(c, r)
	if err != nil {
		return err
	}
	slug := app.Application.Slug
	row := newSubscriptionRow(s, slug, p.Now())
	v := confirmView{Back: row.URL, BackLabel: "Keep it"}
	switch {
	case c.Param("action") == "withdraw" && row.CanWithdraw:
		v.Heading = "Withdraw the request for " + s.Product.Name
		v.Text = []string{"The request leaves " + s.Provider + "'s inbox and can no longer be approved. You can ask again at any time."}
		v.Action, v.Button = row.Withdraw, "Withdraw request"
	case c.Param("action") == "cancel" && row.CanCancel:
		v.Heading = "Cancel " + s.Product.Name + " for " + app.Application.Name
		v.Text = []string{
			"Every gateway node refuses this application's calls to " + list(s.APIs) + " as soon as it has confirmed. Calls already under way finish.",
			"A cancelled subscription does not come back. You can request access again, which may need a new approval.",
		}
		v.Action, v.Button = row.Cancel, "Cancel subscription"
	default:
		return p.seeOther(c, row.URL)
	}
	v.frame = r.frame(v.Heading, atApplications)
	return p.render(c, http.StatusOK, confirmPageOf(v))
}

// act does what the consumer may do with a subscription.
func (p *portal) act(c *gin.Context, r *reader) error {
	ctx := c.Request.Context()
	app, s, err := p.ownSubscription(c, r)
	if err != nil {
		return err
	}
	page := subscriptionLink(app.Application.Slug, s.Subscription.ID)
	if done(c.Param("action"), s.Subscription) {
		return p.seeOther(c, page) // the second click of a double one
	}
	var change apim.Change
	id := s.Subscription.ID
	switch c.Param("action") {
	case "withdraw":
		_, change, err = p.Access.Withdraw(ctx, r.Actor, r.Tenant.ID, id)
	case "cancel":
		_, change, err = p.Access.Cancel(ctx, r.Actor, r.Tenant.ID, id, "")
	case "change":
		asked := changeView{Plan: c.PostForm("plan"), Reason: strings.TrimSpace(c.PostForm("reason"))}
		_, change, err = p.Access.ChangePlan(ctx, r.Actor, r.Tenant.ID, id, apim.ID(asked.Plan), asked.Reason)
		if errs, ok := fieldsOf(err, "plan", "reason"); ok {
			asked.Errors = errs
			return p.showSubscription(c, r, http.StatusUnprocessableEntity, asked)
		}
	case "stop", "start":
		_, change, err = p.Access.SetStopped(ctx, r.Actor, r.Tenant.ID, id, c.Param("action") == "stop")
	default:
		return apim.Errorf(apim.NotFound, "a subscription cannot %q", c.Param("action"))
	}
	if apim.KindOf(err) == apim.Conflict {
		if _, now, reload := p.ownSubscription(c, r); reload == nil && done(c.Param("action"), now.Subscription) {
			return p.seeOther(c, page) // another click was faster
		}
	}
	if err != nil {
		return err
	}
	return p.seeOther(c, withChange(page, change))
}

// done reports whether a subscription is already where the action leads.
func done(action string, s apim.Subscription) bool {
	switch action {
	case "withdraw":
		return s.State == apim.Cancelled || s.State == apim.Active && !s.Changing()
	case "cancel":
		return s.State == apim.Cancelled
	case "stop":
		return s.Stopped
	case "start":
		return !s.Stopped && s.State == apim.Active
	}
	return false
}

// withChange adds to an address which change its page is to prove.
func withChange(path string, change apim.Change) string {
	if change.Sequence == 0 {
		return path
	}
	return with(path, "environment", change.Environment, "sequence", strconv.FormatUint(change.Sequence, 10))
}

// waitForProof is how long a page waits for the nodes before it is shown; a
// node that is well confirms within a tenth of it.
const waitForProof = 500 * time.Millisecond

// proofFromQuery returns the proof of the change that the address names, nil
// when it names none.
func (p *portal) proofFromQuery(c *gin.Context, r *reader) (*proofView, error) {
	sequence, err := strconv.ParseUint(c.Query("sequence"), 10, 64)
	if err != nil || sequence == 0 || r.Actor.Anonymous() {
		return nil, nil
	}
	change := apim.Change{Environment: c.Query("environment"), Sequence: sequence}
	ctx, cancel := context.WithTimeout(c.Request.Context(), waitForProof)
	defer cancel()
	applied, err := p.Fleet.WaitApplied(ctx, r.Actor, change)
	if err != nil {
		if apim.KindOf(err) != "" { // an environment or sequence that is not
			return nil, nil
		}
		return nil, fmt.Errorf("wait for change %d: %w", sequence, err)
	}
	return newProof(applied), nil
}

// applied answers with the proof line alone, for a page that waits for it.
func (p *portal) applied(c *gin.Context, r *reader) error {
	proof, err := p.proofFromQuery(c, r)
	if err != nil {
		return err
	}
	if proof == nil {
		return apim.Errorf(apim.NotFound, "no such change")
	}
	return p.render(c, http.StatusOK, proofLine(proof))
}

func newProof(a apim.Applied) *proofView {
	n := len(a.Nodes)
	v := &proofView{Done: a.Done, Tone: "ok"}
	of := fmt.Sprintf("In force on %d of %s", a.Live(), count(n, "gateway node", "gateway nodes"))
	var waiting, refused []string
	for _, node := range a.Nodes {
		switch node.State {
		case "refused":
			refused = append(refused, node.Name)
		case "waiting", "unreachable":
			waiting = append(waiting, node.Name)
		}
	}
	switch {
	case n == 0:
		v.Text, v.Tone, v.Done = "No gateway node is enrolled yet. The change waits for the first one.", "warn", true
	case len(refused) > 0:
		v.Text, v.Tone, v.Done = of+". "+list(refused)+" could not apply it; the operator sees why.", "bad", true
	case a.Done:
		v.Text = of + ", " + took(a.TookMS)
	default:
		v.Text, v.Tone = of+". "+list(waiting)+" has not confirmed yet.", "warn"
	}
	v.Text += fmt.Sprintf(" · #%d", a.Sequence)
	if !v.Done {
		v.Poll = withChange(appliedPath, a.Change)
	}
	return v
}

func took(ms int64) string {
	if ms < 1 {
		return "under 1 ms"
	}
	return fmt.Sprintf("%d ms", ms)
}
