package lane

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/http1"
	"portico/gateway/policy"
)

// full is the lane over net/http. Every byte of HTTP/1.1 passes the strict
// parser of package http1 before net/http sees it; frames of HTTP/2 pass the
// watch of an http2Conn, and requests in them the same rules.
type full struct {
	lanes   *Lanes
	pool    policy.Pool // not the fast lane's: net/http reads what these hold when they are given back
	calls   sync.Pool   // of *fullCall
	buffers sync.Pool
	rooms   sync.Pool // of *[gatherRoom]byte
	workers workers   // serve what comes by HTTP/2, and send it
	server  *http.Server
	refusal string
	in      *handed
	open    atomic.Int64 // connections
	leaving atomic.Int64 // connections that are closed when what waits in them was sent

	gone func() // ends the contexts of all calls

	mu     sync.Mutex
	live   map[*fullCall]struct{} // calls under way; guarded by mu
	closed bool                   // no more begin; guarded by mu
	idle   sync.Cond              // says that none is under way any more
}

// The limits of a connection by HTTP/2. A stream's window holds what is sent
// before anybody reads it; the connection's bounds them all together.
const (
	maxStreams     = 250
	streamWindow   = 512 << 10
	connWindow     = 2 << 20
	pingAfter      = 30 * time.Second // without a frame
	pingTimeout    = 15 * time.Second
	maxHeaderTable = 4 << 10
)

func newFull(l *Lanes) *full {
	var secret [16]byte
	rand.Read(secret[:]) // never fails: crypto/rand
	f := &full{lanes: l, refusal: "/" + hex.EncodeToString(secret[:]), in: newHanded(), live: map[*fullCall]struct{}{}}
	f.idle.L = &f.mu
	over, gone := context.WithCancel(context.Background())
	f.gone = gone
	f.buffers.New = func() any { return new([buffer]byte) }
	f.rooms.New = func() any { return new([gatherRoom]byte) }
	f.calls.New = func() any { return newFullCall(f) }
	f.server = &http.Server{
		Handler:           f,
		ReadHeaderTimeout: l.times.Head,
		IdleTimeout:       l.times.Idle,
		MaxHeaderBytes:    2 * http1.MaxHeadBytes, // http1 enforces the limit
		ErrorLog:          slog.NewLogLogger(l.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return over },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				f.open.Add(1)
			case http.StateClosed, http.StateHijacked:
				f.open.Add(-1)
			}
		},
		DisableGeneralOptionsHandler: true,
		Protocols:                    new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: connWindow,
			MaxDecoderHeaderTableSize:     maxHeaderTable,
			MaxEncoderHeaderTableSize:     maxHeaderTable,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingTimeout,
		},
	}
	// TLS has ended before net/http sees a connection: to it, all are plain.
	f.server.Protocols.SetHTTP1(true)
	f.server.Protocols.SetUnencryptedHTTP2(true)
	return f
}

// run serves what is handed over until the lane is closed.
func (f *full) run() {
	if err := f.server.Serve(f.in); err != http.ErrServerClosed {
		f.lanes.log.Error("the full lane ended", "error", err)
	}
}

// take serves a connection of which ahead was read already, and whose TLS
// handshake is over.
func (f *full) take(c net.Conn, ahead []byte) {
	state := stateOf(c)
	protocol := ""
	if state != nil {
		protocol = state.NegotiatedProtocol
	}
	peer := netip.Addr{}
	if p, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		peer = p.Addr().Unmap()
	}
	if len(ahead) > 0 {
		c = &resumed{Conn: c, ahead: ahead}
	}
	out := &fullConn{tls: state, peer: peer}
	if protocol == "h2" || strings.HasPrefix(string(ahead), http1.Preface) {
		out.http2 = newHTTP2Conn(&gathered{Conn: c, full: f}, f.lanes)
		out.Conn = out.http2
	} else {
		out.http1 = http1.NewConn(c, f.refusal, http1.Times{Head: f.lanes.times.Head, Body: f.lanes.times.Body})
		out.Conn = out.http1
	}
	f.in.hand(out)
}

// fullConn is a connection as net/http sees it; either http1 or http2 is set.
type fullConn struct {
	net.Conn
	http1 *http1.Conn
	http2 *http2Conn
	tls   *tls.ConnectionState // nil in plain
	peer  netip.Addr
}

// drain waits for the answers under way and closes what is idle. net/http tells
// only those clients by HTTP/2 to leave that it knows when it is asked: it is asked
// again, for those that had connected and had said nothing until then.
func (f *full) drain(ctx context.Context) error {
	for {
		while, cancel := context.WithTimeout(ctx, drainAsk)
		err := f.server.Shutdown(while)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

const drainAsk = 500 * time.Millisecond

// close gives all connections up, and the calls on them. What a call waits for has
// a deadline, or ends with the call's context, or with its connection.
func (f *full) close() error {
	f.workers.close()
	err := f.server.Close()
	f.gone()
	return err
}

// rest returns when no call is under way, and lets none begin any more.
func (f *full) rest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for len(f.live) > 0 {
		f.idle.Wait()
	}
}

type connKey struct{}

// ServeHTTP implements http.Handler for the lane's own server.
func (f *full) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, _ := r.Context().Value(connKey{}).(*fullConn)
	c := f.begin(w, r, conn)
	if c == nil {
		panic(http.ErrAbortHandler) // its connection is closed
	}
	if conn.http2 == nil {
		c.serve()
	} else {
		f.workers.do(c)
		<-c.done
	}
	whole := c.whole
	c.end()
	if !whole {
		panic(http.ErrAbortHandler) // net/http's way to close the connection, or to reset the stream
	}
}

func codeOf(status int) string {
	if status == http.StatusRequestHeaderFieldsTooLarge || status == http.StatusRequestURITooLong {
		return "request_too_large"
	}
	return "request_invalid"
}
