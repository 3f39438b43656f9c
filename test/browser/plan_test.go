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

// Limits are added to a plan and taken out of it in its form; the cursor goes along.
func TestPlansLimitsAreAddedAndTakenOut(t *testing.T) {
	for name, scripted := range map[string]bool{"with a script": true, "without": false} {
		t.Run(name, func(t *testing.T) { setPlansLimits(t, scripted) })
	}
}

func setPlansLimits(t *testing.T, scripted bool) {
	w := inTown(t)
	slug := "limited"
	if !scripted {
		slug = "limited-plain"
	}
	w.do(t, "POST", "/products", map[string]any{"name": "Calls of " + slug, "slug": slug, "visibility": "public", "listed": true})
	plan := w.do(t, "POST", "/products/"+slug+"/plans", map[string]any{"name": "Trial", "approval": "automatic", "state": "published", "limits": []any{map[string]any{"requests": 60, "period_ms": 60000}}})
	page := "/t/demo/products/" + slug + "/plans/" + plan.ID
	o := w.operatorAt(t, page)
	change := o.press
	if !scripted {
		o.withoutScript()
		o.visit(page)
		change = o.follow
	}
	o.fill("Name", "Trials")
	change("Add a limit")
	o.sees("Limit 2 of 2")
	o.until("the cursor is in it", `document.activeElement.name === 'requests[1]'`)
	o.write("5")
	change("Add a limit")
	o.sees("Limit 3 of 3")
	o.until("the cursor is in it", `document.activeElement.name === 'requests[2]'`)
	if scripted {
		o.accessible()
		o.pictures("plan-limits", 1100)
	}
	change("Take out limit 1")
	o.sees("Limit 2 of 2")
	o.until("the others stay", `document.querySelector('[name="requests"]').value === '5' && document.querySelector('[name="name"]').value === 'Trials'`)
	o.script(`document.querySelector('[name="requests"]').focus()`)
	o.arrives("what Enter saves", func() { o.keys("\r") })
	o.sees("Plan Trials is saved", "5 requests per minute")
	o.hides("60 requests")
	o.quiet()
}
