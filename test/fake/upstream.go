package fake

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Upstream is a backend that does as the last segment of the path says:
//
//	echo       the request as JSON (Echo), whatever the path is else
//	big        n bytes, by the query
//	slow       nothing until the call is given up
//	reset      breaks the connection before an answer
//	cut        announces 100 bytes, sends 10, breaks off
//	early      answers 413 without reading the body, then goes on serving
//	garbage    an answer that is not HTTP
//	status099  a status that does not exist
//	sse        three events, each when Release is called
//	trailers   the request's body, and its trailers as trailers
//	upload     how many bytes the body had
type Upstream struct {
	URL     string
	calls   atomic.Int64
	release chan struct{}

	mu     sync.Mutex
	ended  map[string]int // how calls ended, by path's last segment; guarded by mu
	server *httptest.Server
}

// Echo is what the upstream saw of a call.
type Echo struct {
	Method string              `json:"method"`
	Target string              `json:"target"`
	Host   string              `json:"host"`
	Header map[string][]string `json:"header"`
	Body   string              `json:"body"`
}

// NewUpstream starts one, and stops it when the test ends.
func NewUpstream(t testing.TB) *Upstream {
	u := &Upstream{release: make(chan struct{}), ended: map[string]int{}}
	u.server = httptest.NewUnstartedServer(u)
	u.server.Config.DisableGeneralOptionsHandler = true
	u.server.Start()
	u.URL = u.server.URL
	t.Cleanup(u.Close)
	return u
}

// Close stops it before the test ends. It may be called again.
func (u *Upstream) Close() {
	u.server.CloseClientConnections()
	u.server.Close()
}

// Calls returns how many requests arrived.
func (u *Upstream) Calls() int { return int(u.calls.Load()) }

// Cancelled returns how many calls to a behaviour were given up by the gateway.
func (u *Upstream) Cancelled(behaviour string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ended[behaviour]
}

// Release lets an "sse" call send its next event. It waits until it does.
func (u *Upstream) Release() { u.release <- struct{}{} }

// ServeHTTP implements http.Handler.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.calls.Add(1)
	last := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch last {
	case "big":
		n, _ := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		io.CopyN(w, zeros{}, n)
	case "slow":
		<-r.Context().Done()
		u.mu.Lock()
		u.ended[last]++
		u.mu.Unlock()
	case "reset":
		raw(w, func(c net.Conn, _ *bufio.ReadWriter) { c.(*net.TCPConn).SetLinger(0) })
	case "cut":
		raw(w, func(c net.Conn, _ *bufio.ReadWriter) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
		})
	case "early":
		raw(w, func(c net.Conn, _ *bufio.ReadWriter) {
			fmt.Fprint(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nenough")
			time.Sleep(100 * time.Millisecond) // an upstream that lingers before it closes
		})
	case "garbage":
		raw(w, func(c net.Conn, _ *bufio.ReadWriter) { fmt.Fprint(c, "SSH-2.0-nothing\r\n\r\n") })
	case "status099":
		raw(w, func(c net.Conn, _ *bufio.ReadWriter) { fmt.Fprint(c, "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n") })
	case "sse":
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		for i := range 3 {
			select {
			case <-u.release:
			case <-r.Context().Done():
				return
			}
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
		}
	case "trailers":
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		w.Write(body)
		w.Header().Set("X-Sum", r.Trailer.Get("X-Sum"))
	case "upload":
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %v", n, err)
	case "nolength":
		w.(http.Flusher).Flush()
		io.WriteString(w, "ok")
	default:
		echo(w, r)
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Connection", "X-Secret-Hop")
	w.Header().Set("X-Secret-Hop", "1")
	w.Header().Set("Keep-Alive", "timeout=5")
	json.NewEncoder(w).Encode(Echo{Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header, Body: string(body)})
}

func raw(w http.ResponseWriter, do func(net.Conn, *bufio.ReadWriter)) {
	c, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer c.Close()
	do(c, rw)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
