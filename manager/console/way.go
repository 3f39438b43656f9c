package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"portico/internal/entry"
	"portico/internal/entry/describe"
	"portico/manager"
	"portico/ui"
)

// wayView is the way of one call.
type wayView struct {
	Status           int
	Method, Path     string
	Facts            string
	Tone             ui.Tone
	Verdict, Text    string
	Chain, ChainHref string // "demo/parcels v1 r1"; "" when nothing was reached
	Total            string
	Steps            []ui.TraceStep
	Dropped          string
	Near             []nearRow
	Remedies         []remedyRow
	RequestID        string
	Request, Answer  []ui.Token
	AnswerNote       string
	Tried            *triedView // the answer, where this page has made the call
	Close            string
	Prev, Next       string // the calls before and after it in the list
	Row              string // id of its own
	Still            bool

	Link      string // to the call, for somebody else
	Alike     []wayRow
	AlikeHref string    // lists them
	Replay    []ui.Pair // what makes the call again; none where it is not all known
	Post      string    // takes it
	Again     string    // the form with what is known of it
	Elsewhere []replayIn
}

type nearRow struct{ Route, Why string }

// replayIn is another environment in which the version is live.
type replayIn struct{ Environment, Name, Post, Href string }

// wayOf makes what is shown of a call: verdict, steps, and the way out.
func (h *Console) wayOf(v *visit, x manager.Explained) (wayView, error) {
	w := wayView{
		Status: x.Status, Method: x.Method, Path: x.Path, RequestID: x.RequestID, Total: "0 – " + nanos(x.TookNS),
		Request: requestTokens(x), Answer: answerTokens(x), AnswerNote: answerText(x), Still: ui.DrawerStands(v.c.Request, "call"),
	}
	facts := []string{time.UnixMilli(x.At).UTC().Format("15:04:05.000"), x.Application, x.NodeName, sequence(x.Sequence)}
	w.Facts = strings.Join(slices.DeleteFunc(facts, func(s string) bool { return s == "" }), " · ")
	passed, err := h.passedBy(v, x)
	if err != nil {
		return w, err
	}
	if x.API != "" {
		w.Chain, w.ChainHref = x.API+" "+revision(x.Revision), passed.href
	}
	for _, d := range passed.version.Deployments {
		for _, e := range v.environments {
			if e.Slug == d.Environment && e.Slug != x.Environment {
				w.Elsewhere = append(w.Elsewhere, replayIn{Environment: e.Slug, Name: e.Name})
			}
		}
	}
	w.walk(x, passed)
	w.judge(x, passed)
	for _, c := range x.Candidates {
		if c.Reason != "chosen" {
			w.Near = append(w.Near, nearRow{strings.TrimSpace(c.API + " " + c.Route), c.Detail})
		}
	}
	w.Remedies, err = h.remedies(v, x, passed)
	return w, err
}

// walk lists the steps, each with the number and the name that it has in the chain
// of the version's page.
func (w *wayView) walk(x manager.Explained, passed passed) {
	at, took, called := calledOf(x)
	listed := x.Hidden || slices.ContainsFunc(x.Steps, func(s entry.ExplainedStep) bool { return s.Step == "upstream" })
	upstream := func() {
		switch {
		case listed:
		case called:
			w.Steps = append(w.Steps, ui.TraceStep{Label: "Upstream", Text: "called", Time: nanos(took), From: share(at, x.TookNS), To: share(at+took, x.TookNS)})
		case x.Dropped == 0:
			w.Steps = append(w.Steps, ui.TraceStep{Label: "Upstream", Text: "not called", Time: "—", Outcome: ui.Skipped})
		}
		listed = true
	}
	for i, s := range x.Steps {
		if s.Stage == string(entry.Answer) {
			upstream()
		}
		step := ui.TraceStep{Label: passed.label(i), Text: title(s.Detail), Time: nanos(s.TookNS), From: share(s.AtNS, x.TookNS), To: share(s.AtNS+s.TookNS, x.TookNS)}
		switch s.Outcome {
		case entry.ExplainRefused:
			step.Outcome = ui.Stopped
			if step.Text == "" {
				step.Text = x.Detail
			}
		case entry.ExplainSkipped:
			step.Outcome, step.Text, step.Time = ui.Skipped, "not reached", "—"
		}
		w.Steps = append(w.Steps, step)
	}
	upstream()
	if x.Dropped > 0 {
		w.Dropped = count(x.Dropped, "more step ran and was not recorded.", "more steps ran and were not recorded.")
	}
	if !x.Hidden {
		w.Steps = append(w.Steps, lastStep(x))
	}
}

