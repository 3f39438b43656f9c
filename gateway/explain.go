package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/policy"
	"portico/gateway/table"
	"portico/internal/entry"
)

// ways are the ways of calls that somebody asked for, on their way to the
// manager. A request that does not ask touches none of it.
type ways struct {
	key   atomic.Pointer[[32]byte] // that signs tokens; nil: none is taken
	taken atomic.Uint64
	next  atomic.Int64 // when the next one may be recorded, on the node's clock

	mu   sync.Mutex // guards kept
	kept []entry.Explanation
	wake chan struct{} // capacity 1
}

func newWays() ways { return ways{wake: make(chan struct{}, 1)} }

// Bounds of what explaining may cost. A token is no way to slow a node down:
// beyond them a call is answered like any other, and its way is not kept.
const (
	waysKept  = 128 // while the bus is away; the oldest go first
	wayEvery  = int64(20 * time.Millisecond)
	waysBurst = int64(20)
	mostNames = 64 // of headers and of parameters
	mostText  = 1024
)

// admit reports whether one more may be recorded now.
func (w *ways) admit(mono int64) bool {
	for {
		next := w.next.Load()
		if next-mono > wayEvery*waysBurst {
			return false
		}
		if w.next.CompareAndSwap(next, max(next, mono)+wayEvery) {
			return true
		}
	}
}

// beginExplain begins a record when the token is one of ours. Any other is
// ignored: the caller learns nothing of why.
func (n *Node) beginExplain(ex *policy.Exchange, token string) {
	key := n.ways.key.Load()
	if key == nil {
		return
	}
	t, ok := entry.OpenExplainToken(token, *key, ex.Now)
	if !ok || t.Environment != n.config.Environment || !n.ways.admit(ex.Mono) {
		return
	}
	x := &policy.Explain{Token: t, ID: newExplanationID(), Began: time.Now()}
	for _, f := range ex.Header.Fields() {
		if len(x.Headers) < mostNames {
			x.Headers = append(x.Headers, kept(f.Name))
		}
	}
	n.ways.taken.Add(1)
	ex.Explain, ex.Trail = x, &policy.Trail{}
}

func newExplanationID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never returns an error since Go 1.24
	return hex.EncodeToString(raw[:])
}

// explainMatch records which routes the request was near to. What the token may
// not see is as good as not there.
func (n *Node) explainMatch(ex *policy.Exchange, route *table.Route, api *table.API, err error) {
	x := ex.Explain
	sees := func(a *table.API) bool { return x.Token.Sees(a.Tenant.String(), a.API.String()) }
	x.Query = queryNames(ex.Query)
	x.Hidden = api == nil || !sees(api)
	x.Candidates = n.table.Explain(ex, route, api, sees)
	detail := ""
	switch {
	case x.Hidden:
		return
	case route != nil:
		detail = ex.Method + " " + ex.Scope.Operation + " of " + api.Name
	default:
		detail = "no route of " + api.Name
	}
	x.Revision = api.Revision
	x.Add("route", "", x.Began, detail, err)
}

// explainCall calls the destination and records how that went.
func explainCall(ctx context.Context, ex *policy.Exchange, route *table.Route) error {
	began := time.Now()
	err := route.Destination.Call(ctx, ex)
	detail := triesText(ex.Trail.All())
	if denied := (*policy.Denied)(nil); detail == "" && errors.As(err, &denied) && denied.Code == policy.NoUpstreamToken && denied.Cause != nil {
		detail = denied.Cause.Error() // which is told for people
	}
	ex.Explain.Add("upstream", entry.Destination, began, detail, err)
	return err
}

// triesText says how the last try went, and how many there were.
func triesText(tries []policy.Try) string {
	if len(tries) == 0 {
		return ""
	}
	last := tries[len(tries)-1]
	text := last.Target + " " + last.Outcome
	if last.Status > 0 {
		text += " " + strconv.Itoa(last.Status)
	}
	switch {
	case last.Reused:
		text += ", over a connection that was open"
	case last.Status > 0:
		text += ", over a new connection"
	}
	if len(tries) > 1 {
		text += ", at try " + strconv.Itoa(len(tries))
	}
	return text
}

