package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"portico/gateway/http1"
	"portico/gateway/policy"
	"portico/gateway/upstream/balance"
)

const (
	readBuffer   = 16 << 10
	uploadBuffer = 64 << 10
	maxWhole     = 8 << 10 // bodies up to this are read whole before an upstream is chosen
	maxStale     = 2       // connections to one endpoint that had gone stale
)

// call is one call under way, and the body of its answer. The set keeps it for
// the next one, buffers included.
type call struct {
	upstream *Upstream
	ex       *policy.Exchange
	conn     *conn
	state    uint64 // of conn, while it is ours
	times    Timeouts
	at       *balance.Endpoint   // where the call is under way; nil for nowhere
	tried    []*balance.Endpoint // and where it was before
	entered  bool                // the group let it in, and waits for it to leave
	proof    policy.Proof        // of who calls; nil for none

	out   []byte // the request: its head, and its body where that is whole
	body  []byte // the request's body, where it is whole
	whole bool   // there is no other body to send

	in       []byte
	r, w     int // what of in was read and not used
	head     http1.AnswerHead
	reader   http1.Body
	up       *upload
	res      *http.Response // where the answer came by HTTP/2
	hints    *farHints
	answerBy int64       // when all of the answer must be there; 0 no matter when
	unhook   func() bool // ends the watch over the context
}

// Call implements policy.Destination. It returns when the answer's head is
// there; the body streams as the lane reads it. Its errors are *policy.Denied,
// but for a *policy.Broken when the caller is at fault or gone.
func (u *Upstream) Call(ctx context.Context, ex *policy.Exchange) error {
	c, ok := ex.Spare().(*call)
	if !ok {
		c = u.set.calls.Get().(*call)
	}
	c.upstream, c.ex, c.proof = u, ex, ex.ProofFor(u.config.Name, u.inPlaceOf)
	web := c.beginGRPC()
	answered := false
	defer func() { // also after a panic
		if !answered {
			c.finish(false)
		}
	}()
	if err := c.run(ctx); err != nil {
		if err = c.told(ctx, err); web != nil {
			web.undo(ex)
		}
		return err
	}
	ex.Answer.Body, answered = c, true
	if web != nil {
		web.answer(ex)
	}
	return nil
}

// run tries until there is an answer, or no use in trying.
func (c *call) run(ctx context.Context) error {
	if c.proof != nil {
		if err := c.proof.Ready(ctx, c.ex); err != nil {
			return err
		}
	}
	if err := c.gather(); err != nil {
		return err
	}
	c.times = c.upstream.timeouts() // once it has come: a slow client's time is not the upstream's
	if c.answerBy > 0 && (c.times.until == 0 || c.answerBy < c.times.until) {
		c.times.until = c.answerBy
	}
	if err := c.enter(ctx); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		began, kept := c.begin()
		err := c.reach(ctx)
		if err == nil && c.head.Status == http.StatusUnauthorized && c.provesAnew(ctx, attempt) {
			err = c.reach(ctx)
		}
		outcome := c.outcome(ctx, err)
		took := time.Duration(0)
		if !began.IsZero() {
			took = time.Since(began)
		}
		now := c.upstream.set.now.Load()
		if kept && err == nil {
			c.at.Took(now, took)
		}
		c.upstream.group.Done(c.at, now, outcome, took)
		if c.ex.Trail != nil {
			c.ex.Trail.End(outcome.String(), c.head.Status)
		}
		if outcome == balance.Answered || !c.mayRepeat(outcome, attempt, now) || !c.move(now) {
			if err != nil {
				return err
			}
			return c.answer()
		}
	}
}

// provesAnew reports whether a call that was answered 401 is to be made once more
// with another proof, and gives up the connection that brought the answer.
func (c *call) provesAnew(ctx context.Context, attempt int) bool {
	again := c.whole && c.ex.Upgrade == "" && attempt == 1
	if c.proof == nil || !c.proof.Refused(ctx, c.ex, again) || !again {
		return false
	}
	if c.ex.Trail != nil {
		c.ex.Trail.End("answered 401, and gets another token", c.head.Status)
	}
	c.drop()
	c.head.Status = 0
	return true
}

