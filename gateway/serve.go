package gateway

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// Serve implements lane.Handler: match, chain, destination, and one rendering
// of whatever goes wrong.
func (n *Node) Serve(ctx context.Context, ex *policy.Exchange) error {
	n.begin(ex)
	if err := n.answer(ctx, ex); err != nil {
		if err = n.excuse(ctx, ex, err); err != nil {
			return err
		}
	}
	policy.Finish(ctx, ex, func(err error) { n.refuse(ctx, ex, err) })
	n.finish(ex)
	return nil
}

// excuse answers a call that failed. It returns an error when the caller went
// away while it waited.
func (n *Node) excuse(ctx context.Context, ex *policy.Exchange, err error) error {
	if broken := (*policy.Broken)(nil); errors.As(err, &broken) {
		if ex.Body.Err() == nil {
			return err
		}
		err = policy.BadRequest("The request's body did not arrive whole. Send it again.")
	}
	n.refuse(ctx, ex, err)
	return nil
}

// Refuse implements lane.Handler.
func (n *Node) Refuse(ex *policy.Exchange, denied *policy.Denied) {
	n.begin(ex)
	n.refuse(context.Background(), ex, denied)
	n.finish(ex)
}

// begin reads the clock and settles who is calling.
func (n *Node) begin(ex *policy.Exchange) {
	ex.Now = n.config.Now()
	n.meters.shard(ex).begun.Add(1)
	ex.Mono = ex.Now.Sub(n.started).Nanoseconds() + monoStart
	hash := ex.HashAhead()
	if hash != nil {
		n.grants.Seek(hash)
	}
	ex.Client = ex.Peer
	if env := n.env.Load(); env != nil {
		ex.MaxBodyBytes, ex.Shared, ex.Issuer = env.MaxBodyBytes, env.shared, env.GatewayURL
		if ex.Trusted = trusts(env.trusted, ex.Peer); ex.Trusted {
			ex.Client = clientOf(env.trusted, &ex.Header, ex.Peer)
			if id, ok := ex.Header.Value("X-Request-Id"); ok && usableID(id) {
				ex.RequestID = id
			}
			if proto, ok := ex.Header.Value("X-Forwarded-Proto"); ok {
				ex.Secure = policy.FoldEqual(proto, "https")
			}
		}
	}
	if ex.RequestID == "" {
		ex.RequestID = newRequestID(ex)
	}
	if n.usage != nil {
		n.takeSlot(ex)
	}
	if hash != nil { // half way between asking for its slot and reading the grant
		ex.LikelyGrant(n.grants.Likely(hash))
	}
	token := ""
	ex.Header.DelFunc(func(f policy.Field) bool {
		if !policy.Managed(f.Name) {
			return false
		}
		if policy.FoldEqual(f.Name, entry.ExplainHeader) {
			token = f.Value
		}
		return true
	})
	if token != "" {
		n.beginExplain(ex, token)
	}
	if env := n.env.Load(); env != nil && env.Tracing {
		n.beginTrace(ex, env.TracePerMillion)
	}
}

// monoStart keeps the monotonic clock above zero, which limiters take for "at
// rest", also when the clock is set back before the node has run for long.
const monoStart = int64(1) << 40

func (n *Node) answer(ctx context.Context, ex *policy.Exchange) error {
	switch {
	case !n.whole.Load():
		return &policy.Denied{
			Status: http.StatusServiceUnavailable, Code: "not_ready",
			Detail: "This gateway node does not have its configuration yet. Call again in a moment.", RetryAfter: second,
		}
	case n.stale.Load():
		return &policy.Denied{
			Status: http.StatusServiceUnavailable, Code: "not_ready",
			Detail: "This gateway node has not heard of changes for too long and refuses calls until it has. Call again in a moment.", RetryAfter: second,
		}
	}
	readUpgrade(ex)
	if n.certs.Asking() {
		if err := n.askClient(ex); err != nil {
			return err
		}
	}
	policy.StripHop(&ex.Header)
	if ex.Trace.Valid() {
		ex.Header.Set("Traceparent", ex.Keep(ex.Trace.Append(ex.Scratch())))
	}
	if err := canonical(ex); err != nil {
		return err
	}
	route, api, err := n.table.Match(ex)
	if api != nil {
		ex.Stats, ex.Usage.Version = api.Stats, api.Version
	}
	if ex.Explain != nil {
		n.explainMatch(ex, route, api, err)
	}
	if err != nil {
		if api == nil && ex.Path.Decoded == entry.IdentityKeysPath && n.answerKeys(ex) {
			return nil
		}
		return err
	}
	ex.Destination = route.Destination
	if err := route.Chain.Run(ctx, ex); err != nil {
		if errors.Is(err, policy.ErrAnswered) {
			if ex.Denied != nil { // a policy has refused in words of its own
				n.meters.refusals.add(ex.Shard, ex.Code)
			}
			return nil
		}
		return err
	}
	if n.shed.Sheds() { // here, since what was refused until now cost next to nothing
		return &policy.Denied{
			Status: http.StatusServiceUnavailable, Code: "overloaded",
			Detail: "This gateway node has more calls than it can carry. Call again in a moment.", RetryAfter: second,
		}
	}
	ex.Expects = ex.Expects && !ex.Body.Begun() // else an upstream would be asked in vain whether it wants the body
	ex.Own = n.since(ex.Now)
	if ex.Explain != nil {
		err = explainCall(ctx, ex, route)
	} else {
		err = route.Destination.Call(ctx, ex)
	}
	ex.Waited = max(n.since(ex.Now)-ex.Own, 1)
	return err
}

