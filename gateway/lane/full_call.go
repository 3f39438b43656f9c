package lane

import (
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/http1"
	"portico/gateway/policy"
)

// fullCall is one call under way on the full lane. The lane keeps it for the
// next one.
type fullCall struct {
	served bool          // the answer went out whole
	whole  bool          // and nothing else went wrong
	done   chan struct{} // has something when a worker is through
	full   *full
	conn   *fullConn
	w      http.ResponseWriter
	r      *http.Request
	body   *policy.Body // its source is the call

	readBy  atomic.Int64 // when a read of the body must be done; 0 no matter when
	writeBy atomic.Int64 // the same of a write of the answer's
	lenient atomic.Bool  // readBy does not count: the answer goes out

	mu   sync.Mutex
	over bool // w must not be touched any more; guarded by mu

	interim   func(int, []policy.Field) error
	interrupt func()
	later     http1.Later
}

func newFullCall(f *full) *fullCall {
	c := &fullCall{full: f, body: new(policy.Body), done: make(chan struct{}, 1)}
	c.interim = c.writeInterim
	c.interrupt = func() { c.expireRead() }
	return c
}

// begin notes a call that is under way from now on. It returns nil when the lane is
// closed.
func (f *full) begin(w http.ResponseWriter, r *http.Request, conn *fullConn) *fullCall {
	c := f.calls.Get().(*fullCall)
	c.w, c.r, c.conn = w, r, conn
	c.mu.Lock()
	c.over = false
	c.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.live[c] = struct{}{}
	return c
}

// work implements job: it serves, and says so.
func (c *fullCall) work() {
	c.serve()
	c.done <- struct{}{}
}

// serve has the call answered. Afterwards, whole says whether its connection may
// go on.
func (c *fullCall) serve() {
	f := c.full
	ex := f.pool.Take()
	finished := false
	defer func() {
		if finished {
			f.pool.Give(ex)
		} else { // one call must not take the others down
			f.lanes.log.Error("a call panicked", "panic", recover(), "stack", string(debug.Stack()))
			f.lanes.giveUp(ex, c.interrupt)
			c.body = new(policy.Body) // somebody may still hold the one that was stopped
		}
	}()
	// net/http writes headers after this function has returned, and its client
	// beside it: what they hold must not be the next request's.
	ex.OwnScratch(512)
	var err error
	if refused := c.fill(ex); refused != nil {
		ex.Method, ex.Peer, ex.Secure, ex.TLS = http.MethodGet, c.conn.peer, c.conn.tls != nil, c.conn.tls
		f.lanes.handler.Refuse(ex, &policy.Denied{Status: refused.Status, Code: codeOf(refused.Status), Detail: refused.Detail, Close: true})
	} else if err = f.lanes.handler.Serve(c.r.Context(), ex); err != nil {
		c.stop(ex)
		finished = true
		f.lanes.handler.Done(ex, err)
		return
	}
	if ex.Answer.Tunnel != nil {
		err = c.tunnel(ex)
	} else {
		err = c.write(ex)
	}
	c.served = err == nil
	c.stop(ex)
	finished = true
	f.lanes.handler.Done(ex, err)
	c.whole = err == nil
}

// stop ends all reading of the request's body.
func (c *fullCall) stop(ex *policy.Exchange) {
	if ex.Body == nil {
		return
	}
	if ex.Body.Stop(c.interrupt); ex.Body.Shared() {
		c.body = new(policy.Body)
	}
}

// end gives the call to the next one.
func (c *fullCall) end() {
	f := c.full
	f.mu.Lock()
	if delete(f.live, c); f.closed && len(f.live) == 0 {
		f.idle.Broadcast()
	}
	f.mu.Unlock()
	if h := c.conn.http2; h != nil {
		if c.r.Context().Err() != nil { // a call that was reset earns nothing
			h.cutOff()
		} else if c.served {
			h.answered()
		}
	}
	c.served, c.whole = false, false
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.w, c.r, c.conn = nil, nil, nil
	c.readBy.Store(0)
	c.writeBy.Store(0)
	c.lenient.Store(false)
	f.calls.Put(c)
}

// expire ends the waits of all calls that have lasted for too long.
func (f *full) expire(now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.live {
		if by := c.readBy.Load(); by > 0 && now > by && !c.lenient.Load() {
			c.expireRead()
		}
		if by := c.writeBy.Load(); by > 0 && now > by {
			c.expireWrite()
		}
	}
}

func (c *fullCall) expireRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		_ = http.NewResponseController(c.w).SetReadDeadline(time.Unix(1, 0)) // whoever reads sees it
	}
}

func (c *fullCall) expireWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Unix(1, 0)) // whoever writes sees it
	}
}

// patience gives the client the time of a write.
func (c *fullCall) patience() {
	c.writeBy.Store(c.full.lanes.now.Load() + int64(c.full.lanes.times.Write))
}