// enter asks the group to let the call in, and for its first endpoint.
func (c *call) enter(ctx context.Context) error {
	u := c.upstream
	now := u.set.now.Load()
	if u.guarded {
		after, err := u.group.Enter(ctx, now, c.times.until)
		if err != nil {
			return turnedAway(err, after)
		}
		c.entered, now = true, u.set.now.Load() // it may have waited
	}
	at, err := u.group.Pick(now, c.key(), nil)
	if err != nil {
		return turnedAway(err, time.Second)
	}
	c.at = at
	return nil
}

func (c *call) key() uint64 {
	if !c.upstream.group.Keyed() {
		return 0
	}
	return c.upstream.hashBy.key(c.ex)
}

// begin reads the clock where somebody wants to know how long a try takes. kept
// reports whether that is kept for people.
func (c *call) begin() (began time.Time, kept bool) {
	if kept = c.at.Wants(c.upstream.set.now.Load()); kept || c.upstream.group.Timed() {
		began = time.Now()
	}
	return began, kept
}

// turnedAway is what a caller is told whose call no endpoint gets.
func turnedAway(err error, after time.Duration) error {
	d := &policy.Denied{Status: http.StatusServiceUnavailable, RetryAfter: max(after.Round(time.Second), time.Second), Cause: err}
	switch {
	case errors.Is(err, balance.ErrBusy), errors.Is(err, balance.ErrFull):
		d.Code, d.Detail = "upstream_busy", "The service behind this API has as many calls under way as it takes at once. Call again in a moment."
	case errors.Is(err, balance.ErrOpen):
		d.Code, d.Detail = "upstream_unavailable", "The service behind this API has failed too many calls, and gets none for a while. Call again later."
	default:
		d.Code, d.Detail = "upstream_unavailable", "No address of the service behind this API is known at the moment. Call again later."
	}
	return d
}

// reach makes one attempt on an endpoint, until the answer's head is there. A
// connection that had gone stale is no attempt: it is made up for by a new one.
func (c *call) reach(ctx context.Context) error {
	for try := 0; ; try++ {
		sent, err := c.try(ctx, try == 0)
		if err == nil || try == maxStale || !c.wasStale(err, sent) {
			return err
		}
		if c.ex.Trail != nil {
			c.ex.Trail.End("had closed the connection", 0)
		}
		c.drop()
	}
}

// outcome says what the end of an attempt tells of the endpoint.
func (c *call) outcome(ctx context.Context, err error) balance.Outcome {
	if err == nil {
		return outcomeOf(c.head.Status)
	}
	why, broken, denied := busy, (*policy.Broken)(nil), (*policy.Denied)(nil)
	if c.conn != nil {
		why = c.conn.why()
	}
	switch {
	case c.ex.Body.Err() != nil, errors.As(err, &broken), why == abandoned, ctx.Err() != nil:
		return balance.Abandoned
	case errors.As(err, &denied): // the caller wanted what cannot be
		return balance.Abandoned
	case c.pastDeadline(): // or whoever gives calls no time could have the endpoint taken for a bad one
		return balance.Abandoned
	case c.conn == nil && exhausted(err):
		return balance.Untried
	case c.conn == nil:
		return balance.Unreachable
	case why == timedOut:
		return balance.Late
	}
	return balance.Broken
}

// mayRepeat reports whether an attempt that failed may be followed by another:
// where nothing was sent, or all that was sent is at hand and may be sent twice.
func (c *call) mayRepeat(o balance.Outcome, attempt int, now int64) bool {
	r := &c.upstream.retries
	if attempt >= r.attempts || !r.covers(o, c.head.Status) || c.times.until > 0 && now >= c.times.until {
		return false
	}
	return o == balance.Unreachable || c.whole && c.repeatable()
}

// move gives the endpoint up for another one, if there is one and the budget
// allows it.
func (c *call) move(now int64) bool {
	group := c.upstream.group
	tried := append(c.tried, c.at)
	next, err := group.PickAgain(now, c.key(), tried)
	if err != nil && c.upstream.retries.same {
		next, err = group.PickAgain(now, c.key(), nil)
	}
	if err != nil {
		return false
	}
	if !group.MayRetry(now) {
		group.End(next)
		return false
	}
	if c.conn != nil {
		c.drop()
	}
	group.End(c.at)
	c.tried, c.at, c.head.Status = tried, next, 0
	return true
}

