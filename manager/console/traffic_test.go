package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
)

// counted is what nodes say.
type counted struct{ statuses []entry.Status }

func (c *counted) Statuses(string) []entry.Status { return c.statuses }

func TestTrafficIsSplitWithoutAScript(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, _ := s.offer(acme)
	const at = "/t/acme/apis/orders/v1/traffic"
	b.get(at).shows(http.StatusOK, "Traffic split", "All calls go to what is live", "Mirror").hides("Try the draft", "All to the candidate")
	b.get("/t/acme/apis/orders/v1").shows(http.StatusOK, "Routes", "Traffic split", "All calls go to what is live", "Set a candidate…").hides("Auto-step", "Try the draft")

	settings := []string{
		"revision", "", "urls", "https://next.internal.example", "sticky", "cookie", "rules", "candidate: header X-Beta = yes\nlive: cookie old",
		"steps", "on", "by", "10", "every", "15", "until", "50", "slack", "0.5", "calls", "20",
	}
	b.post(at+"/settings", settings...).shows(http.StatusOK, "Traffic split saved", "https://next.internal.example", "Goes to 10 % at", "candidate: header X-Beta = yes", "live: cookie old")
	a := b.post(at+"/share", "share", "12.5").shows(http.StatusOK, "12.5 % of the calls go to the candidate", "No node has counted")
	a.has(`value="12.5"`)
	b.get("/t/acme/apis/orders/v1").shows(http.StatusOK, "Traffic split", "r1 → https://next.internal.example")
	detail, err := s.catalog.Split(t.Context(), system(), acme, version, "production")
	if err != nil {
		t.Fatal(err)
	}
	if got := detail.Split; got.Share != 125 || got.Sticky != "cookie" || len(got.Rules) != 2 || !got.Steps.On || got.Steps.Until != 500 || got.Steps.Slack != 5 {
		t.Errorf("got %+v", got)
	}
	steps := b.post(at+"/steps", "back", "/t/acme/apis/orders/v1").shows(http.StatusOK, "The share stays as it is", "Routes", "Auto-step").hides("Goes to")
	if !strings.HasPrefix(steps.path, "/t/acme/apis/orders/v1?") {
		t.Errorf("got to %s, want back", steps.path)
	}
	b.post(at+"/steps", "steps", "on").shows(http.StatusOK, "The share moves by itself", "Goes to 22.5 % at")
	for _, to := range []string{"candidate", "live", "back"} {
		b.post(at+"/switch", "to", to).shows(http.StatusOK, "Switched")
	}
	if detail, _ = s.catalog.Split(t.Context(), system(), acme, version, "production"); detail.Split.Share != 1000 || detail.Split.Steps.On {
		t.Errorf("got %+v after candidate, live and back", detail.Split)
	}
	s.catalog.Counts = &counted{[]entry.Status{{Node: "a", Splits: []entry.SplitReport{{
		Version: version.UUID(), Run: detail.Split.Run, Live: &entry.BranchCounts{Classes: [6]uint64{0, 0, 990, 0, 0, 10}, Times: times(40, 900, 44, 100)},
		Candidate: &entry.BranchCounts{Classes: [6]uint64{0, 0, 180, 0, 0, 20}, Times: times(32, 100, 48, 100)},
	}}}}}
	counts := b.get(at+"/counts").shows(http.StatusOK, "1,000", "1.00 %", "200", "10.00 %", "As counted by 1 node")
	counts.has(`class="num badc">10.00 %`, `class="num okc">16 ms`, `class="num badc">261 ms`)
	counts.has(`class="num ">61 ms`, `class="num ">129 ms`) // what it is beside has no colour
	counts.shows(http.StatusOK, "How long the calls took", "90 %")
	counts.has(`aria-label="r1: half of its calls took at most 61 ms, 99 of 100 at most 129 ms"`)
	b.post(at+"/mirror", "urls", "https://mirror.internal.example", "share", "5", "body", "64", "concurrency", "8", "all", "on").shows(http.StatusOK, "5 % of the calls are mirrored")
	b.post(at+"/end").shows(http.StatusOK, "The split is over", "All calls go to what is live")

	for field, form := range map[string][]string{
		"urls":  {"urls", "ftp://x", "by", "10", "every", "15", "until", "50", "slack", "0", "calls", "20"},
		"rules": {"urls", "https://x", "rules", "header X", "by", "10", "every", "15", "until", "50", "slack", "0", "calls", "20"},
		"by":    {"urls", "https://x", "by", "200", "every", "15", "until", "50", "slack", "0", "calls", "20"},
	} {
		b.post(at+"/settings", form...).shows(http.StatusUnprocessableEntity).fieldError(field)
	}
	b.post(at+"/share", "share", "lots").shows(http.StatusUnprocessableEntity)
	b.post(at+"/mirror", "urls", "x", "share", "5", "body", "64", "concurrency", "8").shows(http.StatusUnprocessableEntity)
	b.post(at + "/nonsense").shows(http.StatusNotFound)
}

