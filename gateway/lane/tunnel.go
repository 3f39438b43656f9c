package lane

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/policy"
)

// tunnel joins a client and an upstream that have switched protocols, such as to
// WebSocket. Bytes pass unchanged, both ways, until both sides have ended, one
// breaks, nothing has passed for too long, or the lanes end.
type tunnel struct {
	lanes   *Lanes
	client  net.Conn
	ahead   []byte // read from the client with its request
	far     policy.Tunnel
	frames  bool // they speak WebSocket
	idle    int64
	last    atomic.Int64 // when something passed
	ending  atomic.Bool  // because the lanes end
	stopped atomic.Bool  // why does not matter
	in, out atomic.Int64
}

// tunnels are those under way. The zero value is ready for use.
type tunnels struct {
	mu    sync.Mutex
	live  map[*tunnel]struct{} // guarded by mu
	ended bool                 // no more begin; guarded by mu
	all   sync.WaitGroup
}

var errEnding = errors.New("the gateway is stopping")

func (ts *tunnels) begin(t *tunnel) error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.ended {
		return errEnding
	}
	if ts.live == nil {
		ts.live = map[*tunnel]struct{}{}
	}
	ts.live[t] = struct{}{}
	ts.all.Add(1)
	return nil
}

func (ts *tunnels) forget(t *tunnel) {
	ts.mu.Lock()
	delete(ts.live, t)
	ts.mu.Unlock()
	ts.all.Done()
}

func (ts *tunnels) count() int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.live)
}

// end ends all of them, and returns when they have.
func (ts *tunnels) end() {
	ts.mu.Lock()
	ts.ended = true
	for t := range ts.live {
		t.ending.Store(true)
		t.stop()
	}
	ts.mu.Unlock()
	ts.all.Wait()
}

// expire ends those through which nothing has passed for too long.
func (ts *tunnels) expire(now int64) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for t := range ts.live {
		if now-t.last.Load() > t.idle {
			t.stop()
		}
	}
}

// stop makes whoever reads or writes give up.
func (t *tunnel) stop() {
	if t.stopped.CompareAndSwap(false, true) {
		_ = t.client.SetReadDeadline(time.Unix(1, 0)) // its goroutine sees it
		_ = t.client.SetWriteDeadline(time.Now().Add(farewell))
		t.far.Stop()
	}
}

// farewell is how long a client has to take the last frame.
const farewell = time.Second

// run carries bytes until the tunnel ends.
func (t *tunnel) run() {
	t.touch()
	up := make(chan struct{})
	go func() {
		defer close(up)
		t.upwards()
	}()
	t.downwards()
	<-up
}

func (t *tunnel) touch() { t.last.Store(t.lanes.now.Load()) }

// upwards carries what the client sends.
func (t *tunnel) upwards() {
	err := error(nil)
	if len(t.ahead) > 0 {
		if _, err = t.far.Write(t.ahead); err == nil {
			t.in.Add(int64(len(t.ahead)))
			t.ahead = nil
		}
	}
	if err == nil {
		err = t.carry(t.far, t.client, &t.in, nil)
	}
	if err == nil && t.far.CloseWrite() == nil {
		return // the upstream may still have something to say
	}
	t.stop()
}

// downwards carries what the upstream sends. When the lanes end it says so to a
// client that is between two frames.
func (t *tunnel) downwards() {
	var follow *frames
	if t.frames {
		follow = &frames{}
	}
	err := t.carry(t.client, t.far, &t.out, follow)
	if half, ok := t.client.(interface{ CloseWrite() error }); err == nil && ok && half.CloseWrite() == nil {
		return
	}
	if t.ending.Load() && follow != nil && follow.between() {
		_, _ = t.client.Write(goingAway[:]) // it may be gone already
	}
	t.stop()
}

// goingAway is a frame that closes a WebSocket with status 1001 (RFC 6455
// section 7.4.1), as a server sends it.
var goingAway = [...]byte{0x88, 2, 1001 >> 8, 1001 & 0xff}

// waitBuffer is what each side of a tunnel holds while it waits: most tunnels do
// so most of the time, and say little.
const waitBuffer = 2 << 10

// carry copies until the end, which is no error. A side that fills what it has
// gets a large buffer, until there is less to carry.
func (t *tunnel) carry(to io.Writer, from io.Reader, count *atomic.Int64, follow *frames) error {
	small := make([]byte, waitBuffer)
	buf, large := small, (*[buffer]byte)(nil)
	release := func() {
		if large != nil {
			t.lanes.full.buffers.Put(large)
			buf, large = small, nil
		}
	}
	defer release()
	for {
		n, err := from.Read(buf)
		if n > 0 {
			t.touch()
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
			t.touch()
			count.Add(int64(n))
			if follow != nil {
				follow.see(buf[:n])
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case n < waitBuffer:
			release()
		case large == nil:
			large = t.lanes.full.buffers.Get().(*[buffer]byte)
			buf = large[:]
		}
	}
}

// frames follows the frames of a server's side of a WebSocket (RFC 6455 section
// 5.2) to know where one ends. It looks at nothing else.
type frames struct {
	left int64 // of a payload
	head [10]byte
	have int // bytes of head
}

func (f *frames) between() bool { return f.left == 0 && f.have == 0 }

func (f *frames) see(b []byte) {
	for len(b) > 0 {
		if f.left > 0 {
			n := min(f.left, int64(len(b)))
			f.left -= n
			b = b[n:]
			continue
		}
		f.head[f.have] = b[0]
		f.have++
		b = b[1:]
		if f.have < 2 {
			continue
		}
		size := int64(f.head[1] & 0x7f)
		long := 0
		switch size {
		case 126:
			long = 2
		case 127:
			long = 8
		}
		if f.have < 2+long {
			continue
		}
		if long > 0 {
			size = 0
			for _, c := range f.head[2 : 2+long] {
				size = size<<8 | int64(c)
			}
		}
		f.left, f.have = max(size, 0), 0
	}
}

// tunnel joins the client with the upstream that has agreed to switch
// protocols.
func (c *fullCall) tunnel(ex *policy.Exchange) error {
	a := &ex.Answer
	defer a.Body.Close()
	hijacker, ok := c.w.(http.Hijacker)
	if !ok {
		return errEnding // only a connection of HTTP/1.1 asks for it
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return &policy.Broken{Cause: err}
	}
	defer func() { _ = conn.Close() }() // both sides have ended
	client, ahead := c.conn.http1.Switch()
	lanes := c.full.lanes
	t := &tunnel{
		lanes: lanes, client: client, ahead: ahead, far: a.Tunnel,
		frames: policy.FoldEqual(ex.Upgrade, "websocket"), idle: int64(a.Tunnel.Idle()),
	}
	t.touch()
	if err := lanes.tunnels.begin(t); err != nil {
		return err
	}
	defer lanes.tunnels.forget(t)
	if _, err := client.Write(appendSwitch(nil, ex)); err != nil {
		return &policy.Broken{Cause: err}
	}
	t.run()
	ex.Carried, ex.Sent = t.in.Load(), t.out.Load()
	return nil
}

// appendSwitch writes the head of the answer that agrees.
func appendSwitch(b []byte, ex *policy.Exchange) []byte {
	b = appendStatus(append(b, "HTTP/1.1 "...), http.StatusSwitchingProtocols)
	for _, f := range ex.Answer.Header.Fields() {
		b = append(append(append(append(b, f.Name...), ": "...), f.Value...), '\r', '\n')
	}
	return append(append(append(b, "Connection: Upgrade\r\nUpgrade: "...), ex.Upgrade...), "\r\n\r\n"...)
}
