package console

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

// subscriptionsPage lists the subscriptions to the tenant's products.
type subscriptionsPage struct {
	shell
	Rows  []subscriptionRow
	Later string
	First string
}

type subscriptionRow struct {
	Application, Consumer, Href, Product, Plan string
	State                                      apim.SubscriptionState
	Stopped                                    bool
	Since, Note                                string
}

func (h *Console) subscriptions(v *visit) error {
	list, err := h.Access.Inbox(v.ctx(), v.actor, v.tenant.ID, manager.InboxQuery{Tab: "all", Page: apim.Page{Cursor: v.query("cursor")}})
	if err != nil {
		return err
	}
	p := subscriptionsPage{shell: v.shell("Subscriptions", link{"Subscriptions", ""})}
	for _, s := range list.Items {
		sub := s.Subscription
		at := sub.DecidedAt
		if at.IsZero() {
			at = sub.RequestedAt
		}
		p.Rows = append(p.Rows, subscriptionRow{
			Application: s.Application, Consumer: s.Consumer, Href: v.links.subscription(sub.ID),
			Product: s.Product.Name, Plan: s.Plan.Name, State: sub.State, Stopped: sub.Stopped,
			Since: day(at), Note: clip(sub.Note, 60),
		})
	}
	p.Later, p.First = v.pages(v.links.subscriptions(), list.NextCursor)
	return v.render(http.StatusOK, subscriptionsList(p))
}

// subscriptionPage is one subscription, with what can be done about it.
type subscriptionPage struct {
	shell
	Heading string
	State   apim.SubscriptionState
	Stopped bool
	Facts   []fact
	History []historyView
	Note    string
	Live    liveView
	Acts    []subscriptionAct
	Form    form
	Inbox   string
}

// subscriptionAct is a form that moves the subscription.
type subscriptionAct struct {
	Title, Text, Action, Submit, Field, Hint string
	Danger, Reason                           bool     // Reason: there is a field for one
	Terms                                    bool     // there are fields for terms
	Environment                              string   // fixed, in a hidden field
	Environments                             []choice // to choose from
}

func (h *Console) subscription(v *visit) error {
	s, err := h.subscriptionOf(v)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, subscriptionView(h.subscriptionPage(v, s, form{})))
}

func (h *Console) subscriptionOf(v *visit) (manager.SubscriptionView, error) {
	id, err := apim.ParseID(apim.PrefixSubscription, v.param("subscription"))
	if err != nil {
		return manager.SubscriptionView{}, err
	}
	return h.Access.Subscription(v.ctx(), v.actor, v.tenant.ID, id)
}

func (h *Console) subscriptionPage(v *visit, s manager.SubscriptionView, f form) subscriptionPage {
	sub, l := s.Subscription, v.links
	name := s.Application + " → " + s.Product.Name
	p := subscriptionPage{
		shell: v.shell(name, link{"Subscriptions", l.subscriptions()}, link{s.Application, ""}), Heading: name,
		State: sub.State, Stopped: sub.Stopped, Note: sub.Note, Form: f,
		Live: h.liveFromQuery(v, "The change", "in force"),
	}
	p.Facts = append([]fact{{"Application", s.Application}, {"Of", s.Consumer}, {"Plan", s.Plan.Name}}, gets(s)...)
	p.Facts = append(p.Facts, fact{"Asked", moment(sub.RequestedAt) + by(sub.Requester)})
	if !sub.DecidedAt.IsZero() {
		p.Facts = append(p.Facts, fact{"Decided", moment(sub.DecidedAt) + by(sub.Decider)})
	}
	if !sub.EndsAt.IsZero() {
		p.Facts = append(p.Facts, fact{"Ends", moment(sub.EndsAt)})
	}
	if sub.Live() && !s.Plan.ClosesAt.IsZero() {
		p.Facts = append(p.Facts, fact{"Plan closes", moment(s.Plan.ClosesAt)})
	}
	if s.LongKeys > 0 {
		p.Facts = append(p.Facts, fact{"Keys", count(s.LongKeys, "key lives", "keys live") + " longer than the " + lifeText(s.Plan.MaxKeyLife) + " of the plan"})
	}
	if sub.Changing() {
		p.Facts = append(p.Facts, fact{"Wants", s.NextPlan.Name + ", asked " + agoPhrase(v.now, sub.PlanChange.At) + by(sub.PlanChange.Requester)})
	}
	for _, line := range s.History {
		p.History = append(p.History, historyView{Text: line.Text, When: moment(line.At)})
	}
	if sub.Waiting() {
		p.Inbox = l.request("", sub.ID)
	}
	if !v.can(apim.Approve, apim.ObjectSubscription) {
		return p
	}
	for _, one := range sub.Suspensions {
		p.Acts = append(p.Acts, subscriptionAct{
			Title: "Resume in " + one.Environment, Text: "Suspended there " + agoPhrase(v.now, one.At) + by(one.By) + ": " + one.Reason,
			Action: l.subscriptionDo(sub.ID, "resume"), Submit: "Resume", Environment: one.Environment,
		})
	}
	if sub.State == apim.Active {
		act := subscriptionAct{
			Title: "Suspend", Text: "Its calls are refused until you resume it.", Reason: true,
			Action: l.subscriptionDo(sub.ID, "suspend"), Submit: "Suspend", Field: "suspend_reason",
			Hint: "The application's people see it.",
		}
		if len(v.environments) > 1 {
			act.Environments = []choice{{"", "everywhere"}}
			for _, e := range v.environments {
				if sub.Covers(e.Slug) && !sub.SuspendedIn(e.Slug) {
					act.Environments = append(act.Environments, choice{e.Slug, "in " + e.Name})
				}
			}
		}
		p.Acts = append(p.Acts, act)
	}
	if sub.Live() && sub.State != apim.Pending {
		p.Acts = append(p.Acts, subscriptionAct{
			Title: "Terms of its own", Text: "The rate is instead of the plan's rate; the plan's policies hold beside it. Empty fields are as the plan says.", Terms: true,
			Action: l.subscriptionDo(sub.ID, "terms"), Submit: "Save terms",
		})
		if p.Form.values == nil {
			p.Form.values = url.Values{}
		}
		if !p.Form.has("requests") { // they were not typed: they are as they are
			maps.Copy(p.Form.values, termsForm(sub).values)
		}
	}
	if sub.State == apim.Suspended {
		p.Acts = append(p.Acts, subscriptionAct{
			Title: "Resume", Text: "Its keys work again.", Action: l.subscriptionDo(sub.ID, "resume"), Submit: "Resume",
		})
	}
	if sub.Live() && sub.State != apim.Pending {
		p.Acts = append(p.Acts, subscriptionAct{
			Title: "Cancel for good", Text: "It ends now and does not come back; the application can ask again.", Reason: true, Danger: true,
			Action: l.subscriptionDo(sub.ID, "cancel"), Submit: "Cancel subscription", Field: "cancel_reason",
			Hint: "The application's people see it.",
		})
	}
	return p
}

