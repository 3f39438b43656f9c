package browser_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// visited is a page of the product. By hand: prepare runs after it arrived.
type visited struct {
	path    string
	prepare func(*tab)
	refused string // what the console says of the answer's status, for pages that refuse
}

func (v visited) name() string {
	name := strings.Trim(strings.NewReplacer("/", "-", "?", "-", "=", "-", "&", "-", "%", "").Replace(v.path), "-")
	if name == "" {
		name = "root"
	}
	if len(name) > 60 {
		name = name[:60]
	}
	return name
}

func TestEveryPageOfTheConsole(t *testing.T) {
	w := inTown(t)
	o := w.operatorAt(t, "/t/demo/import?from=paste")
	o.fill("Document", w.museum.document)
	o.follow("Read the document")
	staged, err := url.Parse(o.run(`location.href`))
	if err != nil {
		t.Fatal(err)
	}
	plan := linkOn(o, "/t/demo/products/museum-visits", "/plans/plan_")
	active := linkOn(o, "/t/demo/subscriptions", "/subscriptions/sub_")
	member := strings.TrimSuffix(linkOn(o, "/t/demo/members", "/members/per_"), "/roles")
	invitation := ""
	pages := []visited{
		{path: "/t/demo"},
		{path: "/t/demo/nodes"},
		{path: "/t/demo/palette"},
		{path: "/t/demo/palette?q=mus"},
		{path: "/t/demo/apis"},
		{path: "/t/demo/apis?q=nothing+has+this+name"},
		{path: "/t/demo/apis?state=published"},
		{path: "/t/demo/apis/museum"},
		{path: "/t/demo/apis/museum/v1"},
		{path: "/t/demo/apis/museum/v1?policy=key"},
		{path: "/t/demo/apis/museum/v1?policy=grant"},
		{path: "/t/demo/apis/museum/v1?policy=limit"},
		{path: "/t/demo/apis/museum/v1/add-policy"},
		{path: "/t/demo/apis/museum/v1/add-policy?q=nothing+has+this+name"},
		{path: "/t/demo/apis/museum/v1?policy=new&kind=rate_limit&example=0"},
		{path: "/t/demo/apis/museum/2024-06?policy=v0", prepare: func(b *tab) {
			for _, example := range []string{"0", "1"} {
				b.visit("/t/demo/apis/museum/2024-06?policy=new&kind=rate_limit&example=" + example)
				b.follow("Add to the draft")
			}
			b.follow("Switch off")
			b.sees("Switch on")
		}},
		{path: "/t/demo/apis/museum/2024-06/review"},
		{path: "/t/demo/apis/museum/2024-06?operation=getMuseumHours&policy=v0"},
		{path: "/t/demo/apis/museum/2024-06/policies/v0/remove"},
		{path: "/t/demo/policies"},
		{path: "/t/demo/policies?q=rate"},
		{path: "/t/demo/policies/rate_limit"},
		{path: "/t/demo/apis/museum/v1/traffic"},
		{path: "/t/demo/apis/museum/2024-06/traffic?split", prepare: func(b *tab) {
			b.visit("/t/demo/apis/museum/2024-06/traffic")
			b.fill("or addresses", "http://127.0.0.1:9")
			b.fill("Rules before the share", "candidate: header X-Beta = yes")
			b.follow("Save split")
			b.sees("Traffic split saved", "All to the candidate")
		}},
		{path: "/t/demo/apis/museum/2024-06?split"},
		{path: "/t/demo/apis/parcels/v2/traffic"},
		{path: "/t/demo/apis/museum/v1/purge"},
		{path: "/t/demo/apis/museum/v1/versions"},
		{path: "/t/demo/apis/museum/v1/definition"},
		{path: "/t/demo/apis/museum/v1/products"},
		{path: "/t/demo/apis/museum/v1/history"},
		{path: "/t/demo/apis/museum/v1/upstream"},
		{path: "/t/demo/apis/museum/v1/mount"},
		{path: "/t/demo/apis/museum/v1/about"},
		{path: "/t/demo/apis/parcels/v2/delete"},
		{path: "/t/demo/apis/museum/v1/deprecate"},
		{path: "/t/demo/apis/museum/v1/retire"},
		{path: "/t/demo/apis/museum/v1/roll-back/1"},
		{path: "/t/demo/apis/parcels/v2"},
		{path: "/t/demo/apis/parcels/v2/publish"},
		{path: "/t/demo/apis/parcels/v2/history"},
		{path: "/t/demo/apis/museum/2024-06"},
		{path: "/t/demo/apis/museum/2023-01"},
		{path: "/t/demo/apis/museum/v1", prepare: func(b *tab) {
			b.visit("/t/demo/apis/parcels/v2")
			b.press("Publish")
			b.until("the dialog is open", `document.querySelector('dialog:modal')`)
		}},
		{path: "/t/demo/import"},
		{path: "/t/demo/import?from=paste"},
		{path: "/t/demo/import?from=folder"},
		{path: "/t/demo/import?from=url"},
		{path: staged.Path},
		{path: "/t/demo/import?files", prepare: func(b *tab) {
			b.visit("/t/demo/import")
			b.file(w.museum.archive(t))
			b.follow("Read the document")
			b.sees("begins here", "parts/hours.yaml", "parts/lost.yaml")
		}},
		{path: "/t/demo/import?from=paste&api=museum&label=v1", prepare: func(b *tab) {
			b.fill("Document", w.museum.changed())
			b.follow("Read the document")
			b.sees("Changes to the draft", "Who may call getMuseumHours", "Everybody, without a key")
		}},
		{path: "/t/demo/import?from=paste&again", prepare: func(b *tab) {
			b.fill("Document", "no: document")
			b.follow("Read the document")
		}, refused: "status of 4"},
		{path: "/t/demo/products"},
		{path: "/t/demo/products/museum-visits"},
		{path: "/t/demo/products/museum-visits/edit"},
		{path: "/t/demo/products/museum-visits/new-plan"},
		{path: plan},
		{path: plan + "/policies"},
		{path: plan + "/policies?policy=new&kind=concurrency&example=1"},
		{path: plan + "/add-policy"},
		{path: "/t/demo/new-product"},
		{path: "/t/demo/approvals"},
		{path: "/t/demo/approvals?tab=answered"},
		{path: "/t/demo/approvals?tab=automatic"},
		{path: "/t/demo/approvals?bulk", prepare: func(b *tab) {
			b.pressOn("a tick", `document.querySelector('.rq input[type=checkbox]')`)
			b.arrives("the reason for all", func() { b.pressOn("Reject…", `document.querySelector('button[value=reject]')`) })
		}},
		{path: "/t/demo/subscriptions"},
		{path: active},
		{path: "/t/demo/applications"},
		{path: "/t/demo/members"},
		{path: "/t/demo/members?dialog", prepare: func(b *tab) {
			b.press("Invite")
			b.until("the dialog is open", `document.querySelector('dialog:modal')`)
		}},
		{path: "/t/demo/invite"},
		{path: "/t/demo/invite?wrong", prepare: func(b *tab) {
			b.fill("E-mail", "grace@demo.example")
			b.follow("Make link")
			b.sees("Choose a role or a team")
		}, refused: "status of 4"},
		{path: "/t/demo/members?invited", prepare: func(b *tab) {
			b.visit("/t/demo/invite")
			b.fill("E-mail", "grace@demo.example")
			b.pressOn("Provider", `document.querySelector('input[name=role][value=provider]')`)
			b.follow("Make link")
			b.sees("Pass this link on to grace@demo.example")
			invitation = b.run(`document.querySelector('#fresh-key-secret').innerText`)
		}},
		{path: member + "/roles"},
		{path: member + "/remove"},
		{path: "/t/demo/teams"},
		{path: "/t/demo/new-team"},
		{path: "/t/demo/new-team?made", prepare: func(b *tab) {
			b.visit("/t/demo/new-team")
			b.fill("Name", "Museum people")
			b.follow("Make team")
			b.sees("Nobody yet")
		}},
		{path: "/t/demo/new-team?second", prepare: func(b *tab) {
			b.visit("/t/demo/new-team")
			b.fill("Name", "The people who look after parcels that went astray in the north")
			b.fill("Slug", "astray")
			b.follow("Make team")
			b.sees("Nobody yet")
		}},
		{path: "/t/demo/teams?one"},
		{path: "/t/demo/apis/museum/v1/about?owned", prepare: func(b *tab) {
			b.visit("/t/demo/apis/museum/v1/about")
			b.choose("Owner", "The people who look after parcels that went astray in the north")
			b.follow("Save API")
			b.sees("is saved")
		}},
		{path: "/t/demo/products/museum-visits/edit?owned", prepare: func(b *tab) {
			b.visit("/t/demo/products/museum-visits/edit")
			b.choose("Owner", "Museum people")
			b.follow("Save product")
			b.sees("is saved", "Museum people ·")
		}},
		{path: "/t/demo/apis?owners"},
		{path: "/t/demo/apis?owners&menu", prepare: func(b *tab) { b.press("Owner: all") }},
		{path: "/t/demo/apis?team=astray"},
		{path: "/t/demo/apis?team=museum-people"},
		{path: "/t/demo/products?owners"},
		{path: "/t/demo/products?team=museum-people"},
		{path: "/t/demo/products?team=astray"},
		{path: "/t/demo/apis/museum/v1/about?team"},
		{path: "/t/demo/new-product?team"},
		{path: staged.Path + "?team"},
		{path: "/t/demo/teams/astray"},
		{path: "/t/demo/teams/museum-people/edit"},
		{path: "/t/demo/teams/museum-people?member", prepare: func(b *tab) {
			b.visit("/t/demo/teams/museum-people")
			b.run(`(s => { s.selectedIndex = 1; return '' })(document.querySelector('select[name=person]'))`)
			b.follow("Add to team")
			b.sees("Take out")
		}},
		{path: "/t/demo/roles"},
		{path: "/t/demo/account"},
		{path: "/invitation?token=old", refused: "410"},
		{path: "/invitation?of-another", prepare: func(b *tab) {
			b.visit(strings.TrimPrefix(invitation, w.portico.Console))
			b.follow("Join")
			b.sees("and you are signed in as")
		}, refused: "status of 4"},
		{path: "/t/demo/tokens"},
		{path: "/t/demo/tokens?made", prepare: func(b *tab) {
			b.fill("Name", "CI of museum")
			b.follow("Make token")
			b.sees("Copy the token")
		}},
		{path: "/t/demo/tokens?show=all"},
		{path: "/t/demo/audit"},
		{path: "/t/demo/audit?changes", prepare: func(b *tab) {
			b.visit("/t/demo/audit?what=team")
			b.pressOn("what changed", `document.querySelector('main table .diff, main table td > details > summary')`)
			b.sees("name: The people who look after parcels")
		}},
		{path: "/t/demo/audit?check=chain"},
		{path: "/t/demo/audit?q=Nobody"},
		{path: "/t/demo/settings"},
		{path: "/t/demo/add-node"},
		{path: "/t/demo/environments/production"},
		{path: "/t/demo/environments/production/policies"},
		{path: "/t/demo/environments/production/policies?policy=new&kind=key&example=1"},
		{path: "/t/demo/environments/production/add-policy"},
		{path: "/t/demo/environments/+"},
		{path: "/t/demo/environments/production/certificates"},
		{path: "/t/demo/explain"},
		{path: "/t/demo/explain?version=parcels/v1&token", prepare: func(b *tab) {
			b.follow("Make a token for curl")
			b.sees("From your own machine", "X-Portico-Explain: x1.")
		}},
		{path: "/t/demo/explain?version=parcels/v1&refused", prepare: func(b *tab) {
			b.fill("Headers", "X-API-Key: mistyped")
			b.follow("Call and explain")
			b.sees("Stopped at step 2, API key", "What would have let it through", "not reached")
			b.part("Answer", "credential_invalid")
			b.part("Explain", "not reached")
			if text := b.run(`document.querySelector('#way').innerText`); strings.Contains(text, "mistyped ") {
				b.t.Error("the way shows a header's value")
			}
		}},
		{path: "/t/demo/explain?version=parcels/v1&passed", prepare: func(b *tab) {
			b.fill("Headers", "X-API-Key: "+w.portico.Key)
			b.follow("Call and explain")
			b.sees("Let through; the upstream answered 200", "over a", "Answer")
		}},
		{path: "/t/demo/explain?version=parcels/v1&wrong", prepare: func(b *tab) {
			b.fill("Path", "/another/tenant/v1")
			b.follow("Call and explain")
			b.sees("Lies below none of this version's mounts")
		}, refused: "status of 4"},
		{path: "/t/demo/values"},
		{path: "/t/demo/values?set", prepare: func(b *tab) {
			for _, one := range []struct{ name, value string }{{"museum_url", "https://museum.internal"}, {"museum_key", "a secret that is not shown"}} {
				b.visit("/t/demo/values")
				b.fill("Name", one.name)
				b.fill("Value", one.value)
				if one.name == "museum_key" {
					b.pressOn("Secret", `document.querySelector('input[name=secret]')`)
				}
				b.follow("Set value")
				b.sees("${" + one.name + "}")
			}
			if text := b.run(`document.body.innerText`); strings.Contains(text, "a secret that is not shown") {
				b.t.Error("the page shows the secret")
			}
		}},
		{path: "/tenants"},
		{path: "/sign-in"},
		{path: "/first-run?token=old", refused: "410"},
		{path: "/t/demo/apis/none", refused: "404"},
		{path: "/nowhere", refused: "404"},
	}
	sweep(t, o, "console", pages)()
}

