package browser_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// A share is moved by the slider and is in force, with a script and without.
func TestShareIsMovedByTheSlider(t *testing.T) {
	for name, scripted := range map[string]bool{"with a script": true, "without": false} {
		t.Run(name, func(t *testing.T) { moveTheShare(t, scripted) })
	}
}

func moveTheShare(t *testing.T, scripted bool) {
	w := inTown(t)
	candidate := newMuseum(t)
	slug, version := "split", "v1"
	if !scripted {
		slug = "split-plain"
	}
	id := w.version(t, w.museum.document, map[string]any{"name": "Museum of splits", "slug": slug, "label": version, "upstream": w.museum.upstream})
	w.do(t, "PATCH", "/versions/"+id+"/draft", map[string]any{"public": map[string]bool{"getMuseumHours": true}})
	w.do(t, "POST", "/versions/"+id+"/publish?wait=applied", map[string]any{})
	at := "/t/demo/apis/" + slug + "/" + version + "/traffic"
	o := w.operatorAt(t, at)
	if !scripted {
		o.withoutScript()
		o.visit(at)
	}
	o.sees("All calls go to what is live")
	o.fill("or addresses", candidate.upstream)
	o.follow("Save split")
	o.sees("Traffic split saved", "r1", "All to the candidate")

	o.script(`document.querySelector('input.range').focus()`)
	if scripted {
		o.script(`(r => { r.value = '40'; r.dispatchEvent(new Event('input', {bubbles: true})) })(document.querySelector('input.range'))`)
		o.until("the numbers follow the slider", `document.querySelector('#split-share').textContent === '40' && document.querySelector('#split-rest').textContent === '60'`)
		o.script(`document.querySelector('input.range').dispatchEvent(new Event('change', {bubbles: true}))`) // it is let go
		o.sees("40 % of the calls go to the candidate")
		o.until("the slider has the focus still", `document.activeElement.matches('#split-range') && document.activeElement.value === '40'`)
		o.press("Auto-step")
		o.sees("The share moves by itself", "Goes to 50 % at")
		o.press("Auto-step")
		o.sees("The share stays as it is")
		o.hides("Goes to 50 % at")
	} else {
		o.script(`document.querySelector('input.range').value = '40'`)
		o.follow("Set share")
		o.sees("40 % of the calls go to the candidate")
		o.press("Auto-step")
		o.arrives("the switch's answer", func() { o.script(`document.querySelector('#split-steps').form.querySelector('button').click()`) })
		o.sees("The share moves by itself", "Goes to 50 % at")
	}
	o.follow("All to the candidate")
	o.sees("100 %", "Back to 40 %")

	hours := w.portico.Gateway + "/demo/" + slug + "/" + version + "/museum-hours"
	for range 20 {
		res, err := http.Get(hours) //nolint:forbidigo,noctx // a caller of the gateway
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("got %d", res.StatusCode)
		}
	}
	const counted = `document.querySelector('#split-sides tbody tr:nth-child(2) td').textContent.trim() === '20'`
	for end := time.Now().Add(actionTime); !scripted && o.run(counted) != "true"; o.visit(at) {
		if time.Now().After(end) {
			t.Fatal("the calls are not counted")
		}
	}
	o.until("the calls are counted", counted)
	o.sees("As counted by 1 node")
	if folder := shotsFolder(); folder != "" && scripted {
		o.script(`scrollTo(0, 0)`)
		o.shot(folder, "traffic")
	}
	o.follow("Back to 40 %")
	o.sees("40 %", "Back to 100 %")
	o.follow("End the split")
	o.sees("The split is over", "All calls go to what is live")
	o.quiet()
}

// What somebody else does to a split shows by itself; what is typed or slid stays.
func TestSplitFollowsWhatOthersDo(t *testing.T) {
	w := inTown(t)
	candidate := newMuseum(t)
	id := w.version(t, w.museum.document, map[string]any{"name": "Museum of two", "slug": "split-two", "label": "v1", "upstream": w.museum.upstream})
	w.do(t, "POST", "/versions/"+id+"/publish?wait=applied", map[string]any{})
	split := "/versions/" + id + "/environments/production/split"
	w.do(t, "PATCH", split, map[string]any{"candidate": map[string]any{"urls": []string{candidate.upstream}}, "per_mille": 400})
	o := w.operatorAt(t, "/t/demo/apis/split-two/v1/traffic")
	o.sees("40 %", "Back to 0 %")
	o.fill("Largest body, KiB", "12")
	o.script(`document.activeElement.blur()`)
	w.do(t, "POST", split+"/switch", map[string]any{"to": "candidate"})
	o.sees("100 %", "Back to 40 %")
	w.do(t, "PATCH", split, map[string]any{"sticky": "cookie"})
	o.until("the form holds what is so now", `document.querySelector('#f-sticky').value === 'cookie'`)
	o.until("what is typed stays", `document.querySelector('#mirror-body').value === '12'`)

	const polls = `document.querySelector('#split-sides').getAttribute('hx-get').match(/polls=(\d+)/)[1]`
	o.script(`(r => { r.value = '77'; r.dispatchEvent(new Event('input', {bubbles: true})) })(document.querySelector('input.range'))`) // in hand
	w.do(t, "DELETE", split, nil)
	before := o.run(polls)
	o.until("two polls more", polls+` <= `+before+` - 2`)
	o.until("the slider is in hand still", `document.querySelector('input.range').value === '77' && document.querySelector('#split-share').textContent === '77'`)
	o.script(`document.querySelector('input.range').dispatchEvent(new Event('change', {bubbles: true}))`) // it is let go
	o.sees("All calls go to what is live")
	o.until("what is typed stays", `document.querySelector('#mirror-body').value === '12'`)
	o.hides("Back to")
	o.quiet("status of 4")
}

