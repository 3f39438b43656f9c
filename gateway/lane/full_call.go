package lane

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/http1"
	"portico/gateway/policy"
)

// fullCall is one call under way on the full lane. The lane keeps it for the
// next one.
type fullCall struct {
	served bool // the answer went out whole
	full   *full
	conn   *fullConn
	w      http.ResponseWriter
	r      *http.Request
	body   *policy.Body // its source is the call

	readBy  atomic.Int64 // when a read of the body must be done; 0 no matter when
	writeBy atomic.Int64 // the same of a write of the answer's

	mu   sync.Mutex
	over bool // w must not be touched any more; guarded by mu

	interim   func(int, []policy.Field) error
	interrupt func()
	later     http1.Later
}

func newFullCall(f *full) *fullCall {
	c := &fullCall{full: f, body: new(policy.Body)}
	c.interim = c.writeInterim
	c.interrupt = func() { c.expireRead() }
	return c
}

func (f *full) begin(w http.ResponseWriter, r *http.Request, conn *fullConn) *fullCall {
	c := f.calls.Get().(*fullCall)
	c.w, c.r, c.conn = w, r, conn
	c.mu.Lock()
	c.over = false
	c.mu.Unlock()
	f.mu.Lock()
	f.live[c] = struct{}{}
	f.mu.Unlock()
	return c
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
	delete(f.live, c)
	f.mu.Unlock()
	if h := c.conn.http2; h != nil {
		if c.r.Context().Err() != nil { // a call that was reset earns nothing
			h.cutOff()
		} else if c.served {
			h.answered()
		}
	}
	c.served = false
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.w, c.r, c.conn = nil, nil, nil
	c.readBy.Store(0)
	c.writeBy.Store(0)
	f.calls.Put(c)
}

// expire ends the waits of all calls that have lasted for too long.
func (f *full) expire(now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.live {
		if by := c.readBy.Load(); by > 0 && now > by {
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
