package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"portico/internal/apim"
	"portico/manager"
	"portico/ui"
)

// splitView is the panel of a split: the share, and how both sides do.
type splitView struct {
	At          string // the page that changes it
	Environment string
	Live        string // "r7", "" where nothing is live
	Candidate   string // "r8", "" for none
	Share       string // percent
	Rest        string
	Back        string // percent, of the way back
	Of          string // tells this split from another one, of the same version
	Steps       string // what the rule does next, "" when it is off
	Outcome     string
	Sides       []sideView
	Nodes       int
	CanMove     bool
	CanTake     bool
	TakeNote    string // what that needs beyond publishing, "" for nothing
	Form        form
	Counts      string // loads the comparison again; "" after the last time
	Auto        bool   // the rule for steps is on
	Page        string // where it is shown, and where one comes back to
	Settings    string // where a candidate is set; "" on that page itself
	Offer       bool   // the draft can be made the candidate
	Publish     string // where nothing is live
	PublishTo   string
	Charts      []ui.ChartView // how long the calls of each side took
}

type sideView struct {
	Name, Calls, Failed, P50, P99 string
	Tone, P50Tone, P99Tone        string // "okc" or "badc", beside the other side
}

// trafficPage is the tab Traffic.
type trafficPage struct {
	versionHead
	Split    splitView
	Lock     string
	Part     string // whose form is shown again, "" for none
	Form     form   // of the candidate, the rules and the steps
	Mirror   form
	Offer    form // of the draft, to be tried
	Mirrored sideView
	Missed   string
	Caches   bool // answers of it may be stored
	Purge    string
}

func (h *Console) traffic(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	return h.trafficTab(v, http.StatusOK, d, form{}, "")
}

// toTraffic leads from where a form of the page is sent to, and shown again at, to
// the page.
func (h *Console) toTraffic(v *visit) error {
	return v.redirect(v.links.version(v.param("api"), v.param("version"), "traffic"))
}

// trafficTab shows the page; f is the form of part that is shown again.
func (h *Console) trafficTab(v *visit, status int, d manager.VersionDetail, f form, part string) error {
	s, err := h.Catalog.Split(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug)
	if err != nil {
		return err
	}
	p := v.trafficOf(d, s)
	p.versionHead, p.Part, p.Offer = h.head(v, d, "traffic"), part, filled("share", "5")
	p.Live = h.liveFromQuery(v, "The change", "in force")
	p.Purge = v.links.version(d.API.Slug, d.Version.Label, "purge")
	if p.Caches, err = h.Catalog.Caches(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug); err != nil {
		return err
	}
	switch part {
	case "share":
		if f.err("urls") != "" { // of a candidate, which is gone
			f.message = "The split is over. The share was not moved."
		}
		p.Split.Form = f
	case "mirror":
		p.Mirror = f
	case "settings":
		p.Form = f
	case "offer":
		p.Offer = f
	case "":
	default:
		p.Split.Form.message = f.message
	}
	return v.render(status, trafficTab(p))
}

// trafficOf are the panel of a split and the forms, as they are on the tab.
func (v *visit) trafficOf(d manager.VersionDetail, s manager.SplitDetail) trafficPage {
	p := trafficPage{
		Lock: lockText(s.Lock), Split: v.splitOf(d, s),
		Form: splitForm(s.Split), Mirror: mirrorForm(s.Split.Mirror), Mirrored: sideOf("Mirror", s.Mirrored, nil),
	}
	p.CanMove = p.Split.CanMove
	p.Split.Page, p.Split.Settings = p.Split.Settings, ""
	if s.NotMirrored > 0 {
		p.Missed = number(s.NotMirrored) + " more were drawn and not copied: too many at once, or a body that is too large"
	}
	return p
}