func by(name string) string {
	if name == "" {
		return ""
	}
	return " by " + name
}

func (h *Console) moveSubscription(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	s, err := h.subscriptionOf(v)
	if err != nil {
		return err
	}
	id, verb := s.Subscription.ID, v.param("verb")
	field := verb + "_reason"
	reason := f.text(field)
	var change apim.Change
	switch verb {
	case "suspend":
		if s.Subscription.State == apim.Suspended { // a second press of the same button
			return v.redirect(v.links.subscription(id))
		}
		_, change, err = h.Access.Suspend(v.ctx(), v.actor, v.tenant.ID, id, reason, f.value("environment"))
	case "resume":
		if s.Subscription.State == apim.Active && f.value("environment") == "" {
			return v.redirect(v.links.subscription(id))
		}
		_, change, err = h.Access.Resume(v.ctx(), v.actor, v.tenant.ID, id, f.value("environment"))
	case "terms":
		if f.rearrangedLimits() {
			return v.render(http.StatusOK, subscriptionView(h.subscriptionPage(v, s, f)))
		}
		terms := f.terms()
		if f.failed() {
			return v.again(f, subscriptionView(h.subscriptionPage(v, s, f)))
		}
		_, change, err = h.Access.SetTerms(v.ctx(), v.actor, v.tenant.ID, id, terms)
	case "cancel":
		if s.Subscription.State == apim.Cancelled {
			return v.redirect(v.links.subscription(id))
		}
		if reason == "" {
			f.fail(field, "needs a reason: the application's people see why it ended")
			return v.again(f, subscriptionView(h.subscriptionPage(v, s, f)))
		}
		_, change, err = h.Access.Cancel(v.ctx(), v.actor, v.tenant.ID, id, reason)
	default:
		return apim.Errorf(apim.NotFound, "a subscription is suspended, resumed, given terms or cancelled")
	}
	if err != nil {
		if f.refuseLimits(err, []string{field, "ends_on"}, map[string]string{"reason": field, "note": field, "ends_at": "ends_on"}) {
			return v.again(f, subscriptionView(h.subscriptionPage(v, s, f)))
		}
		return err
	}
	past := map[string]string{"suspend": "suspended", "resume": "active again", "cancel": "cancelled", "terms": "on terms of its own"}[verb]
	v.flash(toneOK, strings.TrimSpace(s.Application)+" is "+past+".")
	return v.redirect(withChange(v.links.subscription(id), change))
}

// termsForm fills the fields of a subscription's own terms.
func termsForm(s apim.Subscription) form {
	f := filled("period", "minute")
	if !s.EndsAt.IsZero() {
		f.values.Set("ends_on", s.EndsAt.UTC().Format(time.DateOnly))
	}
	f.showLimits(s.Limits...)
	return f
}

// terms reads them: until the end of a day, and limits.
func (f *form) terms() apim.SubscriptionTerms {
	var out apim.SubscriptionTerms
	if text := f.text("ends_on"); text != "" {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			f.fail("ends_on", "use a date")
		}
		out.EndsAt = day.AddDate(0, 0, 1)
	}
	if limits := limitsOf(f); len(limits) > 0 {
		out.Limits = limits
	}
	return out
}
