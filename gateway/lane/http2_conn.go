package lane

import (
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// http2Conn watches the frames of a client by HTTP/2 on their way to net/http,
// which bounds how many streams are open, how long a head is and how much it
// keeps waiting to be sent, but not how much work a client causes for nothing:
// streams that are reset as soon as they are opened (CVE-2023-44487), or that
// net/http has to reset for a frame that breaks the rules (CVE-2025-8671), heads
// in endless pieces, frames that say nothing.
type http2Conn struct {
	net.Conn
	lanes *Lanes

	buf     [http2Buffer + len(enough)]byte
	r, w    int // what of buf was read and not passed on
	seen    int // up to where it was watched: the start of a frame that has not come whole
	preface int // bytes of the client's preface that are still to come
	left    int // of a frame's payload
	pieces  int // of a head that has not ended; 0 for none

	resets, idle budget
	answers      atomic.Int64 // that were given and not yet credited
	cut          atomic.Int64 // calls whose stream was closed under them, whoever reset it
	taken        int64        // resets that the client has sent
	paid         int64        // resets that were taken to account
	over         bool         // the client has gone too far
}

// http2Buffer holds what comes together: net/http reads each frame in two
// pieces, which would be two system calls.
const http2Buffer = 2 << 10

const (
	frameHead   = 9
	prefaceSize = 24
)

// The frames and flags that matter here (RFC 9113 section 6).
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameWindow       = 0x8
	frameContinuation = 0x9

	flagEnd    = 0x1
	flagHeadIn = 0x4
)

// What a client may do that costs us and gets it nothing. Of resets, each
// answer that was given earns one back, so who uses what it asks for is not
// bounded by them.
const (
	maxResets       = 2 * maxStreams
	resetsPerSecond = 25
	maxIdleFrames   = 1000 // settings, pings, priorities, empty data
	idlePerSecond   = 100
	maxPieces       = 16 // of one head
)

func newHTTP2Conn(c net.Conn, lanes *Lanes) *http2Conn {
	now := lanes.now.Load()
	return &http2Conn{
		Conn: c, lanes: lanes, preface: prefaceSize,
		resets: budget{left: maxResets, most: maxResets, perSecond: resetsPerSecond, at: now},
		idle:   budget{left: maxIdleFrames, most: maxIdleFrames, perSecond: idlePerSecond, at: now},
	}
}

// answered notes that a stream was served to its end.
func (c *http2Conn) answered() { c.answers.Add(1) }

// cutOff notes that a stream was reset while its call was under way.
func (c *http2Conn) cutOff() { c.cut.Add(1) }

// errFlood is what reading fails with when a client has gone too far.
var errFlood = errors.New("client causes work for nothing")

// enough is a frame that no client may send (a window that grows by nothing):
// net/http says goodbye as RFC 9113 wants it, and ends the connection.
var enough = [...]byte{0, 0, 4, frameWindow, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// Read implements net.Conn.
func (c *http2Conn) Read(p []byte) (int, error) {
	for c.r == c.seen {
		if c.over {
			return 0, errFlood
		}
		if c.r == c.w && c.left > 0 && len(p) >= http2Buffer { // a large payload
			n, err := c.Conn.Read(p[:min(len(p), c.left)])
			c.left -= n
			return n, err
		}
		if c.r > 0 {
			c.w = copy(c.buf[:], c.buf[c.r:c.w])
			c.r, c.seen = 0, 0
		}
		n, err := c.Conn.Read(c.buf[c.w:http2Buffer])
		c.w += n
		c.watch()
		if n == 0 {
			return 0, err
		}
	}
	n := copy(p, c.buf[c.r:c.seen])
	c.r += n
	return n, nil
}

// watch follows the frames that have come. A frame that goes too far, and what
// follows it, gives way to one that net/http ends the connection for.
func (c *http2Conn) watch() {
	for c.seen < c.w {
		has := c.w - c.seen
		switch {
		case c.preface > 0:
			n := min(c.preface, has)
			c.preface -= n
			c.seen += n
		case c.left > 0:
			n := min(c.left, has)
			c.left -= n
			c.seen += n
		case has < frameHead:
			return
		default:
			head := c.buf[c.seen : c.seen+frameHead]
			c.left = int(head[0])<<16 | int(binary.BigEndian.Uint16(head[1:3]))
			if !c.frame(head[3], head[4]) {
				c.over = true
				c.seen = copy(c.buf[:], append(append([]byte(nil), c.buf[c.r:c.seen]...), enough[:]...))
				c.r, c.w = 0, c.seen
				return
			}
			c.seen += frameHead
		}
	}
}

// SetReadDeadline implements net.Conn. net/http lifts the one of the head of
// HTTP/1.1 that the preface is to it, when the first head by HTTP/2 may be under
// way already: that one's stays. Nobody reads meanwhile.
func (c *http2Conn) SetReadDeadline(t time.Time) error {
	if t.IsZero() && c.pieces > 0 {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// frame takes a frame to account, and reports whether it may pass.
func (c *http2Conn) frame(kind, flags byte) bool {
	switch kind {
	case frameHeaders, frameContinuation:
		if c.pieces++; flags&flagHeadIn == 0 {
			if c.pieces == 1 { // the rest of it has the time of a head
				_ = c.Conn.SetReadDeadline(time.Now().Add(c.lanes.times.Head)) // a closed connection is found out by the next read
			}
			return c.pieces < maxPieces
		}
		if c.pieces > 1 {
			_ = c.Conn.SetReadDeadline(time.Time{})
		}
		c.pieces = 0
		return c.pay(c.cut.Load()) // before another call begins
	case frameReset:
		c.taken++
		if !c.pay(c.taken) {
			return false
		}
		// Resets of streams that have ended cut nothing off. What was paid for them
		// counts for calls to come, but cannot be saved up.
		if over := c.taken - c.cut.Load() - maxResets; over > 0 {
			c.taken -= over
			c.paid -= over
		}
	case frameData:
		if c.left == 0 && flags&flagEnd == 0 {
			return c.idle.spend(c.lanes.now.Load())
		}
	case frameWindow: // as many as a large answer has pieces
	default:
		return c.idle.spend(c.lanes.now.Load())
	}
	return true
}

// pay takes resets to account, up to so many since the connection began. Those
// of the client are seen as they come and again in the calls that they cut off:
// both counts pay for the same.
func (c *http2Conn) pay(resets int64) bool {
	for ; c.paid < resets; c.paid++ {
		c.resets.earn(int(c.answers.Swap(0)))
		if !c.resets.spend(c.lanes.now.Load()) {
			return false
		}
	}
	return true
}

// budget is how often something may be done; it comes back with time.
type budget struct {
	left, most, perSecond int
	at                    int64 // when time was last credited, in nanoseconds
}

func (b *budget) earn(n int) { b.left = min(b.left+n, b.most) }

// spend takes one, and reports whether there was one.
func (b *budget) spend(now int64) bool {
	if n := int((now - b.at) * int64(b.perSecond) / int64(time.Second)); n > 0 {
		b.earn(n)
		b.at = now
	}
	b.left--
	return b.left >= 0
}
