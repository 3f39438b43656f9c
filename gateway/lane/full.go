package lane

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"portico/gateway/http1"
	"portico/gateway/policy"
)

// full is the lane over net/http. Every byte of HTTP/1.1 passes the strict
// parser of package http1 before net/http sees it.
type full struct {
	lanes   *Lanes
	pool    policy.Pool // not the fast lane's: net/http reads what these hold when they are given back
	buffers sync.Pool
	server  *http.Server
	refusal string
	in      *handed
	open    atomic.Int64 // connections
}

func newFull(l *Lanes) *full {
	var secret [16]byte
	rand.Read(secret[:]) // never fails: crypto/rand
	f := &full{lanes: l, refusal: "/" + hex.EncodeToString(secret[:]), in: newHanded()}
	f.buffers.New = func() any { return new([buffer]byte) }
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
	}
	return f
}

// run serves what is handed over until the lane is closed.
func (f *full) run() {
	if err := f.server.Serve(f.in); err != http.ErrServerClosed {
		f.lanes.log.Error("the full lane ended", "error", err)
	}
}

// take serves a connection of which ahead was read already.
func (f *full) take(c net.Conn, ahead []byte) {
	if len(ahead) > 0 {
		c = &resumed{Conn: c, ahead: ahead}
	}
	f.in.hand(http1.NewConn(c, f.refusal, http1.Times{Head: f.lanes.times.Head, Body: f.lanes.times.Body}))
}

// drain waits for the answers under way and closes what is idle.
func (f *full) drain(ctx context.Context) error { return f.server.Shutdown(ctx) }

func (f *full) close() error { return f.server.Close() }

type connKey struct{}

// ServeHTTP implements http.Handler for the lane's own server.
func (f *full) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, _ := r.Context().Value(connKey{}).(*http1.Conn)
	ex := f.pool.Take()
	defer f.pool.Give(ex)
	// net/http writes headers after this function has returned, and its client
	// beside it: what they hold must not be the next request's.
	ex.OwnScratch(512)
	var refused *http1.Error
	if conn != nil {
		refused = conn.Refused(r.RequestURI)
	}
	if refused != nil {
		ex.Method = http.MethodGet
		fillPeer(ex, r)
		f.lanes.handler.Refuse(ex, &policy.Denied{Status: refused.Status, Code: codeOf(refused.Status), Detail: refused.Detail, Close: true})
	} else {
		fill(ex, w, r, conn)
		if err := f.lanes.handler.Serve(r.Context(), ex); err != nil {
			f.lanes.handler.Done(ex, err)
			panic(http.ErrAbortHandler) // net/http's way to close the connection
		}
	}
	err := f.write(w, r, ex)
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