func TestEveryPageOfThePortal(t *testing.T) {
	w := inTown(t)
	c := w.carlaAt(t, "/")
	waiting := linkOn(c, "/applications/lost-and-found", "/subscriptions/sub_")
	rejected := linkOn(c, "/applications/travel-planner", "/subscriptions/sub_")
	active := linkOn(c, "/applications/souvenir-shop", "/subscriptions/sub_")
	revoke := linkOn(c, "/applications/souvenir-shop", "/revoke")
	pages := []visited{
		{path: "/"},
		{path: "/?q=museum"},
		{path: "/?q=nothing+has+this+name"},
		{path: "/products/demo/museum-visits"},
		{path: "/products/demo/parcels"},
		{path: "/products/demo/museum-visits/subscribe"},
		{path: "/products/demo/museum-visits/subscribe?manual", prepare: func(b *tab) {
			b.press("Partner")
			b.sees("Partner needs approval")
		}},
		{path: "/apis/demo/museum/v1"},
		{path: "/apis/demo/museum/v1/plans"},
		{path: "/apis/demo/museum/2024-06"},
		{path: "/apis/demo/parcels/v1"},
		{path: "/apis/demo/parcels/v1/reference"},
		{path: "/apis/demo/parcels/v1/reference/bookParcel"},
		{path: "/apis/demo/museum/v1/reference/getMuseumHours"},
		{path: "/apis/demo/parcels/v1/reference/listParcels?lang=python"},
		{path: "/apis/demo/parcels/v1/schemas/Parcel"},
		{path: "/docs/problems"},
		{path: "/docs/problems/rate_limited"},
		{path: "/applications"},
		{path: "/applications/new"},
		{path: "/applications/souvenir-shop"},
		{path: "/applications/travel-planner"},
		{path: "/applications/souvenir-shop/edit"},
		{path: "/applications/souvenir-shop/delete"},
		{path: "/applications/souvenir-shop/keys/new"},
		{path: revoke},
		{path: strings.TrimSuffix(revoke, "/revoke")},
		{path: strings.TrimSuffix(revoke, "/revoke") + "?rotated", prepare: func(b *tab) {
			b.visit(strings.TrimSuffix(revoke, "/revoke"))
			b.follow("Rotate")
			b.sees("Copy your new key now")
			b.sees("End now")
		}},
		{path: strings.TrimSuffix(revoke, "/revoke") + "?restricted", prepare: func(b *tab) {
			b.visit(strings.TrimSuffix(revoke, "/revoke"))
			b.fill("Addresses", "here")
			b.follow("Save")
			b.sees("is not a network")
		}, refused: "status of 4"},
		{path: rejected},
		{path: waiting},
		{path: waiting + "/withdraw"},
		{path: active},
		{path: active + "/cancel"},
		{path: "/applications/travel-planner?fresh", prepare: func(b *tab) {
			b.follow("Make a key")
			b.sees("Copy your new key now")
		}},
		{path: "/account"},
		{path: "/invitation?token=old", refused: "410"},
		{path: "/sign-in"},
		{path: "/sign-up"},
		{path: "/applications/none", refused: "404"},
		{path: "/nowhere", refused: "404"},
	}
	sweep(t, c, "portal", pages)()
}