// judge says in one sentence what became of the call.
func (w *wayView) judge(x manager.Explained, passed passed) {
	own := nanos(ownShare(x))
	at := slices.IndexFunc(x.Steps, func(s entry.ExplainedStep) bool { return s.Outcome == entry.ExplainRefused })
	switch by := answering(x); {
	case x.Hidden && x.Code == "":
		w.Tone, w.Verdict, w.Text = ui.Info, "This call reached nothing of yours", "Its way is not shown. What is near to it among your APIs stands below."
	case x.Hidden || at < 0 && x.Code != "":
		w.Tone, w.Verdict, w.Text = ui.Bad, "Refused with "+strconv.Itoa(x.Status), x.Detail
	case x.Code != "":
		w.Tone, w.Verdict, w.Text = ui.Bad, "Stopped at "+passed.inWords(at), x.Detail
	case by >= 0:
		w.Tone, w.Verdict, w.Text = ui.OK, "Answered at "+passed.inWords(by)+", with "+strconv.Itoa(x.Status), "The call went no further; it took "+nanos(x.TookNS)+"."
	case unrecorded(x):
		w.Tone, w.Verdict, w.Text = ui.Info, "Answered with "+strconv.Itoa(x.Status), "What answered was not recorded; the call took "+nanos(x.TookNS)+"."
	case x.Status >= 500:
		w.Tone, w.Verdict, w.Text = ui.Warn, "The upstream answered "+strconv.Itoa(x.Status), "The gateway let the call through; its own share was "+own+"."
	default:
		w.Tone, w.Verdict, w.Text = ui.OK, "Let through; the upstream answered "+strconv.Itoa(x.Status), "The gateway's own share was "+own+" of "+nanos(x.TookNS)+"."
	}
}

// calledOf says when a call's upstream was called, and how long its answer took to
// begin. Where a node had no room for that step the tries tell it.
func calledOf(x manager.Explained) (at, took int64, called bool) {
	for _, s := range x.Steps {
		if s.Step == "upstream" {
			return s.AtNS, s.TookNS, true
		}
	}
	if len(x.Tries) == 0 {
		return 0, 0, false
	}
	at, last := x.Tries[0].AtNS, x.Tries[len(x.Tries)-1]
	return at, last.AtNS + last.TookNS - at, true
}

// ownShare is what the gateway itself took of a call: until it called the upstream,
// and what its policies did with the answer; not what bodies took on their way. Where
// nothing was called it is all.
func ownShare(x manager.Explained) int64 {
	own, _, called := calledOf(x)
	if !called {
		return x.TookNS
	}
	for _, s := range x.Steps {
		if s.Stage == string(entry.Answer) {
			own += s.TookNS
		}
	}
	return own
}

// answering is the index of the step that answered a call in the upstream's place:
// a cache, a mock; -1 where none did, or where it is not told.
func answering(x manager.Explained) int {
	if _, _, called := calledOf(x); called || x.Code != "" {
		return -1
	}
	out, told := -1, x.Dropped == 0
	for i, s := range x.Steps {
		switch {
		case s.Outcome == entry.ExplainRefused:
			return -1
		case s.Outcome == entry.ExplainSkipped:
			told = true // that it was one before this
		case s.Stage != string(entry.Answer) && s.Stage != "":
			out = i
		}
	}
	if !told {
		return -1
	}
	return out
}

// unrecorded reports whether a call was answered by something for which its node had
// no room.
func unrecorded(x manager.Explained) bool {
	_, _, called := calledOf(x)
	return x.Dropped > 0 && x.Code == "" && !called && answering(x) < 0
}

