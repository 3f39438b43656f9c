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
	"runtime/debug"
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
	server  *http.Server
	refusal string
	in      *handed
	open    atomic.Int64 // connections

	mu   sync.Mutex
	live map[*fullCall]struct{} // calls under way; guarded by mu
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
	f.buffers.New = func() any { return new([buffer]byte) }
	f.calls.New = func() any { return newFullCall(f) }
	f.server = &http.Server{
		Handler:           f,
		ReadHeaderTimeout: l.times.Head,
		IdleTimeout:       l.times.Idle,
		MaxHeaderBytes:    2 * http1.MaxHeadBytes, // http1 enforces the limit
		ErrorLog:          slog.NewLogLogger(l.log.Handler(), slog.LevelDebug),
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
			WriteByteTimeout:              l.times.Write,
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
		out.http2 = newHTTP2Conn(c, f.lanes)
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

// drain waits for the answers under way and closes what is idle.
func (f *full) drain(ctx context.Context) error { return f.server.Shutdown(ctx) }

func (f *full) close() error { return f.server.Close() }

type connKey struct{}

// ServeHTTP implements http.Handler for the lane's own server.
func (f *full) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, _ := r.Context().Value(connKey{}).(*fullConn)
	ex := f.pool.Take()
	c := f.begin(w, r, conn)
	defer c.end()
	whole := false
	defer func() {
		if whole {
			f.pool.Give(ex)
		} else { // one call must not take the others down
			f.lanes.log.Error("a call panicked", "panic", recover(), "stack", string(debug.Stack()))
			f.lanes.giveUp(ex, c.interrupt)
			panic(http.ErrAbortHandler)
		}
	}()
	// net/http writes headers after this function has returned, and its client
	// beside it: what they hold must not be the next request's.
	ex.OwnScratch(512)
	if refused := c.fill(ex); refused != nil {
		ex.Method, ex.Peer, ex.Secure, ex.TLS = http.MethodGet, conn.peer, conn.tls != nil, conn.tls
		f.lanes.handler.Refuse(ex, &policy.Denied{Status: refused.Status, Code: codeOf(refused.Status), Detail: refused.Detail, Close: true})
	} else if err := f.lanes.handler.Serve(r.Context(), ex); err != nil {
		c.stop(ex)
		whole = true
		f.lanes.handler.Done(ex, err)
		panic(http.ErrAbortHandler) // net/http's way to close the connection
	}
	var err error
	if ex.Answer.Tunnel != nil {
		err = c.tunnel(ex)
	} else {
		err = c.write(ex)
	}
	c.served = err == nil
	c.stop(ex)
	whole = true
	f.lanes.handler.Done(ex, err)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

func codeOf(status int) string {
	if status == http.StatusRequestHeaderFieldsTooLarge || status == http.StatusRequestURITooLong {
		return "request_too_large"
	}
	return "request_invalid"
}
