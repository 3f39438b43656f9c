package lane

import (
	"net"
	"runtime"
	"sync"
	"time"
)

// gathered is a connection by HTTP/2 on which what is written in one moment goes
// out together: as many answers as are ready make one record of TLS and one
// system call. net/http flushes each answer by itself. What waits goes out when
// there is nothing else to do for a processor, or after some sixty turns.
//
// One goroutine writes. Writing returns before anything was sent, but for what
// has no room; that sending has failed, the next write says, and the connection
// is closed.
type gathered struct {
	net.Conn
	full *full

	mu     sync.Mutex
	room   *[gatherRoom]byte // of what waits; nil while nothing does
	n      int               // bytes that wait
	due    bool              // a worker is to send them
	closed bool
	err    error // why nothing can be sent any more

	out sync.Mutex // held while something is sent
}

// gatherRoom is what one record of TLS holds (RFC 8446 section 5.1).
const gatherRoom = 16 << 10

// leaveWithin is how long a client that does not read keeps a connection open
// that is to be closed.
const leaveWithin = time.Second

// Write implements net.Conn.
func (g *gathered) Write(p []byte) (int, error) {
	g.mu.Lock()
	if err := g.refusal(); err != nil {
		g.mu.Unlock()
		return 0, err
	}
	if g.n+len(p) <= gatherRoom {
		if g.room == nil {
			g.room = g.full.rooms.Get().(*[gatherRoom]byte)
		}
		g.n += copy(g.room[g.n:], p)
		tell := !g.due
		g.due = true
		g.mu.Unlock()
		if tell {
			g.full.workers.do(g)
		}
		return len(p), nil
	}
	g.mu.Unlock()
	g.out.Lock() // until what is under way has gone
	defer g.out.Unlock()
	if err := g.send(); err != nil {
		return 0, err
	}
	return g.straight(p)
}

// refusal says why nothing can be written any more. mu is held.
func (g *gathered) refusal() error {
	if g.closed {
		return net.ErrClosed
	}
	return g.err
}

// work sends what waits, and closes what is to be closed after it.
func (g *gathered) work() {
	for {
		runtime.Gosched() // what is ready to run may have something to add
		g.out.Lock()
		_ = g.send() // the next write says it
		g.out.Unlock()
		g.mu.Lock()
		if g.n > 0 && g.err == nil {
			g.mu.Unlock()
			continue
		}
		g.due = false
		last := g.closed
		g.mu.Unlock()
		if last {
			_ = g.Conn.Close() // nobody is left to tell
			g.full.leaving.Add(-1)
		}
		return
	}
}

// send sends what waits. out is held.
func (g *gathered) send() error {
	g.mu.Lock()
	room, n, err := g.room, g.n, g.err
	g.room, g.n = nil, 0
	g.mu.Unlock()
	if room == nil {
		return err
	}
	if err == nil {
		_, err = g.straight(room[:n])
	}
	g.full.rooms.Put(room)
	return err
}

// straight sends without gathering. out is held.
func (g *gathered) straight(p []byte) (int, error) {
	g.mu.Lock()
	if !g.closed {
		_ = g.Conn.SetWriteDeadline(time.Now().Add(g.full.lanes.times.Write)) // a closed connection is found out by the write
	}
	g.mu.Unlock()
	n, err := g.Conn.Write(p)
	if err != nil {
		g.mu.Lock()
		g.err = err
		g.mu.Unlock()
		_ = g.Conn.SetReadDeadline(time.Unix(1, 0)) // whoever reads sees it
	}
	return n, err
}

// SetWriteDeadline implements net.Conn: each sending has its time already.
func (g *gathered) SetWriteDeadline(time.Time) error { return nil }

// Close implements net.Conn. What waits still goes out, for a moment.
func (g *gathered) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return net.ErrClosed
	case !g.due:
		g.closed = true
		return g.Conn.Close()
	}
	g.closed = true
	g.full.leaving.Add(1)
	past := time.Unix(1, 0)
	_ = g.Conn.SetReadDeadline(past)
	return g.Conn.SetWriteDeadline(time.Now().Add(leaveWithin))
}
