package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
)

type requestIDKey struct{}

// RequestID returns the id of the request that ctx belongs to, "" outside one.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// begin gives the request its id. A client's own X-Request-Id is not taken:
// it would let strangers write into the audit log.
func (e *edge) begin(c *gin.Context) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never returns an error since Go 1.24
	id := hex.EncodeToString(b[:])
	c.Set(edgeKey{}, e)
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), requestIDKey{}, id))
	c.Header("X-Request-Id", id)
}

// outcome is what Fail leaves for the access log.
type outcome struct {
	code  string
	cause error
}

type outcomeKey struct{}

// log writes one line when the request has ended. It names the route, not the
// path: paths of one-time links hold their tokens.
func (e *edge) log(c *gin.Context) {
	started := time.Now()
	c.Next()
	level := slog.LevelInfo
	if e.static(c) {
		level = slog.LevelDebug
	}
	ctx := c.Request.Context()
	attrs := []slog.Attr{
		slog.String("edge", e.Name), slog.String("method", c.Request.Method), slog.String("route", c.FullPath()),
		slog.Int("status", c.Writer.Status()), slog.Int("bytes", max(c.Writer.Size(), 0)),
		slog.Duration("took", time.Since(started)), slog.String("request", RequestID(ctx)),
		slog.String("address", c.RemoteIP()),
	}
	if a := Actor(ctx); !a.Anonymous() {
		attrs = append(attrs, slog.String("person", string(a.Person)), slog.String("token", string(a.Token)))
	}
	if v, ok := c.Get(outcomeKey{}); ok {
		o := v.(outcome)
		attrs = append(attrs, slog.String("code", o.code))
		if o.cause != nil {
			attrs = append(attrs, slog.String("cause", o.cause.Error()))
		}
		level = max(level, levelOf(ctx, c.Writer.Status()))
	}
	e.Log.LogAttrs(ctx, level, "request", attrs...)
}

// levelOf says who has to look: a 500 is somebody's to mend, another 5xx is a
// part that is away, and a client that left is nobody's business.
func levelOf(ctx context.Context, status int) slog.Level {
	switch {
	case ctx.Err() != nil || status < http.StatusInternalServerError:
		return slog.LevelInfo
	case status == http.StatusInternalServerError:
		return slog.LevelError
	}
	return slog.LevelWarn
}

// recover turns a panic into a 500 and keeps the process alive.
func (e *edge) recover(c *gin.Context) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v) // the server's own way to cut a connection
		}
		e.Log.ErrorContext(c.Request.Context(), "handler panicked",
			"edge", e.Name, "route", c.FullPath(), "request", RequestID(c.Request.Context()),
			"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		Fail(c, fmt.Errorf("panic: %v", v))
	}()
	c.Next()
}