func TestPortalOfAStranger(t *testing.T) {
	w := inTown(t)
	b := openAt(t, w.portico.Portal)
	var consumer struct{ Link string }
	if err := w.api.Do(t.Context(), "POST", "/tenants/demo/invitations", map[string]any{"email": "consumer@demo.example", "roles": []string{"consumer"}}, &consumer); err != nil {
		t.Fatal(err)
	}
	sweep(t, b, "stranger", []visited{
		{path: "/invitation?token=old", refused: "410"},
		{path: "/invitation?joins", prepare: func(b *tab) {
			b.visit(strings.TrimPrefix(consumer.Link, w.portico.Portal))
			b.sees("Make account and join")
		}, refused: "410"},
		{path: "/"},
		{path: "/sign-in"},
		{path: "/sign-up"},
		{path: "/products/demo/parcels"},
		{path: "/apis/demo/parcels/v1/reference/listParcels"},
		{path: "/sign-in?wrong", prepare: func(b *tab) {
			b.fill("E-mail", "nobody@demo.example")
			b.fill("Password", "not the password")
			b.follow("Sign in")
		}, refused: "status of 4"},
		{path: "/sign-up?wrong", prepare: func(b *tab) {
			b.fill("Name", "N")
			b.fill("E-mail", "nobody@demo.example")
			b.fill("Password", "short")
			b.follow("Create account")
		}, refused: "status of 4"},
	})
	o := openAt(t, w.portico.Console)
	var made struct{ Link string }
	if err := w.api.Do(t.Context(), "POST", "/tenants/demo/invitations", map[string]any{"email": "new@demo.example", "roles": []string{"provider"}}, &made); err != nil {
		t.Fatal(err)
	}
	link := strings.TrimPrefix(made.Link, w.portico.Console)
	sweep(t, o, "stranger-console", []visited{
		{path: "/sign-in"},
		{path: "/first-run?token=old", refused: "410"},
		{path: "/invitation?token=old", refused: "410"},
		{path: "/invitation?joins", prepare: func(b *tab) {
			b.visit(link)
			b.sees("Make account and join")
		}, refused: "410"},
	})
}