// The comparison loads itself again, and what of the panel moves with it: not for
// ever, so that an open page does not keep its session alive.
func TestSplitIsFollowedForAWhile(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, _ := s.offer(acme)
	const at = "/t/acme/apis/orders/v1/traffic"
	b.post(at+"/settings", "urls", "https://next.internal.example", "steps", "on", "by", "10", "every", "15", "until", "50", "slack", "0.5", "calls", "20").
		shows(http.StatusOK, "Traffic split saved").has(`polls=199`)
	b.post(at+"/share", "share", "12.5").shows(http.StatusOK)
	if _, err := s.catalog.SetSplit(t.Context(), system(), acme, version, "production", manager.SplitChange{Share: new(225)}); err != nil {
		t.Fatal(err)
	}
	again := b.get(at+"/counts?polls=1").shows(http.StatusOK, "22.5", "77.5").has(`hx-trigger="load`, "polls=0", `value="22.5"`)
	again.has(`<span id="split-back" hx-swap-oob="true">0</span>`)
	if n := strings.Count(again.body, `hx-swap-oob="true"`); n != 5 {
		t.Errorf("got %d pieces that take their places, want the numbers, the slider and the switch", n)
	}
	b.get(at + "/counts?polls=1").has(`name="steps" value="on" checked`)
	if last := b.get(at+"/counts?polls=0").shows(http.StatusOK, "22.5"); strings.Contains(last.body, "hx-trigger") {
		t.Errorf("the last one loads itself again: %s", last.body)
	}
	b.post(at+"/end").shows(http.StatusOK, "The split is over")
	if over := b.get(at + "/counts"); strings.Contains(over.body, "hx-swap-oob") {
		t.Errorf("pieces come of a split that is over: %s", over.body)
	}
}

// Where somebody else has ended the split meanwhile, or has set another candidate,
// the panel comes whole; so do the forms of the tab where they hold what is not so
// any more.
func TestSplitThatSomebodyElseChangesIsShown(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, _ := s.offer(acme)
	const (
		page      = "/t/acme/apis/orders/v1"
		at        = page + "/traffic"
		panel     = `<section class="panel" hx-swap-oob="true" id="split">`
		settings  = `<section class="panel" hx-swap-oob="true" id="split-settings">`
		mirror    = `<section class="panel" hx-swap-oob="true" id="mirror">`
		candidate = "https://next.internal.example"
	)
	change := func(c manager.SplitChange) {
		t.Helper()
		s.clock.now = s.clock.now.Add(time.Second)
		if _, err := s.catalog.SetSplit(t.Context(), system(), acme, version, "production", c); err != nil {
			t.Fatal(err)
		}
	}
	// What the page sends: what its panel and its form hold.
	poll := func(shown answer, lock bool) answer {
		t.Helper()
		query := url.Values{"polls": {"7"}, "of": {shown.hidden("of")}}
		if lock {
			query.Set("lock", shown.hidden("lock"))
		}
		return b.get(at + "/counts?" + query.Encode()).shows(http.StatusOK)
	}
	without := func(a answer, pieces ...string) {
		t.Helper()
		for _, piece := range pieces {
			if strings.Contains(a.body, piece) {
				t.Errorf("%s has %s", a.path, piece)
			}
		}
	}
	change(manager.SplitChange{Candidate: &apim.SplitCandidate{URLs: []string{candidate}}, Share: new(100)})
	tab := b.get(at).shows(http.StatusOK, candidate)
	tab.has(`hx-include="#split-of, #split-settings [name=lock]"`)
	without(poll(tab, true), panel, settings, mirror)
	without(poll(b.get(page), false), panel, settings, mirror)

	// Another share leaves the panel, and renews the forms, which are of a state.
	change(manager.SplitChange{Sticky: new("cookie")})
	if _, err := s.catalog.SwitchSplit(t.Context(), system(), acme, version, "production", "candidate"); err != nil {
		t.Fatal(err)
	}
	moved := poll(tab, true).has(settings, mirror, `value="cookie" selected`, `id="split-back" hx-swap-oob="true">10<`, `value="100"`)
	without(moved, panel)
	without(poll(b.get(page), false), settings, mirror)

	// So does another candidate, and the panel with them.
	change(manager.SplitChange{Candidate: &apim.SplitCandidate{URLs: []string{"https://other.internal.example"}}})
	poll(tab, true).has(panel, settings, "https://other.internal.example", "polls=6").hides("Set a candidate")
	tab, versions := b.get(at), b.get(page)

	// It is over.
	if _, err := s.catalog.EndSplit(t.Context(), system(), acme, version, "production"); err != nil {
		t.Fatal(err)
	}
	over := poll(tab, true).shows(http.StatusOK, "All calls go to what is live").hides("Set a candidate").has(panel, settings)
	without(over, "https://other.internal.example")
	poll(versions, false).shows(http.StatusOK, "All calls go to what is live", "Set a candidate").has(panel)

	b.post(at+"/share", "share", "30").shows(http.StatusUnprocessableEntity, "The split is over. The share was not moved.", "All calls go to what is live")

	// What was refused is still being corrected: the script leaves it there.
	b.post(at+"/settings", "urls", "ftp://x", "by", "10", "every", "15", "until", "50", "slack", "0", "calls", "20").
		shows(http.StatusUnprocessableEntity).has(`class="stack gap4" data-typed`)
	b.post(at+"/mirror", "urls", "x", "share", "5", "body", "64", "concurrency", "8").shows(http.StatusUnprocessableEntity).has(`class="stack gap3" data-typed`)
	without(b.get(at), "data-typed")
}

