package upstream

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"portico/gateway/policy"
	"portico/gateway/socket"
)

// conn is one connection of a pool. One call uses it at a time, and with
// it at most two goroutines: one that writes, one that reads.
type conn struct {
	net.Conn
	raw    syscall.RawConn // of the socket; nil where there is none
	direct bool            // what is read and written are the socket's own bytes: no TLS
	home   *pool

	// state is a generation, counted up with each call, above a phase. Whoever
	// moves it away from a call's own value has ended that call's connection
	// for good: so a late watchman never hits the next call.
	state   atomic.Uint64
	readBy  atomic.Int64                // when a read must be done; 0 no matter when, uploading: when the upload is
	writeBy atomic.Int64                // the same of a write
	head    atomic.Bool                 // the wait is for an answer's head
	line    atomic.Pointer[policy.Line] // of the newest call, until nobody has used the connection for a while

	used   bool   // it has answered before
	rested bool   // it was idle for a while: more may have come than was asked for
	wary   bool   // its last answer had no body, whatever the upstream thinks of that
	freed  int64  // when it became idle; guarded by home.mu
	hungUp uint64 // the state in which its other side was seen to have hung up; the sweeper's
	left   uint64 // the same of the caller, and
	leftAt int64  // since when
	turn   turn   // of exchange
	step   func(uintptr) bool
}

// The phases of a connection.
const (
	idle      uint64 = iota // must be 0
	busy                    // a call has it
	timedOut                // given up: the upstream took too long
	abandoned               // given up: the caller has gone
	stale                   // given up: the upstream had hung up before the call
	phases    = 7
)

// uploading is what readBy holds while the wait for the answer has not begun.
const uploading = -1

func newConn(c net.Conn, home *pool) *conn {
	out := &conn{Conn: c, home: home}
	socket := c
	if t, ok := c.(*tls.Conn); ok {
		socket = t.NetConn()
	}
	if tcp, ok := socket.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			out.raw, out.direct = raw, socket == c
		}
	}
	out.step = out.turn.step
	return out
}

// begin makes the connection a call's own, which comes from line, and returns the
// state by which the call knows it again.
func (c *conn) begin(line *policy.Line) uint64 {
	c.line.Store(line) // first: who sees that it is busy looks there
	s := c.state.Load()&^phases + phases + 1 | busy
	c.state.Store(s)
	return s
}

// abort ends the call that has the connection in state s, and does nothing
// when that call has ended.
func (c *conn) abort(s, why uint64) {
	if c.state.CompareAndSwap(s, s&^phases|why) {
		_ = c.SetDeadline(time.Unix(1, 0)) // wakes whoever reads or writes
	}
}

// end gives the connection back and reports whether it may serve again.
func (c *conn) end(s uint64) bool {
	settle(&c.readBy) // most calls have done so themselves
	settle(&c.writeBy)
	if c.head.Load() {
		c.head.Store(false)
	}
	return c.state.CompareAndSwap(s, s&^phases) // idle
}

// settle ends a wait. To read first is cheaper than to write what is there.
func settle(by *atomic.Int64) {
	if by.Load() != 0 {
		by.Store(0)
	}
}

// why tells the phase in which the connection is.
func (c *conn) why() uint64 { return c.state.Load() & phases }

// errStale says that an upstream had hung up, or was talking, before a request
// was sent to it.
var errStale = errors.New("the upstream closed the connection before the request")

// exchange writes out and reads what comes back into in: where the socket is
// ours with one wait of the scheduler, and no read that finds nothing. It
// returns how much was written even when it fails. probe looks first whether
// the upstream is still there.
func (c *conn) exchange(out, in []byte, probe bool) (wrote, n int, err error) {
	if !c.direct {
		if wrote, err = c.Conn.Write(out); err != nil {
			return wrote, 0, err
		}
		n, err = c.Conn.Read(in)
		return wrote, n, err
	}
	c.turn = turn{out: out, in: in, probe: probe}
	err = c.raw.Read(c.step)
	if err == nil {
		err = c.turn.err
	}
	wrote, n = c.turn.wrote, c.turn.n
	c.turn = turn{}
	if err != nil || wrote == len(out) {
		return wrote, n, err
	}
	more, err := c.Conn.Write(out[wrote:]) // the socket's buffer was full
	if wrote += more; err != nil {
		return wrote, 0, err
	}
	n, err = c.Conn.Read(in)
	return wrote, n, err
}

// turn is one write and the read that follows it.
type turn struct {
	out, in  []byte
	wrote, n int
	err      error
	probe    bool
}

// step is called once to write, and then whenever there may be something to
// read. The wait was prepared before the write, so no answer slips through.
func (t *turn) step(fd uintptr) bool {
	if t.wrote < len(t.out) {
		if t.probe && !socket.Quiet(fd) {
			t.err = errStale
			return true
		}
		n, err := socket.Write(fd, t.out[t.wrote:])
		if err != nil {
			if !errors.Is(err, socket.ErrAgain) { // else exchange goes on
				t.err = err
			}
			return true
		}
		t.wrote += n
		return t.wrote < len(t.out)
	}
	n, err := socket.Read(fd, t.in)
	switch {
	case err == nil && n > 0:
		t.n = n
	case err == nil:
		t.err = errEnd
	case errors.Is(err, socket.ErrAgain):
		return false
	default:
		t.err = err
	}
	return true
}

// errEnd is the end of a connection before an answer.
var errEnd = errors.New("the upstream closed the connection")

// quiet reports whether nothing more has come than was asked for. The connection
// must be nobody's.
func (c *conn) quiet() bool {
	if c.raw == nil || !socket.IsQuiet(c.raw) {
		return c.raw == nil
	}
	if c.direct {
		return true
	}
	_ = c.SetReadDeadline(time.Unix(1, 0)) // what TLS has read already is given nevertheless
	n, err := c.Read(make([]byte, 1))
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.SetReadDeadline(time.Time{}) == nil
}

// silent reports whether an idle connection is fit for a call, as far as can
// be seen without one. Under TLS the other side may have something to say.
func (c *conn) silent() bool {
	if c.raw == nil {
		return true
	}
	if !c.direct {
		return !socket.Ended(c.raw)
	}
	return socket.IsQuiet(c.raw)
}