// A version's page shows how much each route is called and how long that takes,
// what each step costs, how both sides of a split do, and what is unpublished.
func TestVersionPageShowsItsTraffic(t *testing.T) {
	w := inTown(t)
	candidate := newMuseum(t)
	id := w.version(t, w.museum.document, map[string]any{"name": "Museum in use", "slug": "in-use", "label": "v1", "upstream": w.museum.upstream})
	w.do(t, "PATCH", "/versions/"+id+"/draft", map[string]any{
		"public": map[string]bool{"getMuseumHours": true}, "upstream_urls": []string{w.museum.upstream, candidate.upstream},
		"route_policies": map[string]any{"getMuseumHours": []any{map[string]any{"kind": "path", "config": map[string]any{"prefix": "/museum-hours", "replacement": "/openapi.yaml"}}}},
	})
	w.do(t, "POST", "/versions/"+id+"/publish?wait=applied", map[string]any{})
	w.do(t, "PATCH", "/versions/"+id+"/draft", map[string]any{"public": map[string]bool{"getMuseumHours": false}, "max_body_bytes": 4096})
	const page = "/t/demo/apis/in-use/v1"
	o := w.operatorAt(t, page)
	o.sees("2 unpublished changes", "All calls go to what is live", "Set a candidate…", "no calls in ten minutes", "no traffic", "round robin")
	o.follow("Review")
	o.sees("What Publish r2 changes", "Size of bodies", "GET /museum-hours", "needs a key")
	o.accessible()
	o.visit(page)
	o.follow("Set a candidate…")
	o.fill("or addresses", candidate.upstream)
	o.follow("Save split")
	o.sees("Traffic split saved")
	o.visit(page)
	o.script(`(r => { r.value = '50'; for (const e of ['input', 'change']) r.dispatchEvent(new Event(e, {bubbles: true})) })(document.querySelector('input.range'))`)
	o.sees("50 % of the calls go to the candidate")

	o.visit("/t/demo/explain?version=in-use/v1")
	o.fill("Path", "/demo/in-use/v1/museum-hours")
	o.follow("Call and explain")
	o.sees("Policy chain of demo/in-use v1 r1")
	// Usage is counted when it has come from the node, and of a target's calls one
	// in two seconds is timed.
	const shown = `/≤ \d+ ms/.test(document.querySelector('#routes').innerText) && document.querySelector('#targets .spark path')?.getAttribute('d').includes('L')`
	o.visit(page)
	for end := time.Now().Add(2 * actionTime); o.run(`Boolean(`+shown+`)`) != "true"; o.visit(page) {
		if time.Now().After(end) {
			t.Fatalf("the calls are not counted\n%s", o.text())
		}
		for range 20 {
			if got := answers(t, w.portico.Gateway+"/demo/in-use/v1/museum-hours"); got != http.StatusOK {
				t.Fatalf("got %d", got)
			}
		}
	}
	o.sees("req/s", "Upstream path", "/openapi.yaml", "gateway's share", "the median of 1 explained call", "Check all now", "How long the calls took", "As counted by 1 node")
	o.until("a step says what it costs", `/[\d.]+ µs/.test(document.querySelector('#policy .cols').innerText)`)
	o.until("a target shows how its times go", `document.querySelector('#targets .spark path')`)
	o.arrives("what the node found of one target", func() { o.script(`document.querySelector('#targets form button[aria-label^="Check http"]').click()`) })
	o.until("one target alone is told of", `document.querySelector('#targets').innerText.match(/can be connected to/g)?.length === 1`)
	o.visit(page)

	// The columns are one stop for the tab key; arrows go on from there.
	o.script(`document.querySelector('#policy .cols [tabindex="0"]').focus()`)
	o.keys(kb.ArrowRight)
	o.until("the second column has the focus, and is the stop", `document.activeElement.id === 'col-2' && document.querySelectorAll('#policy .cols [tabindex="0"]').length === 1`)
	o.keys(kb.End)
	o.until("the last has", `document.activeElement === [...document.querySelectorAll('#policy .col')].pop()`)
	o.keys(kb.Home)
	o.keys("\r")
	o.until("its form is open, and the focus is where it was", `document.querySelector('#policy-form') && document.activeElement.id === 'col-1' && document.activeElement.getAttribute('aria-selected') === 'true'`)
	o.accessible()
	if folder := shotsFolder(); folder != "" {
		for name, width := range map[string]int64{"wide": 1440, "narrow": 390} {
			for _, theme := range []string{"light", "dark"} {
				o.theme(theme)
				o.visit(page)
				o.sized(width, map[string]int64{"wide": 1500, "narrow": 2600}[name])
				o.until("it is at the top", `scrollY === 0`)
				o.shot(folder, "version-"+name+"-"+theme)
			}
		}
	}
	o.sized(390, 844)
	o.until("nothing scrolls sideways", `document.documentElement.scrollWidth <= 390`)
	o.quiet()
}
