package console

import (
	"net/http"
	"slices"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/describe"
	"portico/manager"
)

// planHome is where the policies of a plan are set.
func (h *Console) planHome(v *visit, d manager.ProductDetail, plan apim.Plan) policyHome {
	at := v.links.plan(d.Product.Slug, plan.ID, "policies")
	return policyHome{
		Place: ofPlan, List: plan.Policies, Problem: "policies", Lock: lockText(plan.Lock),
		Fixed: plan.State == apim.PlanClosed || !v.can(apim.Write, apim.ObjectProduct, d.Product.ID, d.Product.Team),
		For:   "each subscription to " + d.Product.Name + " under " + plan.Name, At: at, Do: at, Add: v.links.plan(d.Product.Slug, plan.ID, "add-policy"),
		Crumbs: []link{{"Products", v.links.products()}, {d.Product.Name, v.links.product(d.Product.Slug)}, {plan.Name + ": policies", at}},
		Show: func(status int, typed form) error {
			return h.planPoliciesPage(v, status, d, plan, typed)
		},
		Keep: func(list []apim.Policy, lock int64) (apim.Change, error) {
			_, change, err := h.Catalog.UpdatePlan(v.ctx(), v.actor, v.tenant.ID, plan.ID, manager.PlanInput{Policies: &list, Lock: lock})
			return change, err
		},
	}
}

// planPoliciesPage is the policies that each subscription under a plan has.
type planPoliciesPage struct {
	shell
	Heading string
	Rate    string // the limits beside them
	Edit    string // where those are changed; "" where the reader may not
	Steps   []stepView
	Policy  *policyPanel
	Add     string // "" where the reader may not
	Mover   string // lock of the list
	Live    liveView
}

func (h *Console) planPolicies(v *visit) error {
	home, _, err := h.homeOf(v)
	if err != nil {
		return err
	}
	return home.Show(http.StatusOK, form{})
}

func (h *Console) planPoliciesPage(v *visit, status int, d manager.ProductDetail, plan apim.Plan, typed form) error {
	home := h.planHome(v, d, plan)
	p := planPoliciesPage{
		Heading: "Policies of " + plan.Name, Rate: limitsText(plan.Limits), Mover: home.Lock, Live: h.liveFromQuery(v, "The change", "in force"),
	}
	if !home.Fixed {
		p.Add, p.Edit = home.Add, v.links.plan(d.Product.Slug, plan.ID)
	}
	for i, one := range plan.Policies {
		key := (policyRef{ofPlan, i}).String()
		step := stepView{Key: key, Title: policyTitle(one), Text: limitPolicyText(one), Note: string(entry.Limit), Off: one.Off, Href: home.open(key)}
		if !home.Fixed {
			step.Move, step.Among = home.do(key, "place"), "p"
		}
		p.Steps = append(p.Steps, step)
	}
	asked := v.policyAsked()
	if number := openStep(p.Steps, asked); number > 0 {
		ref, _ := refOf(asked)
		p.Policy = v.policyPanel(home, ref.at, number, typed)
	} else if asked == newPolicy && !home.Fixed {
		p.Policy = v.newPolicy(home, typed)
	}
	p.shell = v.shell(p.Heading, home.Crumbs...)
	return v.render(status, planPoliciesView(p))
}

// planOfHome is planHome of the plan that the address names.
func (h *Console) planOfHome(v *visit) (policyHome, error) {
	d, plan, err := h.planOf(v)
	if err != nil {
		return policyHome{}, err
	}
	return h.planHome(v, d, plan), nil
}

// takes reports whether a policy of a kind may stand in the list.
func (p policyHome) takes(one describe.Policy) bool {
	return p.Place != ofPlan || one.Stage == entry.Limit
}

// kinds lists the kinds that may stand in the list, as far as q finds them.
func (p policyHome) kinds(q string) []policyStage {
	stages := stagePolicies(q, func(one describe.Policy) string { return p.open(newPolicy, "kind", string(one.Kind)) })
	return slices.DeleteFunc(stages, func(s policyStage) bool { return len(s.Kinds) == 0 || !p.takes(s.Kinds[0].Policy) })
}

// fresh is what a new policy of the list begins with.
func (p policyHome) fresh() []byte {
	if p.Place == ofPlan {
		return []byte(`{"by":"subscription"}`)
	}
	return []byte("{}")
}

// limitPolicyText says what a policy of the stage limit admits.
func limitPolicyText(one apim.Policy) string {
	parsed, err := entry.ParsePolicy(entry.PolicyKind(one.Kind), one.Config)
	if err != nil {
		return "cannot be read"
	}
	return describe.Limit(parsed.Config)
}

// planFacts are what a plan admits, one fact for each thing.
func planFacts(plan apim.Plan) []fact {
	var out []fact
	limited := len(plan.Limits) > 0
	for _, one := range plan.Policies {
		if !one.Off {
			limited = limited || one.Kind == string(entry.PolicyRateLimit)
			out = append(out, fact{policyTitle(one), limitPolicyText(one)})
		}
	}
	if limited && len(plan.Limits) == 0 {
		return out
	}
	return append([]fact{{"Rate", limitsText(plan.Limits)}}, out...)
}
