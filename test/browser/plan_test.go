package browser_test

import "testing"

// A plan's policy is added, corrected and switched off in the forms that an API's
// has; who chooses a plan reads it. With a script and without.
func TestPlansPoliciesAreSetAndRead(t *testing.T) {
	for name, scripted := range map[string]bool{"with a script": true, "without": false} {
		t.Run(name, func(t *testing.T) { setPlansPolicies(t, scripted) })
	}
}

func setPlansPolicies(t *testing.T, scripted bool) {
	const save = `document.querySelector('#policy-settings').requestSubmit()`
	w := inTown(t)
	slug := "bounded"
	if !scripted {
		slug = "bounded-plain"
	}
	w.do(t, "POST", "/products", map[string]any{"name": "Visits of " + slug, "slug": slug, "visibility": "public", "listed": true})
	w.do(t, "POST", "/products/"+slug+"/plans", map[string]any{"name": "Trial", "approval": "automatic", "state": "published", "limits": []any{map[string]any{"requests": 60, "period_ms": 60000}}})
	page := "/t/demo/products/" + slug
	o := w.operatorAt(t, page)
	if !scripted {
		o.withoutScript()
		o.visit(page)
	}
	o.follow("Policies of Trial")
	o.sees("Policies of Trial", "First its rate: 60 requests per minute.", "No policies")
	o.follow("Add the first policy")
	o.sees("For each subscription to Visits of "+slug+" under Trial.", "Concurrent calls", "Spike arrest")
	o.hides("Identifies the calling")
	o.follow("Concurrent calls")
	o.sees("New: Concurrent calls")
	o.until("it begins by subscription", `document.querySelector('[name="config.by"]').value === 'subscription'`)
	o.fill("Calls", "none")
	o.script(save) // "Add policy" is the page's own link too
	o.sees("Use a whole number")
	if scripted {
		o.accessible()
	}
	o.fill("Calls", "10")
	o.script(save)
	o.sees("Concurrent calls is added.", "10 calls at once", "on 1 of 1 node")
	if folder := shotsFolder(); folder != "" && scripted {
		o.shot(folder, "plan-policies")
	}
	o.visit(page)
	o.sees("60 requests per minute", "10 calls at once")
	o.visit(w.portico.Portal + "/products/demo/" + slug)
	o.sees("Under way", "10 calls at once")
	o.visit(page)
	o.follow("Policies of Trial")
	o.visit(o.run(`document.querySelector('#policy .col').href`))
	o.follow("Switch off")
	o.sees("is switched off", "Switch on")
	o.visit(w.portico.Portal + "/products/demo/" + slug)
	o.hides("10 calls at once")
	o.quiet("status of 422")
}
