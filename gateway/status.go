package gateway

import (
	"slices"
	"strings"

	"portico/internal/entry"
)

// Status says how the node is.
func (n *Node) Status() entry.Status {
	ready, _ := n.readiness()
	upstreams, more := n.upstreams.Health(n.config.Now())
	n.mu.Lock()
	defer n.mu.Unlock()
	s := entry.Status{
		Node: n.config.Node, Name: n.config.Name, Environment: n.config.Environment, Build: n.config.Build,
		Schema: entry.Schema, Kinds: entry.PolicyKinds(), Applied: n.applied,
		APIs: n.table.Len(), Grants: n.grants.Len(), Upstreams: upstreams, MoreUpstreams: more, Splits: n.splits.Report(),
		StartedAt: n.started.UnixMilli(), SentAt: n.config.Now().UnixMilli(),
		Ready: ready, Draining: n.draining.Load() || n.drained.Load(), FromDisk: !n.heard && n.env.Load() != nil,
	}
	for key, r := range n.refused {
		s.Refused = append(s.Refused, entry.Refusal{Key: key, At: r.item.Position, Reason: r.reason})
	}
	slices.SortFunc(s.Refused, func(a, b entry.Refusal) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return s
}
