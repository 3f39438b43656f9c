package rest

import (
	"math"
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

type plan struct {
	ID          apim.ID        `json:"id"`
	Product     apim.ID        `json:"product"`
	Slug        string         `json:"slug"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Price       string         `json:"price"`
	Approval    apim.Approval  `json:"approval"`
	Limits      []rateLimit    `json:"limits"`
	Policies    []policy       `json:"policies"`
	MaxKeyLife  int64          `json:"max_key_life_ms,omitempty"`
	LongKeys    int            `json:"long_keys,omitempty"`
	State       apim.PlanState `json:"state"`
	ClosesAt    time.Time      `json:"closes_at,omitzero"`
	Losing      []losing       `json:"losing,omitempty"`
	CreatedAt   time.Time      `json:"created_at"`
	UpdatedAt   time.Time      `json:"updated_at"`
	outcome
}

func planOf(p apim.Plan) plan {
	return plan{
		ID: p.ID, Product: p.Product, Slug: p.Slug, Name: p.Name, Description: p.Description, Price: p.Price,
		Approval: p.Approval, Limits: each(p.Limits, rateLimitOf), Policies: each(p.Policies, policyOf), MaxKeyLife: p.MaxKeyLife.Milliseconds(), State: p.State, ClosesAt: p.ClosesAt.UTC(),
		CreatedAt: p.CreatedAt.UTC(), UpdatedAt: p.UpdatedAt.UTC(),
	}
}

// planInput is the body that makes or changes a plan.
type planInput struct {
	Name        *string         `json:"name"`
	Description *string         `json:"description"`
	Price       *string         `json:"price"`
	Approval    *apim.Approval  `json:"approval"`
	Limits      *[]rateLimit    `json:"limits"`
	Policies    *[]policy       `json:"policies"`
	MaxKeyLife  *int64          `json:"max_key_life_ms"`
	State       *apim.PlanState `json:"state"`
}

func (in planInput) input() (manager.PlanInput, error) {
	limits, err := rateLimits(in.Limits)
	out := manager.PlanInput{
		Name: in.Name, Description: in.Description, Price: in.Price,
		Approval: in.Approval, Limits: limits, Policies: policiesOf(in.Policies), State: in.State,
	}
	if in.MaxKeyLife != nil {
		if *in.MaxKeyLife < 0 || *in.MaxKeyLife > math.MaxInt64/int64(time.Millisecond) {
			return out, fieldf("max_key_life_ms", "range", "is no length of time")
		}
		life := time.Duration(*in.MaxKeyLife) * time.Millisecond
		out.MaxKeyLife = &life
	}
	return out, err
}

func createPlan(r *request) error {
	var in struct {
		Slug string `json:"slug"`
		planInput
	}
	if err := r.body(&in); err != nil {
		return err
	}
	make, err := in.input()
	if err != nil {
		return err
	}
	make.Slug = in.Slug
	id, err := productID(r)
	if err != nil {
		return err
	}
	p, change, err := r.Catalog.CreatePlan(r.ctx, r.actor, r.tenant.ID, id, make)
	if err != nil {
		return err
	}
	out := planOf(p)
	out.outcome = r.settle(change)
	return r.made("/plans/"+string(p.ID), p.Lock, out)
}

func showPlan(r *request) error {
	id, err := r.id(apim.PrefixPlan, "plan")
	if err != nil {
		return err
	}
	p, err := r.Catalog.Plan(r.ctx, r.actor, r.tenant.ID, id)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, p.Lock, planOf(p))
}

func updatePlan(r *request) error {
	id, err := r.id(apim.PrefixPlan, "plan")
	if err != nil {
		return err
	}
	var in planInput
	if err := r.body(&in); err != nil {
		return err
	}
	change, err := in.input()
	if err != nil {
		return err
	}
	change.Lock = r.lock
	p, published, err := r.Catalog.UpdatePlan(r.ctx, r.actor, r.tenant.ID, id, change)
	if err != nil {
		return err
	}
	out := planOf(p)
	out.outcome = r.settle(published)
	return r.answer(http.StatusOK, p.Lock, out)
}

// losing is a subscription that ends with its plan.
type losing struct {
	Subscription apim.ID                `json:"subscription"`
	State        apim.SubscriptionState `json:"state"`
	Application  subscriber             `json:"application"`
	Environments []string               `json:"environments"`
}

func losingOf(l manager.Losing) losing {
	s := l.Subscription
	return losing{
		Subscription: s.ID, State: s.State, Environments: orEmpty(s.Environments),
		Application: subscriber{ID: s.Application, Name: l.Application, Tenant: l.Consumer},
	}
}

// closePlan closes a plan, now or at a date; with dry_run it says who would lose
// access, and changes nothing.
func closePlan(r *request) error {
	id, err := r.id(apim.PrefixPlan, "plan")
	if err != nil {
		return err
	}
	var in struct {
		ClosesAt time.Time `json:"closes_at"`
	}
	if err := r.optionalBody(&in); err != nil {
		return err
	}
	dry, err := choice(r.c, "dry_run", "false", "true")
	if err != nil {
		return err
	}
	p, losing, err := r.Catalog.Losing(r.ctx, r.actor, r.tenant.ID, id)
	if err != nil {
		return err
	}
	var out plan
	if dry == "true" {
		out = planOf(p)
	} else {
		closed, change, err := r.Catalog.ClosePlan(r.ctx, r.actor, r.tenant.ID, id, manager.PlanClosing{At: in.ClosesAt, Lock: r.lock})
		if err != nil {
			return err
		}
		p, out = closed, planOf(closed)
		out.outcome = r.settle(change)
	}
	out.Losing = each(losing, losingOf)
	return r.answer(http.StatusOK, p.Lock, out)
}

// keepPlan takes a plan's closing date back.
func keepPlan(r *request) error {
	id, err := r.id(apim.PrefixPlan, "plan")
	if err != nil {
		return err
	}
	if err := r.optionalBody(&struct{}{}); err != nil {
		return err
	}
	p, _, err := r.Catalog.KeepPlan(r.ctx, r.actor, r.tenant.ID, id, r.lock)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, p.Lock, planOf(p))
}