// times are so many calls in buckets of times, given as bucket and calls.
func times(pairs ...int) []uint64 {
	out := make([]uint64, entry.LatencyBuckets)
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = uint64(pairs[i+1])
	}
	return out
}

func TestDraftIsTriedBeforeItIsLive(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, _ := s.offer(acme)
	const at = "/t/acme/apis/orders/v1/traffic"
	b.post("/t/acme/apis/orders/v1/upstream", "urls", "https://next.internal.example").shows(http.StatusOK, "Upstream saved")
	b.get(at).shows(http.StatusOK, "Try the draft", "Try r2")
	for _, wrong := range []string{"150", "5,5"} {
		b.post(at+"/offer", "share", wrong, "note", "new backend").shows(http.StatusUnprocessableEntity, "Try the draft", "Use a number from 0 to 100").
			has(`value="`+wrong+`"`, `id="offer-share-note"`, `value="new backend"`)
	}
	long := strings.Repeat("long ", 201)
	b.post(at+"/offer", "share", "7", "note", long).shows(http.StatusUnprocessableEntity).has(`value="7"`, `value="`+long+`"`).fieldError("note")
	b.post(at+"/offer", "share", "5", "note", "new backend").shows(http.StatusOK, "The draft is the candidate now", "r1 → r2", "Make r2 live")
	b.post(at+"/take").shows(http.StatusOK, "The candidate is live")
	detail, err := s.catalog.Split(t.Context(), system(), acme, version, "production")
	if err != nil || detail.Live != 2 || !detail.Split.Empty() {
		t.Errorf("got %+v, %v", detail, err)
	}
	auditor, person, _ := s.consumer("audit")
	s.join(acme, person.Person, apim.RoleAuditor)
	auditor.get(at).shows(http.StatusOK, "Traffic split").hides("Save split", "Save mirror")
	auditor.post(at+"/switch", "to", "candidate").shows(http.StatusForbidden)
}

func TestMountsSayHowAVersionIsAskedFor(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	const at = "/t/acme/apis/orders/v1"
	b.post(at+"/mount", "base_path", "/acme/orders", "select", "header X-Version: 1", "more", "/acme/orders query v=1\n/acme/orders/v1\n/acme/orders media type application/vnd.acme.v1+json").
		shows(http.StatusOK, "Mount saved", "asked for by header X-Version: 1", "asked for by query v=1", "asked for by media type application/vnd.acme.v1+json")
	form := b.get(at + "/mount").shows(http.StatusOK)
	form.has(`value="header X-Version: 1"`)
	if !strings.Contains(form.body, "/acme/orders query v=1") {
		t.Error("the further places are not in the form")
	}
	b.post(at+"/mount", "base_path", "/acme/orders", "select", "moon v=2").shows(http.StatusUnprocessableEntity).fieldError("select")
	b.post(at+"/mount", "base_path", "/acme/orders", "more", "/acme/orders query v").shows(http.StatusUnprocessableEntity).fieldError("more")
	about := b.get(at+"/about").shows(http.StatusOK, "Calls that ask for no version")
	b.post(at+"/about", "lock", about.hidden("lock"), "name", "Orders", "default_version", "newest").shows(http.StatusOK, "Orders is saved")
	b.get(at + "/about").has(`value="newest" selected`)
}

func TestRoutesSayWhichOthersComeFirst(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	staged, err := s.catalog.StageImport(t.Context(), system(), acme, manager.Upload{FileName: "users.yaml", Body: strings.NewReader(`openapi: 3.1.0
info: {title: Users, version: "1"}
servers: [{url: "https://users.internal.example"}]
paths:
  /users/me: {get: {operationId: me, responses: {"200": {description: OK}}}}
  /users/{id}: {get: {operationId: one, responses: {"200": {description: OK}}}, delete: {operationId: gone, responses: {"204": {description: Gone}}}}
  /{any}/me: {get: {operationId: any, responses: {"200": {description: OK}}}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.catalog.AcceptImport(t.Context(), system(), acme, staged.ID, manager.AcceptImport{Name: "Users", Slug: "users", Label: "v1"}); err != nil {
		t.Fatal(err)
	}
	b.get("/t/acme/apis/users/v1?q=one").shows(http.StatusOK, "after /users/me")
	b.get("/t/acme/apis/users/v1?q=any").shows(http.StatusOK, "after /users/me")
	b.get("/t/acme/apis/users/v1?q=gone").shows(http.StatusOK, "DEL").hides("after /")
}
