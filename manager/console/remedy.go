package console

import (
	"slices"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/describe"
	"portico/manager"
)

// remedyRow is what would have let a call through, and the page on which that is
// done.
type remedyRow struct {
	Text, Label, Href string
	Replay            bool // making the call again does it
}

// remedies adds to each remedy the page of the very thing that it is about: the
// subscription, the plan, the policy, the upstream.
func (h *Console) remedies(v *visit, x manager.Explained, passed passed) ([]remedyRow, error) {
	if len(x.Remedies) == 0 {
		return nil, nil
	}
	sub, err := h.subscriptionBy(v, x)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(x.Steps, func(s entry.ExplainedStep) bool { return s.Outcome == entry.ExplainRefused })
	var out []remedyRow
	for _, r := range x.Remedies {
		row := remedyRow{Text: r.Text}
		for _, way := range []func() (string, string){
			func() (string, string) { return v.wayBySubscription(r.Code, sub, passed, refusing(x)) },
			func() (string, string) { return v.wayByVersion(r, passed) },
			func() (string, string) { return wayByColumn(r.Code, at, passed) },
			func() (string, string) { return v.wayByKind(r.Code, refusing(x)) },
		} {
			if row.Href == "" {
				row.Label, row.Href = way()
			}
		}
		out = append(out, row)
	}
	if refusing(x) == "plan_limit" && sub != nil {
		more, err := h.higherPlans(v, *sub)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	for _, d := range passed.version.Deployments {
		if d.Environment == x.Environment && d.Revision != x.Revision && x.Revision > 0 {
			out = append(out, remedyRow{Text: revision(d.Revision) + " is live since " + clock(v.now, d.At) + "; this call met " + revision(x.Revision), Replay: true})
		}
	}
	return out, nil
}

// subscriptionBy is the subscription that a call was counted for, nil where there
// was none or the reader may not see it.
func (h *Console) subscriptionBy(v *visit, x manager.Explained) (*manager.SubscriptionView, error) {
	if x.SubscriptionUUID == "" {
		return nil, nil
	}
	s, err := h.Access.Subscription(v.ctx(), v.actor, v.tenant.ID, apim.ID(apim.PrefixSubscription+"_"+x.SubscriptionUUID))
	switch kind := apim.KindOf(err); {
	case kind == apim.NotFound || kind == apim.Forbidden:
		return nil, nil
	case err != nil:
		return nil, err
	case s.ProviderSlug != v.tenant.Slug:
		return nil, nil
	}
	return &s, nil
}

// wayBySubscription leads to the caller's subscription, its request or its plan.
func (v *visit) wayBySubscription(code string, sub *manager.SubscriptionView, passed passed, step string) (label, href string) {
	if sub == nil {
		return "", ""
	}
	plan := func() (string, string) {
		return "Open plan " + sub.Plan.Name, v.links.plan(sub.Product.Slug, sub.Plan.ID)
	}
	switch code {
	case "subscription_pending":
		return "Open request", v.links.request("", sub.Subscription.ID)
	case "subscription_suspended", "subscription_stopped", "subscription_expired", "subscription_not_started":
		return "Open subscription", v.links.subscription(sub.Subscription.ID)
	case "operation_not_in_plan":
		return plan()
	case "rate_limited", "spike_arrested", "concurrency_limited":
		if step == "plan_limit" {
			return plan()
		}
	}
	return "", ""
}

// wayByVersion leads to a page of the version that was called, or of the one that
// was near.
func (v *visit) wayByVersion(r manager.Remedy, passed passed) (label, href string) {
	if api, label := versionNames(r.API); api != "" {
		return "Open " + api + " " + label, v.links.version(api, label)
	}
	d := passed.version
	if d.Version.ID == "" {
		return "", ""
	}
	page := func(parts ...string) string { return v.links.version(d.API.Slug, d.Version.Label, parts...) }
	switch r.Code {
	case "subscription_missing":
		if len(d.Products) == 1 {
			return "Open " + d.Products[0].Name, v.links.product(d.Products[0].Slug)
		}
		return "Products of " + d.API.Name, page("products")
	case "upstream_unreachable", "upstream_timeout", "upstream_invalid":
		if v.mayWrite(d) {
			return "Edit upstream", page("upstream")
		}
		return "Open upstream", page()
	case "upstream_busy", "upstream_unavailable":
		return "Open upstream", page()
	}
	return "", ""
}

// wayByColumn leads to the step that refused, as it is set in the chain.
func wayByColumn(code string, at int, passed passed) (label, href string) {
	if code == "upstream_token_unavailable" {
		at = slices.IndexFunc(passed.steps, func(s entry.ExplainedStep) bool { return s.Step == string(entry.PolicyUpstreamOAuth) })
	}
	if c, ok := passed.at(at); ok && c.Href != "" {
		return "Open " + c.Title, c.Href
	}
	return "", ""
}

// wayByKind leads to where such things are, when the very one is not known.
func (v *visit) wayByKind(code, step string) (label, href string) {
	switch {
	case code == "subscription_pending":
		return "Approvals", v.links.approvals()
	case code == "subscription_missing" || code == "operation_not_in_plan" || step == "plan_limit":
		return "Products & plans", v.links.products()
	case strings.HasPrefix(code, "subscription_"):
		return "Subscriptions", v.links.subscriptions()
	}
	switch code {
	case "no_route", "method_not_allowed", "upstream_unreachable", "upstream_timeout", "upstream_invalid", "upstream_busy", "upstream_unavailable", "request_too_large":
		return "APIs", v.links.apis()
	}
	return v.about(step)
}

// about is the page that says what a policy does; "" for steps that are none.
func (v *visit) about(step string) (label, href string) {
	p, ok := describe.Of(entry.PolicyKind(step))
	if !ok {
		return "", ""
	}
	return p.Title, v.links.policyKind(p.Kind)
}

// higherPlans are the plans of a subscription's product that let more calls
// through, and terms of its own.
func (h *Console) higherPlans(v *visit, sub manager.SubscriptionView) ([]remedyRow, error) {
	p, err := h.Catalog.Product(v.ctx(), v.actor, v.tenant.ID, sub.Product.Slug)
	if kind := apim.KindOf(err); kind == apim.NotFound || kind == apim.Forbidden {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var out []remedyRow
	for _, plan := range p.Plans {
		if plan.State == apim.PlanPublished && plan.ID != sub.Plan.ID && slowest(plan.Limits) > slowest(sub.Plan.Limits) {
			out = append(out, remedyRow{Text: "Plan " + plan.Name + ", " + limitsText(plan.Limits), Label: "Open plan " + plan.Name, Href: v.links.plan(sub.Product.Slug, plan.ID)})
		}
	}
	if v.can(apim.Approve, apim.ObjectSubscription) {
		out = append(out, remedyRow{Text: "Terms of its own for " + sub.Application, Label: "Open subscription", Href: v.links.subscription(sub.Subscription.ID)})
	}
	return out, nil
}

// slowest is how many calls a day the narrowest of limits lets through.
func slowest(limits []apim.RateLimit) float64 {
	least := float64(1 << 60)
	for _, l := range limits {
		if l.Period > 0 {
			least = min(least, float64(l.Requests)*float64(24*time.Hour)/float64(l.Period))
		}
	}
	return least
}
