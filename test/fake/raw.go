package fake

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"testing"
)

// Raw is an upstream that says exactly the bytes it is told to.
type Raw struct {
	URL string

	listener net.Listener
	mu       sync.Mutex
	conns    map[net.Conn]struct{} // guarded by mu
	accepted int                   // guarded by mu
	done     sync.WaitGroup
}

// NewRaw starts an upstream that serves each connection by serve, which may
// read requests with ReadRequest, and closes it when serve returns. It stops
// when the test ends.
func NewRaw(t testing.TB, serve func(c net.Conn, in *bufio.Reader)) *Raw {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Raw{URL: "http://" + l.Addr().String(), listener: l, conns: map[net.Conn]struct{}{}}
	r.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns[c] = struct{}{}
			r.accepted++
			r.mu.Unlock()
			r.done.Go(func() {
				defer c.Close()
				serve(c, bufio.NewReader(c))
				r.mu.Lock()
				defer r.mu.Unlock()
				delete(r.conns, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.mu.Lock()
		for c := range r.conns {
			c.Close()
		}
		r.mu.Unlock()
		r.done.Wait()
	})
	return r
}

// Accepted returns how many connections were made.
func (r *Raw) Accepted() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accepted
}

// ReadRequest reads one request with its body, and reports whether there was
// one.
func ReadRequest(in *bufio.Reader) (*http.Request, bool) {
	req, err := http.ReadRequest(in)
	if err != nil {
		return nil, false
	}
	var rest [4 << 10]byte
	for {
		if _, err := req.Body.Read(rest[:]); err != nil {
			return req, true
		}
	}
}
