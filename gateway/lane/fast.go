package lane

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"portico/gateway/http1"
	"portico/gateway/policy"
	"portico/gateway/socket"
)

// conn is a client's connection on the fast lane. One goroutine serves it.
//
// Why it lives inside a callback: RawConn.Read forgets what the poller told
// before the callback began, and remembers what it tells from then on. So a
// connection that never leaves the callback may wait for the next request
// without a read that finds nothing, and holds no buffer while it waits. It
// leaves for what must wait in between, such as a body.
type conn struct {
	net.Conn
	lanes   *Lanes
	raw     syscall.RawConn      // of the socket; nil where there is none
	direct  bool                 // what is read are the socket's own bytes: no TLS; the sweeper does not read it
	patient *patient             // beneath TLS; nil where raw is, and without TLS
	tls     *tls.ConnectionState // nil in plain
	// introduced is nil unless a proxy may say, before anything else, whom it
	// speaks for.
	introduced introduced
	peer       netip.Addr
	line       policy.Line

	readBy  atomic.Int64 // when a read must be done; 0 no matter when
	writeBy atomic.Int64 // the same of a write
	lenient atomic.Bool  // readBy does not count: the answer goes out before its request has come whole
	watched bool         // the sweeper looks whether the client is there; never changes
	checked int64        // readBy when the sweeper looked whether the client is there; guarded by lanes.mu
	phase   atomic.Uint32

	*work                  // nil while nothing has come
	fd             uintptr // of the socket, in plain, while
	within         bool    // the callback is under way
	step           func(uintptr) bool
	push           func(uintptr) bool
	unsent         []byte // what push writes
	unsendable     error
	source         io.Reader // of bodies
	next           next
	empty          bool // the socket was: a wait cannot miss anything
	lingers        bool // once it is over, the client may still be sending
	served         bool // a request was
	headIn         bool // a part of a head has come
	interim        func(int, []policy.Field) error
	interruptReads func()
}

// The phases of a connection, as a drain sees them.
const (
	waiting uint32 = iota // for a request of which nothing has come
	serving
	closing // because it was waiting
)

// next is why the loop left the callback.
type next uint8

const (
	readOn   next = iota
	serveIt       // a request that may have to wait
	handOver      // to the full lane
	hangUp        // the connection is over
)

const (
	headBuffer  = 8 << 10
	outBuffer   = 16 << 10
	largeBuffer = 128 << 10
)

// work is what a connection has while a request is under way.
type work struct {
	in     []byte
	r, w   int // what of in was read and not used
	looked int // how much of it was searched for the end of a head
	out    []byte
	own    *policy.Exchange // empty between two requests
	ex     *policy.Exchange // own, while it is a request's
	head   http1.Head
	body   *policy.Body
	reader http1.Body
	asked  bool // 100 Continue was sent

	sending   sync.Mutex // held while something goes out before the answer
	answering bool       // the answer goes out; guarded by sending
}

func newWork(exchanges *policy.Pool) *work {
	return &work{in: make([]byte, headBuffer), out: make([]byte, 0, outBuffer), own: exchanges.Take(), body: new(policy.Body)}
}

func newConn(l *Lanes, nc net.Conn) *conn {
	c := &conn{Conn: nc, lanes: l}
	if peer, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		c.peer = peer.Addr().Unmap()
	}
	socket, direct := nc, true
	var beneath *patient
	if t, ok := nc.(*tls.Conn); ok {
		socket, direct = t.NetConn(), false
		if beneath, ok = socket.(*patient); ok {
			socket = beneath.Conn
		}
	}
	c.introduced, _ = socket.(introduced)
	if tcp, ok := socket.(syscall.Conn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			c.raw, c.direct, c.patient, c.watched = raw, direct, beneath, direct || beneath != nil
		}
	}
	c.step, c.push = c.callback, c.write
	c.source = (*bodySource)(c)
	c.interim = c.writeInterim
	c.line.Gone = c.gone
	c.interruptReads = func() { _ = c.SetReadDeadline(time.Unix(1, 0)) }
	return c
}

