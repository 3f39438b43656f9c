package gateway

import (
	"context"
	"sync"
	"time"

	"portico/gateway/share"
	"portico/internal/entry"
)

// Bounds of what being told to check targets may cost a node.
const (
	looksAtOnce = 32              // of one tenant a quarter; others are left unanswered
	lookFor     = 5 * time.Second // that a look with checks waits for targets
)

// looks are the looks with checks that are under way.
type looks struct {
	all    sync.WaitGroup
	places *share.Places
}

// look says how a version's targets are. It does not wait for what it has them
// asked.
func (n *Node) look(ctx context.Context, under *looks, l entry.Look) {
	if !l.Check { // which waits for nothing
		n.looked(ctx, l)
		return
	}
	tenant := n.upstreams.Tenant(l.Version)
	if !under.places.Take(tenant) {
		n.config.Log.Warn("too many checks of targets at once; one is not answered", "version", l.Version)
		return
	}
	under.all.Go(func() {
		defer under.places.Give(tenant)
		n.looked(ctx, l)
	})
}

// looked looks, and tells.
func (n *Node) looked(ctx context.Context, l entry.Look) {
	waiting, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	out := entry.Targets{Node: n.config.Node, Environment: n.config.Environment, Look: l.ID}
	out.Upstreams, out.More = n.upstreams.Look(waiting, l, n.config.Now)
	if err := n.config.Carrier.Looked(ctx, out); err != nil {
		n.config.Log.Debug("how targets are was not told", "error", err)
	}
}
