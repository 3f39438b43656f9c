package manager

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/compile"
	"portico/manager/store"
)

// Where a step of a chain is set.
const (
	FromEnvironment = "environment"
	FromVersion     = "version"
	FromOperation   = "operation"
	FromPlan        = "plan"    // of the caller's subscription
	FromGateway     = "gateway" // a part of every chain
)

// ChainStep is one step that a call passes, as it is set.
type ChainStep struct {
	// Policy is as it was written. Steps that are no policies of their own are
	// shown as one: limits and places of the key as the policies that they become,
	// and of the gateway "size", "grant" and "plan_limit".
	Policy apim.Policy
	Stage  string
	From   string // FromEnvironment, FromVersion, FromOperation, FromPlan or FromGateway
	// Index is the policy's place in the list of From, where it can be edited; -1:
	// in none.
	Index int
	// Field is where it is set, as in a refusal: "policies[1]",
	// "routes[list].policies[0]", "limits[0]", "credentials", "max_body_bytes"; ""
	// where nobody sets it.
	Field string
	// Inherited says that the step is set above what was asked for.
	Inherited bool
	// Replaced says that the operation identifies callers itself, or is composed
	// itself, and that this step of its version's does not run there.
	Replaced bool
	// Plans are, at the step "plan_limit", those by which the version can be called
	// now and that the reader may see, by product and name.
	Plans []ChainPlan
}

// ChainPlan is a plan that adds its limits to a chain.
type ChainPlan struct {
	Product apim.Product
	Plan    apim.Plan
}

// Runs reports whether calls pass the step.
func (s ChainStep) Runs() bool { return !s.Policy.Off && !s.Replaced }

// Chain returns what the draft of a version makes calls pass, in the order in
// which they do, those that are switched off included. environment is a slug, ""
// leaves its policies out; operation is one of the draft's, "" is any that asks
// for a credential and has no policies of its own.
func (c *Catalog) Chain(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environmentSlug, operation string) ([]ChainStep, error) {
	return c.chainOf(ctx, actor, tenant, version, 0, environmentSlug, operation)
}

// RevisionChain is Chain of one of the version's revisions, by its number.
func (c *Catalog) RevisionChain(ctx context.Context, actor apim.Actor, tenant, version apim.ID, revision int, environmentSlug, operation string) ([]ChainStep, error) {
	return c.chainOf(ctx, actor, tenant, version, revision, environmentSlug, operation)
}

// chainOf is of a revision, or with 0 of the draft.
func (c *Catalog) chainOf(ctx context.Context, actor apim.Actor, tenant, version apim.ID, revision int, environmentSlug, operation string) ([]ChainStep, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return nil, err
	}
	var out []ChainStep
	err := c.Store.Read(ctx, func(tx *store.Tx) error {
		v, err := tx.Tenant(tenant).Version(ctx, version)
		if err != nil {
			return err
		}
		if err := c.allowVersion(ctx, tx.Tenant(tenant), actor, apim.Read, v.API); err != nil {
			return err
		}
		if revision > 0 {
			r, err := tx.Tenant(tenant).Revision(ctx, v.ID, revision)
			if err != nil {
				return err
			}
			v.Runtime = r.Runtime
		}
		var settings *apim.EnvironmentSettings
		if environmentSlug != "" {
			env, err := environment(ctx, tx.System(), environmentSlug, "environment")
			if err != nil {
				return err
			}
			settings = &env.Settings
		}
		var route *apim.Route
		if operation != "" {
			at := slices.IndexFunc(v.Runtime.Routes, func(r apim.Route) bool { return r.Operation == operation })
			if at < 0 {
				return apim.Errorf(apim.NotFound, "version %s has no operation %q", v.Label, operation)
			}
			route = &v.Runtime.Routes[at]
		}
		plans, err := c.chainPlans(ctx, tx.Tenant(tenant), actor, tenant, v.ID)
		if err != nil {
			return err
		}
		out, err = chain(v.Runtime, settings, route, plans)
		return err
	})
	return out, err
}

// chainPlans returns the plans of a version that give something, of products that
// the actor may read.
func (c *Catalog) chainPlans(ctx context.Context, t store.Tenant, actor apim.Actor, tenant, version apim.ID) ([]ChainPlan, error) {
	products, err := t.ProductsWith(ctx, []apim.ID{version})
	if err != nil {
		return nil, err
	}
	var out []ChainPlan
	for _, p := range products {
		if c.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectProduct, p.ID, p.Team) != nil {
			continue
		}
		plans, err := t.Plans(ctx, []apim.ID{p.ID})
		if err != nil {
			return nil, err
		}
		for _, plan := range plans {
			if plan.State == apim.PlanPublished || plan.State == apim.PlanDeprecated {
				out = append(out, ChainPlan{p, plan})
			}
		}
	}
	return out, nil
}