// decidedBy says in a few words what decided how a call ended.
func decidedBy(x manager.Explained) (string, ui.Tone) {
	step, tone := refusing(x), ui.Warn
	if x.Status >= 500 {
		tone = ui.Bad
	}
	switch by := answering(x); {
	case x.Hidden:
		return "not yours", ui.Neutral
	case x.Code == "" && by >= 0:
		return stepName(x.Steps[by].Step), ui.Neutral
	case unrecorded(x):
		return "not recorded", ui.Neutral
	case x.Code == "" && x.Status < 500:
		return "Upstream", ui.Neutral
	case x.Code == "":
		return "Upstream", tone
	}
	if _, policy := describe.Of(entry.PolicyKind(step)); !policy {
		if words := refusalWords(x.Code); words != "" {
			return words, tone
		}
	}
	if step == "" && x.Dropped > 0 {
		return "not recorded", tone
	}
	return stepName(step), tone
}

// refusalWords says what a refusal was that is no policy's; "" for one that is best
// told by its step.
func refusalWords(code string) string {
	switch code {
	case "upstream_timeout":
		return "Upstream timeout"
	case "upstream_unreachable":
		return "Upstream unreachable"
	case "upstream_invalid":
		return "Upstream sent no HTTP"
	case "upstream_busy":
		return "Upstream busy"
	case "upstream_unavailable":
		return "Upstream unavailable"
	case "upstream_token_unavailable":
		return "Upstream token"
	case "upgrade_not_supported":
		return "Upstream upgrade"
	case "overloaded":
		return "Node overloaded"
	case "not_ready":
		return "Node not ready"
	case "internal":
		return "Gateway fault"
	case "no_route":
		return "No route"
	case "method_not_allowed":
		return "Method"
	case "misdirected":
		return "Host"
	case "client_certificate_required":
		return "Client certificate"
	case "request_invalid":
		return "Invalid request"
	case "request_too_large":
		return "Request size"
	case "header_too_large":
		return "Header size"
	case "uri_too_long":
		return "Address size"
	case "subscription_missing":
		return "No subscription"
	case "subscription_pending":
		return "Subscription pending"
	case "subscription_suspended":
		return "Subscription suspended"
	case "subscription_stopped":
		return "Subscription stopped"
	case "subscription_expired":
		return "Subscription expired"
	case "subscription_not_started":
		return "Subscription not started"
	case "operation_not_in_plan":
		return "Operation not in plan"
	}
	return ""
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

// lastStep is the answer as it went out.
func lastStep(x manager.Explained) ui.TraceStep {
	at, took, _ := calledOf(x)
	end := at + took
	for _, s := range x.Steps {
		end = max(end, s.AtNS+s.TookNS)
	}
	return ui.TraceStep{Label: "Answer", Text: answerText(x), Time: nanos(x.TookNS - end), From: share(end, x.TookNS), To: 1}
}

// answerText is what went out: "429, 212 bytes".
func answerText(x manager.Explained) string {
	text := strconv.Itoa(x.Status)
	if x.AnswerBytes >= 0 {
		text += ", " + bytesText(x.AnswerBytes)
	}
	if x.BrokenOff {
		text += ", broken off: the caller did not get all of it"
	}
	return text
}

// untold stands for a value that no node tells.
const untold = "…"

// requestTokens is the head of a call as far as it is told.
func requestTokens(x manager.Explained) []ui.Token {
	out := []ui.Token{{Kind: ui.Function, Text: x.Method}, {Text: " " + x.Path}}
	for i, name := range x.Query {
		sign := "&"
		if i == 0 {
			sign = "?"
		}
		out = append(out, ui.Token{Text: sign}, ui.Token{Kind: ui.Attribute, Text: name}, ui.Token{Text: "=" + untold})
	}
	out = append(out, ui.Token{Text: "\n"}, ui.Token{Kind: ui.Attribute, Text: "Host"}, ui.Token{Text: ": " + x.Host})
	return append(out, nameTokens(x.Headers)...)
}

// answerTokens is the head of an answer as far as it is told.
func answerTokens(x manager.Explained) []ui.Token {
	return append([]ui.Token{{Kind: ui.Number, Text: strconv.Itoa(x.Status)}, {Text: " " + http.StatusText(x.Status)}}, nameTokens(x.Headings)...)
}

func nameTokens(names []string) (out []ui.Token) {
	for _, name := range names {
		if !strings.EqualFold(name, "host") {
			out = append(out, ui.Token{Text: "\n"}, ui.Token{Kind: ui.Attribute, Text: name}, ui.Token{Text: ": " + untold})
		}
	}
	return out
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
