package browser_test

import (
	"strings"
	"testing"
	"time"

	"portico/test/process"
)

// journey is the way of a team: an owner makes it and gives it an API, a
// provider and a consumer are invited and do what their teams may.
type journey struct {
	t                         *testing.T
	scripted                  bool
	portico                   *process.Process
	museum                    *museum
	owner, provider, consumer *tab
}

func TestTeamFromMakingToWorkingInIt(t *testing.T) { journeyThrough(t, true) }

func TestTeamFromMakingToWorkingInItWithoutJavaScript(t *testing.T) { journeyThrough(t, false) }

func journeyThrough(t *testing.T, scripted bool) {
	p := start(t)
	j := &journey{
		t: t, scripted: scripted, portico: p, museum: newMuseum(t),
		owner: openAt(t, p.Console), provider: openAt(t, p.Console), consumer: openAt(t, p.Portal),
	}
	if !scripted {
		for _, b := range []*tab{j.owner, j.provider, j.consumer} {
			b.withoutScript()
		}
	}
	j.step("an owner makes a team and gives it an API", j.give)
	j.step("invites a provider into it", j.inviteProvider)
	j.step("who joins, sees and edits only that API", j.work)
	j.step("a consumer is invited into the portal", j.inviteConsumer)
	j.step("joins there and makes an application of the team", j.apply)
	j.step("looks at the sessions, and the owner at the lists", j.lookAround)
	j.owner.quiet()
	j.provider.quiet("404")
	j.consumer.quiet("410 (Gone)")
}

// step is one part of the journey. What comes after a failed one is not tried.
func (j *journey) step(what string, do func()) {
	j.t.Helper()
	tabs := []*tab{j.owner, j.provider, j.consumer}
	if !j.t.Run(what, func(t *testing.T) {
		for _, b := range tabs {
			b.t = t
		}
		do()
	}) {
		j.t.FailNow()
	}
	for _, b := range tabs {
		b.t = j.t
	}
}

// asks opens a form: in a dialog where there is a script, else on a page.
func (j *journey) asks(b *tab, words string) {
	b.t.Helper()
	if !j.scripted {
		b.follow(words)
		return
	}
	b.press(words)
	b.until("the dialog is open", `document.querySelector('dialog:modal')`)
}

// look looks at the page that is open in both themes, wide and narrow.
func (j *journey) look(b *tab, name string) {
	b.t.Helper()
	if j.scripted {
		look(b, "team-"+name)
	}
}

func (j *journey) give() {
	o := j.owner
	o.visit(j.portico.FirstRun)
	o.fill("Your name", "Olga Operator")
	o.fill("E-mail", "olga@demo.example")
	o.fill("Password", "a long enough password")
	o.follow("Make operator")
	o.follow("Import OpenAPI")
	o.follow("Paste")
	o.fill("Document", j.museum.document)
	o.follow("Read the document")
	o.hides("Owner") // there is no team yet
	o.press("Another address")
	o.fill("Other address", j.museum.upstream)
	o.fill("Slug", "museum")
	o.fill("Version", "v1")
	o.follow("Make draft")
	o.sees(j.museum.title, "Draft")

	o.visit("/t/demo/teams")
	o.sees("No teams yet")
	j.asks(o, "New team")
	o.fill("Name", "Parcel people")
	o.follow("Make team")
	o.sees("Parcel people", "Nobody yet", "Nothing yet: choose it as the owner")
	o.visit("/t/demo/apis/parcels/v1")
	o.pressOn("More", `document.querySelector('[aria-label^="More about"]')`)
	o.follow("Edit Parcels")
	o.choose("Owner", "Parcel people")
	o.follow("Save API")
	o.sees("Parcels is saved", "Parcel people ·")
}

// link takes the one-time link from the page that shows it once.
func link(b *tab) string {
	b.t.Helper()
	return b.run(`document.querySelector('#fresh-key-secret').innerText`)
}

func (j *journey) inviteProvider() {
	o := j.owner
	o.visit("/t/demo/teams/parcel-people")
	o.sees("1 API")
	j.asks(o, "Invite somebody new")
	o.fill("E-mail", "grace@demo.example")
	o.tick("Parcel people") // is ticked already
	o.follow("Make link")
	o.sees("Pass this link on to grace@demo.example", "team Parcel people")
}

