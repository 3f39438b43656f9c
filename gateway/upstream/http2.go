package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/http1"
	"portico/gateway/policy"
)

// The words of entry.Upstream.Protocol; "" is protocolHTTP1.
const (
	protocolHTTP1 = "http1"
	protocolHTTP2 = "http2" // by ALPN, and nothing else
	protocolH2C   = "h2c"   // with prior knowledge, without TLS
	protocolAuto  = "auto"  // whatever ALPN gives
)

// Connections by HTTP/2 are shared by many calls, so they are asked whether they
// are still there rather than found out by each.
const (
	pingAfter   = 15 * time.Second
	pingTimeout = 5 * time.Second
	farWrite    = 10 * time.Second // how long one write of a call's may keep the others waiting
	farIdle     = 60 * time.Second
	farWindow   = 1 << 20
	farWindows  = 2 << 20
	spareFor    = int64(3 * time.Second) // how long a connection waits for its first call
)

// far is how a pool is called by HTTP/2: few connections with many calls on
// each. net/http's client carries the frames; the dialler, the timeouts and what
// is made of failures are this package's.
type far struct {
	home      *pool
	scheme    string
	transport *http.Transport
	speaks    atomic.Bool // HTTP/2; false until ALPN has said so, where that decides
	cramped   atomic.Bool // a call was sent away, also by what was opened for it

	mu      sync.Mutex
	spare   *tls.Conn // was dialled to find out what the other side speaks; guarded by mu
	spareAt int64     // since when it is there; guarded by mu
	over    bool      // none is kept any more; guarded by mu
}

// newFar returns how p is called by a protocol, nil for HTTP/1.1 alone.
func newFar(p *pool, protocol string) *far {
	switch {
	case protocol == "" || protocol == protocolHTTP1:
		return nil
	case protocol == protocolAuto && p.tls == nil, protocol == protocolHTTP2 && p.tls == nil:
		return nil // ALPN is a part of TLS; check refuses the latter
	}
	f := &far{home: p, scheme: "https"}
	f.transport = &http.Transport{
		DisableCompression: true, IdleConnTimeout: farIdle, MaxResponseHeaderBytes: http1.MaxAnswerHeadBytes, ExpectContinueTimeout: continueAfter,
		Protocols: new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: farWrite,
			MaxReceiveBufferPerStream: farWindow, MaxReceiveBufferPerConnection: farWindows,
		},
	}
	if protocol == protocolH2C {
		f.scheme = "http"
		f.transport.Protocols.SetUnencryptedHTTP2(true)
		f.transport.DialContext = f.dial
	} else {
		p.tls = p.tls.Clone()
		p.tls.NextProtos = []string{"h2"}
		if protocol == protocolAuto {
			p.tls.NextProtos = append(p.tls.NextProtos, "http/1.1")
		}
		f.transport.Protocols.SetHTTP2(true)
		f.transport.DialTLSContext = f.dial
	}
	f.speaks.Store(protocol != protocolAuto)
	return f
}

// errSpeaksHTTP2 and errSpeaksHTTP1 are what dialling finds out instead.
// errSentAway ends it where it leads to nothing.
var (
	errSpeaksHTTP2 = errors.New("the endpoint speaks HTTP/2")
	errSpeaksHTTP1 = errors.New("the endpoint does not speak HTTP/2")
	errSentAway    = errors.New("the endpoint takes the call by none of the connections that were opened for it")
)

// negotiated looks at what a connection that was dialled for HTTP/1.1 is for. The
// first one by HTTP/2 is kept for the call that opened it; others would be for
// nobody, since one carries all calls.
func (f *far) negotiated(c *tls.Conn) error {
	if c.ConnectionState().NegotiatedProtocol != "h2" {
		return nil
	}
	f.mu.Lock()
	needed := !f.speaks.Load() && !f.over && f.spare == nil
	if needed {
		f.spare, f.spareAt = c, f.home.set.now.Load()
	}
	f.speaks.Store(true)
	f.mu.Unlock()
	if !needed {
		_ = c.Close() // nobody uses it
	}
	return errSpeaksHTTP2
}

