package http1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Times bound how long a client may take. Each must be above zero.
type Times struct {
	Head time.Duration // from the first byte of a head to its last
	Body time.Duration // between two reads of a body, until Relent
}

// Conn passes a client's bytes on only after the head, or the part of the body,
// that they belong to was found valid. When a head is not, the server behind it
// reads a request for a target that no client knows, and then the end: so the
// answers to earlier requests go out first, and the refusal is rendered where
// all are. As with any connection behind net/http, one goroutine reads at a
// time; deadlines may be set by others.
type Conn struct {
	net.Conn
	times   Times
	refusal string // the target

	stream  Stream
	held    []byte // not validated yet
	looked  int    // how many bytes of held were searched for the end of a head
	ready   []byte // validated, waiting for the server
	failure error  // what follows ready, for good
	slow    bool   // own is that of the head which is being held

	switching atomic.Bool // what follows waits in held until it is known whether it is HTTP

	mu      sync.Mutex
	refused *Error    // guarded by mu
	lenient bool      // Body does not count any more; guarded by mu
	outer   time.Time // the server's read deadline; guarded by mu
	own     time.Time // ours; guarded by mu
}

// NewConn wraps a connection. The refusal is a path that no client can guess.
func NewConn(c net.Conn, refusal string, times Times) *Conn {
	return &Conn{Conn: c, times: times, refusal: refusal}
}

// Refused returns why a request was refused. The target is that of the request
// which the server read; it is nil for one that a client made.
func (c *Conn) Refused(target string) *Error {
	if target != c.refusal {
		return nil
	}
	return c.Malformed()
}

// Malformed returns what was found wrong on this connection: after a read of a
// request's body failed, with that body. It is safe for concurrent use.
func (c *Conn) Malformed() *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

// errSlow is what reading fails with when a client takes longer than Times.
var errSlow = errors.New("client too slow")

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if len(c.ready) > 0 {
			n := copy(p, c.ready)
			c.ready = c.ready[n:]
			return n, nil
		}
		if c.failure != nil {
			return 0, c.failure
		}
		switching := c.switching.Load()
		if len(c.held) > 0 && !switching && c.release() {
			continue
		}
		c.patience()
		n, err := c.Conn.Read(p)
		if n == 0 {
			return 0, c.fail(err)
		}
		if switching && len(c.held)+n > maxAhead {
			return 0, c.fail(errAhead)
		}
		// Most often p now holds one request or a part of a body: no copy.
		if len(c.held) == 0 && !switching {
			if n = c.inPlace(p[:n]); n > 0 {
				return n, nil
			}
			continue
		}
		c.held = append(c.held, p[:n]...)
	}
	return 0, nil
}

// inPlace validates fresh bytes and returns how many may pass at once. What may
// not yet is held.
func (c *Conn) inPlace(b []byte) (n int) {
	if c.stream.AtHead() {
		if b[0] == '\r' || b[0] == '\n' {
			c.held = append(c.held, b...)
			return 0
		}
		end, err := EndOfHead(b, 0)
		if err == nil && end == 0 && len(b) <= MaxHeadBytes {
			c.held, c.looked = append(c.held, b...), len(b)
			return 0
		}
		if err == nil {
			err = c.begin(b, end)
		}
		if err != nil {
			c.refuse(err)
			return 0
		}
		n = end
	}
	took, err := c.stream.Body(b[n:])
	if n += took; err != nil {
		c.breakBody(err)
		return n
	}
	c.held, c.looked = append(c.held, b[n:]...), 0
	return n
}

