package http1

import (
	"errors"
	"net"
	"time"
)

// maxAhead is how much a client may send that wants to switch protocols, before
// it knows whether it may.
const maxAhead = 64 << 10

var errAhead = errors.New("client sends before it knows by which protocol")

// Resume goes on with HTTP after a request that asked for another protocol was
// answered otherwise. It does nothing after any other request, and is safe for
// concurrent use.
func (c *Conn) Resume() { c.switching.Store(false) }

// Switch gives the connection out of hand after a request that asked for another
// protocol, with what was read beyond that request. Nobody may be reading.
func (c *Conn) Switch() (conn net.Conn, ahead []byte) {
	_ = c.Conn.SetDeadline(time.Time{}) // a closed connection is found out by the next read
	return c.Conn, c.held
}
