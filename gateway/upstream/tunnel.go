package upstream

import (
	"net/http"
	"strings"
	"time"

	"portico/gateway/policy"
)

// tunnel is a call whose upstream has switched protocols.
type tunnel call

// switched reports whether the answer's head agrees to the protocol that the
// caller asked for.
func (c *call) switched() bool {
	if c.head.Status != http.StatusSwitchingProtocols || c.ex.Upgrade == "" {
		return false
	}
	for _, f := range c.head.Fields {
		if !policy.FoldEqual(f.Name, "Upgrade") {
			continue
		}
		for asked := range strings.SplitSeq(c.ex.Upgrade, ",") {
			if policy.FoldEqual(strings.Trim(asked, " \t"), f.Value) {
				c.ex.Upgrade = f.Value
				return true
			}
		}
	}
	return false
}

// errNoUpgrade is what a caller is told who wants to switch protocols on a
// connection that carries other calls too.
func errNoUpgrade() error {
	return &policy.Denied{
		Status: http.StatusNotImplemented, Code: "upgrade_not_supported",
		Detail: "The service behind this API is called by HTTP/2, where no other protocol can be switched to. Send the request without the header Upgrade.",
	}
}

// Read implements policy.Tunnel. What came together with the answer's head comes
// first.
func (t *tunnel) Read(p []byte) (int, error) {
	if t.r < t.w {
		n := copy(p, t.in[t.r:t.w])
		t.r += n
		return n, nil
	}
	return t.conn.Read(p)
}

// Write implements policy.Tunnel.
func (t *tunnel) Write(p []byte) (int, error) {
	t.conn.writeBy.Store(t.upstream.set.now.Load() + int64(t.times.Idle))
	n, err := t.conn.Conn.Write(p)
	t.conn.writeBy.Store(0)
	return n, err
}

// CloseWrite implements policy.Tunnel.
func (t *tunnel) CloseWrite() error {
	if half, ok := t.conn.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Stop implements policy.Tunnel.
func (t *tunnel) Stop() { t.conn.abort(t.state, abandoned) }

// Idle implements policy.Tunnel.
func (t *tunnel) Idle() time.Duration { return t.times.Idle }
