package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/describe"
	"portico/manager"
	"portico/ui"
)

// explainPage tries calls and shows their way through the gateway.
type explainPage struct {
	shell
	Environment apim.Environment
	Form        form
	Action      string
	Versions    []choice
	None        string // where to go when nothing can be called; "" when something can
	MayTry      bool
	Token       tokenView
	Rows        []wayRow
	Like        string // what the rows are like; "" when all are shown
	All         string // shows all
	Poll        string
	Open        *wayView
	Tried       *triedView
}

// tokenView is a command line with a token in it, shown this once.
type tokenView struct {
	Tokens []ui.Token
	Until  string
}

// wayRow is an explained call in the list.
type wayRow struct {
	ID, Href, Time, Method, Path, Application, Own, Upstream, Decided string

	Status  int
	Tone    ui.Tone
	Current bool
}

// wayView is the way of one call.
type wayView struct {
	Status            int
	Method, Path      string
	Facts             string
	Tone              ui.Tone
	Verdict, Text     string
	Chain             string // "demo/parcels v1 r1"; "" when nothing was reached
	Total             string
	Steps             []ui.TraceStep
	Near              []nearRow
	Remedies          []remedyRow
	RequestID         string
	Headers, Headings string
	Close             string

	Link        string // to the call, for somebody else
	Similar     string // lists calls like it; "" when there are none
	SimilarNote string
	Replay      []ui.Pair // what makes the call again; none where it is not all known
	Post        string    // takes it
	Again       string    // the form with what is known of it
}

type nearRow struct{ Route, Why string }

type remedyRow struct{ Text, Label, Href string }

// triedView is the answer to a call that was made from the page.
type triedView struct {
	Status  int
	Took    string
	Headers []ui.Pair
	Body    []ui.Token
	Note    string
}

// explainPolls bounds how long an open page asks for new calls: ten minutes.
const explainPolls = 600

func (h *Console) explain(v *visit) error {
	v.lookIn(v.query("in"))
	f := filled("version", v.query("version"), "method", "GET", "path", v.query("path"), "headers", v.query("headers"))
	if m := v.query("method"); m != "" {
		f.values.Set("method", m)
	}
	return h.explainPage(v, http.StatusOK, f, tokenView{}, nil, v.query("call"))
}

func (h *Console) explainPage(v *visit, status int, f form, token tokenView, tried *manager.Tried, call string) error {
	p := explainPage{
		shell: v.shell("Explain", link{"Explain", ""}), Environment: v.environment, Form: f, Action: with(v.links.explain(), "in", v.query("in")), Token: token,
		MayTry: v.can(apim.Write, apim.ObjectAPI),
	}
	all, err := h.Catalog.Explanations(v.ctx(), v.actor, v.tenant.ID, v.environment.Slug, "")
	if err != nil {
		return err
	}
	if tried != nil {
		p.Tried = triedOf(*tried)
		if tried.Explained != nil {
			call = tried.Explained.ID
		}
	}
	here := with(v.links.explain(), "version", f.value("version"), "in", v.query("in"))
	like := slices.IndexFunc(all, func(x manager.Explained) bool { return x.ID == v.query("like") })
	if like >= 0 {
		p.Like, p.All, here = likeText(all[like]), here, with(here, "like", all[like].ID)
	}
	for _, x := range all {
		row := wayRowOf(v, x)
		if row.Href = with(here, "call", x.ID) + "#way"; x.ID == call {
			row.Current = true
			way := v.wayOf(x)
			way.Close = here
			h.further(v, &way, x, all)
			if p.MayTry && !x.Hidden {
				way.Post = p.Action
				way.repeat(v, x, tried != nil, f)
			}
			p.Open = &way
		}
		if like < 0 || alike(x, all[like]) {
			p.Rows = append(p.Rows, row)
		}
	}
	if p.Versions, err = h.callable(v); err != nil {
		return err
	}
	if len(p.Versions) == 0 {
		p.None = v.links.apis()
	}
	if p.Form.value("version") == "" && len(p.Versions) > 0 {
		p.Form.values.Set("version", p.Versions[0].value)
	}
	if p.Form.value("path") == "" {
		p.Form.values.Set("path", h.firstPath(v, p.Form.value("version")))
	}
	if left, more := v.polls(explainPolls); more {
		p.Poll = with(here, "call", call, "polls", strconv.Itoa(left))
	}
	return v.render(status, explainView(p))
}