// splitOf makes the panel of a split.
func (v *visit) splitOf(d manager.VersionDetail, s manager.SplitDetail) splitView {
	at := v.links.version(d.API.Slug, d.Version.Label, "traffic")
	out := splitView{
		At: at, Environment: s.Environment, Share: percentText(s.Split.Share), Rest: percentText(1000 - s.Split.Share),
		Back: percentText(s.Split.Before), Outcome: sentence(s.Split.Outcome), Nodes: s.Nodes,
		CanMove: v.mayMove(d), Auto: s.Split.Steps.On, Page: v.links.version(d.API.Slug, d.Version.Label), Settings: at,
		Publish: v.links.version(d.API.Slug, d.Version.Label, "publish"), PublishTo: "Publish " + revision(d.Version.Revision+1),
	}
	if left, more := v.polls(splitPolls); more {
		out.Counts = with(at+"/counts", "polls", strconv.Itoa(left))
	}
	out.Offer = out.CanMove && s.Live > 0 && (d.Version.Unpublished || d.Version.Revision == 0)
	if s.Live > 0 {
		out.Live = revision(s.Live)
	}
	if s.Split.Candidate.None() {
		return out
	}
	out.Candidate, out.CanTake = s.Split.Candidate.String(), s.Split.Candidate.Revision > 0
	if !out.CanTake {
		out.Candidate = clip(out.Candidate, 40)
	}
	out.Of = strings.Join(append([]string{out.Live, out.Candidate, s.Split.Run}, s.FirstUses...), " ")
	if len(s.FirstUses) > 0 {
		out.TakeNote = "Making " + out.Candidate + " live is the first use of the secret ${" + strings.Join(s.FirstUses, "}, ${") + "} by " + d.API.Name + " in " + s.Environment + ": who may set values does it, and so trusts the secret to everybody who publishes this API."
	}
	if r := s.Split.Steps; r.On {
		out.Steps = fmt.Sprintf("Goes to %s %% at %s if at most %s %% more of its calls fail.",
			percentText(min(s.Split.Share+r.By, r.Until)), s.Split.MovedAt.Add(r.Every).UTC().Format("15:04 UTC"), percentText(r.Slack))
	}
	name := "candidate" // an address is long, and stands above
	if out.CanTake {
		name = out.Candidate
	}
	out.Sides = []sideView{sideOf(out.Live, s.LiveSide, nil), sideOf(name, s.CandidateSide, &s.LiveSide)}
	out.Charts = bandCharts([]string{out.Live, name}, []apim.SplitSide{s.LiveSide, s.CandidateSide})
	return out
}

// sideOf writes what was counted of one side; than is the side that it is
// compared with, nil for none.
func sideOf(name string, s apim.SplitSide, than *apim.SplitSide) sideView {
	out := sideView{Name: name, Calls: number(s.Calls), Failed: "—", P50: "—", P99: "—"}
	if s.Calls == 0 {
		return out
	}
	out.Failed = strconv.FormatFloat(100*s.FailedShare(), 'f', 2, 64) + " %"
	out.P50, out.P99 = durationText(s.P50), durationText(s.P99)
	if than == nil || than.Calls == 0 {
		return out
	}
	out.Tone = "okc"
	if s.FailedShare() > than.FailedShare() {
		out.Tone = "badc"
	}
	if min(s.Calls, than.Calls) >= fewCalls {
		out.P50Tone, out.P99Tone = quicker(s.P50, than.P50), quicker(s.P99, than.P99)
	}
	return out
}

// fewCalls are too few for their times to be compared.
const fewCalls = 20

// quicker colours a time beside another's, where they differ by more than a
// twentieth and it can be read.
func quicker(took, than time.Duration) string {
	switch apart := than / 20; {
	case durationText(took) == durationText(than):
	case took < than-apart:
		return "okc"
	case took > than+apart:
		return "badc"
	}
	return ""
}

