package console

import (
	"slices"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/describe"
	"portico/manager"
)

// steps are the columns of a version's chain as a request passes them, those of
// one operation where one is chosen.
func (h *Console) steps(v *visit, d manager.VersionDetail, operation string) ([]stepView, error) {
	chain, err := h.Catalog.Chain(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug, operation)
	out := make([]stepView, 0, len(chain))
	for _, one := range chain {
		s := stepView{Title: stepName(one.Policy.Kind), Kind: one.Policy.Kind, Stage: one.Stage, set: setOf(one), Note: one.Stage, Off: one.Policy.Off, Inherited: one.Inherited, Replaced: one.Replaced}
		if place := placeFrom(one.From); one.Index >= 0 {
			s.Key, s.Title = policyRef{place, one.Index}.String(), policyTitle(one.Policy)
			if about, known := describe.Of(entry.PolicyKind(one.Policy.Kind)); known {
				s.Text = policySummary(about.Fields, one.Policy.Config)
			}
			if !one.Inherited && v.mayWrite(d) {
				s.Move, s.Among = with(v.links.version(d.API.Slug, d.Version.Label, "policies", s.Key, "place"), "operation", operation), string(place)+" "+one.Stage
			}
		} else {
			v.builtin(&s, d, one)
		}
		s.Href = v.policyAt(d, operation, s.Key)
		out = append(out, s)
	}
	return out, err
}

// mayWrite reports whether the reader may change a version.
func (v *visit) mayWrite(d manager.VersionDetail) bool {
	return v.can(apim.Write, apim.ObjectAPI, d.API.ID, d.API.Team) && d.Version.State != apim.Retired
}

// mayMove reports whether the reader may publish a version, and do the like.
func (v *visit) mayMove(d manager.VersionDetail) bool {
	return v.can(apim.Publish, apim.ObjectAPI, d.API.ID, d.API.Team) && d.Version.State != apim.Retired
}

// builtin fills in a step that every version has.
func (v *visit) builtin(s *stepView, d manager.VersionDetail, one manager.ChainStep) {
	rt := d.Version.Runtime
	switch one.Policy.Kind {
	case "size":
		s.Key = "size"
		size := rt.MaxBodyBytes
		if size == 0 {
			size = v.environment.Settings.MaxBodyBytes
		}
		if size > 0 {
			s.Text = "at most " + bytesText(size)
		}
	case "key":
		s.Key, s.Text = "key", placesText(rt.Credentials)
		public := 0
		for _, r := range rt.Routes {
			if r.Public && !r.Off {
				public++
			}
		}
		if public > 0 {
			s.Note = "not on " + count(public, "public route", "public routes")
		}
	case "grant":
		s.Key = "grant"
		switch len(d.Products) {
		case 0:
			s.Text = "in no product: no key is admitted"
		case 1:
			s.Text = "to " + d.Products[0].Name
		default:
			s.Text = "to one of " + count(len(d.Products), "product", "products")
		}
	case "plan_limit":
		s.Key, s.Text, s.Plans = "plan", "for each subscription", planLines(v.links, one.Plans)
		switch n := len(s.Plans); {
		case n == 1:
			s.Text += ": " + s.Plans[0].Text
		case n > 1:
			s.Text += ", by " + count(n, "plan", "plans")
		}
		if len(rt.Limits) == 0 || v.policyAsked() == newLimit {
			s.Key = newLimit // of the version's own, beside the plan's
		}
	default:
		for i, l := range rt.Limits {
			if one.Field == rowName("limits", i) {
				s.Key, s.Text = limitKey(i), limitText(l)+" "+byText(l.By)
			}
		}
	}
}

// planLine is what a plan adds to a chain.
type planLine struct{ Name, Text, Href string }

func planLines(l links, plans []manager.ChainPlan) []planLine {
	var out []planLine
	for _, p := range plans {
		var parts []string
		for _, f := range planFacts(p.Plan) {
			parts = append(parts, f.Text)
		}
		out = append(out, planLine{p.Product.Name + ", " + p.Plan.Name, strings.Join(parts, "; "), l.plan(p.Product.Slug, p.Plan.ID, "policies")})
	}
	return out
}

