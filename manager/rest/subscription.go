package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

type subscription struct {
	ID           apim.ID                `json:"id"`
	State        apim.SubscriptionState `json:"state"`
	Stopped      bool                   `json:"stopped"`
	Application  subscriber             `json:"application"`
	Provider     provider               `json:"provider"`
	Product      reference              `json:"product"`
	Plan         reference              `json:"plan"`
	PlanClosesAt time.Time              `json:"plan_closes_at,omitzero"`
	APIs         []string               `json:"apis"`
	Environments []string               `json:"environments"`
	Reason       string                 `json:"reason"`
	Requester    string                 `json:"requester"`
	RequestedAt  time.Time              `json:"requested_at"`
	Note         string                 `json:"note"`
	Decider      string                 `json:"decider,omitempty"`
	DecidedAt    time.Time              `json:"decided_at,omitzero"`
	StartsAt     time.Time              `json:"starts_at,omitzero"`
	EndsAt       time.Time              `json:"ends_at,omitzero"`
	Limits       []rateLimit            `json:"limits,omitempty"`
	Suspensions  []suspension           `json:"suspensions,omitempty"`
	NextPlan     *nextPlan              `json:"next_plan,omitempty"`
	Renews       apim.ID                `json:"renews,omitempty"`
	LongKeys     int                    `json:"long_keys,omitempty"`
	CanDecide    bool                   `json:"can_decide"`
	CanUndo      bool                   `json:"can_undo"`
	UndoUntil    time.Time              `json:"undo_until,omitzero"`
	History      []historyLine          `json:"history,omitempty"`
	outcome
}

// subscriber is what a provider sees of an application.
type subscriber struct {
	ID     apim.ID `json:"id"`
	Name   string  `json:"name"`
	Tenant string  `json:"tenant"`
}

// suspension stops a subscription in one environment.
type suspension struct {
	Environment string    `json:"environment"`
	Reason      string    `json:"reason"`
	By          string    `json:"by"`
	At          time.Time `json:"at"`
}

// nextPlan is a plan that a subscription is to change to.
type nextPlan struct {
	Plan      reference `json:"plan"`
	Reason    string    `json:"reason"`
	Requester string    `json:"requester"`
	At        time.Time `json:"at"`
}

type historyLine struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
	By   string    `json:"by"`
}

func subscriptionOf(v manager.SubscriptionView) subscription {
	s := v.Subscription
	out := subscription{
		ID: s.ID, State: s.State, Stopped: s.Stopped,
		Application: subscriber{ID: s.Application, Name: v.Application, Tenant: v.Consumer},
		Provider:    provider{Slug: v.ProviderSlug, Name: v.Provider}, Product: productReference(v.Product),
		Plan:         reference{ID: v.Plan.ID, Slug: v.Plan.Slug, Name: v.Plan.Name},
		PlanClosesAt: v.Plan.ClosesAt.UTC(),
		APIs:         orEmpty(v.APIs), Environments: orEmpty(s.Environments),
		Reason: s.Reason, Requester: s.Requester, RequestedAt: s.RequestedAt.UTC(),
		Note: s.Note, Decider: s.Decider, DecidedAt: s.DecidedAt.UTC(), StartsAt: s.StartsAt.UTC(), EndsAt: s.EndsAt.UTC(),
		LongKeys: v.LongKeys, CanDecide: v.CanDecide, CanUndo: v.CanUndo, UndoUntil: v.UndoUntil.UTC(),
		History: each(v.History, func(h manager.HistoryLine) historyLine {
			return historyLine{At: h.At.UTC(), Text: h.Text, By: h.By}
		}),
		Suspensions: each(s.Suspensions, func(one apim.Suspension) suspension {
			return suspension{Environment: one.Environment, Reason: one.Reason, By: one.By, At: one.At.UTC()}
		}),
		Limits: each(s.Limits, rateLimitOf), Renews: s.Renews,
	}
	if s.Changing() {
		out.NextPlan = &nextPlan{
			Plan:   reference{ID: v.NextPlan.ID, Slug: v.NextPlan.Slug, Name: v.NextPlan.Name},
			Reason: s.PlanChange.Reason, Requester: s.PlanChange.Requester, At: s.PlanChange.At.UTC(),
		}
	}
	return out
}

// answerSubscription answers with a subscription as it is now.
func answerSubscription(r *request, status int, id apim.ID, o outcome) error {
	v, err := r.Access.Subscription(r.ctx, r.actor, r.tenant.ID, id)
	if err != nil {
		return err
	}
	out := subscriptionOf(v)
	out.outcome = o
	if status == http.StatusCreated {
		return r.made("/subscriptions/"+string(id), v.Subscription.Lock, out)
	}
	return r.answer(status, v.Subscription.Lock, out)
}

func listSubscriptions(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	show, err := choice(r.c, "show", "waiting", "answered", "automatic", "all")
	if err != nil {
		return err
	}
	state, err := choice(r.c, "state", "", string(apim.Pending), string(apim.Active), string(apim.Rejected), string(apim.Suspended), string(apim.Expired), string(apim.Cancelled))
	if err != nil {
		return err
	}
	views, err := r.Access.Inbox(r.ctx, r.actor, r.tenant.ID, manager.InboxQuery{
		Tab: show, State: apim.SubscriptionState(state), Product: r.c.Query("product"), Application: r.c.Query("application"), Page: page,
	})
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(views, subscriptionOf))
}

func requestAccess(r *request) error {
	var in struct {
		Application  string   `json:"application"`
		Plan         apim.ID  `json:"plan"`
		Reason       string   `json:"reason"`
		Environments []string `json:"environments"`
		Renews       apim.ID  `json:"renews"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	var check apim.Check
	check.Require("application", in.Application)
	check.Require("plan", string(in.Plan))
	if err := check.Err(); err != nil {
		return err
	}
	app, err := applicationID(r, in.Application)
	if err != nil {
		return err
	}
	s, change, err := r.Access.Request(r.ctx, r.actor, r.tenant.ID, manager.RequestAccess{
		Application: app, Plan: in.Plan, Reason: in.Reason, Environments: in.Environments, Renews: in.Renews,
	})
	if err != nil {
		return err
	}
	return answerSubscription(r, http.StatusCreated, s.ID, r.settle(change))
}

func showSubscription(r *request) error {
	id, err := r.id(apim.PrefixSubscription, "subscription")
	if err != nil {
		return err
	}
	return answerSubscription(r, http.StatusOK, id, outcome{})
}
