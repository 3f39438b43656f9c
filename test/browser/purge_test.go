package browser_test

import (
	"net/http"
	"strings"
	"testing"
)

// Stored answers are purged by everything, address and tag, and the next call
// goes to the upstream again; with a script and without.
func TestStoredAnswersArePurged(t *testing.T) {
	for name, scripted := range map[string]bool{"with a script": true, "without": false} {
		t.Run(name, func(t *testing.T) { purgeAnswers(t, scripted) })
	}
}

func purgeAnswers(t *testing.T, scripted bool) {
	w := inTown(t)
	slug := "purge"
	if !scripted {
		slug = "purge-plain"
	}
	page, hours := w.chained(t, slug)
	o := w.operatorAt(t, page+"?policy=new&kind=cache")
	if !scripted {
		o.withoutScript()
		o.visit(page + "?policy=new&kind=cache")
	}
	o.fill("Default ttl", "300000")
	o.pressOn("Public", `document.querySelector('[name="config.public"]')`)
	o.follow("Add to the draft")
	o.sees("is added", "Purge stored answers")
	o.publishes()
	stored := func(want string) {
		t.Helper()
		res, err := http.Get(hours) //nolint:forbidigo,noctx // a caller of the gateway
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got := res.Header.Get("Cache-Status"); res.StatusCode != http.StatusOK || !strings.Contains(got, want) {
			t.Errorf("got %d, Cache-Status %q, want %q", res.StatusCode, got, want)
		}
	}
	stored("fwd=")
	stored("hit")

	open := func() {
		t.Helper()
		o.visit(page + "/traffic")
		o.sees("Stored answers")
		o.script(`document.querySelector('#stored').scrollIntoView({block: 'center'})`)
		if scripted {
			o.press("Purge stored answers")
			o.until("the dialog is open", `document.querySelector('dialog:modal')`)
			o.until("what is asked has the focus", `document.activeElement.name === 'what'`)
			return
		}
		o.follow("Purge stored answers")
	}
	open()
	if scripted {
		o.accessible()
		if folder := shotsFolder(); folder != "" {
			o.shot(folder, "purge")
			o.theme("dark")
			o.until("the colours have changed", `getComputedStyle(document.querySelector("dialog h2")).color !== "rgb(0, 0, 0)" && document.getAnimations().length === 0`)
			o.shot(folder, "purge-dark")
			o.theme("light")
		}
	}
	o.follow("Purge answers")
	o.sees("are purged in Production: 1 of 1 node told.")
	stored("fwd=")
	stored("hit")

	open()
	o.choose("Forget", "Those of one address")
	if scripted {
		o.until("what it asks for is shown, and no more", `document.querySelector('[name=url]').checkVisibility() && !document.querySelector('[name=tag]').checkVisibility()`)
	}
	o.fill("Address", "hours")
	o.follow("Purge answers")
	o.sees("Is neither an address nor a path that begins with a slash")
	if folder := shotsFolder(); folder != "" && scripted {
		o.shot(folder, "purge-wrong")
	}
	o.fill("Address", hours+"?a=b")
	o.follow("Purge answers")
	o.sees("is purged in Production: 1 of 1 node told.")
	stored("fwd=")
	stored("hit")

	open()
	o.choose("Forget", "Those with a tag")
	o.fill("Tag", "another")
	o.follow("Purge answers")
	o.sees("What is stored with the tag another is purged")
	stored("hit")
	if folder := shotsFolder(); folder != "" && scripted {
		o.script(`scrollTo(0, 0)`)
		o.shot(folder, "purge-traffic")
	}

	// The way of a call says what the cache makes of its answer.
	open()
	o.follow("Purge answers")
	o.sees("1 of 1 node told.")
	o.visit(page + "?policy=v0")
	o.follow("Try a call and see its way")
	o.fill("Path", "/demo/"+slug+"/v1/museum-hours")
	o.follow("Call and explain")
	o.sees("Response cache, answer", "The answer is stored as far as it arrives whole")
	if scripted {
		o.accessible()
		if folder := shotsFolder(); folder != "" {
			o.script(`document.querySelector('#way').scrollIntoView()`)
			o.shot(folder, "explain-answer")
		}
	}
	o.quiet("status of 422")
}
