package lane

import (
	"net"
	"sync"
)

// handed is a listener of connections that another lane took in.
type handed struct {
	conns chan net.Conn
	over  chan struct{}
	once  sync.Once
}

func newHanded() *handed { return &handed{conns: make(chan net.Conn), over: make(chan struct{})} }

// hand passes a connection on, and closes it when nobody takes any more.
func (h *handed) hand(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.over:
		_ = c.Close() // nobody is left to tell
	}
}

// Accept implements net.Listener.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.over:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handed) Close() error {
	h.once.Do(func() { close(h.over) })
	return nil
}

// Addr implements net.Listener.
func (h *handed) Addr() net.Addr { return &net.TCPAddr{} }

// resumed is a connection of which something was read already.
type resumed struct {
	net.Conn
	ahead []byte
}

// Read implements net.Conn.
func (r *resumed) Read(p []byte) (int, error) {
	if len(r.ahead) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.ahead)
	if r.ahead = r.ahead[n:]; len(r.ahead) == 0 {
		r.ahead = nil
	}
	return n, nil
}

// CloseWrite ends the sending side alone.
func (r *resumed) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}
