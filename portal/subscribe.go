package portal

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/manager"
)

// subscribeView is the form that requests access: application, plan, and a
// reason where a person decides.
type subscribeView struct {
	frame
	Renews                     string // the ended subscription that this follows
	Product, Provider, Summary string
	ProductURL, Action         string
	Nonce                      string
	Applications               []applicationChoice
	Application, Name          string // chosen; Name of the one to be made
	Team                       string // that is to own the one to be made
	Owners                     []choice
	Plans                      []planColumn
	Plan                       string
	Reason                     string
	Terms                      termsView
	Errors                     fieldErrors
}

type applicationChoice struct {
	ID, Name, Line, Badge string
	Disabled              bool
}

// termsView is what follows from the chosen plan.
type termsView struct {
	AnyManual bool
	Provider  string
	Reason    string
	Err       string
	Note      string
	Still     string // the note where no script follows the choice
	Submit    string
}

const makeNew = "new"

func (p *portal) subscribeForm(c *gin.Context, r *reader) error {
	v := subscribeView{Application: c.Query("application"), Plan: c.Query("plan"), Name: c.Query("name"), Reason: c.Query("reason"), Team: c.Query("team"), Renews: c.Query("renews")}
	return p.showSubscribe(c, r, http.StatusOK, v)
}

func (p *portal) showSubscribe(c *gin.Context, r *reader, status int, v subscribeView) error {
	ctx := c.Request.Context()
	offer, err := p.Catalog.Offer(ctx, r.Actor, r.Tenant.ID, c.Param("provider"), c.Param("product"))
	if err != nil {
		return err
	}
	applications, err := p.allApplications(ctx, r)
	if err != nil {
		return err
	}
	if v.Owners, err = p.ownerChoices(ctx, r, nil); err != nil {
		return err
	}
	v.frame = r.frame("Get access to "+offer.Product.Name, atCatalog)
	v.Product, v.Provider, v.Summary = offer.Product.Name, offer.Provider.Name, contents(offer)
	v.ProductURL = productLink(offer.Provider.Slug, offer.Product.Slug)
	v.Action = subscribeLink(offer.Provider.Slug, offer.Product.Slug)
	if v.Nonce == "" {
		v.Nonce = newNonce()
	}
	v.chooseApplication(applications, offer)
	v.choosePlan(offer)
	return p.render(c, status, subscribePageOf(v))
}

// chooseApplication lays the applications out; one that has access already, or
// asked for it, cannot ask again.
func (v *subscribeView) chooseApplication(all []manager.ApplicationDetail, offer manager.Offer) {
	known := v.Application == makeNew
	first := ""
	for _, a := range all {
		choice := applicationChoice{ID: string(a.Application.ID), Name: a.Application.Name, Line: usesLine(a)}
		for _, s := range a.Subscriptions {
			if !s.Subscription.Live() || !overlaps(s.Product, offer.Product) {
				continue
			}
			choice.Disabled, choice.Badge = true, "Already subscribed"
			if s.Subscription.State == apim.Pending {
				choice.Badge = "Waiting for approval"
			}
			if s.Product.ID != offer.Product.ID {
				choice.Badge = "Has an API of it through " + s.Product.Name
			}
		}
		if !choice.Disabled {
			known = known || choice.ID == v.Application
			if first == "" {
				first = choice.ID
			}
		}
		v.Applications = append(v.Applications, choice)
	}
	if !known {
		v.Application = first
	}
	if v.Application == "" {
		v.Application = makeNew
	}
}

func usesLine(a manager.ApplicationDetail) string {
	var uses []string
	for _, s := range a.Subscriptions {
		if s.Subscription.State == apim.Active {
			uses = append(uses, s.Product.Name+", "+s.Plan.Name)
		}
	}
	line := count(len(a.Credentials), "key", "keys")
	if len(uses) > 0 {
		line += " · uses " + strings.Join(uses, " · ")
	}
	return line
}

// overlaps reports whether two products hold the same API version, which an
// application can have through one of them only.
func overlaps(a, b apim.Product) bool {
	return a.ID == b.ID || slices.ContainsFunc(a.Versions, func(v apim.ID) bool { return slices.Contains(b.Versions, v) })
}

