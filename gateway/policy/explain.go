package policy

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"portico/internal/entry"
)

// Explain is the way of one request through its chain, recorded only when a
// token asks for it. What does not fit any more is counted and dropped.
type Explain struct {
	ID      string
	Token   entry.ExplainToken
	Began   time.Time // when the request's head had been read
	Headers []string  // names, as they came; own memory
	Query   []string  // names, as they came; own memory

	Steps   [32]Explained
	Count   int
	Dropped int

	Note string // what a step that runs now leaves for its own explanation

	Candidates []entry.ExplainedRoute
	Revision   int     // of the API that was matched
	Hidden     bool    // what the request reached is not the token's to see
	Denied     *Denied // what the caller was told instead of an answer
}

// Explained is one step of the way.
type Explained struct {
	Step    string // the policy's kind, or "route", "upstream"
	Stage   entry.Stage
	Outcome string // entry.ExplainPassed and its like
	Code    string // of a refusal
	Detail  string
	At      time.Duration // since Began
	Took    time.Duration
}

// Add records a step that began at a time and has just ended with err.
func (e *Explain) Add(step string, stage entry.Stage, began time.Time, detail string, err error) {
	e.record(step, stage, began, time.Since(began), detail, err)
}

func (e *Explain) record(step string, stage entry.Stage, began time.Time, took time.Duration, detail string, err error) {
	x := Explained{Step: step, Stage: stage, Outcome: entry.ExplainPassed, Detail: detail, At: began.Sub(e.Began), Took: took}
	if denied := (*Denied)(nil); errors.As(err, &denied) {
		x.Outcome, x.Code = entry.ExplainRefused, denied.Code
	} else if err != nil {
		x.Outcome, x.Code = entry.ExplainRefused, "internal"
	}
	e.add(x)
}

// Skip records a step that was not reached.
func (e *Explain) Skip(step string, stage entry.Stage) {
	e.add(Explained{Step: step, Stage: stage, Outcome: entry.ExplainSkipped})
}

func (e *Explain) add(x Explained) {
	if e.Count == len(e.Steps) {
		e.Dropped++
		return
	}
	e.Steps[e.Count] = x
	e.Count++
}

// explainer is a step that can say what it did, after it has run. It must tell
// no secret. Steps that have nothing to say need none.
type explainer interface {
	explain(ex *Exchange) string
}

// explained is Run with a record of the step.
func (n *named) explained(ctx context.Context, ex *Exchange) error {
	began := time.Now()
	err := n.Run(ctx, ex)
	took := time.Since(began)
	detail := ""
	if x, ok := n.Step.(explainer); ok {
		detail = x.explain(ex)
	}
	if errors.Is(err, ErrAnswered) {
		ex.Explain.record(n.kind, n.stage, began, took, orText(detail, "it answered the call itself"), nil)
	} else {
		ex.Explain.record(n.kind, n.stage, began, took, detail, err)
	}
	return err
}

// explainedAnswer is Answer with a record of what a step has made of the answer,
// unless it has told that itself.
func explainedAnswer(ctx context.Context, ex *Exchange, kind string, step Answerer) error {
	x, before := ex.Explain, newAnswerSeen(ex)
	count := x.Count + x.Dropped
	x.Note = ""
	began := time.Now()
	err := step.Answer(ctx, ex)
	took := time.Since(began)
	if x.Count+x.Dropped == count {
		x.record(kind, entry.Answer, began, took, orText(x.Note, before.changes(ex)), err)
	}
	x.Note = ""
	return err
}

// answerSeen is what an answer was before a step.
type answerSeen struct {
	status int
	fields []Field
	body   io.ReadCloser
	length int64
}

func newAnswerSeen(ex *Exchange) answerSeen {
	a := &ex.Answer
	return answerSeen{a.Status, slices.Clone(a.Header.Fields()), a.Body, a.Length}
}

// changes says what has become of it: names of headers, and no values.
func (s answerSeen) changes(ex *Exchange) string {
	a := &ex.Answer
	var parts []string
	if a.Status != s.status {
		parts = append(parts, "status "+strconv.Itoa(s.status)+" is now "+strconv.Itoa(a.Status))
	}
	if names := namesBeyond(a.Header.Fields(), s.fields); names != "" {
		parts = append(parts, "sets "+names)
	}
	gone := slices.DeleteFunc(slices.Clone(s.fields), func(f Field) bool {
		_, stays := a.Header.Value(f.Name)
		return stays
	})
	if names := namesBeyond(gone, nil); names != "" {
		parts = append(parts, "takes away "+names)
	}
	if a.Length != s.length || !sameBody(a.Body, s.body) {
		parts = append(parts, "makes the body anew")
	}
	return orText(strings.Join(parts, "; "), "changes nothing")
}