// further adds the ways on from a call: a link for somebody else, and calls like
// it.
func (h *Console) further(v *visit, w *wayView, x manager.Explained, all []manager.Explained) {
	w.Link = strings.TrimSuffix(h.ConsoleURL, "/") + with(v.links.explain(), "call", x.ID, "in", x.Environment)
	others := 0
	for _, o := range all {
		if o.ID != x.ID && alike(o, x) {
			others++
		}
	}
	if others > 0 {
		w.Similar = with(v.links.explain(), "call", x.ID, "like", x.ID, "in", v.query("in")) + "#calls"
		w.SimilarNote = count(others, "similar call", "similar calls")
	}
}

// alike reports whether two calls went the same way, to the same status.
func alike(a, b manager.Explained) bool {
	return !a.Hidden && !b.Hidden && a.Status == b.Status && a.Method == b.Method && a.VersionUUID == b.VersionUUID && a.Operation == b.Operation &&
		(a.Operation != "" || a.Path == b.Path)
}

func likeText(x manager.Explained) string {
	of := x.Operation
	if of == "" {
		of = x.Path
	}
	return x.Method + " " + of + " answered " + strconv.Itoa(x.Status)
}

// repeat says how a call is made again. The values of its headers and of its
// query are not kept: where it had some that matter, a person fills them in. One
// that was made here a moment ago stands in the form, whole.
func (w *wayView) repeat(v *visit, x manager.Explained, mine bool, f form) {
	version, path := f.value("version"), x.Path
	if api, label, ok := strings.Cut(x.API, " "); ok {
		_, api, _ = strings.Cut(api, "/")
		version = api + "/" + label
	}
	safe := x.Method == http.MethodGet || x.Method == http.MethodHead || x.Method == http.MethodOptions
	pairs := func(path, headers string) []ui.Pair {
		return []ui.Pair{{Key: "do", Value: "call"}, {Key: "version", Value: version}, {Key: "method", Value: x.Method}, {Key: "path", Value: path}, {Key: "headers", Value: headers}}
	}
	var names []string
	for _, name := range x.Headers {
		if !ordinary(name) {
			names = append(names, name+": ")
		}
	}
	switch {
	case safe && mine && f.value("body") == "":
		version = f.value("version")
		w.Replay = pairs(f.text("path"), f.value("headers"))
	case safe && len(names) == 0 && len(x.Query) == 0:
		w.Replay = pairs(path, "")
	default:
		if len(x.Query) > 0 {
			path += "?" + strings.Join(x.Query, "=&") + "="
		}
		w.Again = with(v.links.explain(), "version", version, "method", x.Method, "path", path, "headers", strings.Join(names, "\n"), "in", v.query("in"))
	}
}

// ordinary reports whether a header is one that every client sends by itself.
func ordinary(name string) bool {
	switch strings.ToLower(name) {
	case "host", "user-agent", "accept", "accept-encoding", "accept-language", "connection", "content-length", "traceparent", "tracestate", strings.ToLower(entry.ExplainHeader):
		return true
	}
	return false
}

// callable lists the versions that are live in the environment.
func (h *Console) callable(v *visit) ([]choice, error) {
	apis, err := h.Catalog.APIs(v.ctx(), v.actor, v.tenant.ID, manager.APIQuery{Page: apim.Page{Limit: 200}})
	if err != nil {
		return nil, err
	}
	var out []choice
	for _, a := range apis.Items {
		for _, s := range a.Versions {
			if slices.ContainsFunc(s.Live, func(d apim.Deployment) bool { return d.Environment == v.environment.Slug }) {
				out = append(out, choice{a.API.Slug + "/" + s.Label, a.API.Name + " " + s.Label})
			}
		}
	}
	return out, nil
}

