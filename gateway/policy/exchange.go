package policy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"time"
	"unsafe"

	"portico/gateway/contract"
	"portico/gateway/token"
	"portico/gateway/trace"
	"portico/gateway/usage"
	"portico/internal/entry"
)

// Exchange is one request and its answer, as policies and destinations see
// them, whichever lane it came in by. A lane takes one from a Pool, fills the
// request's part, and resets it, or puts it back, when the answer is written; nobody else may
// hold it, or a string of it, beyond that. It is not safe for concurrent use,
// but for Body, which a destination may read beside the rest.
type Exchange struct {
	// What the lane fills in.
	Method     string
	Target     string               // the path and query of the request line, as they came
	Authority  string               // host and port, as they came
	Host       string               // of Authority: lower case, without a port
	Proto      string               // "HTTP/1.1"
	Secure     bool                 // the caller's connection is encrypted
	TLS        *tls.ConnectionState // of the connection to this node; nil in plain
	Header     Header               // edits reach the upstream
	Body       *Body                // nil for none
	BodyLength int64                // in bytes; 0 none, -1 not known
	Peer       netip.Addr
	Expects    bool   // the caller waits for 100 Continue, or did until a policy read its body
	Upgrade    string // the protocol to which the caller wants to switch; "" for none
	Line       *Line

	// What the node adds before the chain.
	Now               time.Time // the one clock reading on entry
	Mono              int64     // the same in nanoseconds that never run backwards; later, when the call has waited in a queue
	Client            netip.Addr
	Trusted           bool              // the peer is a trusted proxy
	ClientCertificate *x509.Certificate // what the caller has shown, verified for this host; nil for none
	RequestID         string
	// Issuer is the gateway's address, as callers write it.
	Issuer string
	// MaxBodyBytes is the environment's, for routes that set none.
	MaxBodyBytes int64
	Path         Path
	Query        string // raw, without the question mark; edits reach the upstream
	Scope        *Scope // which route; nil when none matched
	Params       Params

	// Preflight is the method about which a browser asks before it calls (CORS);
	// "" for a call.
	Preflight string

	// Unmatched is the API's word about refusals where it has no route, nil for
	// none.
	Unmatched *Chain

	// What the chain learns.
	Caller Caller
	Limits LimitReports

	// Wrong is what is not as the document says, where that was looked at.
	Wrong []contract.Wrong
	// MockOnly says that the caller's subscription waits for approval: it gets the
	// mock, and nothing of the upstream.
	MockOnly bool

	// Code is of the refusal that the caller got, "" for none.
	Code string
	// Denied is that refusal, nil for none.
	Denied *Denied

	// UpstreamPath is what the destination calls: escaped, without a query.
	UpstreamPath string

	Answer Answer

	// Own is how long the call was with the gateway before an upstream was
	// called, Waited how long that took until its answer began; 0 without one.
	// Sent is how many bytes of the answer's body, or through a tunnel, went out;
	// Carried is how many the caller has sent through a tunnel.
	Own, Waited   time.Duration
	Sent, Carried int64

	// Interim sends an answer before the answer, such as 103 Early Hints, at
	// once; nil where the caller cannot read one.
	Interim func(status int, fields []Field) error

	// Shared are the environment's own policies, nil for none.
	Shared *Chain

	// Stats and Announced belong to the API, once it is known: what counts the
	// answer, and what every answer says.
	Stats     *Stats
	Announced []Field

	// Trace is where the call stands in its trace; zero where nobody traces.
	Trace trace.Context
	// Usage is the call's place in the node's spool, and what only its record
	// asks for.
	Usage usage.Kept

	// Explain is nil unless the request's way is to be recorded.
	Explain *Explain

	// Trail is nil unless somebody looks at how the upstream was called.
	Trail *Trail

	// Shard spreads counters over cores; it is set by the Pool.
	Shard uint32

	// Destination is what the request's route calls, Side which part of it, where
	// that has been decided.
	Destination Destination
	Side        Side

	cached cached

	chain                *Chain // that the request has begun to pass; nil before
	passed, sharedPassed int    // how many steps of it, and of Shared, let it through
	held                 held   // until the call is over

	proofs []*proofStep // of who calls, for the upstream; nil for none
	proven string       // what the proof of the call under way writes

	page       uint8 // the rank of the error page that the answer has; 0 for none
	pageStatus int   // that the answer had without it

	narrowed bool   // the upstream was asked for fewer codings than the caller accepts
	accepts  string // the Accept-Encoding that the caller sent, where narrowed is set

	turned       bool   // the upstream was asked for another media type than the caller wants
	acceptsMedia string // the Accept that the caller sent, where turned is set

	origin string // of the page that calls, before anything edits the header

	pooled bool // a Pool's, and so used for one request after the other
	spare  any  // what the destination of the one before has left for the next

	scratch []byte
	ahead   ahead
	keyHash [32]byte // here rather than on a stack that would have to grow to the heap
}

// Answer is what goes back. The lane writes it.
type Answer struct {
	Status  int
	Header  Header
	Body    io.ReadCloser // nil for none
	Length  int64         // of the body; -1 not known
	Trailer Header        // complete when Body has ended
	// Told is the status that the caller reads in the place of Status, for
	// protocols that say elsewhere how a call went; 0 is Status itself.
	Told int
	// Tunnel is set where the upstream has switched protocols, with status 101;
	// Body then ends it.
	Tunnel Tunnel
	// Local says that the gateway itself answers, not an upstream.
	Local bool
	// Close says that the connection ends with this answer.
	Close bool
}

