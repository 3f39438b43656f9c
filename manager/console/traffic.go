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
	Steps       string // what the rule does next, "" when it is off
	Outcome     string
	Sides       []sideView
	Nodes       int
	CanMove     bool
	CanTake     bool
	TakeNote    string // what that needs beyond publishing, "" for nothing
	Form        form
	Counts      string // loads the comparison again
}

type sideView struct {
	Name, Calls, Failed, P50, P99 string
	Tone                          string // of what failed
}

// trafficPage is the tab Traffic.
type trafficPage struct {
	versionHead
	Split    splitView
	Offer    bool // the draft can be made the candidate
	Lock     string
	Form     form // of the candidate, the rules and the steps
	Mirror   form
	Mirrored sideView
	Missed   string
	Ended    bool // nothing is split or mirrored
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

// trafficTab shows the page; f is the form of part that is shown again.
func (h *Console) trafficTab(v *visit, status int, d manager.VersionDetail, f form, part string) error {
	s, err := h.Catalog.Split(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug)
	if err != nil {
		return err
	}
	p := trafficPage{
		versionHead: h.head(v, d, "traffic"), Lock: lockText(s.Lock), Split: v.splitOf(d, s), Ended: s.Split.Empty(),
		Form: splitForm(s.Split), Mirror: mirrorForm(s.Split.Mirror), Mirrored: sideOf("Mirror", s.Mirrored, s.LiveSide),
	}
	p.Live = h.liveFromQuery(v, "The change", "in force")
	p.Split.CanMove = p.CanMove
	p.Offer = p.CanMove && p.Draft && s.Live > 0
	p.Purge = v.links.version(d.API.Slug, d.Version.Label, "purge")
	if p.Caches, err = h.Catalog.Caches(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug); err != nil {
		return err
	}
	if s.NotMirrored > 0 {
		p.Missed = number(s.NotMirrored) + " more were drawn and not copied: too many at once, or a body that is too large"
	}
	switch part {
	case "share":
		p.Split.Form = f
	case "mirror":
		p.Mirror = f
	case "settings":
		p.Form = f
	case "":
	default:
		p.Split.Form.message = f.message
	}
	return v.render(status, trafficTab(p))
}

// splitOf makes the panel of a split.
func (v *visit) splitOf(d manager.VersionDetail, s manager.SplitDetail) splitView {
	at := v.links.version(d.API.Slug, d.Version.Label, "traffic")
	out := splitView{
		At: at, Environment: s.Environment, Share: percentText(s.Split.Share), Rest: percentText(1000 - s.Split.Share),
		Back: percentText(s.Split.Before), Outcome: sentence(s.Split.Outcome), Nodes: s.Nodes, Counts: at + "/counts",
	}
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
	out.Sides = []sideView{sideOf(out.Live, s.LiveSide, s.LiveSide), sideOf(name, s.CandidateSide, s.LiveSide)}
	return out
}

// sideOf writes what was counted of one side; than is the side that it is
// compared with.
func sideOf(name string, s, than apim.SplitSide) sideView {
	out := sideView{Name: name, Calls: number(s.Calls), Failed: "—", P50: "—", P99: "—"}
	if s.Calls == 0 {
		return out
	}
	out.Failed = strconv.FormatFloat(100*s.FailedShare(), 'f', 2, 64) + " %"
	out.P50, out.P99 = durationText(s.P50), durationText(s.P99)
	switch {
	case s == than || than.Calls == 0:
	case s.FailedShare() > than.FailedShare():
		out.Tone = "badc"
	default:
		out.Tone = "okc"
	}
	return out
}

func durationText(d time.Duration) string {
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

// trafficCounts is the comparison alone, for the page that follows it.
func (h *Console) trafficCounts(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	s, err := h.Catalog.Split(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug)
	if err != nil {
		return err
	}
	return v.fragment(splitSides(v.splitOf(d, s)))
}

// follow makes the comparison load itself again.
func (s splitView) follow() templ.Attributes {
	return templ.Attributes{"hx-get": s.Counts, "hx-trigger": "every 3s", "hx-swap": "outerHTML"}
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
	part := v.param("verb")
	do, done := h.trafficChange(v, d, &f, part)
	if do == nil {
		return apim.Errorf(apim.NotFound, "there is nothing to do of that name")
	}
	if f.failed() {
		return h.trafficTab(v, http.StatusUnprocessableEntity, d, f, part)
	}
	change, err := do()
	if err != nil {
		if !f.refuse(err, []string{"revision", "urls", "sticky", "rules", "by", "every", "until", "slack", "calls", "share", "body", "concurrency"}, map[string]string{
			"candidate.revision": "revision", "candidate.urls": "urls", "candidate": "urls", "rules.name": "rules", "rules.in": "rules", "rules.value": "rules",
			"rules.applications": "rules", "steps.by_per_mille": "by", "steps.every_ms": "every", "steps.until_per_mille": "until", "steps.slack_per_mille": "slack",
			"steps.calls": "calls", "per_mille": "share", "mirror.urls": "urls", "mirror.per_mille": "share", "mirror.max_body_bytes": "body", "mirror.concurrency": "concurrency",
		}) {
			return err
		}
		return h.trafficTab(v, v.status(f), d, f, part)
	}
	v.flash(toneOK, done)
	return v.redirect(withChange(v.links.version(d.API.Slug, d.Version.Label, "traffic"), change))
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
