package manager

import (
	"context"
	"fmt"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/manager/compile"
)

// CreatePlan adds a plan to a product. It starts as a draft unless State says
// published.
func (c *Catalog) CreatePlan(ctx context.Context, actor apim.Actor, tenant, product apim.ID, in PlanInput) (apim.Plan, apim.Change, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectProduct); err != nil {
		return apim.Plan{}, apim.Change{}, err
	}
	var plan apim.Plan
	var change apim.Change
	err := c.write(ctx, actor, func(u *unit) error {
		t := u.Tenant(tenant)
		p, err := t.Product(ctx, string(product))
		if err != nil {
			return err
		}
		if err := c.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectProduct, p.ID, p.Team); err != nil {
			return err
		}
		siblings, err := t.Plans(ctx, []apim.ID{p.ID})
		if err != nil {
			return err
		}
		plan = apim.Plan{
			ID: apim.NewID(apim.PrefixPlan, u.now), Tenant: tenant, Product: p.ID, Slug: in.Slug, Approval: apim.Manual,
			State: apim.PlanDraft, Limits: []apim.RateLimit{}, CreatedAt: u.now, UpdatedAt: u.now, Lock: 1,
		}
		if plan.Slug == "" {
			plan.Slug = apim.Slugify(value(in.Name))
		}
		var fields apim.Check
		fillPlan(&fields, &plan, in)
		if s := value(in.State); s != "" && s != apim.PlanDraft && s != apim.PlanPublished {
			fields.Fail("state", "unknown", "a new plan is draft or published")
		}
		fields.Slug("slug", plan.Slug)
		for _, s := range siblings {
			if s.Slug == plan.Slug {
				fields.Fail("slug", "taken", "the product has a plan %q already", s.Slug)
			}
		}
		if len(siblings) >= 50 {
			fields.Fail("product", "too_many", "has 50 plans, which is the most")
		}
		if err := fields.Err(); err != nil {
			return err
		}
		if value(in.State) == apim.PlanPublished {
			plan.State = apim.PlanPublished
		}
		if err := u.servesPolicies(ctx, plan); err != nil {
			return err
		}
		if err := t.InsertPlan(ctx, plan); err != nil {
			return err
		}
		if err := u.record(ctx, tenant, "plan.create", plan.ID, "plan %s of %s made", plan.Name, p.Name); err != nil {
			return err
		}
		change, err = u.emitTerms(ctx, plan, p)
		return err
	})
	return plan, change, err
}

// UpdatePlan changes a plan; its limits are in force for existing
// subscriptions as soon as the nodes confirm.
func (c *Catalog) UpdatePlan(ctx context.Context, actor apim.Actor, tenant, id apim.ID, in PlanInput) (apim.Plan, apim.Change, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectProduct); err != nil {
		return apim.Plan{}, apim.Change{}, err
	}
	var plan apim.Plan
	var change apim.Change
	err := c.write(ctx, actor, func(u *unit) (err error) {
		t := u.Tenant(tenant)
		if plan, err = t.Plan(ctx, id); err != nil {
			return err
		}
		product, err := t.Product(ctx, string(plan.Product))
		if err != nil {
			return err
		}
		if err := c.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectProduct, product.ID, product.Team); err != nil {
			return err
		}
		if err := apim.CheckLock("plan", plan.Lock, in.Lock); err != nil {
			return err
		}
		before := plan
		var fields apim.Check
		fillPlan(&fields, &plan, in)
		if in.Slug != "" && in.Slug != plan.Slug {
			fields.Fail("slug", "immutable", "a slug stays as it was made: %q", plan.Slug)
		}
		if err := fields.Err(); err != nil {
			return err
		}
		if in.State != nil {
			using, err := t.LiveOnPlan(ctx, plan.ID)
			if err != nil {
				return err
			}
			if err := plan.Move(*in.State, using); err != nil {
				return err
			}
			if plan.State == apim.PlanClosed && before.State != apim.PlanClosed {
				plan.ClosesAt = u.now
			}
		}
		if in.Policies != nil || before.State == apim.PlanDraft {
			if err := u.servesPolicies(ctx, plan); err != nil {
				return err
			}
		}
		plan.UpdatedAt = u.now
		if err := t.UpdatePlan(ctx, &plan); err != nil {
			return err
		}
		if err := u.recordChange(ctx, tenant, "plan.change", plan.ID, planFacts(before), planFacts(plan), "plan %s of %s changed%s", plan.Name, product.Name, toldPolicies(policyChanges(before.Policies, plan.Policies))); err != nil {
			return err
		}
		if plan.State == apim.PlanClosed && before.State != apim.PlanClosed {
			if err := u.tellOfPlan(ctx, plan, nil, "plan.close"); err != nil {
				return err
			}
		}
		change, err = u.emitTerms(ctx, plan, product)
		return err
	})
	if err == nil && plan.State == apim.PlanClosed {
		c.endWithPlans(ctx)
	}
	return plan, change, err
}

func planFacts(p apim.Plan) any {
	return map[string]any{"name": p.Name, "description": p.Description, "state": p.State, "approval": p.Approval, "limits": p.Limits, "policies": p.Policies, "price": p.Price, "closes_at": p.ClosesAt, "max_key_life": p.MaxKeyLife.String()}
}