// linkOn returns the first link on a page whose path has a piece in it.
func linkOn(b *tab, page, piece string) string {
	b.t.Helper()
	b.visit(page)
	path := b.run(`[...document.querySelectorAll('main a')].map(a => a.pathname).find(p => p.includes(` + js(piece) + `)) ?? ''`)
	if path == "" {
		b.t.Fatalf("%s has no link with %s\n%s", page, piece, b.text())
	}
	return path
}

// sweep visits pages and looks at each in both themes, wide and narrow. closed
// fails the test for pages that they link to and that are not among them.
func sweep(t *testing.T, b *tab, who string, pages []visited) (closed func()) {
	t.Helper()
	known, linked := map[string]bool{"/": true}, map[string]string{} // "/" leads to the first page
	for _, p := range pages {
		known[shape(strings.Split(p.path, "?")[0])] = true
	}
	for _, p := range pages {
		t.Run(p.path, func(t *testing.T) {
			b.t = t
			b.sized(1440, 900)
			b.theme("light")
			b.visit(p.path)
			if p.prepare != nil {
				p.prepare(b)
			}
			look(b, who+"-"+p.name())
			for _, path := range linksOn(b) {
				linked[path] = p.path
			}
			b.quiet(append([]string{"favicon"}, refusals(p)...)...)
		})
	}
	b.t = t
	return func() {
		t.Helper()
		for path, from := range linked {
			if !known[shape(path)] && !elsewhere(path) {
				t.Errorf("%s, which %s links to, is among no pages that are looked at", path, from)
			}
		}
	}
}

