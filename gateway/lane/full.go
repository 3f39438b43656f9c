package lane

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/http1"
	"portico/gateway/policy"
)

// Times bound what a client may take. A zero field means its default.
type Times struct {
	Head  time.Duration // a request's head; 10 s
	Body  time.Duration // between two reads of its body; 30 s
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

// Full is the lane over net/http. Make one with NewFull.
type Full struct {
	handler  Handler
	times    Times
	log      *slog.Logger
	pool     policy.Pool
	buffers  sync.Pool
	server   *http.Server
	refusal  string
	draining atomic.Bool
}

// NewFull returns a lane that passes its requests to handler.
func NewFull(handler Handler, times Times, log *slog.Logger) *Full {
	var secret [16]byte
	rand.Read(secret[:]) // never fails: crypto/rand
	f := &Full{handler: handler, times: times.orDefault(), log: log, refusal: "/" + hex.EncodeToString(secret[:])}
	f.buffers.New = func() any { return new([buffer]byte) }
	f.server = &http.Server{
		Handler:           f,
		ReadHeaderTimeout: f.times.Head,
		IdleTimeout:       f.times.Idle,
		MaxHeaderBytes:    2 * http1.MaxHeadBytes, // http1 enforces the limit
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		DisableGeneralOptionsHandler: true,
	}
	return f
}

type connKey struct{}

// Serve accepts connections until the listener is closed or Drain is called;
// then it returns nil. The lane owns the listener from here on.
func (f *Full) Serve(listener net.Listener) error {
	err := f.server.Serve(&strictListener{listener, f})
	if err == http.ErrServerClosed {
		return nil
	}
	return fmt.Errorf("serve %s: %w", listener.Addr(), err)
}

// Close gives every connection up at once.
func (f *Full) Close() error { return f.server.Close() }

// KeepConnections says whether connections stay open after an answer. With
// false every answer is the last of its connection, so that clients move on by
// themselves.
func (f *Full) KeepConnections(keep bool) { f.draining.Store(!keep) }

// Drain stops accepting, waits for the answers under way, and closes what is
// idle. When ctx ends first it gives up what is left and says so.
func (f *Full) Drain(ctx context.Context) error {
	f.KeepConnections(false)
	if err := f.server.Shutdown(ctx); err != nil {
		_ = f.server.Close() // it closes what it can
		return fmt.Errorf("drain gateway: %w", err)
	}
	return nil
}

type strictListener struct {
	net.Listener
	lane *Full
}

// Accept implements net.Listener.
func (l *strictListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if _, secure := c.(*tls.Conn); secure { // net/http shakes hands itself, in a goroutine of the connection
		return c, nil
	}
	return http1.NewConn(c, l.lane.refusal, http1.Times{Head: l.lane.times.Head, Body: l.lane.times.Body}), nil
}

// ServeHTTP implements http.Handler for the lane's own server.
func (f *Full) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
		f.handler.Refuse(ex, &policy.Denied{Status: refused.Status, Code: codeOf(refused.Status), Detail: refused.Detail, Close: true})
	} else {
		fill(ex, w, r, conn)
		if err := f.handler.Serve(r.Context(), ex); err != nil {
			f.handler.Done(ex, err)
			panic(http.ErrAbortHandler) // net/http's way to close the connection
		}
	}
	err := f.write(w, r, ex)
	f.handler.Done(ex, err)
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