// bandCharts shows how long the calls of several sides took, as shares of each
// side's own, in the same bands and to the same height.
func bandCharts(names []string, sides []apim.SplitSide) []ui.ChartView {
	first, end, highest := -1, 0, 0.0
	shares := make([][]float64, len(sides))
	for i, s := range sides {
		total := uint64(0)
		for _, b := range s.Bands {
			total += b.Calls
		}
		for at, b := range s.Bands {
			share := 0.0
			if b.Calls > 0 {
				share = float64(b.Calls) / float64(total)
				if first < 0 || at < first {
					first = at
				}
				end = max(end, at+1)
			}
			shares[i] = append(shares[i], share)
			highest = max(highest, share)
		}
	}
	if first < 0 {
		return nil
	}
	longest := sides[0].Bands
	if len(sides[1].Bands) > len(longest) {
		longest = sides[1].Bands
	}
	from := "0 ms"
	if first > 0 {
		from = durationText(longest[first-1].Below)
	}
	out := make([]ui.ChartView, len(sides))
	for i, s := range sides {
		points := make([]float64, end-first)
		copy(points, shares[i][min(first, len(shares[i])):min(end, len(shares[i]))])
		out[i] = ui.ChartView{
			Label: names[i] + ": no call was timed", Size: ui.Small, Max: highest,
			Y: []string{strconv.Itoa(int(100*highest+0.5)) + " %", "0"}, X: []string{from, durationText(longest[end-1].Below)},
			Series: []ui.Series{{Name: names[i], Color: i, Points: points}},
		}
		if s.P99 > 0 {
			out[i].Label = names[i] + ": half of its calls took at most " + durationText(s.P50) + ", 99 of 100 at most " + durationText(s.P99)
		}
	}
	return out
}

func durationText(d time.Duration) string {
	if d > 0 && d < 50*time.Microsecond {
		return "< 0.1 ms"
	}
	if d < 10*time.Millisecond {
		return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64) + " ms"
	}
	return took(d.Milliseconds())
}

// percentText writes a share without its sign: "12.5".
func percentText(perMille int) string {
	return strings.TrimSuffix(strconv.FormatFloat(float64(perMille)/10, 'f', 1, 64), ".0")
}

// percent reads what percentText writes, as per mille.
func (f *form) percent(name string) int {
	n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(f.text(name), "%")), 64)
	if perMille := int(n*10 + 0.5); err == nil && n >= 0 && perMille <= 1000 {
		return perMille
	}
	f.fail(name, "use a number from 0 to 100, with at most one digit after the point")
	return 0
}

func splitForm(s apim.Split) form {
	steps := s.Steps
	if steps == (apim.SplitSteps{}) {
		steps = apim.DefaultSplitSteps()
	}
	revisionText, rules := "", make([]string, len(s.Rules))
	if s.Candidate.Revision > 0 {
		revisionText = strconv.Itoa(s.Candidate.Revision)
	}
	for i, r := range s.Rules {
		rules[i] = ruleText(r)
	}
	f := filled("revision", revisionText, "urls", strings.Join(s.Candidate.URLs, "\n"), "sticky", s.Sticky, "rules", strings.Join(rules, "\n"),
		"by", percentText(steps.By), "every", strconv.Itoa(int(steps.Every/time.Minute)), "until", percentText(steps.Until),
		"slack", percentText(steps.Slack), "calls", strconv.Itoa(steps.Calls))
	if steps.On {
		f.values.Set("steps", "on")
	}
	return f
}

func mirrorForm(m apim.SplitMirror) form {
	if m.None() {
		m = apim.SplitMirror{Share: 10, MaxBodyBytes: 64 << 10, Concurrency: 16}
	}
	f := filled("urls", strings.Join(m.URLs, "\n"), "share", percentText(m.Share), "body", strconv.FormatInt(m.MaxBodyBytes>>10, 10), "concurrency", strconv.Itoa(m.Concurrency))
	if m.AllMethods {
		f.values.Set("all", "on")
	}
	return f
}

// ruleText writes a rule as the form does: "candidate: header X-Beta = yes".
func ruleText(r apim.SplitRule) string {
	out := "live: " + r.In
	if r.Candidate {
		out = "candidate: " + r.In
	}
	for _, id := range r.Applications {
		out += " " + string(id)
	}
	if r.Name != "" {
		out += " " + r.Name
	}
	if r.Value != "" {
		out += " = " + r.Value
	}
	return out
}

