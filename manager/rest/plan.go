package rest

import (
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
	State       apim.PlanState `json:"state"`
	CreatedAt   time.Time      `json:"created_at"`
	UpdatedAt   time.Time      `json:"updated_at"`
	outcome
}

func planOf(p apim.Plan) plan {
	return plan{
		ID: p.ID, Product: p.Product, Slug: p.Slug, Name: p.Name, Description: p.Description, Price: p.Price,
		Approval: p.Approval, Limits: each(p.Limits, rateLimitOf), State: p.State,
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
	State       *apim.PlanState `json:"state"`
}

func (in planInput) input() (manager.PlanInput, error) {
	limits, err := rateLimits(in.Limits)
	return manager.PlanInput{
		Name: in.Name, Description: in.Description, Price: in.Price,
		Approval: in.Approval, Limits: limits, State: in.State,
	}, err
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
