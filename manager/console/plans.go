package console

import (
	"net/http"
	"strconv"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

// planFormPage makes or changes a plan.
type planFormPage struct {
	shell
	Heading string
	Intro   string
	Action  string
	Back    string
	Submit  string
	New     bool
	Lock    string

	Policies     string // where they are set; "" for a new one
	PoliciesText string
	Form         form
}

func (h *Console) newPlan(v *visit) error {
	d, err := h.Catalog.Product(v.ctx(), v.actor, v.tenant.ID, v.param("product"))
	if err != nil {
		return err
	}
	f := filled("approval", string(apim.Automatic), "requests", "100", "period", "minute", "burst", "20", "publish", "on")
	return h.planForm(v, http.StatusOK, f, d, nil)
}

func (h *Console) editPlan(v *visit) error {
	d, plan, err := h.planOf(v)
	if err != nil {
		return err
	}
	f := filled("period", "minute")
	f.showLimits(plan.Limits...)
	if plan.MaxKeyLife > 0 {
		f.values.Set("max_key_days", strconv.FormatFloat(plan.MaxKeyLife.Hours()/24, 'f', -1, 64))
	}
	for name, value := range map[string]string{
		"name": plan.Name, "slug": plan.Slug, "description": plan.Description, "price": plan.Price,
		"approval": string(plan.Approval), "lock": lockText(plan.Lock),
	} {
		f.values.Set(name, value)
	}
	return h.planForm(v, http.StatusOK, f, d, &plan)
}

// planOf loads the product and the plan of it that the address names.
func (h *Console) planOf(v *visit) (manager.ProductDetail, apim.Plan, error) {
	id, err := apim.ParseID(apim.PrefixPlan, v.param("plan"))
	if err != nil {
		return manager.ProductDetail{}, apim.Plan{}, err
	}
	d, err := h.Catalog.Product(v.ctx(), v.actor, v.tenant.ID, v.param("product"))
	if err != nil {
		return d, apim.Plan{}, err
	}
	for _, plan := range d.Plans {
		if plan.ID == id {
			return d, plan, nil
		}
	}
	return d, apim.Plan{}, apim.Errorf(apim.NotFound, "%s has no such plan", d.Product.Name)
}

func (h *Console) planForm(v *visit, status int, f form, d manager.ProductDetail, plan *apim.Plan) error {
	if f.once == "" {
		f.once = h.receipts.mint()
	}
	l := v.links
	p := planFormPage{
		Heading: "New plan of " + d.Product.Name, Submit: "Make plan", New: true, Form: f, Lock: f.value("lock"),
		Intro:  "A plan is the terms on which an application may use " + d.Product.Name + ".",
		Action: l.product(d.Product.Slug, "plans"), Back: l.product(d.Product.Slug),
	}
	crumb := "New plan"
	if plan != nil {
		p.Heading, p.Submit, p.New, crumb = "Edit "+plan.Name, "Save plan", false, plan.Name
		p.Intro = "Limits are in force for existing subscriptions as soon as the gateway nodes confirm."
		p.Action = l.plan(d.Product.Slug, plan.ID)
		p.Policies = l.plan(d.Product.Slug, plan.ID, "policies")
		p.PoliciesText = "Calls at once, smoothed bursts, sliding windows, queues, beside the rate: " + count(len(plan.Policies), "policy is set.", "policies are set.")
	}
	p.shell = v.shell(p.Heading, link{"Products", l.products()}, link{d.Product.Name, p.Back}, link{crumb, ""})
	return v.render(status, planForm(p))
}

func planInput(f *form) manager.PlanInput {
	name, description, price := f.text("name"), f.text("description"), f.text("price")
	approval, limits := apim.Approval(f.value("approval")), limitsOf(f)
	if name == "" {
		f.fail("name", "needs a value")
	}
	if approval != apim.Automatic && approval != apim.Manual {
		f.fail("approval", "choose who decides")
	}
	var life time.Duration
	if text := f.text("max_key_days"); text != "" {
		days, err := strconv.ParseFloat(text, 64)
		if err != nil || days <= 0 || days > 3650 {
			f.fail("max_key_days", "use a number of days up to 3650")
		} else {
			life = time.Duration(days * float64(24*time.Hour)).Round(time.Second)
		}
	}
	return manager.PlanInput{
		MaxKeyLife: &life,
		Name:       &name, Description: &description, Price: &price, Approval: &approval, Limits: &limits, Lock: lockOf(*f),
	}
}

// refusePlan is refuse for a plan's form.
func (f *form) refusePlan(err error) bool {
	return f.refuseLimits(err, []string{"name", "slug", "description", "price", "approval", "max_key_days"}, map[string]string{"max_key_life_ms": "max_key_days"})
}

func (h *Console) createPlan(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.Catalog.Product(v.ctx(), v.actor, v.tenant.ID, v.param("product"))
	if err != nil {
		return err
	}
	if f.rearrangedLimits() {
		return h.planForm(v, http.StatusOK, f, d, nil)
	}
	in := planInput(&f)
	in.Slug = f.text("slug")
	if in.Slug == "" {
		in.Slug = apim.Slugify(*in.Name)
	}
	if f.checked("publish") {
		state := apim.PlanPublished
		in.State = &state
	}
	if f.failed() {
		return h.planForm(v, v.status(f), f, d, nil)
	}
	to, _, err := h.receipts.do(v.session(), f.once, func() (string, error) {
		plan, change, err := h.Catalog.CreatePlan(v.ctx(), v.actor, v.tenant.ID, d.Product.ID, in)
		if err != nil {
			return "", err
		}
		v.flash(toneOK, "Plan "+plan.Name+" is made.")
		return withChange(v.links.product(d.Product.Slug), change), nil
	})
	if err != nil {
		if f.refusePlan(err) {
			return h.planForm(v, v.status(f), f, d, nil)
		}
		return err
	}
	return v.redirect(to)
}

func (h *Console) updatePlan(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, plan, err := h.planOf(v)
	if err != nil {
		return err
	}
	if f.rearrangedLimits() {
		return h.planForm(v, http.StatusOK, f, d, &plan)
	}
	in := planInput(&f)
	if f.failed() {
		return h.planForm(v, v.status(f), f, d, &plan)
	}
	saved, change, err := h.Catalog.UpdatePlan(v.ctx(), v.actor, v.tenant.ID, plan.ID, in)
	if err != nil {
		if f.refusePlan(err) {
			return h.planForm(v, v.status(f), f, d, &plan)
		}
		return err
	}
	v.flash(toneOK, "Plan "+saved.Name+" is saved.")
	return v.redirect(withChange(v.links.product(d.Product.Slug), change))
}

// movePlan takes a plan to another state.
func (h *Console) movePlan(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, plan, err := h.planOf(v)
	if err != nil {
		return err
	}
	state := apim.PlanState(f.value("to"))
	if state == apim.PlanClosed { // who loses access is named first
		return v.redirect(v.links.plan(d.Product.Slug, plan.ID, "close"))
	}
	saved, change, err := h.Catalog.UpdatePlan(v.ctx(), v.actor, v.tenant.ID, plan.ID, manager.PlanInput{State: &state})
	if err != nil {
		if f.refuse(err, nil, nil) {
			v.flash(toneBad, f.message)
			return v.redirect(v.links.product(d.Product.Slug))
		}
		return err
	}
	v.flash(toneOK, "Plan "+saved.Name+" is "+string(saved.State)+".")
	return v.redirect(withChange(v.links.product(d.Product.Slug), change))
}
