package upstream

import (
	"net"
	"testing"

	"portico/gateway/policy"
)

// TestAnIdleConnectionLetsGoOfWhoCalled has one that nobody uses: the connection of
// its last caller must not stay in memory with it.
func TestAnIdleConnectionLetsGoOfWhoCalled(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	p := &pool{set: &Set{}}
	c := newConn(near, p)
	c.line.Store(&policy.Line{})
	p.put(c)
	p.sweep(int64(sweepEvery))
	if c.line.Load() == nil {
		t.Error("one that was used a moment ago is emptied: each call would write it twice")
	}
	p.sweep(int64(sweepEvery) + 1)
	if c.line.Load() != nil || p.take() != c {
		t.Error("it holds who called, or is gone")
	}
}