// run serves the connection to its end.
func (c *conn) run() {
	defer c.lanes.forget(c)
	handed := false
	defer func() {
		if r := recover(); r != nil { // one call must not take the others down
			c.lanes.log.Error("a call panicked", "panic", r, "stack", string(debug.Stack()))
			c.leave()
			if c.work != nil && c.ex != nil {
				c.lanes.giveUp(c.ex, c.interruptReads)
				c.ex = nil
			}
		}
		if handed {
			return
		}
		if c.lingers && !c.lanes.ended.Load() {
			c.linger()
		}
		_ = c.Conn.Close()
	}()
	c.readBy.Store(c.lanes.now.Load() + int64(c.lanes.times.Head))
	if err := c.shake(); err != nil {
		return
	}
	if c.peer.IsValid() {
		c.line.From = c.peer.String()
	}
	if c.lanes.FullOnly || c.tls != nil && c.tls.NegotiatedProtocol == "h2" {
		c.readBy.Store(0)
		handed = true
		c.lanes.full.take(c.Conn, nil)
		return
	}
	for {
		c.next, c.empty = readOn, false
		if c.callable() {
			if err := c.raw.Read(c.step); err != nil {
				return
			}
		} else {
			for !c.turn(0) {
			}
		}
		switch c.next {
		case serveIt:
			if !c.serve() {
				c.release()
				return
			}
		case handOver:
			handed = true
			c.readBy.Store(0)
			ahead := append([]byte(nil), c.in[c.r:c.w]...)
			c.release()
			c.lanes.full.take(c.Conn, ahead)
			return
		default:
			return
		}
	}
}

// giveUp ends a call that panicked: what it holds is freed, and it is counted.
// Its memory is not used again.
func (l *Lanes) giveUp(ex *policy.Exchange, interrupt func()) {
	defer func() { _ = recover() }() // it is as broken as the panic says: the first one is in the log
	if ex.Answer.Status == 0 {
		ex.Answer.Status = http.StatusInternalServerError
	}
	defer l.handler.Done(ex, errPanicked)
	if ex.Body != nil {
		ex.Body.Stop(interrupt)
	}
	closeBody(&ex.Answer)
}

var errPanicked = errors.New("the call panicked")

// introduced is a connection from a proxy that says, before anything else, whom
// it speaks for; gateway/proxyproto has it.
type introduced interface {
	// Introduction reads what the proxy says. From then on the remote address is
	// that of whom it speaks for. kept reports whether it said nothing of the
	// kind and what was read instead waits to be read again.
	Introduction() (kept bool, err error)
}

// shake does what comes before the first request.
func (c *conn) shake() error {
	if c.introduced != nil {
		kept, err := c.introduced.Introduction()
		if err != nil {
			return err
		}
		c.direct = c.direct && !kept
		if peer, err := netip.ParseAddrPort(c.Conn.RemoteAddr().String()); err == nil {
			c.peer = peer.Addr().Unmap()
		}
	}
	t, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	if err := t.HandshakeContext(context.Background()); err != nil { // readBy ends it
		return err
	}
	state := t.ConnectionState()
	c.tls = &state
	return nil
}

// callable reports whether the connection is served within a callback.
func (c *conn) callable() bool { return c.direct || c.patient != nil }

// callback is a turn with the socket at hand.
func (c *conn) callback(fd uintptr) bool {
	if c.direct {
		c.fd, c.within = fd, true
	} else {
		c.patient.fd, c.patient.within, c.patient.empty = fd, true, false
	}
	done := c.turn(fd)
	c.leave()
	return done
}

// leave ends what callback began.
func (c *conn) leave() {
	if c.within = false; c.patient != nil {
		c.patient.within = false
	}
}

