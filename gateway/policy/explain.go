package policy

import (
	"context"
	"errors"
	"strconv"
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
	took := time.Since(began)
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
	detail := ""
	if x, ok := n.Step.(explainer); ok {
		detail = x.explain(ex)
	}
	if errors.Is(err, ErrAnswered) {
		ex.Explain.Add(n.kind, n.stage, began, orText(detail, "it answered the call itself"), nil)
	} else {
		ex.Explain.Add(n.kind, n.stage, began, detail, err)
	}
	return err
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
	if ex.Caller.Grant == nil {
		return "an API key is read from " + s.places
	}
	return "the API key is known and valid"
}

func (stripStep) explain(*Exchange) string {
	return "the route is open to everybody; API keys are taken away before the upstream"
}

func (grantStep) explain(ex *Exchange) string {
	grant := ex.Caller.Grant
	if grant == nil {
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
	return "subscription " + string(sub.State) + plan
}

func (s planLimitStep) explain(ex *Exchange) string {
	return ex.Limits.explain("subscription", "the plan sets no rate limit")
}

func (s *rateLimitStep) explain(ex *Exchange) string { return ex.Limits.explain(s.by, "") }

// explain says what the limits counted by something have left.
func (r *LimitReports) explain(by, none string) string {
	text := ""
	for i := range r.list[:r.count] {
		rep := &r.list[i]
		if rep.by != by {
			continue
		}
		if text != "" {
			text += "; "
		}
		text += strconv.FormatInt(rep.limit.quota, 10) + " calls in " + time.Duration(rep.limit.period).String() +
			" by " + by + ", " + strconv.FormatInt(rep.limit.burst, 10) + " at once: " + strconv.FormatInt(rep.remaining, 10) + " left"
		if !rep.admitted {
			text += "; the next call is let through in " + roundUp(time.Duration(rep.retry)).String()
		}
	}
	if text == "" {
		return none
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