func fillPlan(fields *apim.Check, p *apim.Plan, in PlanInput) {
	set(&p.Name, in.Name)
	set(&p.Description, in.Description)
	set(&p.Price, in.Price)
	set(&p.Approval, in.Approval)
	set(&p.Limits, in.Limits)
	if in.Policies != nil {
		p.Policies = written(*in.Policies)
	}
	set(&p.MaxKeyLife, in.MaxKeyLife)
	checkName(fields, p.Name)
	fields.Length("description", p.Description, 2000)
	fields.Length("price", p.Price, 200)
	if p.Approval != apim.Automatic && p.Approval != apim.Manual {
		fields.Fail("approval", "unknown", "is %q; use automatic or manual", p.Approval)
	}
	checkGivenLimits(fields, p.Limits)
	checkPlanPolicies(fields, *p)
	checkMaxKeyLife(fields, p.MaxKeyLife)
}

// checkGivenLimits checks the limits that a plan or a subscription gives, as nodes
// will: a grant that they refused would take its other subscriptions with it.
func checkGivenLimits(fields *apim.Check, limits []apim.RateLimit) {
	if !checkLimits(fields, limits, false) {
		return
	}
	for _, problem := range check.Terms(compile.Terms(apim.Plan{Limits: limits}, apim.Product{})) {
		if strings.HasPrefix(problem.Field, "limits") {
			fields.Fail(problem.Field, "limit", "%s", problem.Reason)
		}
	}
}

// checkPlanPolicies checks a plan's policies each alone, also those that are off,
// and then beside one another.
func checkPlanPolicies(fields *apim.Check, p apim.Plan) {
	wrong := policyProblems("policies", p.Policies)
	for i, one := range p.Policies {
		if stage := entry.PolicyKind(one.Kind).Stage(); stage != "" && stage != entry.Limit {
			wrong = append(wrong, apim.FieldError{Field: fmt.Sprintf("policies[%d].kind", i), Code: "stage", Detail: fmt.Sprintf(
				"is %s, of the stage %s; a plan takes policies of the stage limit: set it at a version or an operation", one.Kind, stage)})
		}
	}
	if len(wrong) == 0 {
		for _, problem := range check.Terms(compile.Terms(p, apim.Product{})) {
			if strings.HasPrefix(problem.Field, "policies") {
				wrong = append(wrong, apim.FieldError{Field: policyField(problem.Field, "policies", p.Policies, 0), Code: "policy", Detail: problem.Reason})
			}
		}
	}
	for _, w := range wrong {
		fields.Fail(w.Field, w.Code, "%s", w.Detail)
	}
}

// Plan returns a plan of the tenant.
func (c *Catalog) Plan(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Plan, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectProduct); err != nil {
		return apim.Plan{}, err
	}
	plan, err := c.Store.Tenant(tenant).Plan(ctx, id)
	if err != nil {
		return apim.Plan{}, err
	}
	product, err := c.Store.Tenant(tenant).Product(ctx, string(plan.Product))
	if err == nil {
		err = c.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectProduct, product.ID, product.Team)
	}
	if err != nil {
		return apim.Plan{}, err
	}
	return plan, nil
}

// emitTerms emits what a plan gives, or that it gives nothing any more. A
// draft has nothing on the nodes; its change is zero.
func (u *unit) emitTerms(ctx context.Context, p apim.Plan, product apim.Product) (apim.Change, error) {
	if p.State == apim.PlanDraft {
		return apim.Change{}, nil
	}
	it, err := termsItem(p, product)
	if err != nil {
		return apim.Change{}, err
	}
	return u.emitEverywhere(ctx, []entry.Item{it})
}

// servesPolicies refuses policies of a plan that a node which is live now does
// not know. A draft has nothing on the nodes, and a closed plan no more.
func (u *unit) servesPolicies(ctx context.Context, p apim.Plan) error {
	if p.State == apim.PlanDraft || p.State == apim.PlanClosed || len(p.Policies) == 0 {
		return nil
	}
	environments, err := u.System().Environments(ctx)
	if err != nil {
		return err
	}
	for _, e := range environments {
		if err := u.core.knownKinds(e.Slug, p.Policies); err != nil {
			return err
		}
	}
	return nil
}

func termsItem(p apim.Plan, product apim.Product) (entry.Item, error) {
	key, err := entry.TermsKey(p.ID.UUID())
	if err != nil {
		return entry.Item{}, err
	}
	if p.State == apim.PlanClosed {
		return entry.Tombstone(key, entry.Position{}), nil
	}
	body := compile.Terms(p, product)
	if problems := check.Terms(body); len(problems) > 0 {
		fields := make([]apim.FieldError, len(problems))
		for i, problem := range problems {
			fields[i] = apim.FieldError{Field: policyField(problem.Field, "policies", p.Policies, 0), Code: "not_servable", Detail: problem.Reason}
		}
		return entry.Item{}, &apim.Error{Kind: apim.Invalid, Code: "not_servable", Message: "gateway nodes could not serve this plan", Fields: fields}
	}
	return entry.Encode(key, entry.Position{}, body)
}
