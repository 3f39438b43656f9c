package browser_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// list evaluates an expression to texts.
func (b *tab) list(expression string) (out []string) {
	b.t.Helper()
	if err := json.Unmarshal([]byte(b.run(`JSON.stringify(`+expression+`)`)), &out); err != nil {
		b.t.Fatal(err)
	}
	return out
}

// part opens a part of the way of a call, and waits until it says something.
func (b *tab) part(name, says string) {
	b.t.Helper()
	b.pressOn(name, `[...document.querySelectorAll('#way [role=tab]')].find(t => t.innerText.startsWith(`+js(name)+`))`)
	b.until(name+" says "+says, `document.querySelector('#way [role=tabpanel]:not([hidden])').innerText.includes(`+js(says)+`)`)
}

// The steps that a node tells of have the numbers and the names of the columns in
// the chain of the version's page, which is one link away.
func TestStepsOfACallAreTheColumnsOfItsChain(t *testing.T) {
	w := inTown(t)
	slug := "way-numbers"
	id := w.version(t, w.museum.document, map[string]any{"name": "Museum of ways", "slug": slug, "label": "v1", "upstream": w.museum.upstream})
	policy := func(kind string, config map[string]any) map[string]any {
		return map[string]any{"kind": kind, "config": config}
	}
	off := policy("rate_limit", map[string]any{"requests": 1, "period_ms": 1000, "by": "api"})
	off["off"] = true
	w.do(t, "PATCH", "/versions/"+id+"/draft", map[string]any{
		"policies": []any{
			off, policy("rate_limit", map[string]any{"requests": 1000, "period_ms": 1000, "by": "api"}),
			policy("cors", map[string]any{"origins": []string{"https://a.example"}}), policy("cache", map[string]any{}), policy("compress", map[string]any{}),
		},
		"route_policies": map[string]any{"getMuseumHours": []any{policy("key", map[string]any{"header": "X-Mine"}), policy("headers", map[string]any{"set": []any{map[string]any{"name": "X-Op", "value": "1"}}})}},
	})
	w.do(t, "POST", "/versions/"+id+"/publish?wait=applied", map[string]any{})
	o := w.operatorAt(t, "/t/demo/explain?version="+slug+"/v1&path=/demo/"+slug+"/v1/museum-hours")
	for _, refused := range []bool{false, true} {
		if refused { // all of the chain, though the call got no further than its key
			o.fill("Headers", "X-Mine: mistyped")
		}
		o.follow("Call and explain")
		o.sees("Stopped at step 4, API key")
		labels := o.list(`[...document.querySelectorAll('#way .trace b')].map(b => b.innerText)`)
		o.follow("demo/" + slug + " v1 r1")
		chain := o.list(`[...document.querySelectorAll('#policy .col')].map(c => c.querySelector('.o span').innerText + ' · ' + c.querySelector('b').innerText)`)
		numbered := 0
		for _, label := range labels {
			if _, _, ok := strings.Cut(label, " · "); !ok {
				continue
			}
			if numbered++; !slices.Contains(chain, strings.TrimSuffix(label, ", answer")) {
				t.Errorf("the step %q is no column of %q", label, chain)
			}
		}
		if numbered < 9 {
			t.Errorf("only %d of the steps %q have a number", numbered, labels)
		}
		o.visit("/t/demo/explain?version=" + slug + "/v1&path=/demo/" + slug + "/v1/museum-hours")
	}
	o.quiet()
}

// explained makes an API with an open operation, and calls of it that are
// explained: so many that are answered, the newest with the highest number.
func (w *town) explained(t *testing.T, slug string, calls int) {
	t.Helper()
	_, hours := w.chained(t, slug)
	var token struct{ Token, Header string }
	if err := w.api.Do(t.Context(), "POST", "/tenants/demo/environments/production/explain-tokens", map[string]any{"api": slug}, &token); err != nil {
		t.Fatal(err)
	}
	for i := range calls {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hours+"?call="+strconv.Itoa(i+1), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(token.Header, token.Token)
		res, err := http.DefaultClient.Do(req) //nolint:forbidigo // a caller of the gateway
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
			t.Fatalf("got %d", res.StatusCode)
		}
	}
}

const (
	drawerOf  = `new URLSearchParams(location.search).get('call')`
	wayStands = `document.querySelector('#way[open]')?.checkVisibility()`
)

