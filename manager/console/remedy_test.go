package console_test

import (
	"net/http"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
)

// Each remedy leads to the page of the very thing that it is about.
func TestARemedyLeadsToWhatItIsAbout(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, growth := s.offer(acme)
	_, actor, halden := s.consumer("halden")
	sub := s.ask(actor, halden.ID, growth, "Checkout", "For the shop")
	published, more := apim.PlanPublished, []apim.RateLimit{{Requests: 2000, Period: time.Minute}}
	product, err := s.catalog.Product(t.Context(), system(), acme, "shop")
	if err != nil {
		t.Fatal(err)
	}
	scale, _, err := s.catalog.CreatePlan(t.Context(), system(), acme, product.Product.ID, manager.PlanInput{Slug: "scale", Name: new("Scale"), State: &published, Limits: &more})
	if err != nil {
		t.Fatal(err)
	}
	planPage, subPage := "/t/acme/products/shop/plans/"+string(growth), "/t/acme/subscriptions/"+string(sub)
	for _, c := range []struct {
		name, code, step, stage string
		subscribed              bool
		has                     []string
	}{
		{"request", "subscription_pending", "grant", "authorize", true, []string{`href="/t/acme/approvals?request=` + string(sub) + `"`, "Open request"}},
		{"request of nobody", "subscription_pending", "grant", "authorize", false, []string{`href="/t/acme/approvals"`}},
		{"suspended", "subscription_suspended", "grant", "authorize", true, []string{`href="` + subPage + `"`, "Open subscription"}},
		{"no subscription", "subscription_missing", "grant", "authorize", false, []string{`href="/t/acme/products/shop"`, "Open Shop"}},
		{"operation", "operation_not_in_plan", "grant", "authorize", true, []string{`href="` + planPage + `"`, "Open plan Growth"}},
		{"limit of the plan", "rate_limited", "plan_limit", "limit", true, []string{
			`href="` + planPage + `"`, "Plan Scale, 2,000 requests per minute", `href="/t/acme/products/shop/plans/` + string(scale.ID) + `"`, "Terms of its own for Checkout", `href="` + subPage + `"`,
		}},
		{"key", "credential_invalid", "key", "identify", false, []string{`href="/t/acme/apis/orders/v1?operation=createOrder&amp;policy=key#policy"`, "Open API key"}},
		{"size", "request_too_large", "size", "admit", false, []string{`href="/t/acme/apis/orders/v1?operation=createOrder&amp;policy=size#policy"`}},
		{"upstream", "upstream_timeout", "upstream", "destination", false, []string{`href="/t/acme/apis/orders/v1/upstream"`, "Edit upstream"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := s.limited(acme.UUID())
			x.VersionUUID, x.Revision, x.Operation, x.Code = version.UUID(), 1, "createOrder", c.code
			x.Steps = []entry.ExplainedStep{{Step: "route", Outcome: entry.ExplainPassed}, {Step: c.step, Stage: c.stage, Outcome: entry.ExplainRefused, Code: c.code, Detail: "its words"}}
			if c.subscribed {
				x.SubscriptionUUID = sub.UUID()
			}
			s.catalog.Ways = ways{x}
			b.get("/t/acme/explain?call=a1").shows(http.StatusOK, "What would have let it through").has(c.has...)
		})
	}
	// What was near is opened, and what is live since then is tried.
	x := s.limited(acme.UUID())
	x.Method, x.Code, x.Steps, x.VersionUUID, x.Revision = "GET", "no_route", nil, version.UUID(), 1
	x.Candidates = []entry.ExplainedRoute{{API: "acme/orders v1", Route: "GET /orders", Reason: "path", Detail: "the call's path ends"}}
	x.Headers = []string{"Host"}
	if _, err := s.catalog.UpdateDraft(t.Context(), system(), acme, version, manager.DraftChange{Limits: &[]apim.RateLimit{{Requests: 5, Period: time.Second, By: "api"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.catalog.Publish(t.Context(), system(), acme, version, "production", ""); err != nil {
		t.Fatal(err)
	}
	s.catalog.Ways = ways{x}
	b.get("/t/acme/explain?call=a1").shows(http.StatusOK, "r2 is live since", "this call met r1", "Replay").has(`href="/t/acme/apis/orders/v1"`, "Open orders v1")
}

// A call is made again in another environment in which its version is live, whole
// where all of it is known, else by the form.
func TestACallIsMadeAgainInAnotherEnvironment(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, _ := s.offer(acme)
	if _, err := s.fleet.EnsureEnvironment(t.Context(), "sandbox", "Sandbox", apim.Sandbox, "http://sandbox.example", false); err != nil {
		t.Fatal(err)
	}
	known := s.limited(acme.UUID())
	known.Method, known.Headers, known.VersionUUID, known.Revision = "GET", []string{"Host"}, version.UUID(), 1
	partly := known
	partly.ID, partly.Headers = "a2", []string{"Host", "X-Key"}
	s.catalog.Ways = ways{known, partly}
	b.get("/t/acme/explain?in=production&call=a1").shows(http.StatusOK, "Replay").hides("Replay in Sandbox")
	if _, err := s.catalog.Publish(t.Context(), system(), acme, version, "sandbox", ""); err != nil {
		t.Fatal(err)
	}
	b.get("/t/acme/explain?in=production&call=a1").shows(http.StatusOK, "Replay in Sandbox").has(`action="/t/acme/explain?in=sandbox"`)
	b.get("/t/acme/explain?in=production&call=a2").shows(http.StatusOK, "Fill in for Sandbox").hides("Replay in Sandbox").has("in=sandbox")
}
