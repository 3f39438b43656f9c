package browser_test

import (
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"portico/internal/entry/describe"
)

// chained makes and publishes an API with one open operation, and returns the
// page of its version and the operation's address on the gateway.
func (w *town) chained(t *testing.T, slug string) (page, hours string) {
	t.Helper()
	id := w.version(t, w.museum.document, map[string]any{"name": "Museum of " + slug, "slug": slug, "label": "v1", "upstream": w.museum.upstream})
	w.do(t, "PATCH", "/versions/"+id+"/draft", map[string]any{"public": map[string]bool{"getMuseumHours": true}})
	w.do(t, "POST", "/versions/"+id+"/publish?wait=applied", map[string]any{})
	return "/t/demo/apis/" + slug + "/v1", w.portico.Gateway + "/demo/" + slug + "/v1/museum-hours"
}

// answers calls an address and returns the status.
func answers(t *testing.T, address string) int {
	t.Helper()
	res, err := http.Get(address) //nolint:forbidigo,noctx // a caller of the gateway
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// columns are the titles in the chain, with what stands above them.
const columns = `[...document.querySelectorAll('#policy .col')].map(c => c.innerText.replace(/\s+/g, ' ')).join(' | ')`

// publishes publishes the draft and waits until the nodes have it.
func (b *tab) publishes() {
	b.t.Helper()
	b.script(`scrollTo(0, 0)`)
	if b.run(`typeof htmx`) == "undefined" {
		b.follow("Publish r")
	} else {
		b.press("Publish r")
		b.until("the dialog is open", `document.querySelector('dialog:modal')`)
	}
	b.follow("Publish r")
	b.sees("is live on 1 of 1 node")
}

// A policy is added, corrected, ordered, switched off and removed, and the
// gateway acts on it once it is published; with a script and without.
func TestPoliciesAreSetAndTheGatewayActsOnThem(t *testing.T) {
	for name, scripted := range map[string]bool{"with a script": true, "without": false} {
		t.Run(name, func(t *testing.T) { setPolicies(t, scripted) })
	}
}

func setPolicies(t *testing.T, scripted bool) {
	w := inTown(t)
	slug := "chain"
	if !scripted {
		slug = "chain-plain"
	}
	page, hours := w.chained(t, slug)
	o := w.operatorAt(t, page)
	if !scripted {
		o.withoutScript()
		o.visit(page)
	}
	o.follow("Add policy")
	o.sees("Add a policy", "Admits so many calls in a period.")
	if scripted {
		o.fill("Find a policy", "calls in a period")
		o.until("what was typed is found", `!document.querySelector('#kinds').innerText.includes('Identifies the calling')`)
	} else {
		o.visit(page + "/add-policy?q=calls+in+a+period")
		o.hides("Identifies the calling")
	}
	o.follow("Rate limit")
	o.sees("New: Rate limit", "Begin with an example", "The period in milliseconds: 60000 is a minute.")
	o.fill("Requests", "many")
	o.fill("Period (ms)", "60000")
	o.follow("Add to the draft")
	o.sees("Use a whole number")
	o.until("what was typed is there, and marked", `document.querySelector('[name="config.requests"]').value === 'many' && document.querySelector('[name="config.requests"]').getAttribute('aria-invalid') === 'true' && document.querySelector('[name="config.period_ms"]').value === '60000'`)
	if scripted {
		o.accessible()
	}
	o.fill("Requests", "1")
	o.choose("By", "api")
	o.follow("Add to the draft")
	o.sees("is added. Nothing is live until you publish.", "1 unpublished change", "requests 1, period 60,000 ms, api")
	if got := answers(t, hours) + answers(t, hours); got != 400 {
		t.Errorf("what is not published is in force: two answers add up to %d", got)
	}

	o.follow("Add policy")
	o.follow("Rate limit")
	o.follow("1,000 a second for the whole API")
	o.until("the example fills the form", `document.querySelector('[name="config.requests"]').value === '1000'`)
	o.follow("Add to the draft")
	o.sees("is added")
	o.follow("Earlier")
	o.sees("is moved")
	o.until("the order is the new one", columns+`.match(/requests 1,000.*requests 1,/)`)
	if folder := shotsFolder(); folder != "" && scripted {
		o.shot(folder, "chain")
	}
	o.follow("Switch off")
	o.sees("is switched off", "Switch on")
	o.publishes()
	if first, second := answers(t, hours), answers(t, hours); first != 200 || second != 429 {
		t.Errorf("got %d and %d, want 200 and 429", first, second)
	}

	o.visit(page + "?policy=v1")
	if scripted {
		o.press("Remove")
		o.until("the dialog is open", `document.querySelector('dialog:modal')`)
		o.accessible()
	} else {
		o.follow("Remove")
	}
	o.sees("Its settings are gone with it")
	o.follow("Remove policy")
	o.sees("is removed")
	o.publishes()
	for range 3 {
		if got := answers(t, hours); got != 200 {
			t.Errorf("got %d after the policy was removed", got)
		}
	}
	o.quiet("status of 422")
}

// The way of a call through a policy of one operation is a link away, and what
// others set is shown where it applies.
func TestOperationsPolicyIsChosenAndTried(t *testing.T) {
	w := inTown(t)
	page, hours := w.chained(t, "chain-operation")
	o := w.operatorAt(t, page)
	o.arrives("nothing new", func() { o.visit(page) })
	o.choose("Policies of", "GET /museum-hours")
	o.until("the chain is the operation's", `location.search.includes('operation=getMuseumHours') && document.querySelectorAll('#policy .col.inh').length > 0`)
	o.follow("Add policy")
	o.sees("For the operation getMuseumHours")
	o.follow("Rate limit")
	o.fill("Requests", "1")
	o.fill("Period (ms)", "3600000")
	o.choose("By", "api")
	o.follow("Add to the draft")
	o.sees("is added", "publish first to see what you changed")
	o.publishes()
	if first, second := answers(t, hours), answers(t, hours); first != 200 || second != 429 {
		t.Errorf("got %d and %d, want 200 and 429", first, second)
	}
	o.visit(page + "?operation=getMuseumHours&policy=o0")
	o.follow("Try a call and see its way")
	o.follow("Call and explain")
	o.sees("Stopped at step", "Rate limit")
	o.part("Answer", "rate_limited")
	o.quiet()
}

// A column that is dragged to another's place in its stage changes the order;
// elsewhere it stays.
func TestPolicyIsDragged(t *testing.T) {
	w := inTown(t)
	page, _ := w.chained(t, "chain-drag")
	o := w.operatorAt(t, page)
	for _, example := range []string{"0", "1"} {
		o.visit(page + "?policy=new&kind=rate_limit&example=" + example)
		o.follow("Add to the draft")
	}
	o.until("the order is that of adding", columns+`.match(/requests 60.*requests 1,000/)`)
	drag := func(from, to string) string {
		return `(() => {
			const data = new DataTransfer(), fire = (e, type) => e.dispatchEvent(new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: data}));
			const from = document.querySelector(` + js(from) + `), to = document.querySelector(` + js(to) + `);
			fire(from, 'dragstart');
			const taken = !fire(to, 'dragover');
			if (taken) fire(to, 'drop');
			fire(from, 'dragend');
			return taken;
		})()`
	}
	if got := o.run(drag(`.col[data-place=v1]`, `.col:not([data-move])`)); got != "false" {
		t.Error("a column of another stage takes what is dragged")
	}
	o.arrives("the moved policy", func() { o.run(drag(`.col[data-place=v1]`, `.col[data-place=v0]`)) })
	o.sees("is moved")
	o.until("the order is the new one", columns+`.match(/requests 1,000.*requests 60/)`)
	o.quiet()
}

// An environment's policy is in force at once for its APIs, and is shown in their
// chains.
func TestEnvironmentsPolicyIsInForceAtOnce(t *testing.T) {
	w := inTown(t)
	page, hours := w.chained(t, "chain-environment")
	at := "/t/demo/environments/production"
	o := w.operatorAt(t, at)
	o.follow("Policies")
	o.visit(at + "/policies")
	o.follow("Add policy")
	o.follow("Rate limit")
	o.fill("Requests", "1")
	o.fill("Period (ms)", "3600000")
	o.choose("By", "api")
	o.follow("Add policy")
	o.sees("Rate limit is added.", "in force on 1 of 1 node")
	if folder := shotsFolder(); folder != "" {
		o.shot(folder, "chain-environment")
	}
	o.accessible()
	first, second := answers(t, hours), answers(t, hours)
	o.visit(page + "?policy=e0")
	o.sees("inherited Rate limit", "Set for every API of Production.")
	o.follow("Change it there")
	o.press("Remove")
	o.until("the dialog is open", `document.querySelector('dialog:modal')`)
	o.follow("Remove policy")
	o.sees("Rate limit is removed.", "in force on 1 of 1 node")
	if first != 200 || second != 429 {
		t.Errorf("got %d and %d, want 200 and 429", first, second)
	}
	o.quiet()
}

// The form and the page of every kind are made of its description: each is
// looked at, wide and narrow.
func TestFormAndPageOfEveryKind(t *testing.T) {
	w := inTown(t)
	page, _ := w.chained(t, "chain-kinds")
	o := w.operatorAt(t, page)
	for _, kind := range describe.Policies() {
		for name, path := range map[string]string{
			"form": page + "?policy=new&example=0&kind=" + string(kind.Kind), "page": "/t/demo/policies/" + string(kind.Kind),
		} {
			t.Run(string(kind.Kind)+" "+name, func(t *testing.T) {
				o.t = t
				o.visit(path)
				o.sees(kind.Title, kind.Summary)
				o.accessible()
				for _, size := range [][2]int64{{390, 844}, {1440, 900}} {
					o.sized(size[0], size[1])
					if got := o.run(sideways); got != "" {
						t.Errorf("%d wide: scrolls sideways because of %s", size[0], got)
					}
					if folder := shotsFolder(); folder != "" {
						o.script(`document.querySelector('#policy-form')?.scrollIntoView()`)
						o.shot(folder, "kind-"+string(kind.Kind)+"-"+name+"-"+strconv.FormatInt(size[0], 10))
					}
				}
				o.quiet()
			})
		}
	}
	o.t = t
}

// Everything about a policy works by the keyboard alone.
func TestPolicyByKeyboard(t *testing.T) {
	w := inTown(t)
	page, _ := w.chained(t, "chain-keys")
	o := w.operatorAt(t, page)
	o.arrives("the kinds", func() { o.keys("p") })
	o.keys("/")
	o.until("the search has the focus", `document.activeElement.matches('[data-slash]')`)
	o.script(`document.activeElement.select()`)
	o.write("rate limit")
	o.until("what was typed is found", `document.querySelectorAll('#kinds li').length === 1`)
	tabTo := func(what, is string) {
		t.Helper()
		for i := 0; i < 60 && o.run(is) != "true"; i++ {
			o.keys(kb.Tab)
		}
		o.until(what+" has the focus", is)
	}
	named := func(name string) string { return `document.activeElement?.name === ` + js(name) }
	says := func(label string) string {
		return `document.activeElement?.innerText?.trim().startsWith(` + js(label) + `) === true`
	}
	tabTo("the kind", says("Rate limit"))
	o.arrives("the form", func() { o.keys("\r") })
	tabTo("the first field", named("config.requests"))
	o.write("7")
	tabTo("the second field", named("config.period_ms"))
	o.write("1000")
	tabTo("the choice", named("config.by"))
	o.keys(kb.ArrowDown)
	o.keys(kb.ArrowDown)
	o.until("it has a value", `document.activeElement.value === 'caller'`)
	tabTo("the button", says("Add to the draft"))
	o.arrives("the policy", func() { o.keys("\r") })
	o.sees("is added", "requests 7, period 1,000 ms, caller")
	tabTo("the field", named("config.requests"))
	o.script(`document.activeElement.select()`)
	o.write("8")
	o.arrives("the answer to Enter in a field", func() { o.keys("\r") })
	o.sees("is saved", "requests 8")
	tabTo("the switch", says("Switch off"))
	o.arrives("the switched policy", func() { o.keys("\r") })
	o.sees("is switched off")
	tabTo("Remove", says("Remove"))
	o.keys("\r")
	o.until("the dialog is open", `document.querySelector('dialog:modal')`)
	tabTo("the answer", says("Remove policy"))
	o.arrives("the page without it", func() { o.keys("\r") })
	o.sees("is removed")
	o.quiet()
}