// planTerms are a plan's limits as they stand in the configuration of "plan_limit".
type planTerms struct {
	Plan     apim.ID           `json:"plan"`
	Name     string            `json:"name"`
	Limits   []entry.RateLimit `json:"limits"`
	Policies []entry.Policy    `json:"policies,omitempty"`
}

func planLimit(plans []ChainPlan) any {
	out := struct {
		Plans []planTerms `json:"plans"`
	}{[]planTerms{}}
	for _, p := range plans {
		p.Plan.Policies = servedPolicies(p.Plan.Policies)
		terms := compile.Terms(p.Plan, p.Product)
		out.Plans = append(out.Plans, planTerms{p.Plan.ID, terms.Name, terms.Limits, terms.Policies})
	}
	return out
}

// chain puts together what manager/compile and the gateway make of a runtime,
// in the gateway's order: by stage and, within one, the environment's, the
// gateway's own, the version's, the operation's.
func chain(rt apim.Runtime, settings *apim.EnvironmentSettings, route *apim.Route, plans []ChainPlan) ([]ChainStep, error) {
	l := chainList{below: route != nil}
	size, from := rt.MaxBodyBytes, FromVersion
	if settings != nil {
		l.policies(FromEnvironment, "policies", settings.Policies)
	}
	switch {
	case size == 0 && settings != nil:
		size, from = settings.MaxBodyBytes, FromEnvironment
	case size == 0:
		from = FromGateway
	}
	l.fixed(entry.Admit, from, "max_body_bytes", "size", map[string]int64{"max_body_bytes": size})
	if route == nil || !route.Public {
		l.fixed(entry.Authorize, FromGateway, "", "grant", struct{}{})
		l.fixed(entry.Limit, FromPlan, "", "plan_limit", planLimit(plans))
		l.steps[len(l.steps)-1].Plans = plans
	}
	for i, p := range compile.Limits(rt.Limits) {
		l.fixed(p.Kind().Stage(), FromVersion, fmt.Sprintf("limits[%d]", i), p.Kind(), p.Config)
	}
	if key := compile.Places(rt.Credentials); key != nil {
		l.fixed(entry.Identify, FromVersion, "credentials", key.Kind(), key)
	}
	l.policies(FromVersion, "policies", rt.Policies)
	if route != nil {
		l.policies(FromOperation, "routes["+route.Operation+"].policies", route.Policies)
		l.replace()
	}
	order := map[string]int{}
	for i, s := range entry.Stages() {
		order[string(s)] = i
	}
	slices.SortStableFunc(l.steps, func(a, b ChainStep) int { return order[a.Stage] - order[b.Stage] })
	return l.steps, l.err
}

// chainList gathers the steps of a chain.
type chainList struct {
	steps []ChainStep
	below bool // it is an operation's
	err   error
}

func (l *chainList) policies(from, field string, list []apim.Policy) {
	for i, p := range list {
		l.steps = append(l.steps, ChainStep{
			Policy: p, Stage: string(entry.PolicyKind(p.Kind).Stage()), From: from, Index: i,
			Field: fmt.Sprintf("%s[%d]", field, i), Inherited: l.inherited(from),
		})
	}
}

// fixed adds a step that stands in no list of policies.
func (l *chainList) fixed(stage entry.Stage, from, field string, kind entry.PolicyKind, config any) {
	raw, err := json.Marshal(config)
	if err != nil {
		l.err = fmt.Errorf("write step %s: %w", kind, err)
	}
	l.steps = append(l.steps, ChainStep{
		Policy: apim.Policy{Kind: string(kind), Config: raw}, Stage: string(stage), From: from, Index: -1,
		Field: field, Inherited: l.inherited(from),
	})
}

func (l *chainList) inherited(from string) bool {
	return from == FromEnvironment || from == FromVersion && l.below
}

// replace notes that an operation which identifies callers itself, or is composed
// itself, does so in the place of its version.
func (l *chainList) replace() {
	own := func(is func(ChainStep) bool) bool {
		return slices.ContainsFunc(l.steps, func(s ChainStep) bool { return s.From == FromOperation && is(s) && !s.Policy.Off })
	}
	identifies := func(s ChainStep) bool { return s.Stage == string(entry.Identify) }
	composes := func(s ChainStep) bool { return s.Policy.Kind == string(entry.PolicyComposition) }
	identified, composed := own(identifies), own(composes)
	for i, s := range l.steps {
		l.steps[i].Replaced = s.From == FromVersion && (identified && identifies(s) || composed && composes(s))
	}
}