func (v *subscribeView) choosePlan(offer manager.Offer) {
	for _, column := range planColumns(offer.Plans, nil) {
		if column.Open {
			v.Plans = append(v.Plans, column)
		}
	}
	at := slices.IndexFunc(v.Plans, func(c planColumn) bool { return c.ID == v.Plan })
	if at < 0 {
		v.Plan, at = "", 0
	}
	if len(v.Plans) == 0 {
		return
	}
	v.Plan, v.Plans[at].Chosen = v.Plans[at].ID, true
	chosen := v.Plans[at]
	v.Terms = termsView{Provider: v.Provider, Reason: v.Reason, Err: v.Errors.of("reason"), Submit: "Get access"}
	v.Terms.Note = chosen.Name + " is approved at once: your keys work within a second."
	automatic := ""
	for _, c := range v.Plans {
		v.Terms.AnyManual = v.Terms.AnyManual || c.Manual
		if !c.Manual && automatic == "" {
			automatic = c.Name
		}
	}
	if chosen.Manual {
		v.Terms.Submit = "Request access"
		v.Terms.Note = chosen.Name + " needs approval. Until then your keys answer 403 subscription_pending."
		if automatic != "" {
			v.Terms.Note += " " + automatic + " works at once."
		}
	}
	if v.Terms.AnyManual && automatic != "" {
		v.Terms.Still = "A plan that a person approves opens after the approval, any other at once."
	}
}

func contents(o manager.Offer) string {
	var names []string
	for _, v := range o.Versions {
		names = append(names, v.API.Name+" "+v.Label)
	}
	if len(names) == 0 {
		return o.Product.Summary
	}
	return list(names) + " in one subscription."
}

// subscribe asks for the plan, for an application that it makes first when
// that was chosen.
func (p *portal) subscribe(c *gin.Context, r *reader) error {
	v := subscribeView{
		Application: c.PostForm("application"), Name: strings.TrimSpace(c.PostForm("name")),
		Plan: c.PostForm("plan"), Reason: strings.TrimSpace(c.PostForm("reason")), Nonce: c.PostForm("nonce"), Team: c.PostForm("team"), Renews: c.PostForm("renews"),
	}
	location, _, err := p.once.Do(string(r.Actor.Person), v.Nonce, func() (string, error) {
		return p.requestAccess(c.Request.Context(), r, &v)
	})
	if errs, ok := fieldsOf(err, "application", "name", "team", "plan", "reason"); ok {
		v.Errors = errs
		return p.showSubscribe(c, r, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	return p.seeOther(c, location)
}

func (p *portal) requestAccess(ctx context.Context, r *reader, v *subscribeView) (string, error) {
	var check apim.Check
	plan, err := apim.ParseID(apim.PrefixPlan, v.Plan)
	if err != nil {
		check.Fail("plan", "required", "choose a plan")
	}
	if v.Application == makeNew {
		check.Require("name", v.Name)
	} else if _, err := apim.ParseID(apim.PrefixApplication, v.Application); err != nil {
		check.Fail("application", "required", "choose an application, or make a new one")
	}
	if err := check.Err(); err != nil {
		return "", err
	}
	if v.Application == makeNew {
		a, err := p.Access.CreateApplication(ctx, r.Actor, r.Tenant.ID, manager.ApplicationInput{Name: &v.Name, Team: new(apim.ID(v.Team))})
		if err != nil {
			return "", err
		}
		v.Application = string(a.ID) // chosen from now on, should the request be refused
	}
	a, err := p.Access.Application(ctx, r.Actor, r.Tenant.ID, v.Application)
	if err != nil {
		return "", err
	}
	in := manager.RequestAccess{Application: a.Application.ID, Plan: plan, Reason: v.Reason}
	for _, s := range a.Subscriptions { // another application may have been chosen meanwhile
		if string(s.Subscription.ID) == v.Renews {
			in.Renews = s.Subscription.ID
		}
	}
	sub, change, err := p.Access.Request(ctx, r.Actor, r.Tenant.ID, in)
	if err != nil {
		return "", err
	}
	return withChange(subscriptionLink(a.Application.Slug, sub.ID), change), nil
}
