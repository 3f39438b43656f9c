package upstream

import (
	"context"
	"sync"
	"time"

	"portico/gateway/socket"
)

const (
	tick       = 50 * time.Millisecond // how precisely timeouts are kept
	sweepEvery = time.Second           // how often idle connections are looked at
	askAfter   = 500 * time.Millisecond
	leftAfter  = 250 * time.Millisecond // between two looks at a caller who sends no more
)

// Run keeps the timeouts of all calls, and looks after idle connections, until
// ctx ends; then it returns nil. It asks those targets how they are that are to
// be asked. One look at a clock and two loads for each
// connection in use take the place of timers.
func (s *Set) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { _ = s.checks.Run(ctx) }) // it ends with ctx alone
	beside.Go(func() { s.finder.run(ctx) })
	start, swept, asked := time.Now(), time.Duration(0), time.Duration(0)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		since := time.Since(start)
		s.now.Store(int64(since) + 1)
		ask := since-asked >= askAfter
		if ask {
			asked = since
		}
		s.watch(int64(since), ask)
		s.restless.settle(int64(since) + 1)
		if since-swept >= sweepEvery {
			swept = since
			for _, p := range s.pools.all() {
				p.sweep(int64(since))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// watch ends the calls that have waited for too long and, when ask is set,
// those that nobody waits for any more.
func (s *Set) watch(now int64, ask bool) {
	var waiting []*conn
	s.mu.Lock()
	for c := range s.conns {
		state := c.state.Load()
		if state&phases != busy {
			continue
		}
		readBy, writeBy := c.readBy.Load(), c.writeBy.Load()
		switch {
		case readBy > 0 && now > readBy, writeBy > 0 && now > writeBy:
			c.abort(state, timedOut)
		case (ask || c.hungUp == state || c.left == state) && (readBy > 0 || writeBy > 0):
			waiting = append(waiting, c)
		}
	}
	s.mu.Unlock()
	for _, c := range waiting {
		c.look(now)
	}
}

// look asks both ends of a call that waits whether they are still there. An
// upstream that hung up between two calls is otherwise found out only by the
// timeout when it does not reset the connection. A caller who sends no more may
// still read: the end of what it sends counts as its own once it was seen twice,
// leftAfter apart.
func (c *conn) look(now int64) {
	state := c.state.Load()
	if state&phases != busy {
		return
	}
	if line := c.line.Load(); line != nil && line.Gone() {
		if c.left != state {
			c.left, c.leftAt = state, now
		} else if now-c.leftAt >= int64(leftAfter) {
			c.abort(state, abandoned)
		}
	} else if c.raw != nil && c.head.Load() && socket.Ended(c.raw) {
		if c.hungUp == state { // else the call may just have read the last of it
			c.abort(state, stale)
		}
		c.hungUp = state
	}
}