func placesText(p apim.CredentialPlaces) string {
	var parts []string
	if p.Bearer {
		parts = append(parts, "Authorization: Bearer")
	}
	if p.Header != "" {
		parts = append(parts, "header "+p.Header)
	}
	if p.Query != "" {
		parts = append(parts, "query "+p.Query)
	}
	if len(parts) == 0 {
		return "nowhere: only public routes can be called"
	}
	return strings.Join(parts, " or ")
}

func byText(by string) string {
	switch by {
	case "address":
		return "for each address"
	case "api":
		return "for all callers together"
	}
	return "for each application"
}

// stepForm fills the form of a step from the draft.
func stepForm(key string, rt apim.Runtime) form {
	switch key {
	case "key":
		f := filled("header", rt.Credentials.Header, "query", rt.Credentials.Query)
		if rt.Credentials.Bearer {
			f.values.Set("bearer", "on")
		}
		return f
	case newLimit:
		return filled("period", "minute", "by", "caller")
	}
	if at, ok := limitAt(key, rt.Limits); ok {
		f := filled("by", rt.Limits[at].By)
		f.showLimits(rt.Limits[at])
		return f
	}
	return form{}
}

// number reads a whole number between least and most; an empty field is 0.
func (f *form) number(name string, least, most int) int {
	s := strings.ReplaceAll(f.text(name), ",", "")
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		f.fail(name, "use a whole number from "+number(least)+" to "+number(most))
		return 0
	}
	return n
}

// saveStep changes a step of the draft's chain that every version has.
func (h *Console) saveStep(v *visit) error {
	if _, own := refOf(v.param("policy")); own || v.param("policy") == newPolicy {
		return h.savePolicy(v)
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	step := v.param("policy")
	then := step // what is open once it is saved
	change := manager.DraftChange{Lock: lockOf(f)}
	at, ofLimit := limitAt(step, d.Version.Runtime.Limits)
	switch {
	case step == "key":
		change.Credentials = &apim.CredentialPlaces{
			Bearer: f.checked("bearer"), Header: f.text("header"), Query: f.text("query"),
		}
	case ofLimit: // the others stay as they are
		var typed []apim.RateLimit
		if !f.has(rearranged) {
			typed = limitsOf(&f)
		}
		for i := range typed {
			typed[i].By = f.value("by")
		}
		limits := slices.Clone(d.Version.Runtime.Limits)
		limits = slices.Replace(limits, at, min(at+1, len(limits)), typed...)
		change.Limits = &limits
		if then = limitKey(at); len(typed) == 0 {
			then = "" // it is gone
		}
	case isLimit(step):
		return goneError()
	default:
		return apim.Errorf(apim.NotFound, "no policy %q can be edited here", step)
	}
	if !f.failed() {
		_, err = h.Catalog.UpdateDraft(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, change)
		if err != nil && !f.refuse(err, []string{"bearer", "header", "query", "requests", "burst", "period", "by"}, stepFields()) {
			return err
		}
	}
	if f.failed() {
		v.comesFrom(v.policyAt(d, "", step), v.links.version(d.API.Slug, d.Version.Label))
		return h.routesAgain(v, d, v.status(f), form{}, f)
	}
	v.flash(toneOK, "Saved in the draft. Nothing is live until you publish.")
	return v.redirect(v.policyAt(d, "", then))
}

// stepFields maps the use case's names to the forms' of a step.
func stepFields() map[string]string {
	return map[string]string{
		"credentials.header": "header", "credentials.query": "query", "credentials": "header",
		"routes.policies.header": "header", "routes.policies.query": "query", "routes.policies": "header", "routes": "header",
		"policies.requests": "requests", "policies.period_ms": "period", "policies.burst": "burst", "policies.by": "by",
		"limits.requests": "requests", "limits.burst": "burst", "limits.period": "period",
		"limits.period_ms": "period", "limits.by": "by", "limits": "requests",
	}
}