// sweep closes a connection whose call has gone before it took it, and those without
// a call where some were sent away: they may have no room for any.
func (f *far) sweep(now int64) {
	if f.cramped.Swap(false) {
		f.transport.CloseIdleConnections()
	}
	f.mu.Lock()
	spare := f.spare
	if spare != nil && now-f.spareAt > spareFor {
		f.spare = nil
	} else {
		spare = nil
	}
	f.mu.Unlock()
	if spare != nil {
		_ = spare.Close() // nobody uses it
	}
}

// dial opens a connection by HTTP/2.
func (f *far) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	need := ctx.Value(connectKey{}).(*connecting)
	if need.dials.Add(1) > maxStale+1 {
		f.cramped.Store(true)
		return nil, errSentAway
	}
	f.mu.Lock()
	spare := f.spare
	f.spare = nil
	f.mu.Unlock()
	if spare != nil {
		return spare, nil
	}
	c, err := f.home.connect(ctx, need.timeout)
	if err != nil {
		return nil, err
	}
	if t, ok := c.(*tls.Conn); ok && t.ConnectionState().NegotiatedProtocol != "h2" {
		_ = c.Close() // nobody uses it
		if len(f.home.tls.NextProtos) > 1 {
			f.speaks.Store(false)
		}
		return nil, &dialError{errSpeaksHTTP1, false}
	}
	return c, nil
}

// connectKey is where a context says how a call may connect: net/http does so
// beside it, and would do so again, without an end, for one that the upstream
// sends away or has no room for.
type connectKey struct{}

type connecting struct {
	timeout time.Duration
	dials   atomic.Int32 // so far
}

// shut gives up the connections that no call uses.
func (f *far) shut() {
	f.mu.Lock()
	spare := f.spare
	f.spare, f.over = nil, true
	f.mu.Unlock()
	if spare != nil {
		_ = spare.Close() // nobody uses it
	}
	f.transport.CloseIdleConnections()
}

// stream stands for a connection where a call has only a part of one, so that
// the set keeps its times as it keeps those of others.
type stream struct {
	net.Conn // nil: there is none of its own
	cancel   context.CancelFunc
}

// SetDeadline ends the call: the set sets none but in the past.
func (s stream) SetDeadline(time.Time) error {
	s.cancel()
	return nil
}

// Close ends the call.
func (s stream) Close() error {
	s.cancel()
	return nil
}

// tryFar makes one attempt by HTTP/2, until the answer's head is there.
func (c *call) tryFar(ctx context.Context, home *endpoint) error {
	f := home.far
	ctx, cancel := context.WithCancel(context.WithValue(ctx, connectKey{}, &connecting{timeout: c.connectTime()}))
	c.conn = newConn(stream{cancel: cancel}, home.pool)
	c.upstream.set.open(c.conn)
	c.state = c.conn.begin(c.ex.Line)
	c.r, c.w = 0, 0
	c.out = c.appendHead(c.out[:0], home)
	head := string(c.out) // net/http holds on to it
	c.conn.head.Store(true)
	by := c.times.headBy(c.upstream.set.now.Load()) + int64(c.connectTime())
	if c.times.until > 0 {
		by = min(by, c.times.until)
	}
	if !c.whole && c.ex.Expects {
		by += int64(continueAfter) // the time in which it may ask for the body is not its time to answer
	}
	c.conn.readBy.Store(by)
	res, err := f.transport.RoundTrip(c.farRequest(ctx, home, head, by)) //nolint:bodyclose // finish or drop closes it
	c.hints.end()
	if c.ex.Trail != nil {
		c.ex.Trail.Over(c.hints.reused.Load())
	}
	if err != nil {
		if errors.As(err, new(*dialError)) {
			c.drop() // there was no connection
		}
		return farError(err)
	}
	c.conn.head.Store(false)
	c.conn.readBy.Store(0)
	c.conn.writeBy.Store(0)
	c.res = res
	// A Read of it would wait for the request's body too when the call is ended, and
	// of that a caller may send no more for as long as it likes.
	c.unhook = context.AfterFunc(ctx, func() { res.Body.Close() })
	h := &c.head
	h.Status, h.Length, h.Said, h.Close = res.StatusCode, res.ContentLength, res.ContentLength, false
	if len(res.Trailer) > 0 {
		h.Length = http1.Chunked // an answer whose length is said beforehand could not hold them by HTTP/1.1
	}
	h.Fields = h.Fields[:0]
	for name, values := range res.Header {
		for _, v := range values {
			h.Fields = append(h.Fields, http1.Field{Name: name, Value: v})
		}
	}
	if len(h.Fields) > http1.MaxAnswerFields {
		return &http1.Error{Status: http.StatusBadGateway, Detail: "The answer has more than 1000 header fields."}
	}
	if res.StatusCode < 200 || res.StatusCode > 599 || res.Status[3] != ' ' { // net/http takes signs and zeros before it
		return &http1.Error{Status: http.StatusBadGateway, Detail: "The answer's status is not one that was asked for."}
	}
	return nil
}