// gather reads a small body whole, so that it goes out with the head, and a
// client that is slow to send it keeps no upstream busy.
func (c *call) gather() error {
	ex := c.ex
	c.whole = ex.Body == nil
	if c.whole || ex.Expects || ex.BodyLength < 0 || ex.BodyLength > maxWhole {
		return nil
	}
	n := int(ex.BodyLength)
	if cap(c.body) < n {
		c.body = make([]byte, 0, maxWhole)
	}
	c.body = c.body[:n]
	if _, err := io.ReadFull(ex.Body, c.body); err != nil {
		return err
	}
	if !ex.Body.Ended() { // most say so with their last byte
		if _, err := ex.Body.Read(c.in[:1]); !errors.Is(err, io.EOF) {
			return err
		}
	}
	c.whole = true
	return nil
}

// try makes one attempt, until the answer's head is there. sent reports whether
// any of the request may have reached an upstream.
func (c *call) try(ctx context.Context, reuse bool) (sent bool, err error) {
	home := c.at.Data.(*endpoint)
	if home.far != nil && c.ex.Upgrade != "" {
		return false, errNoUpgrade()
	}
	if home.far != nil && home.far.speaks.Load() {
		if c.ex.Trail != nil {
			c.head.Status = 0
			c.ex.Trail.Begin(home.host, false) // tryFar knows better once it has a connection
		}
		return true, c.tryFar(ctx, home)
	}
	if reuse {
		c.conn = home.take()
	}
	if c.conn != nil && (c.conn.wary && !c.conn.quiet() || !c.whole && !c.conn.silent()) { // of the latter there is no second try
		c.upstream.set.close(c.conn)
		c.conn = nil
	}
	if c.ex.Trail != nil {
		c.head.Status = 0
		c.ex.Trail.Begin(home.host, c.conn != nil)
	}
	if c.conn == nil {
		c.conn, err = home.dial(ctx, c.connectTime())
		if errors.Is(err, errSpeaksHTTP2) {
			return true, c.tryFar(ctx, home)
		}
		if err != nil {
			return false, err
		}
	}
	c.state = c.conn.begin(c.ex.Line)
	if ctx.Done() != nil {
		conn, state := c.conn, c.state
		c.unhook = context.AfterFunc(ctx, func() { conn.abort(state, abandoned) })
	}
	c.r, c.w = 0, 0
	c.out = c.appendHead(c.out[:0], home)
	if !c.whole {
		return true, c.stream()
	}
	c.out = append(c.out, c.body...)
	c.await()
	wrote, n, err := c.conn.exchange(c.out, c.in, c.conn.used && (c.conn.rested || !c.repeatable()))
	if c.w = n; err == nil {
		err = c.readHead()
	}
	return wrote > 0, err
}

// await begins the wait for the answer's head.
func (c *call) await() {
	c.conn.head.Store(true)
	c.conn.readBy.Store(c.times.headBy(c.upstream.set.now.Load()))
}

// connectTime is how long connecting may take.
func (c *call) connectTime() time.Duration {
	if c.times.until == 0 {
		return c.times.Connect
	}
	return min(c.times.Connect, max(time.Duration(c.times.until-c.upstream.set.now.Load()), time.Millisecond))
}

// repeatable reports whether the request may be sent twice.
func (c *call) repeatable() bool { return c.ex.Upgrade == "" && repeatable(c.ex.Method) }