// firstPath is something to begin with: the path of the version's first
// operation that can be called as it stands, else its mount.
func (h *Console) firstPath(v *visit, version string) string {
	api, label, _ := strings.Cut(version, "/")
	d, err := h.Catalog.VersionByLabel(v.ctx(), v.actor, v.tenant.ID, api, label)
	if err != nil || len(d.Version.Runtime.Mounts) == 0 {
		return ""
	}
	base := d.Version.Runtime.Mounts[0].BasePath
	for _, r := range d.Version.Runtime.Routes {
		if !r.Off && r.Method == http.MethodGet && !strings.Contains(r.Path, "{") && len(r.Predicates) == 0 {
			return base + r.Path
		}
	}
	return base + "/"
}

// tryCall makes the call that was typed, or a token for one's own machine.
func (h *Console) tryCall(v *visit) error {
	v.lookIn(v.query("in"))
	f, err := v.form()
	if err != nil {
		return err
	}
	api, label, _ := strings.Cut(f.value("version"), "/")
	if f.value("do") == "token" {
		token, err := h.mint(v, f, api)
		if err != nil && !f.refuse(err, []string{"version"}, map[string]string{"api": "version"}) {
			return err
		}
		status := http.StatusOK
		if f.failed() {
			status = v.status(f)
		}
		v.c.Header("Cache-Control", "no-store")
		return h.explainPage(v, status, f, token, nil, "")
	}
	d, err := h.Catalog.VersionByLabel(v.ctx(), v.actor, v.tenant.ID, api, label)
	if err != nil {
		return err
	}
	in := manager.TryInput{
		Environment: v.environment.Slug, Version: d.Version.ID, Method: f.value("method"), Path: f.text("path"),
		Headers: headersOf(&f), Body: f.value("body"),
	}
	var tried *manager.Tried
	if !f.failed() {
		got, err := h.Catalog.TryCall(v.ctx(), v.actor, v.tenant.ID, in)
		if err != nil && !f.refuse(err, []string{"version", "method", "path", "headers", "body"}, nil) {
			return err
		}
		if err == nil {
			tried = &got
		}
	}
	status := http.StatusOK
	if f.failed() {
		status = v.status(f)
	}
	v.c.Header("Cache-Control", "no-store") // headers that were typed stand in the form again
	return h.explainPage(v, status, f, tokenView{}, tried, "")
}