// rules reads what ruleText writes, one in each line.
func (f *form) rules(name string) []apim.SplitRule {
	out := []apim.SplitRule{}
	for line := range strings.Lines(f.value(name)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		side, rest, ok := strings.Cut(line, ":")
		side = strings.TrimSpace(side)
		if !ok || side != "candidate" && side != "live" {
			f.fail(name, "begin each with candidate: or live:, such as candidate: header X-Beta = yes; "+clip(line, 40)+" does not")
			continue
		}
		rest, value, _ := strings.Cut(rest, "=")
		words := strings.Fields(rest)
		if len(words) < 2 || words[0] != "caller" && len(words) > 2 {
			f.fail(name, "name a header, a cookie or applications, such as candidate: cookie beta; "+clip(line, 40)+" does not")
			continue
		}
		rule := apim.SplitRule{In: words[0], Candidate: side == "candidate", Value: strings.TrimSpace(value)}
		if rule.In == "caller" {
			for _, id := range words[1:] {
				rule.Applications = append(rule.Applications, apim.ID(strings.Trim(id, ",")))
			}
		} else {
			rule.Name = words[1]
		}
		out = append(out, rule)
	}
	return out
}

// trafficCounts is the comparison, for the page that follows it. The page says
// which split it shows, and the tab which state of it its forms hold.
func (h *Console) trafficCounts(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	s, err := h.Catalog.Split(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug)
	if err != nil {
		return err
	}
	p, of, lock := v.trafficOf(d, s), v.query("of"), v.query("lock")
	if lock == "" { // it is the version's page
		p.Split = v.splitOf(d, s)
	}
	return v.fragment(splitAgain(p, of != "" && of != p.Split.Of, lock != "" && lock != p.Lock))
}

// splitPolls is how often the comparison loads itself again: ten minutes.
const splitPolls = 200

// follow makes the comparison load itself again.
func (s splitView) follow() templ.Attributes {
	if s.Counts == "" {
		return nil
	}
	return templ.Attributes{"hx-get": s.Counts, "hx-trigger": "load delay:3s", "hx-swap": "outerHTML", "hx-include": "#split-of, #split-settings [name=lock]"}
}

// apart makes a piece take its place in the page, wherever the rest of the answer goes.
func apart(yes bool) templ.Attributes {
	if !yes {
		return nil
	}
	return templ.Attributes{"hx-swap-oob": "true"}
}

// moves makes a form of the panel send itself when something of it has changed,
// and the panel alone load itself again.
func (s splitView) moves(verb, trigger string) templ.Attributes {
	return templ.Attributes{
		"hx-post": s.At + "/" + verb, "hx-trigger": trigger, "hx-target": "#split", "hx-select": "#split", "hx-swap": "outerHTML", "hx-select-oob": "#toasts",
	}
}

// moveTraffic does what a form of the tab asks.
func (h *Console) moveTraffic(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	page, part := v.links.version(d.API.Slug, d.Version.Label, "traffic"), v.param("verb")
	v.comesFrom(page, page)
	do, done := h.trafficChange(v, d, &f, part)
	if do == nil {
		return apim.Errorf(apim.NotFound, "there is nothing to do of that name")
	}
	if f.failed() {
		return h.trafficTab(v, http.StatusUnprocessableEntity, d, f, part)
	}
	change, err := do()
	if err != nil {
		if !f.refuse(err, []string{"revision", "urls", "sticky", "rules", "by", "every", "until", "slack", "calls", "share", "body", "concurrency", "note"}, map[string]string{
			"candidate.revision": "revision", "candidate.urls": "urls", "candidate": "urls", "rules.name": "rules", "rules.in": "rules", "rules.value": "rules",
			"rules.applications": "rules", "steps.by_per_mille": "by", "steps.every_ms": "every", "steps.until_per_mille": "until", "steps.slack_per_mille": "slack",
			"steps.calls": "calls", "per_mille": "share", "mirror.urls": "urls", "mirror.per_mille": "share", "mirror.max_body_bytes": "body", "mirror.concurrency": "concurrency",
		}) {
			return err
		}
		return h.trafficTab(v, v.status(f), d, f, part)
	}
	v.flash(toneOK, done)
	to := back(f)
	if to == rootPath {
		to = page
	}
	if part == "share" || part == "steps" {
		v.c.Redirect(http.StatusSeeOther, withChange(to, change)) // of that page a script takes the panel alone
		return nil
	}
	return v.redirect(withChange(to, change))
}