// endExplain writes the record down, since the exchange is over, and sends it.
func (n *Node) endExplain(ex *policy.Exchange, status int, err error) {
	x := ex.Explain
	out := entry.Explanation{
		ID: x.ID, Token: x.Token.ID, Tenant: x.Token.Tenant, TokenAPI: x.Token.API,
		Node: n.config.Node, NodeName: n.config.Name, Environment: n.config.Environment,
		At: ex.Now.UnixMilli(), RequestID: kept(ex.RequestID),
		Method: kept(ex.Method), Host: kept(ex.Host), Path: kept(pathOf(ex)), Query: x.Query, Headers: x.Headers,
		Hidden: x.Hidden, Candidates: x.Candidates, Status: status, AnswerBytes: ex.Answer.Length,
		BrokenOff: err != nil, TookNS: int64(time.Since(x.Began)), Dropped: x.Dropped,
	}
	n.mu.Lock()
	out.Sequence = n.applied.Sequence
	n.mu.Unlock()
	if x.Denied != nil && (!x.Hidden || x.Denied.Code == "no_route" || x.Denied.Code == "request_invalid") {
		out.Code, out.Detail = x.Denied.Code, kept(x.Denied.Detail)
	}
	if x.Hidden {
		out.AnswerBytes = 0
		n.ways.keep(out)
		return
	}
	for _, s := range x.Steps[:x.Count] {
		if s.Step == "upstream" {
			out.UpstreamNS += int64(s.Took)
		}
		out.Steps = append(out.Steps, entry.ExplainedStep{
			Step: s.Step, Stage: string(s.Stage), Outcome: s.Outcome, Code: s.Code, Detail: kept(s.Detail), AtNS: int64(s.At), TookNS: int64(s.Took),
		})
	}
	for _, t := range ex.Trail.All() {
		out.Tries = append(out.Tries, entry.ExplainedTry{
			Target: t.Target, Reused: t.Reused, Outcome: t.Outcome, Status: t.Status, AtNS: int64(t.Began.Sub(x.Began)), TookNS: int64(t.Took),
		})
	}
	for _, f := range ex.Answer.Header.Fields() {
		if len(out.Headings) < mostNames {
			out.Headings = append(out.Headings, kept(f.Name))
		}
	}
	if s := ex.Scope; s != nil {
		out.API, out.APIUUID, out.VersionUUID, out.Operation = s.Name, s.API.String(), s.Version.String(), s.Operation
	}
	out.Revision = x.Revision
	if grant, sub := ex.Caller.Grant, ex.Caller.Subscription; grant != nil && (sub != nil || grant.Tenant.String() == x.Token.Tenant) {
		out.Application = grant.Name
		if sub != nil {
			out.SubscriptionUUID = sub.ID.String()
			if terms := sub.Terms.Load(); terms != nil {
				out.Plan = terms.Name
			}
		}
	}
	n.ways.keep(out)
}

// pathOf is the path as it was matched, or as it came when it was refused
// before.
func pathOf(ex *policy.Exchange) string {
	if ex.Path.Decoded != "" {
		return ex.Path.Decoded
	}
	path, _, _ := strings.Cut(ex.Target, "?")
	return path
}

// queryNames lists the names of parameters, as they stand there.
func queryNames(query string) (names []string) {
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name != "" && len(names) < mostNames {
			names = append(names, kept(name))
		}
	}
	return names
}

// kept is a text that outlives the exchange, of a bounded length.
func kept(s string) string {
	if len(s) > mostText {
		return strings.ToValidUTF8(s[:mostText], "") + "…"
	}
	return strings.ToValidUTF8(strings.Clone(s), "�")
}

// keep puts a record into the queue. The oldest goes when there is no room.
func (w *ways) keep(x entry.Explanation) {
	w.mu.Lock()
	if len(w.kept) == waysKept {
		w.kept = append(w.kept[:0], w.kept[1:]...)
	}
	w.kept = append(w.kept, x)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *ways) first() (x entry.Explanation, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.kept) == 0 {
		return x, false
	}
	return w.kept[0], true
}

// sent takes a record out of the queue, if it is still there.
func (w *ways) sent(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.kept) > 0 && w.kept[0].ID == id {
		w.kept = append(w.kept[:0], w.kept[1:]...)
	}
}

// tellAgain is how long a record waits that could not be sent.
const tellAgain = 200 * time.Millisecond

// tellExplained sends records until ctx ends.
func (n *Node) tellExplained(ctx context.Context) error {
	for {
		x, ok := n.ways.first()
		again := (<-chan time.Time)(nil)
		if ok {
			err := n.config.Carrier.Explained(ctx, x)
			if err == nil {
				n.ways.sent(x.ID)
				continue
			}
			n.config.Log.Debug("way of a call not told", "error", err)
			again = time.After(tellAgain)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-n.ways.wake:
		}
	}
}