// farRequest is the request whose head was written as one of HTTP/1.1. by is when
// it must be under way.
func (c *call) farRequest(ctx context.Context, home *endpoint, head string, by int64) *http.Request {
	conn, state, now := c.conn, c.state, &c.upstream.set.now
	times, whole, twice := c.times, c.whole, c.repeatable()
	hints := &farHints{pass: c.ex.Interim, gone: func() { conn.abort(state, abandoned) }}
	c.hints = hints
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
			hints.reused.Store(got.Reused)
			switch sent := hints.sent.Load(); {
			case sent > maxStale, sent > 0 && !twice: // why it was sent away net/http does not tell
				home.far.cramped.Store(true)
				_ = conn.Close() // it ends the call, before this connection has carried any of it
			case whole:
				conn.readBy.CompareAndSwap(by, times.headBy(now.Load()))
			}
		},
		WroteHeaders:   func() { hints.sent.Add(1) },
		Got1xxResponse: hints.got,
	})
	line, rest, _ := strings.Cut(head, "\r\n")
	method, line, _ := strings.Cut(line, " ")
	target, _, _ := strings.Cut(line, " ")
	req := &http.Request{Method: method, Host: home.host, Header: make(http.Header, strings.Count(rest, "\n")), ProtoMajor: 2}
	req.URL = farURL(home.far, target)
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			continue
		}
		switch name = textproto.CanonicalMIMEHeaderKey(name); name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
			continue
		}
		req.Header[name] = append(req.Header[name], value)
	}
	if _, said := req.Header["User-Agent"]; !said {
		req.Header["User-Agent"] = nil // net/http would say its own
	}
	if isGRPC(c.ex) {
		req.Header["Te"] = []string{"trailers"}
	}
	switch {
	case c.ex.Body == nil:
	case c.whole:
		body := bytes.Clone(c.body) // net/http may send it still when the call is over
		req.ContentLength = int64(len(body))
		req.Body = io.NopCloser(bytes.NewReader(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	default:
		c.ex.Body.Share()
		req.ContentLength = c.ex.BodyLength
		up := &farUpload{body: c.ex.Body, conn: conn, state: state, now: now, times: times, by: by, answerBy: c.answerBy}
		if names := c.ex.Body.Trailer.Fields(); len(names) > 0 {
			req.Trailer = make(http.Header, len(names))
			for _, f := range names {
				req.Trailer[textproto.CanonicalMIMEHeaderKey(strings.Clone(f.Name))] = nil
			}
			up.trailer = req.Trailer
		}
		req.Body = up
		req.GetBody = up.again
	}
	return req.WithContext(ctx)
}

// closeFar gives the answer up. Closing its body waits for the request's, unless
// the call is ended. It must not be closed twice: net/http would grant the upstream
// the room of what was not read each time.
func (c *call) closeFar() {
	ours := c.unhook()
	_ = c.conn.Close() // it ends the call
	if ours {
		c.res.Body.Close()
	}
}

// farURL keeps the target as it is written.
func farURL(f *far, target string) *url.URL {
	u := &url.URL{Scheme: f.scheme, Host: f.home.key.address}
	path, query, _ := strings.Cut(target, "?")
	u.RawQuery = query
	if !strings.HasPrefix(path, "//") {
		u.Opaque = path
		return u
	}
	u.RawPath = path
	u.Path, _ = url.PathUnescape(path) // the node has read it already
	return u
}

// farUpload sends a request's body. It holds nothing of the call, which may end
// before it.
type farUpload struct {
	body     *policy.Body
	trailer  http.Header // what it is to hold at the end; nil for none
	conn     *conn
	state    uint64
	now      *atomic.Int64
	times    Timeouts
	by       int64 // when the request was to be under way, which it is with the first Read
	answerBy int64 // the call's
	begun    atomic.Bool
}

// again is asked for when the connection that was to carry the request took no
// more: as long as nothing was read, another one may.
func (u *farUpload) again() (io.ReadCloser, error) {
	if u.begun.Load() {
		return nil, errBegun
	}
	return u, nil
}

var errBegun = errors.New("the connection was lost when a part of the body had been sent")

// Read implements io.Reader. Between two calls of it what it gave is on its way to
// the upstream, which must take it in time as long as it does not answer.
func (u *farUpload) Read(p []byte) (int, error) {
	settle(&u.conn.writeBy)
	meanwhile := int64(uploading)
	if u.answerBy > 0 { // its caller's time passes also while it sends
		meanwhile = u.answerBy
	}
	if u.begun.CompareAndSwap(false, true) {
		u.times = u.times.afterBody(u.now.Load())
		u.wait(u.by, meanwhile)
	}
	n, err := u.body.Read(p[:min(len(p), uploadBuffer)]) // as by HTTP/1.1: it need not be quick for more
	switch {
	case errors.Is(err, io.EOF):
		for _, f := range u.body.Trailer.Fields() {
			name := textproto.CanonicalMIMEHeaderKey(strings.Clone(f.Name))
			if _, announced := u.trailer[name]; announced && f.Value != "" {
				u.trailer[name] = append(u.trailer[name], strings.Clone(f.Value))
			}
		}
		by := u.times.headBy(u.now.Load())
		if u.answerBy > 0 {
			by = min(by, u.answerBy)
		}
		u.wait(meanwhile, by)
	case err != nil && u.body.Err() != nil:
		u.conn.abort(u.state, abandoned)
	case n > 0:
		u.conn.writeBy.Store(u.now.Load() + int64(u.times.Header))
		if !u.conn.head.Load() { // the answer's head came meanwhile: now the answer is waited for
			u.conn.writeBy.Store(0)
		}
	}
	return n, err
}

// wait replaces what the wait for the answer's head is bounded by.
func (u *farUpload) wait(from, to int64) {
	if u.conn.head.Load() {
		u.conn.readBy.CompareAndSwap(from, to)
	}
}

// Close implements io.Closer: whoever owns the body ends it.
func (u *farUpload) Close() error { return nil }

// farError tells an answer that is none from an upstream that gave none, and from
// one that said beforehand that it would not take the request.
func farError(err error) error {
	if errors.As(err, new(*http1.Error)) || errors.As(err, new(*policy.Broken)) {
		return err
	}
	text := err.Error()
	if strings.Contains(text, "request header list larger") {
		return &policy.Denied{
			Status: http.StatusRequestHeaderFieldsTooLarge, Code: "request_too_large",
			Detail: "The headers of the request are larger than the service behind this API takes. Send fewer or shorter ones.", Cause: err,
		}
	}
	for _, sign := range [...]string{"PROTOCOL_ERROR", "FRAME_SIZE_ERROR", "COMPRESSION_ERROR", "FLOW_CONTROL_ERROR", "malformed", "frame too large", "too large"} {
		if strings.Contains(text, sign) {
			return &http1.Error{Status: http.StatusBadGateway, Detail: text}
		}
	}
	return err
}

// readFar reads the body of an answer by HTTP/2.
func (c *call) readFar(p []byte) (int, error) {
	by := c.upstream.set.now.Load() + int64(c.times.Idle)
	if c.answerBy > 0 {
		by = min(by, c.answerBy)
	}
	c.conn.readBy.Store(by)
	n, err := c.res.Body.Read(p)
	c.conn.readBy.Store(0)
	switch {
	case errors.Is(err, io.EOF):
		for name, values := range c.res.Trailer {
			for _, v := range values {
				if !policy.Managed(name) && !policy.Hop(name) {
					c.ex.Answer.Trailer.Add(name, v)
				}
			}
		}
	case err != nil && c.pastDeadline():
		c.ex.Answer.Trailer.Add("Grpc-Status", deadlineExceeded)
		c.ex.Answer.Trailer.Add("Grpc-Message", "The time that the caller gave the call is over.")
		err = io.EOF
	case err != nil:
		err = c.told(context.Background(), farError(err))
	}
	return n, err
}