// trafficChange returns what a form of the tab asks, and what is said when it
// is done.
func (h *Console) trafficChange(v *visit, d manager.VersionDetail, f *form, part string) (do func() (apim.Change, error), done string) {
	ctx, actor, tenant, id, env := v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug
	set := func(in manager.SplitChange) func() (apim.Change, error) {
		return func() (apim.Change, error) { return h.Catalog.SetSplit(ctx, actor, tenant, id, env, in) }
	}
	switch part {
	case "share":
		share := f.percent("share")
		return set(manager.SplitChange{Share: &share}), percentText(share) + " % of the calls go to the candidate."
	case "steps":
		on := f.checked("steps")
		return func() (apim.Change, error) { return h.setSteps(v, d, on) }, map[bool]string{true: "The share moves by itself.", false: "The share stays as it is."}[on]
	case "switch":
		to := f.value("to")
		return func() (apim.Change, error) { return h.Catalog.SwitchSplit(ctx, actor, tenant, id, env, to) }, "Switched. Press Back to undo it."
	case "settings":
		in := f.splitChange()
		return set(in), "Traffic split saved."
	case "mirror":
		m := apim.SplitMirror{URLs: strings.Fields(f.value("urls")), AllMethods: f.checked("all")}
		if len(m.URLs) > 0 {
			m.Share, m.Concurrency = f.percent("share"), f.number("concurrency", 1, 1000)
			m.MaxBodyBytes = int64(f.number("body", 0, 16<<10)) << 10
		}
		if len(m.URLs) == 0 {
			return set(manager.SplitChange{Mirror: &m}), "Nothing is mirrored any more."
		}
		return set(manager.SplitChange{Mirror: &m}), percentText(m.Share) + " % of the calls are mirrored."
	case "offer":
		share := f.percent("share")
		return func() (apim.Change, error) {
			return h.Catalog.OfferCandidate(ctx, actor, tenant, id, env, f.text("note"), share)
		}, "The draft is the candidate now."
	case "take":
		return func() (apim.Change, error) {
			out, err := h.Catalog.TakeCandidate(ctx, actor, tenant, id, env)
			return out.Change, err
		}, "The candidate is live, and the split is over."
	case "end":
		return func() (apim.Change, error) { return h.Catalog.EndSplit(ctx, actor, tenant, id, env) }, "The split is over. All calls go to what is live."
	}
	return nil, ""
}

// setSteps switches the rule for steps on or off.
func (h *Console) setSteps(v *visit, d manager.VersionDetail, on bool) (apim.Change, error) {
	now, err := h.Catalog.Split(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug)
	if err != nil {
		return apim.Change{}, err
	}
	steps := now.Split.Steps
	if steps == (apim.SplitSteps{}) {
		steps = apim.DefaultSplitSteps()
	}
	steps.On = on
	return h.Catalog.SetSplit(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug, manager.SplitChange{Steps: &steps, Lock: now.Lock})
}

// splitChange reads the form of the candidate, the rules and the steps.
func (f *form) splitChange() manager.SplitChange {
	candidate := apim.SplitCandidate{Revision: f.number("revision", 1, 1_000_000), URLs: strings.Fields(f.value("urls"))}
	sticky, rules := f.value("sticky"), f.rules("rules")
	steps := apim.SplitSteps{
		On: f.checked("steps"), By: f.percent("by"), Every: time.Duration(f.number("every", 1, 43_200)) * time.Minute, Until: f.percent("until"),
		Slack: f.percent("slack"), Calls: f.number("calls", 1, 1_000_000),
	}
	lock := lockOf(*f)
	return manager.SplitChange{Candidate: &candidate, Sticky: &sticky, Rules: &rules, Steps: &steps, Lock: lock}
}