// Tunnel is the upstream's side of a connection whose protocol was switched. One
// goroutine may read and one write at a time.
type Tunnel interface {
	io.ReadWriter
	// CloseWrite says that nothing more will be written.
	CloseWrite() error
	// Stop makes reads and writes fail, those under way included. It may be
	// called at any time before the answer's Body is closed.
	Stop()
	// Idle is how long nothing may pass, either way.
	Idle() time.Duration
}

// Wire returns the status that goes out.
func (a *Answer) Wire() int {
	if a.Told != 0 {
		return a.Told
	}
	return a.Status
}

// Line is the caller's connection, as far as a destination may ask for it; nil
// where the context tells.
type Line struct {
	// Gone reports whether the caller has hung up. It may be called at any
	// time, from another goroutine, and costs a system call.
	Gone func() bool
	// From is the text of the exchange's Peer, "" where nobody has written it: to
	// write an address costs more than to copy it.
	From string
}

// Caller is the authenticated application of a request. It is zero for a public
// route; Grant and Subscription are nil too where the API lets callers through
// that have no application.
type Caller struct {
	Grant        *Grant
	Subscription *Subscription
	By           entry.PolicyKind // which identify policy let it through; "" none
	Claims       *token.Claims    // of its token, verified; nil for none
	Scopes       []string         // of its token; nobody may change them

	open bool // it needs no application
}

// SetBody puts a body in the place of what the caller sends, which must have been
// read whole.
func (ex *Exchange) SetBody(data []byte) {
	if ex.Body == nil {
		ex.Body = NewBody(nil)
		ex.Body.ended.Store(true)
	}
	ex.Body.Put(data)
	ex.BodyLength = int64(len(data))
}

// WholeAnswer reads the answer's body to its end, and keeps it as the body. An
// answer of more than limit bytes, or one that breaks off, is an error.
func (ex *Exchange) WholeAnswer(limit int64) ([]byte, error) {
	a := &ex.Answer
	if a.Body == nil {
		return nil, nil
	}
	if a.Length > limit {
		return nil, ErrAnswerTooLarge
	}
	data, err := io.ReadAll(io.LimitReader(a.Body, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = ErrAnswerTooLarge
	}
	if err != nil {
		return nil, err
	}
	ex.SetAnswer(data)
	return data, nil
}

// ErrAnswerTooLarge is of an answer that does not fit where it has to be whole.
var ErrAnswerTooLarge = errors.New("the answer is too large to be read whole")

// SetAnswer puts a body in the place of the answer's. Status and headers stay,
// also those that described the one before.
func (ex *Exchange) SetAnswer(data []byte) {
	a := &ex.Answer
	if a.Body != nil {
		_ = a.Body.Close() // it is not wanted any more
	}
	a.Body, a.Length = io.NopCloser(bytes.NewReader(data)), int64(len(data))
}

// Received returns how many bytes the caller has sent after the head, through a
// tunnel too.
func (ex *Exchange) Received() int64 { return ex.Body.Count() + ex.Carried }

// Scratch lends the exchange's buffer for appending. Give the grown slice back
// with Keep before anybody else asks.
func (ex *Exchange) Scratch() []byte { return ex.scratch }

// Keep stores what was appended since Scratch and returns it as a string that
// holds as long as the exchange.
func (ex *Exchange) Keep(grown []byte) string {
	s := view(grown[len(ex.scratch):])
	ex.scratch = grown
	return s
}

// Grow stores a grown buffer whose contents others point into already.
func (ex *Exchange) Grow(grown []byte) { ex.scratch = grown }

// Spare returns what Leave has left, nil for nothing, and forgets it.
func (ex *Exchange) Spare() (memory any) {
	memory, ex.spare = ex.spare, nil
	return memory
}

// Leave lets a destination leave memory that it wants again for its next call,
// this request's or a later one's: nearer than a pool. It returns false where
// there is no later one, or something is left already.
func (ex *Exchange) Leave(memory any) bool {
	if !ex.pooled || ex.spare != nil {
		return false
	}
	ex.spare = memory
	return true
}

// OwnScratch gives the exchange a fresh buffer that no later request will
// write to, for a lane whose strings live longer than the exchange.
func (ex *Exchange) OwnScratch(bytes int) { ex.scratch = make([]byte, 0, bytes) }

// Reset forgets the request and keeps the memory.
//
// Why it empties the exchange before it puts the memory back, and not with one
// literal: that would be made on the stack first, which is 2 KB of each
// connection's own that no cache holds.
func (ex *Exchange) Reset() {
	header, params, limits := ex.Header, ex.Params, ex.Limits
	answer, answerTrailer := ex.Answer.Header, ex.Answer.Trailer
	header.Reset()
	params.Begin(nil)
	limits.reset()
	answer.Reset()
	answerTrailer.Reset()
	ex.cached.end()
	request := ex.cached.request[:0]
	clear(ex.proofs)
	proofs, shard, pooled, spare := ex.proofs[:0], ex.Shard, ex.pooled, ex.spare
	scratch := ex.scratch[:0]
	if cap(scratch) > 64<<10 {
		scratch = nil
	}
	*ex = Exchange{}
	ex.Header, ex.Params, ex.Limits, ex.Shard, ex.scratch = header, params, limits, shard, scratch
	ex.pooled, ex.spare = pooled, spare
	ex.Answer.Header, ex.Answer.Trailer = answer, answerTrailer
	ex.cached.request, ex.proofs = request, proofs
}

// view reads bytes as a string without copying them. The bytes must not change
// as long as the string is used.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func bytesText(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + " MiB"
	case n >= 1<<10 && n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + " KiB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}