// namesBeyond are the names of fields that are not among others, each once.
func namesBeyond(fields, others []Field) string {
	var names []string
	for _, f := range fields {
		if !slices.Contains(others, f) && !slices.ContainsFunc(names, func(n string) bool { return FoldEqual(n, f.Name) }) {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, ", ")
}

// sameBody reports whether two are one; those that cannot be compared are not.
func sameBody(a, b io.ReadCloser) bool {
	return a == nil && b == nil || a != nil && b != nil && reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

func orText(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func (sizeStep) explain(ex *Exchange) string {
	limit := ex.Scope.MaxBodyBytes
	if limit == 0 {
		limit = ex.MaxBodyBytes
	}
	switch {
	case ex.Body == nil:
		return "no body"
	case ex.BodyLength < 0:
		return "a body of unknown length, read up to " + bytesText(limit)
	}
	return bytesText(ex.BodyLength) + " of at most " + bytesText(limit)
}

func (s *keyStep) explain(ex *Exchange) string {
	switch {
	case ex.Caller.By == "":
		return "an API key is read from " + s.places
	case ex.Caller.By != entry.PolicyKey:
		return "the caller was identified before; API keys are taken away before the upstream"
	}
	return "the API key is known and valid"
}

func (s stripStep) explain(*Exchange) string {
	return unasked(s.public) + "; API keys are taken away before the upstream"
}

// unasked says why a route does not ask for a credential.
func unasked(public bool) string {
	if public {
		return "the route is open to everybody"
	}
	return "the route identifies callers in a way of its own"
}

func (grantStep) explain(ex *Exchange) string {
	grant := ex.Caller.Grant
	switch {
	case ex.Caller.open:
		return "this API lets callers through that have no application; they need no subscription"
	case grant == nil:
		return "nobody was identified"
	}
	sub := ex.Caller.Subscription
	if sub == nil {
		return "the application has no subscription to this version"
	}
	plan := ""
	if terms := sub.Terms.Load(); terms != nil {
		plan = " under the plan " + terms.Name
	}
	return "subscription " + string(sub.State()) + plan
}

func (s planLimitStep) explain(ex *Exchange) string {
	text := ex.Limits.explain(bySubscription, nil)
	if sub := ex.Caller.Subscription; sub != nil {
		if terms := sub.Terms.Load(); terms != nil {
			text = terms.explain(ex, text)
		}
	}
	return orText(text, "the plan sets no limit")
}

// explain adds what the steps of a plan have done to a text.
func (t *Terms) explain(ex *Exchange, text string) string {
	for _, step := range t.steps {
		x, ok := step.(explainer)
		if !ok {
			continue
		}
		if more := x.explain(ex); more != "" && text != "" {
			text += "; " + more
		} else {
			text += more
		}
	}
	return text
}

func (s *rateLimitStep) explain(ex *Exchange) string {
	return ex.Limits.explain(s.counted.text(), &s.limit)
}

func (s *concurrencyStep) explain(ex *Exchange) string {
	text := strconv.FormatInt(s.calls, 10) + " calls at a time by " + s.counted.text() + ": "
	under := int64(0)
	if c := s.limiter.places.find(s.counted.key(s.limiter, s.id, ex)); c != nil {
		under = c.level.Load()
	}
	return text + strconv.FormatInt(under, 10) + " are under way"
}

// explain says what limits have left: one of them, or where it is nil the numbers
// of the plan.
func (r *LimitReports) explain(by string, one *limit) string {
	text := ""
	for i := range r.list {
		rep := &r.list[i]
		if one != nil && rep.limit != one || one == nil && !rep.limit.planned {
			continue
		}
		if text != "" {
			text += "; "
		}
		text += strconv.FormatInt(rep.limit.quota, 10) + " calls in " + time.Duration(rep.limit.period).String() + " by " + by
		if rep.limit.slice > 0 {
			text += ", in a sliding window"
		} else {
			text += ", " + strconv.FormatInt(rep.limit.burst, 10) + " at once"
		}
		text += ": " + strconv.FormatInt(rep.remaining, 10) + " left"
		if !rep.admitted {
			text += "; the next call is let through in " + roundUp(time.Duration(rep.retry)).String() + ", as this node counts, which counts alone"
		}
	}
	return text
}

// roundUp keeps a time readable without promising too little of it.
func roundUp(d time.Duration) time.Duration {
	unit := time.Microsecond
	for _, u := range []time.Duration{time.Second, time.Millisecond} {
		if d >= 10*u {
			unit = u
			break
		}
	}
	return (d + unit - 1) / unit * unit
}
