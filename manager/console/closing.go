package console

import (
	"net/http"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

// closingPage asks when a plan is to close, and names who loses access.
type closingPage struct {
	dialogPage
	Losing   []losingRow
	More     string // of them, than are named
	Earliest string
}

type losingRow struct {
	Application, Consumer string
	State                 apim.SubscriptionState
	Environments          string
}

// mostNamed is how many subscriptions a question names one by one.
const mostNamed = 50

// closingNotice is how far ahead the form proposes to close.
const closingNotice = 30 * 24 * time.Hour

func (h *Console) closingForm(v *visit) error {
	d, plan, err := h.planOf(v)
	if err != nil {
		return err
	}
	date := v.now.Add(closingNotice)
	if !plan.ClosesAt.IsZero() {
		date = plan.ClosesAt
	}
	f := filled("when", "date", "closes_at", date.UTC().Format(time.DateOnly), "lock", lockText(plan.Lock))
	return h.closing(v, http.StatusOK, d, plan, f)
}

func (h *Console) closing(v *visit, status int, d manager.ProductDetail, plan apim.Plan, f form) error {
	_, losing, err := h.Catalog.Losing(v.ctx(), v.actor, v.tenant.ID, plan.ID)
	if err != nil {
		return err
	}
	p := closingPage{
		dialogPage: dialogPage{
			versionHead: versionHead{shell: v.shell("Close "+plan.Name, link{"Products", v.links.products()}, link{d.Product.Name, v.links.product(d.Product.Slug)}, link{"Close " + plan.Name, ""})},
			Dialog:      v.wantsDialog(), Heading: "Close " + plan.Name, Submit: "Close " + plan.Name, Danger: true, Form: f, Lock: f.value("lock"),
			Action: v.links.plan(d.Product.Slug, plan.ID, "close"), Back: v.links.product(d.Product.Slug),
			Intro: "Nobody uses the plan. It cannot be opened again.",
		},
		Earliest: v.now.Add(24 * time.Hour).UTC().Format(time.DateOnly),
	}
	if len(losing) > 0 {
		p.Intro = count(len(losing), "subscription ends", "subscriptions end") + " with it, for good. Their people see why; until the date they can change plans."
	}
	for i, l := range losing {
		if i == mostNamed {
			p.More = "and " + number(len(losing)-mostNamed) + " more"
			break
		}
		p.Losing = append(p.Losing, losingRow{l.Application, l.Consumer, l.Subscription.State, coverText(l.Subscription.Environments)})
	}
	return v.render(status, closingDialog(p))
}

// closePlan closes a plan now, or at the date that the form names.
func (h *Console) closePlan(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, plan, err := h.planOf(v)
	if err != nil {
		return err
	}
	page := v.links.product(d.Product.Slug)
	if plan.State == apim.PlanClosed { // a second press of the same button
		return v.redirect(page)
	}
	in := manager.PlanClosing{Lock: lockOf(f)}
	switch f.value("when") {
	case "now":
	case "date":
		if in.At, err = time.Parse(time.DateOnly, f.text("closes_at")); err != nil {
			f.fail("closes_at", "use a date such as 2027-03-31")
		}
	default:
		f.fail("when", "choose when it closes")
	}
	if !f.failed() {
		saved, change, err := h.Catalog.ClosePlan(v.ctx(), v.actor, v.tenant.ID, plan.ID, in)
		if err == nil {
			text := "Plan " + saved.Name + " is closed."
			if saved.State != apim.PlanClosed {
				text = "Plan " + saved.Name + " closes on " + day(saved.ClosesAt) + ". Who uses it is told."
				return v.done(text, page)
			}
			return v.done(text, withChange(page, change))
		}
		if !f.refuse(err, []string{"when", "closes_at"}, nil) {
			return err
		}
	}
	return h.closing(v, v.status(f), d, plan, f)
}

// keepPlan takes a plan's closing date back.
func (h *Console) keepPlan(v *visit) error {
	d, plan, err := h.planOf(v)
	if err != nil {
		return err
	}
	page := v.links.product(d.Product.Slug)
	if _, _, err := h.Catalog.KeepPlan(v.ctx(), v.actor, v.tenant.ID, plan.ID, 0); err != nil {
		var f form
		if f.refuse(err, nil, nil) {
			v.flash(toneBad, f.message)
			return v.redirect(page)
		}
		return err
	}
	return v.done("Plan "+plan.Name+" stays open. Who uses it is told.", page)
}

// done says what happened on the page that it leads to.
func (v *visit) done(text, page string) error {
	v.flash(toneOK, text)
	return v.redirect(page)
}

// coverText writes which environments a subscription covers.
func coverText(environments []string) string {
	if len(environments) == 0 {
		return "all environments"
	}
	return strings.Join(environments, ", ")
}