func refusals(p visited) []string {
	if p.refused == "" {
		return nil
	}
	return []string{p.refused}
}

// elsewhere are addresses that are no pages: files, and actions at pages' addresses.
func elsewhere(path string) bool {
	for _, end := range []string{"/document", "/openapi", "/roll-back/2", "/audit/export"} {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

func linksOn(b *tab) []string {
	b.t.Helper()
	var links []string
	if err := json.Unmarshal([]byte(b.run(`JSON.stringify([...document.querySelectorAll('a[href]')].filter(a => a.origin === location.origin).map(a => a.pathname))`)), &links); err != nil {
		b.t.Fatal(err)
	}
	return links
}

// settled ends when the colours of a new theme are drawn: links fade into
// theirs, and what is inside them after them.
const settled = `(async () => {
	for (let i = 0; i < 20; i++) {
		await new Promise(requestAnimationFrame);
		const fading = document.getAnimations().filter(a => a instanceof CSSTransition);
		if (i > 2 && !fading.length) return;
		fading.forEach(a => a.finish());
	}
})()`

// look checks the page that is open in both themes, wide and narrow.
func look(b *tab, name string) {
	b.t.Helper()
	if got := b.run(`document.querySelectorAll('h1').length`); got != "1" {
		b.t.Errorf("the page has %s h1, want one", got)
	}
	if got := b.run(`document.title`); got == "" {
		b.t.Error("the page has no title")
	}
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"1440", 1440, 900}, {"390", 390, 844}} {
		b.sized(size.width, size.height)
		for _, theme := range []string{"light", "dark"} {
			b.theme(theme)
			b.run(settled)
			if theme == "light" {
				if got := b.run(sideways); got != "" {
					b.t.Errorf("%d wide: scrolls sideways because of %s", size.width, got)
				}
			}
			if folder := shotsFolder(); folder != "" {
				b.shot(folder, name+"-"+size.name+"-"+theme)
			}
			if theme == "light" {
				b.accessible()
			} else {
				b.readable()
			}
		}
	}
	b.sized(1440, 900)
	b.theme("light")
}
