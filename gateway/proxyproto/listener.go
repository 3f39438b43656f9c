package proxyproto

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// Listener accepts connections that a proxy may introduce.
type Listener struct {
	net.Listener
	From     []netip.Prefix // whose word is taken
	Required bool           // they must give it
}

// Accept implements net.Listener. It reads nothing.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	peer, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return c, nil // no network has it
	}
	for _, p := range l.From {
		if p.Contains(peer.Addr().Unmap()) {
			return &Conn{Conn: c, required: l.Required}, nil
		}
	}
	return c, nil
}

// Conn is a connection from a proxy. Its remote address is the proxy's until
// Introduction, or the first Read, has read what the proxy says.
type Conn struct {
	net.Conn
	required bool

	once  sync.Once
	err   error  // of the introduction
	ahead []byte // was read, and is no header

	mu     sync.Mutex
	remote net.Addr // nil: the connection's own; guarded by mu
}

// Introduction reads the header, once. kept reports whether there was none, and
// what was read waits for Read. An error is for good.
func (c *Conn) Introduction() (kept bool, err error) {
	c.once.Do(func() {
		var remote netip.AddrPort
		remote, c.ahead, c.err = read(c.Conn, c.required)
		if c.err == nil && remote.IsValid() {
			c.mu.Lock()
			c.remote = net.TCPAddrFromAddrPort(remote)
			c.mu.Unlock()
		}
	})
	return len(c.ahead) > 0, c.err
}

// Read implements net.Conn: what follows the header.
func (c *Conn) Read(p []byte) (int, error) {
	kept, err := c.Introduction()
	switch {
	case err != nil:
		return 0, err
	case kept:
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// RemoteAddr implements net.Conn. It waits for nothing.
func (c *Conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.remote != nil {
		return c.remote
	}
	return c.Conn.RemoteAddr()
}

// SyscallConn implements syscall.Conn, for those who ask after Introduction.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.Conn.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, net.ErrClosed
}

// CloseWrite ends the sending side alone.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}