// release validates what is held and reports whether something came of it.
func (c *Conn) release() bool {
	n := 0
	if c.stream.AtHead() {
		for len(c.held) > 1 && c.looked < 2 && c.held[0] == '\r' && c.held[1] == '\n' {
			c.held, c.looked = c.held[2:], 0 // an empty line before a request line is ignored (RFC 9112 section 2.2)
		}
		end, err := EndOfHead(c.held, c.looked)
		c.looked = len(c.held)
		if err == nil && end == 0 && len(c.held) <= MaxHeadBytes {
			return false
		}
		if err == nil {
			err = c.begin(c.held, end)
		}
		if err != nil {
			c.refuse(err)
			return true
		}
		n = end
	}
	took, err := c.stream.Body(c.held[n:])
	n += took
	c.ready, c.held, c.looked = c.held[:n:n], c.held[n:], 0
	if len(c.held) == 0 {
		c.held = nil
	}
	if err != nil {
		c.breakBody(err)
	}
	return true
}

func (c *Conn) begin(b []byte, end int) *Error {
	if end == 0 || end > MaxHeadBytes {
		return HeadTooLarge()
	}
	c.slow = false
	if err := c.stream.Begin(b[:end]); err != nil {
		return err
	}
	c.switching.Store(c.stream.Head().Upgrade && c.stream.AtHead())
	return nil
}

// refuse puts the request that stands for the refusal in place of the client's.
func (c *Conn) refuse(err *Error) {
	c.setRefused(err)
	c.held, c.failure = nil, io.EOF
	c.ready = []byte("GET " + c.refusal + " HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n")
}

func (c *Conn) breakBody(err *Error) {
	c.setRefused(err)
	c.held, c.failure = nil, err
}

func (c *Conn) setRefused(err *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = err
}

// EndOfHead finds the byte after a head's blank line, 0 when it is not there
// yet; bytes before from were searched already. A line that ends with LF alone
// is an error at once, or a client that uses them would wait in vain.
func EndOfHead(b []byte, from int) (end int, err *Error) {
	for i := from; ; i++ {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return 0, nil
		}
		i += j
		if i == 0 || b[i-1] != '\r' {
			return 0, bad("A line of the request's head ends with LF alone. End each with CR LF.")
		}
		if i >= 3 && b[i-2] == '\n' {
			return i + 1, nil
		}
	}
}

// patience sets our own deadline for the read that follows.
func (c *Conn) patience() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.switching.Load():
		if c.own.IsZero() {
			return
		}
		c.own, c.slow = time.Time{}, false
	case !c.stream.AtHead() && c.lenient:
		return
	case !c.stream.AtHead():
		c.own, c.slow = time.Now().Add(c.times.Body), false
	case len(c.held) == 0 && c.own.IsZero():
		return
	case len(c.held) == 0:
		c.own, c.slow = time.Time{}, false
	case !c.slow:
		c.own, c.slow = time.Now().Add(c.times.Head), true
	default:
		return
	}
	_ = c.apply() // a closed connection is reported by the read that follows
}

// Relent lifts the time between two reads of a body, for good: its answer goes out
// and is the connection's last. It is safe for concurrent use.
func (c *Conn) Relent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lenient, c.own = true, time.Time{}
	_ = c.apply() // a closed connection is reported by the read that follows
}

// apply puts the earlier of both deadlines in force. mu is held.
func (c *Conn) apply() error {
	deadline := c.outer
	if !c.own.IsZero() && (deadline.IsZero() || c.own.Before(deadline)) {
		deadline = c.own
	}
	return c.Conn.SetReadDeadline(deadline)
}

// fail keeps an error for good, unless it is only the server's own deadline.
func (c *Conn) fail(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.failure = err
		if errors.Is(err, io.EOF) && (len(c.held) > 0 || !c.stream.AtHead()) {
			c.failure = io.ErrUnexpectedEOF
		}
		return c.failure
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.own.IsZero() && !time.Now().Before(c.own) {
		c.failure = errSlow
		return errSlow
	}
	return err
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outer = t
	return c.apply()
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// Close ends the connection. After a refusal it takes in for a moment what the
// client still sends, or the kernel would discard the answer before the client
// has read it.
func (c *Conn) Close() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.Malformed() != nil && half.CloseWrite() == nil {
		if c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	return c.Conn.Close()
}

const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)
