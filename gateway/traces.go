package gateway

import (
	"math/rand/v2"
	"strings"
	"time"

	"portico/gateway/policy"
	"portico/gateway/trace"
)

// Spans takes calls that are sampled. It must not block.
type Spans interface {
	Call(trace.Call)
}

// beginTrace takes the caller's trace over, or begins one. Whether it is
// sampled is a trusted proxy's to say; for everybody else the environment's
// share decides. A caller's trace state is passed on as it is, if it is valid
// and there is a trace that it could be of.
func (n *Node) beginTrace(ex *policy.Exchange, perMillion int) {
	parents, states, ok := 0, 0, true
	var parent string
	var state trace.State
	for _, f := range ex.Header.Fields() {
		switch len(f.Name) {
		case len("traceparent"):
			if policy.FoldEqual(f.Name, "traceparent") {
				parents, parent = parents+1, f.Value
			}
		case len("tracestate"):
			if policy.FoldEqual(f.Name, "tracestate") {
				states++
				ok = ok && state.Add(f.Value)
			}
		}
	}
	known := false
	if parents == 1 {
		ex.Trace, known = trace.Parse(parent)
	}
	if !known {
		ex.Trace = trace.New()
	}
	if !known || !ex.Trusted {
		ex.Trace.Sampled = perMillion > 0 && rand.IntN(1_000_000) < perMillion
	}
	if states > 0 && !(known && ok) {
		ex.Header.Del("tracestate")
	}
	if parents > 1 {
		ex.Header.Del("traceparent")
	}
	ex.Trace.Enter()
	if ex.Trace.Sampled && n.config.Spans != nil && ex.Trail == nil {
		ex.Trail = &policy.Trail{}
	}
}

// endTrace hands a sampled call over. It is copied: the exchange is over.
func (n *Node) endTrace(ex *policy.Exchange, status int, err error) {
	c := trace.Call{
		Context: ex.Trace, Began: ex.Now, Ended: n.config.Now(), Method: strings.Clone(ex.Method), Host: kept(ex.Host),
		Environment: n.config.Environment, Node: n.config.Name, RequestID: kept(ex.RequestID), Status: status, Code: ex.Code,
		Broken: err != nil, RequestBytes: ex.Received(), AnswerBytes: ex.Answer.Length,
	}
	if s := ex.Scope; s != nil {
		c.API, c.Revision, c.Operation, c.Route = s.Name, s.Revision, s.Operation, s.Path
	}
	if ex.Caller.Subscription != nil {
		c.Application = ex.Caller.Grant.Name
	}
	for _, t := range ex.Trail.All() {
		outcome := t.Outcome
		if t.Status > 0 {
			outcome = ""
		}
		c.Tries = append(c.Tries, trace.Try{Target: t.Target, Reused: t.Reused, Began: t.Began, Took: max(t.Took, time.Nanosecond), Outcome: outcome, Status: t.Status})
	}
	n.config.Spans.Call(c)
}
