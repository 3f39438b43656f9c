package lane

import (
	"crypto/tls"
	"errors"
	"io"
	"net"

	"portico/gateway/socket"
)

// Secure returns a listener whose connections speak TLS, and which the fast lane
// waits on as it does on plain ones.
func Secure(l net.Listener, config *tls.Config) net.Listener {
	return tls.NewListener(patientListener{l}, config)
}

type patientListener struct{ net.Listener }

// Accept implements net.Listener.
func (l patientListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &patient{Conn: c}, nil
}

// patient is the connection beneath TLS. Within the callback of the connection
// above it, it reads and writes the socket itself, and a read that finds nothing
// does not wait: it returns socket.ErrAgain, which package tls takes for
// temporary, and goes on from there at the next read. So TLS is waited for where
// plain connections are. Elsewhere it is the connection that it wraps.
type patient struct {
	net.Conn
	fd     uintptr // of the socket, while
	within bool    // the callback is under way
	empty  bool    // the socket was, and the poller has told nothing since
}

// Read implements net.Conn.
func (p *patient) Read(b []byte) (int, error) {
	if !p.within {
		return p.Conn.Read(b)
	}
	if p.empty {
		return 0, socket.ErrAgain
	}
	n, err := socket.Read(p.fd, b)
	if err == nil && n == 0 {
		return 0, io.EOF
	}
	p.empty = n < len(b)
	return n, err
}

// Write implements net.Conn.
func (p *patient) Write(b []byte) (int, error) {
	if !p.within {
		return p.Conn.Write(b)
	}
	n, err := socket.Write(p.fd, b)
	if err != nil && !errors.Is(err, socket.ErrAgain) || n == len(b) {
		return n, err
	}
	more, err := p.Conn.Write(b[n:]) // the socket's buffer is full
	return n + more, err
}