// turn serves what has come. It is called when there may be something to read,
// and returns false to be called again when there is more.
func (c *conn) turn(fd uintptr) bool {
	for {
		for c.work != nil && c.r < c.w {
			if c.next = c.look(); c.next == readOn {
				break
			}
			if c.next != serveIt || !c.whole() {
				return true
			}
			if !c.serve() {
				c.release()
				c.next = hangUp
				return true
			}
			c.next = readOn
		}
		if c.rest(); c.empty {
			c.empty = false
			return false
		}
		if !c.more(fd) {
			return c.next == hangUp
		}
	}
}

// rest gives the buffers back while nothing has come.
func (c *conn) rest() {
	if c.work == nil || c.r < c.w {
		return
	}
	c.release()
	if c.served {
		c.headIn = false
		c.readBy.Store(c.lanes.now.Load() + int64(c.lanes.times.Idle))
	}
	c.phase.CompareAndSwap(serving, waiting)
}

// more reads into the buffer. It returns false when there is nothing to read
// now, or nothing any more.
func (c *conn) more(fd uintptr) bool {
	c.hold()
	c.room()
	var n int
	var err error
	if c.direct {
		n, err = socket.Read(fd, c.in[c.w:])
	} else {
		n, err = c.Conn.Read(c.in[c.w:])
	}
	if err != nil && errors.Is(err, socket.ErrAgain) {
		c.rest()
		return false
	}
	if n <= 0 {
		c.next = hangUp
		c.release()
		return false
	}
	c.empty = c.direct && n < len(c.in)-c.w
	c.w += n
	return c.arrived()
}

// arrived notes that a part of a request is there.
func (c *conn) arrived() bool {
	if c.phase.Load() != serving && !c.phase.CompareAndSwap(waiting, serving) {
		c.next = hangUp
		c.release()
		return false
	}
	return true
}

// hold takes buffers for a request.
func (c *conn) hold() {
	if c.work == nil {
		c.work = c.lanes.works.Get().(*work)
	}
}

// release gives the buffers back, and forgets what is in them.
func (c *conn) release() {
	w := c.work
	if w == nil {
		return
	}
	c.work = nil
	w.r, w.w, w.looked = 0, 0, 0
	if len(w.in) > headBuffer {
		w.in = make([]byte, headBuffer)
	}
	if cap(w.out) > largeBuffer {
		w.out = make([]byte, 0, outBuffer)
	}
	c.lanes.works.Put(w)
}

