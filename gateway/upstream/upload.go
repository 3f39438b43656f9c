package upstream

import (
	"cmp"
	"errors"
	"io"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/policy"
	"portico/gateway/socket"
)

// upload sends a request's body while the call reads the answer, which may
// come first. It holds nothing of the call, which may end before it.
type upload struct {
	body    *policy.Body
	chunked bool
	conn    *conn
	state   uint64
	set     *Set
	times   Timeouts
	once    sync.Once
	ended   atomic.Bool // all of it was sent
}

// continueAfter is how long an upstream may take to say that it wants a body
// whose sender asked first.
const continueAfter = time.Second

// stream sends the head, lets the body follow, and waits for the answer.
func (c *call) stream() error {
	ex := c.ex
	ex.Body.Share()
	c.times = c.times.afterBody(c.upstream.set.now.Load())
	c.up = &upload{
		body: ex.Body, chunked: ex.BodyLength < 0, conn: c.conn, state: c.state, set: c.upstream.set, times: c.times,
	}
	if err := c.up.write(c.out); err != nil {
		return err
	}
	c.await()
	if !ex.Expects {
		c.up.begin()
		return c.readHead()
	}
	c.conn.readBy.Add(int64(continueAfter)) // the time in which it may say so is not its time to answer
	timer := time.AfterFunc(continueAfter, c.up.begin)
	err := c.readHead()
	timer.Stop()
	c.up.once.Do(func() {}) // it does not begin any more, nor is it beginning
	if err == nil {
		c.conn.readBy.Store(0)
	}
	return err
}

// begin starts the upload, once. Until it has ended nobody waits for the
// answer's head.
func (u *upload) begin() {
	u.once.Do(func() {
		u.conn.readBy.Store(uploading)
		go u.run()
	})
}

func (u *upload) run() {
	buf := u.set.buffers.Get().(*[uploadBuffer]byte)
	defer u.set.buffers.Put(buf)
	defer func() {
		if thrown := recover(); thrown != nil { // no lane is above: the call fails of it
			u.body.Fail(&policy.Thrown{Value: thrown, Stack: debug.Stack()})
			u.conn.abort(u.state, abandoned)
		}
	}()
	err := u.copy(buf[:])
	if u.body.Err() != nil {
		u.conn.abort(u.state, abandoned)
		return
	}
	// An upstream that takes no more may have answered nevertheless.
	u.conn.readBy.CompareAndSwap(uploading, u.times.headBy(u.set.now.Load()))
	u.ended.Store(err == nil) // the last thing: the connection may serve the next call now
}

const sizeRoom = 8 // of a chunk's size and its line end

// copy sends the body from the caller's side to the upstream's.
func (u *upload) copy(buf []byte) error {
	for {
		n, err := u.body.Read(buf[sizeRoom : len(buf)-2])
		if n > 0 {
			piece := buf[sizeRoom : sizeRoom+n]
			if u.chunked {
				piece = chunk(buf, n)
			}
			if err := u.write(piece); err != nil {
				return err
			}
		}
		if err == nil && !u.chunked && n == len(buf)-2-sizeRoom { // there is more where that came from
			if err = u.move(); errors.Is(err, policy.ErrUnmovable) {
				err = nil
			}
		}
		switch {
		case errors.Is(err, io.EOF) && u.chunked:
			return u.write(u.lastChunk(buf[:0]))
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// move sends the body unseen, as far as it comes on a socket and goes out on one.
// It returns io.EOF when that was all, and policy.ErrUnmovable when what is left
// must be read.
func (u *upload) move() error {
	if !u.conn.direct {
		return policy.ErrUnmovable
	}
	pipe := u.set.pipes.Take()
	if pipe == nil {
		return policy.ErrUnmovable
	}
	defer u.set.pipes.Give(pipe)
	var failed error
	drain := func(fd uintptr) bool {
		failed = pipe.Drain(fd)
		return !errors.Is(failed, socket.ErrAgain)
	}
	for {
		_, err := u.body.Move(pipe)
		if pipe.Held() > 0 && (err == nil || errors.Is(err, io.EOF)) {
			u.conn.writeBy.Store(u.set.now.Load() + int64(u.times.Header))
			broken := u.conn.raw.Write(drain)
			u.conn.writeBy.Store(0)
			if broken = cmp.Or(broken, failed); broken != nil {
				return broken
			}
		}
		if err != nil {
			return err
		}
	}
}

// chunk frames the n bytes that stand in buf after sizeRoom.
func chunk(buf []byte, n int) []byte {
	var size [sizeRoom]byte
	text := append(strconv.AppendInt(size[:0], int64(n), 16), '\r', '\n')
	start := sizeRoom - len(text)
	copy(buf[start:], text)
	return append(buf[start:sizeRoom+n], '\r', '\n')
}

// lastChunk ends the body, with the trailers that its head announced.
func (u *upload) lastChunk(b []byte) []byte {
	b = append(b, "0\r\n"...)
	for _, f := range u.body.Trailer.Fields() {
		if f.Value != "" && !policy.Hop(f.Name) {
			b = appendField(b, f.Name, f.Value)
		}
	}
	return append(b, '\r', '\n')
}

func (u *upload) write(p []byte) error {
	u.conn.writeBy.Store(u.set.now.Load() + int64(u.times.Header))
	_, err := u.conn.Write(p)
	u.conn.writeBy.Store(0)
	return err
}