// answerKeys shows the keys that identity tokens are checked with.
func (n *Node) answerKeys(ex *policy.Exchange) bool {
	set := n.tools.Identity.KeySet()
	if set == nil || ex.Method != http.MethodGet && ex.Method != http.MethodHead {
		return false
	}
	a := &ex.Answer
	a.Status, a.Local = http.StatusOK, true
	a.Header.Add("Content-Type", "application/jwk-set+json")
	a.Header.Add("Cache-Control", "public, max-age=60")
	ex.SetAnswer(set)
	return true
}

// canonical reads the target into its one form.
func canonical(ex *policy.Exchange) error {
	raw, query, _ := strings.Cut(policy.OriginForm(ex.Target), "?")
	ex.Query = query
	if raw == "*" {
		return &policy.Denied{Status: http.StatusNotFound, Code: "no_route", Detail: "No API answers for the gateway as a whole. Ask for a path."}
	}
	path, scratch, err := policy.Canonical(raw, ex.Scratch())
	ex.Grow(scratch)
	if err != nil {
		return policy.BadRequest(err.Error())
	}
	ex.Path = path
	return nil
}

func (n *Node) refuse(ctx context.Context, ex *policy.Exchange, err error) {
	url := ""
	if env := n.env.Load(); env != nil {
		url = env.ProblemURL
	}
	denied := render(ex, url, err)
	n.meters.refusals.add(ex.Shard, denied.Code)
	if ex.Explain != nil {
		ex.Explain.Denied = denied
	}
	ex.Code, ex.Denied = denied.Code, denied
	if denied.Status >= 500 {
		n.config.Log.DebugContext(ctx, "call failed", "code", denied.Code, "request", ex.RequestID, "error", denied.Cause)
	}
}

// finish adds what every answer says.
func (n *Node) finish(ex *policy.Exchange) {
	h := &ex.Answer.Header
	h.Set("X-Request-Id", ex.RequestID)
	if ex.Explain != nil {
		h.Set(entry.ExplainIDHeader, ex.Explain.ID)
	}
	ex.Limits.SetHeaders(ex)
	if ex.Scope != nil && ex.Scope.Vary != "" && ex.Code == "" { // refusals are stored nowhere
		h.Add("Vary", ex.Scope.Vary)
	}
	for _, f := range ex.Announced {
		h.Add(f.Name, f.Value)
	}
	if ex.Stats != nil {
		ex.Stats.Ahead(ex.Shard)
	}
}

// Done implements lane.Handler.
func (n *Node) Done(ex *policy.Exchange, err error) {
	ex.Release()
	if failed := ex.Body.Err(); failed != nil {
		n.tellThrown(ex, failed)
	}
	status := ex.Answer.Status
	if err != nil && status == 0 {
		status = policy.StatusGone
	}
	took := n.since(ex.Now)
	n.meters.end(ex, took)
	if n.usage != nil {
		n.completeSlot(ex, status, took)
	}
	if ex.Stats != nil {
		ex.Stats.Add(ex.Shard, status)
	} else {
		n.unmatched.Add(ex.Shard, status)
	}
	if ex.Explain != nil {
		n.endExplain(ex, status, err)
	}
	if ex.Trace.Sampled && n.config.Spans != nil {
		n.endTrace(ex, status, err)
	}
}

// tellThrown logs a panic of what read a call's body.
func (n *Node) tellThrown(ex *policy.Exchange, err error) {
	if thrown := (*policy.Thrown)(nil); errors.As(err, &thrown) {
		n.config.Log.Error("a call panicked", "panic", thrown.Value, "stack", string(thrown.Stack), "request", ex.RequestID)
	}
}

func trusts(trusted []netip.Prefix, a netip.Addr) bool {
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// clientOf walks X-Forwarded-For from the right past our own proxies. What
// stands further left was written by somebody whom nobody vouches for.
func clientOf(trusted []netip.Prefix, h *policy.Header, peer netip.Addr) netip.Addr {
	client := peer
	fields := h.Fields()
	for i := len(fields) - 1; i >= 0; i-- {
		if !policy.FoldEqual(fields[i].Name, "X-Forwarded-For") {
			continue
		}
		for rest := fields[i].Value; rest != ""; {
			last := rest
			if j := strings.LastIndexByte(rest, ','); j >= 0 {
				last, rest = rest[j+1:], rest[:j]
			} else {
				rest = ""
			}
			a, err := netip.ParseAddr(strings.Trim(last, " \t"))
			if err != nil || a.Zone() != "" { // which may be any text, and means nothing but to whoever wrote it
				return client
			}
			if client = a.Unmap(); !trusts(trusted, client) {
				return client
			}
		}
	}
	return client
}

func usableID(id string) bool {
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

func newRequestID(ex *policy.Exchange) string {
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(raw[8:], rand.Uint64())
	return ex.Keep(hex.AppendEncode(ex.Scratch(), raw[:]))
}