// room makes some at the buffer's end.
func (c *conn) room() {
	if c.r > 0 {
		c.w = copy(c.in, c.in[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.in) {
		c.in = append(c.in, make([]byte, len(c.in))...)
	}
}

// look reads the head that has come into an exchange, and says what is to be
// done with it: serve it, hand it over, or read on.
func (c *conn) look() next {
	b := c.in[c.r:c.w]
	for c.looked < 2 && len(b) > 1 && b[0] == '\r' && b[1] == '\n' { // RFC 9112 section 2.2
		c.r += 2
		c.looked = 0
		b = b[2:]
	}
	end, err := http1.EndOfHead(b, c.looked)
	if err == nil && end == 0 {
		if c.looked = len(b); c.looked <= http1.MaxHeadBytes {
			if !c.headIn && c.looked > 0 {
				c.headIn = true
				c.readBy.Store(c.lanes.now.Load() + int64(c.lanes.times.Head))
			}
			return readOn
		}
	}
	c.looked, c.headIn = 0, false
	c.readBy.Store(0)
	ex := c.own
	c.ex = ex
	if err == nil && (end == 0 || end > http1.MaxHeadBytes) {
		err = http1.HeadTooLarge()
	}
	if err == nil {
		// The exchange keeps the head: the buffer is used again for a body.
		grown := append(ex.Scratch(), b[:end]...)
		if err = c.head.Parse(grown[len(grown)-end:]); err == nil && !c.head.Upgrade {
			c.r += end
			ex.Grow(grown)
			c.fill(ex)
			return serveIt
		}
		if err == nil || string(b[:end]) == http1.Preface {
			ex.Reset()
			c.ex = nil
			return handOver
		}
	}
	return c.refuse(ex, err)
}

// refuse answers what is no request, and ends the connection.
func (c *conn) refuse(ex *policy.Exchange, err *http1.Error) next {
	ex.Method, ex.Peer, ex.Secure, ex.TLS = http.MethodGet, c.peer, c.tls != nil, c.tls
	h := c.lanes.handler
	h.Refuse(ex, &policy.Denied{Status: err.Status, Code: codeOf(err.Status), Detail: err.Detail, Close: true})
	_, failed := c.answer(ex)
	c.ex = nil
	h.Done(ex, failed)
	ex.Reset()
	c.release()
	c.lingers = true
	return hangUp
}

// whole reports whether all of the request is in the buffer, so that serving
// it waits for nothing from the client.
func (c *conn) whole() bool {
	return c.head.Length >= 0 && c.head.Length <= int64(c.w-c.r) && c.callable()
}

// serve passes the request in hand to the handler and sends the answer. It
// reports whether the connection goes on.
func (c *conn) serve() bool {
	ex, h := c.ex, c.lanes.handler
	c.served = true
	err := h.Serve(context.Background(), ex)
	keep := false
	if err == nil {
		keep, err = c.answer(ex)
	}
	unread := !ex.Body.Ended()
	if ex.Body != nil {
		if ex.Body.Stop(c.interruptReads); ex.Body.Shared() {
			c.body = new(policy.Body)
		}
		c.lenient.Store(false)
	}
	c.ex = nil
	h.Done(ex, err)
	local := ex.Answer.Local
	ex.Reset()
	if err == nil && unread {
		keep = keep && local && c.skip()
	}
	// One that does not know yet that this was the last answer may go on sending.
	c.lingers = err == nil && !keep && (unread || !c.head.Close)
	return keep && err == nil
}

// skipBytes is how much of a body that nobody wants is read so that the
// connection can go on.
const skipBytes = 256 << 10

// skip reads what is left of a body that nobody wanted.
func (c *conn) skip() bool {
	if c.head.Expects && !c.asked || c.head.Length > skipBytes {
		return false
	}
	var buf [4 << 10]byte
	for n := 0; n < skipBytes; {
		took, err := c.reader.Read(buf[:], c)
		n += took
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			return false
		}
	}
	return false
}

// linger takes in for a moment what the client still sends, or the kernel would
// discard the answer before the client has read it.
func (c *conn) linger() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.Copy(io.Discard, c.Conn)
}

const lingerTime = 500 * time.Millisecond

// closeIdle closes the connection when nothing of a request has come, and
// reports whether it did. The connection's own goroutine sees it.
func (c *conn) closeIdle() bool {
	if c.phase.Load() != waiting || c.raw != nil && !socket.IsQuiet(c.raw) && !socket.Ended(c.raw) {
		return false
	}
	if !c.phase.CompareAndSwap(waiting, closing) {
		return false
	}
	_ = c.SetReadDeadline(time.Unix(1, 0))
	return true
}

// gone implements policy.Line.
func (c *conn) gone() bool {
	return c.lanes.ended.Load() || c.raw != nil && socket.Ended(c.raw)
}

// Buffered implements http1.Source.
func (c *conn) Buffered() []byte { return c.in[c.r:c.w] }

// Discard implements http1.Source.
func (c *conn) Discard(n int) { c.r += n }

// Fill implements http1.Source.
func (c *conn) Fill() error {
	c.room()
	n, err := c.Direct(c.in[c.w:])
	c.w += n
	return err
}

// Direct implements http1.Source.
func (c *conn) Direct(p []byte) (int, error) {
	c.readBy.Store(c.lanes.now.Load() + int64(c.lanes.times.Body))
	n, err := c.Conn.Read(p)
	c.readBy.Store(0)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, errSlow
	}
	return n, err
}

var errSlow = errors.New("client too slow")