func (j *journey) work() {
	g := j.provider
	path, ok := strings.CutPrefix(link(j.owner), j.portico.Console)
	if !ok {
		g.t.Fatalf("a provider's link leads to %s, want the console", link(j.owner))
	}
	g.visit(path)
	g.sees("Join Demo", "Olga Operator invites grace@demo.example", "in the team Parcel people")
	g.fill("Your name", "Grace Hopper")
	g.fill("Password", "a long enough password")
	g.follow("Make account and join")
	g.sees("You have joined Demo", "Parcels")
	g.visit("/t/demo/apis")
	g.sees("Parcels", "Parcel people")
	g.hides(j.museum.title)
	g.visit("/t/demo/apis/museum/v1")
	g.sees("Nothing here")
	g.hides(j.museum.title)
	g.visit("/t/demo/apis/parcels/v1/about")
	g.fill("Contact", "grace@demo.example")
	g.follow("Save API")
	g.sees("Parcels is saved")
}

func (j *journey) inviteConsumer() {
	o := j.owner
	o.visit("/t/demo/teams")
	j.asks(o, "New team")
	o.fill("Name", "Shop people")
	o.pressOn("Provider", `document.querySelector('input[name=role][value=provider]')`)
	o.pressOn("Consumer", `document.querySelector('input[name=role][value=consumer]')`)
	o.follow("Make team")
	o.sees("Shop people", "Consumer", "Nobody yet")
	j.asks(o, "Invite somebody new")
	o.fill("E-mail", "nina@demo.example")
	o.follow("Make link")
	o.sees("Pass this link on to nina@demo.example")
}

func (j *journey) apply() {
	n := j.consumer
	path, ok := strings.CutPrefix(link(j.owner), j.portico.Portal)
	if !ok {
		n.t.Fatalf("a consumer's link leads to %s, want the portal", link(j.owner))
	}
	n.visit(path)
	n.sees("Join Demo", "Olga Operator invites nina@demo.example", "in the team Shop people")
	other := j.signsIn("olga@demo.example") // somebody else is told so
	other.visit(path)
	other.sees("This invitation is for somebody else", "It is for nina@demo.example, and you are signed in as olga@demo.example")
	j.look(other, "invitation-of-another")
	other.follow("Sign out")
	other.sees("Join Demo", "Make account and join")
	n.fill("Your name", "Nina Buyer")
	n.fill("Password", "a long enough password")
	n.follow("Make account and join")
	n.sees("You have joined Demo", "No applications yet")
	j.look(n, "no-applications")
	if j.scripted {
		n.visit("/applications/new")
		j.look(n, "new-application")
		n.visit("/products/demo/parcels/subscribe")
		j.look(n, "subscribe-first")
		n.visit("/applications")
	}
	j.asks(n, "New application")
	n.fill("Name", "Till")
	n.choose("Owner", "Shop people")
	n.follow("Create application")
	n.sees("Till", "owned by the team Shop people of Demo")
	j.look(n, "application")
	n.visit("/applications")
	n.sees("Till", "Shop people")
	j.look(n, "applications")
	n.visit(path)
	n.sees("This invitation is not valid any more", "To your applications")
}

// signsIn is another tab at the portal.
func (j *journey) signsIn(email string) *tab {
	b := openAt(j.t, j.portico.Portal)
	if !j.scripted {
		b.withoutScript()
	}
	b.visit("/sign-in")
	b.fill("E-mail", email)
	b.fill("Password", "a long enough password")
	b.follow("Sign in")
	return b
}

func (j *journey) lookAround() {
	n := j.consumer
	second := j.signsIn("nina@demo.example")
	n.visit("/account")
	n.sees("nina@demo.example", "this one", "Sign out everywhere else")
	j.look(n, "account")
	n.follow("Sign out everywhere else")
	n.sees("Signed out of 1 other session.")
	second.visit("/applications")
	second.sees("Password")

	o := j.owner
	o.visit("/t/demo/apis")
	o.sees("Parcel people", "No team")
	o.press("Owner: all")
	o.arrives("the list of the team", func() {
		o.pressOn("Parcel people", `[...document.querySelectorAll('.menu a')].find(a => a.href.endsWith('team=parcel-people'))`)
	})
	o.sees("Owner: Parcel people", "Parcels")
	o.hides(j.museum.title)
	if got := o.run(`location.search`); got != "?team=parcel-people" {
		o.t.Errorf("the filter is not in the address: %s", got)
	}
	if !j.scripted {
		return
	}
	// A filter as one types keeps the team, and the chips keep what is typed.
	o.fill("Filter APIs", "par")
	until := time.Now().Add(actionTime)
	for o.run(`document.querySelector('#filters a[href*="state=draft"]').search`) != "?q=par&state=draft&team=parcel-people" {
		if time.Now().After(until) {
			o.t.Fatalf("the chip leads to %s", o.run(`document.querySelector('#filters a[href*="state=draft"]').search`))
		}
		time.Sleep(20 * time.Millisecond)
	}
	o.press("Draft")
	o.sees("Nothing matches")
	o.until("the chip is on and the words are kept", `document.querySelector('.chip[aria-current]')?.innerText === 'Draft' && document.querySelector('#s-q').value === 'par'`)
}