// repeatable tells the methods that may be sent twice (RFC 9110 section 9.2.2).
func repeatable(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// wasStale reports whether an attempt failed because its connection had been
// used before and broke without a byte of an answer, and either nothing was
// sent or it may be sent twice.
func (c *call) wasStale(err error, sent bool) bool {
	if c.conn == nil || !c.conn.used || c.w > 0 || !c.whole {
		return false
	}
	if why := c.conn.why(); why != busy && why != stale {
		return false
	}
	return errors.Is(err, errStale) || (!sent || c.repeatable()) && !errors.As(err, new(*http1.Error))
}

// drop gives the connection up.
func (c *call) drop() {
	if c.res != nil {
		c.closeFar()
		c.res = nil
	}
	if c.unhook != nil {
		c.unhook()
		c.unhook = nil
	}
	c.conn.end(c.state)
	c.upstream.set.close(c.conn)
	c.conn = nil
}

// readHead reads until the final answer's head is whole. Interim answers are
// passed on.
func (c *call) readHead() error {
	searched := 0
	for interim := 0; ; {
		end := http1.EndOfAnswerHead(c.in[c.r:c.w], searched)
		if end == 0 {
			searched = c.w - c.r
			if err := c.Fill(); err != nil {
				return err
			}
			continue
		}
		searched = 0
		// The exchange keeps the head: the buffer is used again for the body.
		grown := append(c.ex.Scratch(), c.in[c.r:c.r+end]...)
		head := grown[len(grown)-end:]
		if err := c.head.Parse(head, c.ex.Method); err != nil {
			return err
		}
		c.r += end
		switch {
		case c.head.Status >= 200 && c.head.Status <= 599, c.switched():
			c.ex.Grow(grown)
			c.conn.head.Store(false)
			c.conn.readBy.Store(0)
			c.conn.used = true
			return nil
		case c.head.Status < 100 || c.head.Status > 599 || c.head.Status == http.StatusSwitchingProtocols:
			return &http1.Error{Status: http.StatusBadGateway, Detail: "The answer's status is not one that was asked for."}
		}
		if interim++; interim > maxInterim {
			return &http1.Error{Status: http.StatusBadGateway, Detail: "There is no end of interim answers."}
		}
		if err := c.interim(); err != nil {
			return err
		}
	}
}

// answer writes the head into the exchange, without what concerned only the
// connection to the upstream.
func (c *call) answer() error {
	a := &c.ex.Answer
	a.Status, a.Length = c.head.Status, c.head.Length
	if c.head.Status == http.StatusSwitchingProtocols {
		a.Tunnel = (*tunnel)(c)
	}
	if a.Length < 0 {
		a.Length = -1
	}
	if c.ex.Method == http.MethodHead {
		a.Length = c.head.Said
	}
	a.Header.AddAll(c.head.Fields)
	policy.StripHop(&a.Header)
	a.Header.Del("Content-Length")
	c.reader.Begin(c.head.Length, false)
	return nil
}

// Read implements io.Reader: the body of the answer.
func (c *call) Read(p []byte) (int, error) {
	if c.res != nil {
		return c.readFar(p)
	}
	n, err := c.reader.Read(p, c)
	switch {
	case errors.Is(err, io.EOF):
		for _, f := range c.reader.Trailers {
			if !policy.Managed(f.Name) {
				c.ex.Answer.Trailer.Add(f.Name, f.Value)
			}
		}
		c.reader.Trailers = nil
	case err != nil:
		err = c.told(context.Background(), err)
	}
	return n, err
}

// Rest returns the answer's body, and has read it, where all of it has come and none
// was read; else nil. It is good until Close.
func (c *call) Rest() []byte {
	rest := c.in[c.r:c.w]
	if n := int64(len(rest)); c.res != nil || n == 0 || n != c.reader.Left() || n != c.head.Length {
		return nil
	}
	c.reader.Skip(len(rest))
	c.r = c.w
	return rest
}

// Ready reports whether the next Read need not wait for the upstream.
func (c *call) Ready() bool { return c.res == nil && c.reader.Ready(c.in[c.r:c.w]) }

// Close implements io.Closer. It ends the call, whatever is left of it. Nobody
// may use the call after it.
func (c *call) Close() error {
	c.finish(c.res == nil && c.head.Status != http.StatusSwitchingProtocols && c.reader.Ended() && !c.head.Close && c.r == c.w && (c.up == nil || c.up.ended.Load()))
	return nil
}

// finish gives the connection back, or up, and the call to the next.
func (c *call) finish(reusable bool) {
	set, ex := c.upstream.set, c.ex
	if c.res != nil {
		c.closeFar()
	}
	if c.conn != nil {
		if c.unhook != nil {
			c.unhook()
		}
		// The body of an answer that has none may be in the form of another answer.
		c.conn.wary = c.head.Status == http.StatusNoContent || c.head.Status == http.StatusNotModified || c.ex.Method == http.MethodHead
		if c.conn.end(c.state) && reusable {
			c.conn.home.put(c.conn)
		} else {
			set.close(c.conn)
		}
	}
	if c.at != nil {
		c.upstream.group.End(c.at)
	}
	if c.entered {
		c.upstream.group.Leave()
	}
	clear(c.tried[:cap(c.tried)])
	clear(c.head.Fields[:cap(c.head.Fields)])
	in, out, body, fields, tried := c.in, c.out[:0], c.body[:0], c.head.Fields[:0], c.tried[:0]
	if len(in) > readBuffer {
		in = make([]byte, readBuffer)
	}
	*c = call{} // a literal with what follows would be made on the stack first
	c.in, c.out, c.body, c.tried, c.head.Fields = in, out, body, tried, fields
	if !ex.Leave(c) {
		set.calls.Put(c)
	}
}

// Buffered implements http1.Source.
func (c *call) Buffered() []byte { return c.in[c.r:c.w] }

// Discard implements http1.Source.
func (c *call) Discard(n int) { c.r += n }

// Fill implements http1.Source.
func (c *call) Fill() error {
	if c.r > 0 {
		c.w = copy(c.in, c.in[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.in) {
		if len(c.in) >= http1.MaxAnswerHeadBytes {
			return &http1.Error{Status: http.StatusBadGateway, Detail: "The answer's head is larger than 256 KiB."}
		}
		c.in = append(c.in, make([]byte, len(c.in))...)
	}
	n, err := c.Direct(c.in[c.w:])
	c.w += n
	return err
}

// Direct implements http1.Source. It waits for a head as long as await or the
// upload says, and for each part of a body for Timeouts.Idle.
func (c *call) Direct(p []byte) (int, error) {
	if c.conn.head.Load() {
		return c.conn.Read(p)
	}
	c.conn.readBy.Store(c.upstream.set.now.Load() + int64(c.times.Idle))
	n, err := c.conn.Read(p)
	c.conn.readBy.Store(0)
	return n, err
}

// readerSays is how long a call that has lost its caller waits for why.
const readerSays = 100 * time.Millisecond

// told turns an error of a call into what the caller is told.
func (c *call) told(ctx context.Context, err error) error {
	cause := c.ex.Body.Err()
	if cause == nil && ctx.Err() != nil { // by net/http also when a body is malformed, before its reader has said so
		cause = c.ex.Body.Failure(readerSays)
	}
	if cause != nil {
		return cause
	}
	why, dial, invalid := busy, (*dialError)(nil), (*http1.Error)(nil)
	if c.conn != nil {
		why = c.conn.why()
	}
	switch broken, denied := (*policy.Broken)(nil), (*policy.Denied)(nil); {
	case errors.As(err, &broken), errors.As(err, &denied):
		return err
	case why == abandoned, ctx.Err() != nil:
		return &policy.Broken{Cause: err}
	case why == timedOut, errors.As(err, &dial) && dial.timeout, c.pastDeadline():
		return &policy.Denied{
			Status: http.StatusGatewayTimeout, Code: "upstream_timeout",
			Detail: "The service behind this API did not answer in time. Call again later.", Cause: err,
		}
	case c.conn == nil && exhausted(err):
		return &policy.Denied{
			Status: http.StatusServiceUnavailable, Code: "overloaded", RetryAfter: time.Second,
			Detail: "This gateway node has as many connections open as it may. Call again in a moment.", Cause: err,
		}
	case errors.As(err, &invalid):
		return &policy.Denied{
			Status: http.StatusBadGateway, Code: "upstream_invalid",
			Detail: "The service behind this API gave an answer that is not valid HTTP. Tell the API's provider.", Cause: err,
		}
	}
	return &policy.Denied{
		Status: http.StatusBadGateway, Code: "upstream_unreachable",
		Detail: "The service behind this API cannot be reached, or broke off without an answer. Call again later.", Cause: err,
	}
}
