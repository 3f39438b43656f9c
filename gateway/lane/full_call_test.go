package lane

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway/policy"
)

// scripted is a handler that serves as a test wants it to.
type scripted struct {
	serve func(context.Context, *policy.Exchange) error
	done  atomic.Int64 // calls that are
}

func (s *scripted) Serve(ctx context.Context, ex *policy.Exchange) error { return s.serve(ctx, ex) }
func (s *scripted) Refuse(ex *policy.Exchange, _ *policy.Denied) {
	ex.Answer.Status = http.StatusBadRequest
}
func (s *scripted) Done(*policy.Exchange, error) { s.done.Add(1) }

// TestBodyOfACallThatPanickedIsNoOthers has a call panic whose body somebody
// beside it holds, and serves the next one from the same memory.
func TestBodyOfACallThatPanickedIsNoOthers(t *testing.T) {
	var kept *policy.Body
	h := &scripted{}
	f := New(h, Times{}, slog.New(slog.DiscardHandler)).full
	c := newFullCall(f)
	f.calls.New = func() any { return c }
	serve := func(text string) {
		defer func() { _ = recover() }() // the lane's way to end a connection
		f.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(text)).WithContext(
			context.WithValue(t.Context(), connKey{}, &fullConn{})))
	}
	h.serve = func(_ context.Context, ex *policy.Exchange) error {
		ex.Body.Share()
		kept = ex.Body
		panic("on purpose")
	}
	serve("of the first")
	h.serve = func(_ context.Context, ex *policy.Exchange) error {
		var buf [100]byte
		if n, err := kept.Read(buf[:]); !errors.Is(err, policy.ErrStopped) {
			t.Errorf("the first call's body got %q %v", buf[:n], err)
		}
		if n, err := ex.Body.Read(buf[:]); string(buf[:n]) != "of the second" {
			t.Errorf("the second call's body got %q %v", buf[:n], err)
		}
		ex.Answer.Status = http.StatusOK
		return nil
	}
	serve("of the second")
	if n := h.done.Load(); n != 2 {
		t.Errorf("%d calls were done", n)
	}
}

// TestCloseWaitsForCalls closes the lanes during calls that take a moment to end
// after their callers are gone. net/http would not say so of one whose body nobody
// has read.
func TestCloseWaitsForCalls(t *testing.T) {
	for name, request := range map[string]string{
		"without a body":     "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"with one, not read": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			begun := make(chan struct{})
			h := &scripted{serve: func(ctx context.Context, _ *policy.Exchange) error {
				close(begun)
				select {
				case <-ctx.Done():
				case <-time.After(10 * time.Second):
					t.Error("the call's context does not end")
				}
				time.Sleep(100 * time.Millisecond)
				return &policy.Broken{Cause: context.Canceled}
			}}
			l := New(h, Times{}, slog.New(slog.DiscardHandler))
			l.FullOnly = true
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- l.Serve(listener) }()
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte(request)); err != nil {
				t.Fatal(err)
			}
			<-begun
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if n := h.done.Load(); n != 1 {
				t.Errorf("%d calls were done when all was to be at rest", n)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
}
