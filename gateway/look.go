package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"portico/internal/entry"
)

// Bounds of what being told to look at targets may cost a node.
const (
	looksAtOnce = 16              // others are left unanswered
	lookFor     = 5 * time.Second // that a look with checks waits for targets
)

// looks are the looks at targets that are under way.
type looks struct {
	all sync.WaitGroup
	now atomic.Int32
}

// look says how a version's targets are. It does not wait for what it has them
// asked.
func (n *Node) look(ctx context.Context, under *looks, l entry.Look) {
	if under.now.Add(1) > looksAtOnce {
		under.now.Add(-1)
		n.config.Log.Warn("too many looks at targets at once; one is not answered", "version", l.Version)
		return
	}
	under.all.Go(func() {
		defer under.now.Add(-1)
		waiting, cancel := context.WithTimeout(ctx, lookFor)
		defer cancel()
		out := entry.Targets{Node: n.config.Node, Environment: n.config.Environment, Look: l.ID}
		out.Upstreams, out.More = n.upstreams.Look(waiting, l.Version, l.Check, n.config.Now)
		if err := n.config.Carrier.Looked(ctx, out); err != nil {
			n.config.Log.Debug("how targets are was not told", "error", err)
		}
	})
}