// The way of a call stands beside the list: a click opens it, ↑ and ↓ go on from
// it, Esc closes it and leaves the focus at its row.
func TestTheWayOfACallStandsBesideTheList(t *testing.T) {
	w := inTown(t)
	w.explained(t, "way-drawer", 3)
	o := w.operatorAt(t, "/t/demo/explain?api=way-drawer")
	o.until("the calls are there", `document.querySelectorAll('#calls tbody tr').length === 3`)
	o.sees("3 of ", "Upstream")
	rows := o.list(`[...document.querySelectorAll('#calls [data-row] a')].map(a => a.id.replace('call-', ''))`)
	o.script(`window.stays = true`)
	o.pressOn("the second call", `document.querySelectorAll('#calls [data-row] a')[1]`)
	open := func(what string, id string) {
		t.Helper()
		o.until(what, wayStands+` && window.stays && `+drawerOf+` === `+js(id)+` && document.querySelector('#call-'+`+js(id)+`).closest('tr').getAttribute('aria-selected') === 'true'`)
		o.until(what+" has the focus", `document.querySelector('#way').contains(document.activeElement)`)
	}
	open("the second call opens", rows[1])
	if got := o.run(`document.querySelector('#way').matches(':modal')`); got != "false" {
		t.Error("the list cannot be used beside the drawer")
	}
	o.accessible()
	if folder := shotsFolder(); folder != "" {
		o.shot(folder, "explain-drawer")
	}
	o.keys(kb.ArrowDown)
	open("↓ opens the third", rows[2])
	o.keys(kb.ArrowUp)
	open("↑ opens the second", rows[1])
	o.keys(kb.ArrowUp)
	open("↑ opens the first", rows[0])
	if got := o.run(`document.querySelector('#way-prev').hasAttribute('href')`); got != "false" {
		t.Error("before the first call there is another one")
	}
	o.press("Next call")
	open("the button opens the second", rows[1])

	// Request, answer and calls like it are parts of it.
	for _, one := range []struct{ tab, says string }{{"Request", "call=…"}, {"Answer", "Content-Type: …"}, {"Similar", "2 calls between"}} {
		o.part(one.tab, one.says)
		o.accessible()
	}
	o.hides("call=2")

	o.keys(kb.Escape)
	o.until("Esc closes it", `!document.querySelector('#way').open && `+drawerOf+` === null`)
	o.until("the focus is back at its row", `document.activeElement.id === 'call-'+`+js(rows[1]))
	o.until("the focus stays there while the list is loaded again", `document.querySelector('#calls').getAttribute('hx-get')?.includes('polls=59') && document.activeElement.id === 'call-'+`+js(rows[1]))
	o.keys("j")
	o.until("J moves to the next row", `document.activeElement.id === 'call-'+`+js(rows[2]))
	o.keys("\r")
	open("↵ opens it", rows[2])
	o.quiet()
}

// The version is searched for as one types, by the keyboard alone; what is typed
// elsewhere stays.
func TestVersionToExplainIsSearchedFor(t *testing.T) {
	w := inTown(t)
	w.chained(t, "way-search")
	o := w.operatorAt(t, "/t/demo/explain?version=parcels/v1")
	o.fill("Headers", "X-Mine: 1")
	const open = `document.querySelector('.pick .pal-l')?.checkVisibility() && document.querySelector('.pick input').getAttribute('aria-expanded') === 'true'`
	o.fill("Version", "way-se")
	o.until("it is offered", open+` && document.querySelectorAll('.pick [role=option]').length === 1`)
	o.accessible()
	o.pictures("explain-search", 900)
	o.keys(kb.Escape)
	o.until("Esc closes it", `!(`+open+`)`)
	o.keys(kb.ArrowDown)
	o.until("↓ opens it", open)
	o.enter()
	o.until("it is chosen, with a path of its own", `document.querySelector('#f-version').value === 'way-search/v1' && document.querySelector('#f-path').value.startsWith('/demo/way-search/v1/') && document.activeElement.id === 'f-path'`)
	o.until("what is typed elsewhere stays", `document.querySelector('#f-headers').value === 'X-Mine: 1' && !location.search.includes('Mine')`)
	o.script(`document.querySelector('#f-version').focus()`)
	o.until("all are offered before anything is typed", open+` && document.querySelectorAll('.pick [role=option]').length > 2`)
	o.pressOn("another", `[...document.querySelectorAll('.pick [role=option]')].find(e => e.innerText.includes('parcels/v1'))`)
	o.until("the mouse chooses too", `document.querySelector('#f-version').value === 'parcels/v1'`)
	o.quiet()
}

// Conditions are set by F, stand as chips with a cross, and in the address.
func TestCallsAreFilteredByChips(t *testing.T) {
	w := inTown(t)
	w.explained(t, "way-filter", 2)
	o := w.operatorAt(t, "/t/demo/explain")
	o.until("the calls are there", `document.querySelectorAll('#calls tbody tr').length >= 2`)
	o.keys("f")
	o.until("F opens the filter", `document.activeElement.id === 'by-api' && document.querySelector('.menu-form').checkVisibility()`)
	o.accessible()
	if folder := shotsFolder(); folder != "" {
		o.shot(folder, "explain-filter")
	}
	o.choose("API", "way-filter")
	o.choose("Status", "2xx")
	o.follow("Show")
	o.sees("2 of ", "API way-filter", "Status 2xx")
	o.until("the address has both", `location.search.includes('api=way-filter') && location.search.includes('status=2xx')`)
	o.press("Remove Status 2xx")
	o.until("it is taken away alone", `location.search.includes('api=way-filter') && !location.search.includes('status=2xx') && document.querySelectorAll('.filter').length === 1`)
	o.accessible()
	o.quiet()
}

// Without a script the same pages do the same by links and forms.
func TestTheWayOfACallWithoutAScript(t *testing.T) {
	w := inTown(t)
	w.explained(t, "way-plain", 2)
	o := w.operatorAt(t, "/t/demo")
	o.withoutScript()
	o.visit("/t/demo/explain")
	o.press("Filter")
	o.choose("API", "way-plain")
	o.follow("Show")
	o.sees("2 of ")
	o.arrives("the first call", func() { o.pressOn("the first call", `document.querySelector('#calls [data-row] a')`) })
	o.until("it stands there, and all of its parts", wayStands+` && ['way-explain', 'way-request', 'way-answer', 'way-similar'].every(id => document.getElementById(id).checkVisibility())`)
	o.follow("Next call")
	o.until("the second stands there", wayStands+` && !document.querySelector('#way-next').hasAttribute('href')`)
	o.arrives("the list", func() { o.pressOn("Close", `document.querySelector('#way [data-close]')`) })
	o.until("the list alone is there", `!document.querySelector('#way') && location.search.includes('api=way-plain')`)
	o.arrives("all calls", func() { o.pressOn("the cross", `document.querySelector('.filter a')`) })
	o.until("nothing is filtered", `!document.querySelector('.filter')`)
}
