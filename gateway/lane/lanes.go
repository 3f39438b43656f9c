package lane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/policy"
	"portico/gateway/socket"
)

// Times bound what a client may take. A zero field means its default. They are
// kept to within a quarter of a second.
type Times struct {
	Head  time.Duration // a request's head, and the TLS handshake; 10 s
	Body  time.Duration // between two reads of its body, until its answer goes out; 30 s
	Write time.Duration // each write to it; 30 s
	Idle  time.Duration // between two requests; 90 s
}

func (t Times) orDefault() Times {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&t.Head, 10*time.Second)
	set(&t.Body, 30*time.Second)
	set(&t.Write, 30*time.Second)
	set(&t.Idle, 90*time.Second)
	return t
}

// Lanes takes connections in and serves each by the lane that fits. Make one
// with New.
type Lanes struct {
	// FullOnly sends every connection to the full lane. Set it before Serve.
	FullOnly bool

	handler  Handler
	times    Times
	log      *slog.Logger
	pool     policy.Pool // of the fast lane, where each work keeps what it takes
	works    sync.Pool   // of *work
	large    sync.Pool   // of *[largeBuffer]byte
	full     *full
	draining atomic.Bool
	ended    atomic.Bool  // over is closed
	now      atomic.Int64 // nanoseconds, as coarse as the sweeper; never 0
	date     atomic.Pointer[string]
	stop     chan struct{}  // closed when nothing is accepted any more
	over     chan struct{}  // closed when nothing is served any more
	running  sync.WaitGroup // connections of the fast lane, and the sweeper

	tunnels tunnels

	mu        sync.Mutex
	conns     map[*conn]struct{} // of the fast lane; guarded by mu
	listeners []net.Listener     // guarded by mu
	sweeping  bool               // guarded by mu
	closed    bool               // stop is; guarded by mu
}

// New returns lanes that pass their requests to handler.
func New(handler Handler, times Times, log *slog.Logger) *Lanes {
	l := &Lanes{handler: handler, times: times.orDefault(), log: log, conns: map[*conn]struct{}{}, stop: make(chan struct{}), over: make(chan struct{})}
	l.works.New = func() any { return newWork(&l.pool) }
	l.large.New = func() any { return new([largeBuffer]byte) }
	l.tellTime(time.Now(), 1)
	l.full = newFull(l)
	return l
}

// Serve accepts connections until the listener is closed or Drain is called;
// then it returns nil. The lanes own the listener from here on. It may be
// called for several listeners at once.
func (l *Lanes) Serve(listener net.Listener) error {
	if !l.begin(listener) {
		return listener.Close()
	}
	defer l.running.Done()
	pause := time.Duration(0)
	for {
		c, err := listener.Accept()
		if err == nil {
			pause = 0
			l.accept(c)
			continue
		}
		select {
		case <-l.stop:
			return nil
		default:
		}
		if temporary := net.Error(nil); !errors.As(err, &temporary) || !temporary.Temporary() { //nolint:staticcheck // it is what net/http goes by: descriptors may be free again
			return fmt.Errorf("serve %s: %w", listener.Addr(), err)
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		l.log.Warn("cannot accept connections, trying again", "error", err, "after", pause)
		select {
		case <-l.stop:
			return nil
		case <-time.After(pause):
		}
	}
}

// Connections counts the open connections of clients, by lane. Those that have
// switched protocols are the full lane's.
func (l *Lanes) Connections() (fast, full int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns), int(l.full.open.Load()) + l.tunnels.count()
}

// begin notes a listener and starts what every listener needs.
func (l *Lanes) begin(listener net.Listener) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.listeners = append(l.listeners, listener)
	l.running.Add(1)
	if !l.sweeping {
		l.sweeping = true
		l.running.Go(l.sweep)
		l.running.Go(l.full.run)
	}
	return true
}

func (l *Lanes) accept(nc net.Conn) {
	c := newConn(l, nc)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = nc.Close()
		return
	}
	l.conns[c] = struct{}{}
	l.running.Go(c.run)
}

func (l *Lanes) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// KeepConnections says whether connections stay open after an answer. With
// false every answer is the last of its connection, so that clients move on by
// themselves.
func (l *Lanes) KeepConnections(keep bool) { l.draining.Store(!keep) }

// Drain stops accepting, waits for the answers under way, and closes what is
// idle. When ctx ends first it gives up what is left and says so.
func (l *Lanes) Drain(ctx context.Context) error {
	l.KeepConnections(false)
	l.refuse()
	err := l.full.drain(ctx)
	for err == nil && l.closeIdle()+l.tunnels.count()+int(l.full.leaving.Load()) > 0 {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(drainTick):
		}
	}
	l.tunnels.end()
	if closing := l.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("drain gateway: %w", err)
	}
	return nil
}

const drainTick = 10 * time.Millisecond

// Close gives every connection up at once, and returns when all is at rest.
func (l *Lanes) Close() error {
	l.refuse()
	l.tunnels.end()
	err := l.full.close()
	l.mu.Lock()
	// Closing a socket would wait for the callback that a call runs in. Calls
	// end by themselves once their callers count as gone.
	if !l.ended.Swap(true) {
		close(l.over)
	}
	for c := range l.conns {
		_ = c.SetDeadline(time.Unix(1, 0))
	}
	l.mu.Unlock()
	l.running.Wait()
	l.full.rest()
	return err
}

// refuse takes in no more connections.
func (l *Lanes) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.stop)
	}
	for _, listener := range l.listeners {
		_ = listener.Close() // it may be closed already
	}
}

// closeIdle closes the connections that wait for a request of which nothing
// has come, and returns how many are left.
func (l *Lanes) closeIdle() (left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if !c.closeIdle() {
			left++
		}
	}
	return left
}

const sweepTick = 250 * time.Millisecond

// sweep keeps the times of all connections of the fast lane. One look at a
// clock takes the place of a timer for each of them.
func (l *Lanes) sweep() {
	start := time.Now()
	ticker := time.NewTicker(sweepTick)
	defer ticker.Stop()
	for {
		select {
		case <-l.over:
			return
		case now := <-ticker.C:
			l.tellTime(now, int64(time.Since(start))+1)
			l.expire()
		}
	}
}

func (l *Lanes) tellTime(now time.Time, since int64) {
	l.now.Store(since)
	date := now.UTC().Format(http.TimeFormat)
	if last := l.date.Load(); last == nil || *last != date {
		l.date.Store(&date)
	}
}

func (l *Lanes) expire() {
	now, past := l.now.Load(), time.Unix(1, 0)
	l.full.expire(now)
	l.tunnels.expire(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		// The poller tells only once of a request and the end behind it, when
		// they come together. So each wait is looked at once.
		if by := c.readBy.Load(); by > 0 && (now > by && !c.lenient.Load() || c.watched && by != c.checked && socket.Ended(c.raw)) {
			_ = c.SetReadDeadline(past) // its goroutine sees it
		} else {
			c.checked = by
		}
		if by := c.writeBy.Load(); by > 0 && now > by {
			_ = c.SetWriteDeadline(past)
		}
	}
}