// headersOf reads "Name: value" lines.
func headersOf(f *form) (out []manager.TryHeader) {
	for line := range strings.Lines(f.value("headers")) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			f.fail("headers", "write Name: value, one in a line; "+clip(name, 40)+" has no colon")
			return nil
		}
		out = append(out, manager.TryHeader{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return out
}

// mint makes a token and the command line that uses it.
func (h *Console) mint(v *visit, f form, api string) (tokenView, error) {
	token, err := h.Catalog.MintExplainToken(v.ctx(), v.actor, v.tenant.ID, v.environment.Slug, api)
	if err != nil {
		return tokenView{}, err
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	out := tokenView{Until: clock(v.now, token.ExpiresAt)}
	add := func(kind ui.TokenKind, text string) {
		out.Tokens = append(out.Tokens, ui.Token{Kind: kind, Text: text})
	}
	add(ui.Function, "curl")
	add(ui.Text, " -i ")
	if m := f.value("method"); m != "" && m != http.MethodGet {
		add(ui.Function, "-X")
		add(ui.Text, " "+m+" ")
	}
	add(ui.String, quote(token.Environment.GatewayURL+f.text("path")))
	add(ui.Text, " \\\n  ")
	add(ui.Function, "-H")
	add(ui.Text, " ")
	add(ui.String, quote(entry.ExplainHeader+": "+token.Text.Reveal()))
	return out, nil
}

func wayRowOf(v *visit, x manager.Explained) wayRow {
	row := wayRow{
		ID: x.ID, Time: time.UnixMilli(x.At).In(v.now.Location()).Format("15:04:05.000"), Status: x.Status, Method: x.Method, Path: clip(x.Path, 80),
		Application: x.Application, Own: nanos(x.TookNS - x.UpstreamNS), Upstream: "—", Decided: "Upstream", Tone: ui.Neutral,
	}
	if x.UpstreamNS > 0 {
		row.Upstream = nanos(x.UpstreamNS)
	}
	switch {
	case x.Hidden:
		row.Decided, row.Own = "not yours", "—"
	case x.Code != "":
		row.Decided, row.Tone = stepName(refusing(x)), ui.Warn
		if x.Status >= 500 {
			row.Tone = ui.Bad
		}
	}
	return row
}

// refusing is the step that refused a call; "" when it got no further than its
// head.
func refusing(x manager.Explained) string {
	for _, s := range x.Steps {
		if s.Outcome == entry.ExplainRefused {
			return s.Step
		}
	}
	return ""
}

// stepName is what a step is called, as in the chain of the version's page.
func stepName(step string) string {
	switch step {
	case "":
		return "Request"
	case "size":
		return "Request size"
	case "grant":
		return "Subscription"
	case "plan_limit":
		return "Limits of the plan"
	case "split":
		return "Traffic split"
	}
	if p, ok := describe.Of(entry.PolicyKind(step)); ok {
		return p.Title
	}
	return title(strings.ReplaceAll(step, "_", " "))
}

// wayOf makes what is shown of a call: verdict, steps, and the way out.
func (v *visit) wayOf(x manager.Explained) wayView {
	w := wayView{
		Status: x.Status, Method: x.Method, Path: x.Path, RequestID: x.RequestID, Total: "0 – " + nanos(x.TookNS),
		Headers: strings.Join(x.Headers, ", "), Headings: strings.Join(x.Headings, ", "),
	}
	facts := []string{time.UnixMilli(x.At).In(v.now.Location()).Format("15:04:05.000"), x.Application, x.NodeName, sequence(x.Sequence)}
	w.Facts = strings.Join(slices.DeleteFunc(facts, func(s string) bool { return s == "" }), " · ")
	if x.API != "" {
		w.Chain = x.API + " " + revision(x.Revision)
	}
	number, stopped, called := 0, "", slices.ContainsFunc(x.Steps, func(s entry.ExplainedStep) bool { return s.Step == "upstream" })
	upstream := func() {
		if !called && !x.Hidden {
			called = true
			w.Steps = append(w.Steps, ui.TraceStep{Label: "Upstream", Text: "not called", Time: "—", Outcome: ui.Skipped})
		}
	}
	for _, s := range x.Steps {
		if s.Stage == string(entry.Answer) {
			upstream()
		}
		step := ui.TraceStep{Label: labelOf(s), Text: title(s.Detail), Time: nanos(s.TookNS), From: share(s.AtNS, x.TookNS), To: share(s.AtNS+s.TookNS, x.TookNS)}
		if s.Stage != "" && s.Stage != string(entry.Destination) {
			number++
			step.Label = strconv.Itoa(number) + " · " + step.Label
		}
		switch s.Outcome {
		case entry.ExplainRefused:
			step.Outcome, stopped = ui.Stopped, step.Label
			if step.Text == "" {
				step.Text = x.Detail
			}
		case entry.ExplainSkipped:
			step.Outcome, step.Text, step.Time = ui.Skipped, "not reached", "—"
		}
		w.Steps = append(w.Steps, step)
	}
	upstream()
	if !x.Hidden {
		w.Steps = append(w.Steps, lastStep(x))
	}
	w.judge(x, stopped)
	for _, c := range x.Candidates {
		if c.Reason != "chosen" {
			w.Near = append(w.Near, nearRow{strings.TrimSpace(c.API + " " + c.Route), c.Detail})
		}
	}
	for _, r := range x.Remedies {
		row := remedyRow{Text: r.Text}
		if row.Label, row.Href = v.wayOut(r.Code); row.Href == "" {
			row.Label, row.Href = v.about(refusing(x))
		}
		w.Remedies = append(w.Remedies, row)
	}
	return w
}

// labelOf names a step: what a policy of another stage makes of the answer is
// told from what it does with the request.
func labelOf(s entry.ExplainedStep) string {
	name := stepName(s.Step)
	if s.Stage == string(entry.Answer) && entry.PolicyKind(s.Step).Stage() != entry.Answer {
		name += ", answer"
	}
	return name
}

// lastStep is the answer as it went out.
func lastStep(x manager.Explained) ui.TraceStep {
	end := int64(0)
	for _, s := range x.Steps {
		end = max(end, s.AtNS+s.TookNS)
	}
	text := strconv.Itoa(x.Status)
	if x.AnswerBytes >= 0 {
		text += ", " + bytesText(x.AnswerBytes)
	}
	if x.BrokenOff {
		text += ", broken off: the caller did not get all of it"
	}
	return ui.TraceStep{Label: "Answer", Text: text, Time: nanos(x.TookNS - end), From: share(end, x.TookNS), To: 1}
}

func (w *wayView) judge(x manager.Explained, stopped string) {
	switch {
	case x.Hidden && x.Code == "":
		w.Tone, w.Verdict, w.Text = ui.Info, "This call reached nothing of yours", "Its way is not shown. What is near to it among your APIs stands below."
	case x.Hidden || stopped == "" && x.Code != "":
		w.Tone, w.Verdict, w.Text = ui.Bad, "Refused with "+strconv.Itoa(x.Status), x.Detail
	case x.Code != "":
		w.Tone, w.Verdict, w.Text = ui.Bad, "Stopped at "+stopped, x.Detail
	case x.Status >= 500:
		w.Tone, w.Verdict, w.Text = ui.Warn, "The upstream answered "+strconv.Itoa(x.Status), "The gateway let the call through; its own share was "+nanos(x.TookNS-x.UpstreamNS)+"."
	default:
		w.Tone, w.Verdict, w.Text = ui.OK, "Let through; the upstream answered "+strconv.Itoa(x.Status), "The gateway's own share was "+nanos(x.TookNS-x.UpstreamNS)+" of "+nanos(x.TookNS)+"."
	}
}

// wayOut is the page on which what a refusal is about can be changed.
func (v *visit) wayOut(code string) (label, href string) {
	switch code {
	case "subscription_pending":
		return "Approvals", v.links.approvals()
	case "subscription_missing", "operation_not_in_plan", "rate_limited":
		return "Products & plans", v.links.products()
	case "subscription_suspended", "subscription_expired", "subscription_stopped", "subscription_not_started":
		return "Subscriptions", v.links.subscriptions()
	case "no_route", "method_not_allowed", "upstream_unreachable", "upstream_timeout", "upstream_invalid", "request_too_large":
		return "APIs", v.links.apis()
	}
	return "", ""
}

// about is the page that says what a policy does; "" for steps that are none.
func (v *visit) about(step string) (label, href string) {
	p, ok := describe.Of(entry.PolicyKind(step))
	if !ok {
		return "", ""
	}
	return p.Title, v.links.policyKind(p.Kind)
}

func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return min(1, float64(part)/float64(whole))
}

// nanos writes a time as people read it: "58 µs", "38 ms", "5.00 s".
func nanos(ns int64) string {
	switch us := float64(ns) / 1e3; {
	case us >= 1e6:
		return strconv.FormatFloat(us/1e6, 'f', 2, 64) + " s"
	case us >= 10_000:
		return strconv.FormatFloat(us/1e3, 'f', 0, 64) + " ms"
	case us >= 1000:
		return strconv.FormatFloat(us/1e3, 'f', 1, 64) + " ms"
	case us >= 10:
		return strconv.FormatFloat(us, 'f', 0, 64) + " µs"
	default:
		return strconv.FormatFloat(max(us, 0), 'f', 1, 64) + " µs"
	}
}

func triedOf(t manager.Tried) *triedView {
	out := &triedView{Status: t.Status, Took: took(t.Took.Milliseconds()), Body: ui.CodeText(t.Body)}
	slices.SortFunc(t.Headers, func(a, b manager.TryHeader) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range t.Headers {
		out.Headers = append(out.Headers, ui.Pair{Key: f.Name, Value: f.Value})
		if f.Name == "Content-Type" && strings.Contains(f.Value, "json") {
			out.Body = ui.JSONTokens(t.Body)
		}
	}
	switch {
	case t.Explained == nil:
		out.Note = "No node explained the call. Does the environment's gateway URL lead to its gateway?"
	case t.Binary:
		out.Note = "The body is no text and is not shown."
	case t.Cut:
		out.Note = "There is more of the body; the first 16 KB are shown."
	}
	return out
}

func explainFollow(p explainPage) templ.Attributes {
	if p.Poll == "" {
		return nil
	}
	return templ.Attributes{"hx-get": p.Poll, "hx-trigger": "load delay:1s", "hx-select": "#calls", "hx-swap": "outerHTML"}
}
