package collect

import (
	"context"
	"sort"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
)

// Applied returns what the nodes confirm of a change now.
func (c *Collector) Applied(ctx context.Context, change apim.Change) (apim.Applied, error) {
	nodes, err := c.enrolled(ctx, change.Environment)
	if err != nil {
		return apim.Applied{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answer(change, nodes), nil
}

// Wait returns when every enrolled node has confirmed, or when ctx ends; then
// Done is false and the answer names who has not. A node that refused has
// confirmed too: it will not do more.
func (c *Collector) Wait(ctx context.Context, change apim.Change) (apim.Applied, error) {
	c.mu.Lock()
	f := c.fleet(change.Environment)
	f.waiting++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		f.waiting--
		c.mu.Unlock()
	}()
	for {
		nodes, err := c.enrolled(ctx, change.Environment)
		if err != nil && ctx.Err() == nil {
			return apim.Applied{}, err
		}
		c.mu.Lock()
		if err != nil { // ctx ended while the store was asked
			nodes = f.enrolled
		}
		answer, changed := c.answer(change, nodes), f.change
		c.mu.Unlock()
		if answer.Done && err == nil {
			return answer, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			answer.Done = answer.Done && err == nil
			return answer, nil
		}
	}
}

// answer says what nodes confirm of a change. mu is held.
func (c *Collector) answer(change apim.Change, nodes []apim.Node) apim.Applied {
	f := c.fleet(change.Environment)
	written, known := c.Written(change.Environment, change.Sequence)
	out := apim.Applied{Change: change, Done: true, TookMS: -1}
	for _, n := range nodes {
		h := f.heard[n.ID.UUID()]
		if gone(n, h) {
			continue
		}
		node := c.nodeApplied(n, h, change, written, known)
		out.Nodes = append(out.Nodes, node)
		out.Done = out.Done && (node.State == stateApplied || node.State == stateRefused)
		out.TookMS = max(out.TookMS, node.AppliedMS)
	}
	if !out.Done {
		out.TookMS = -1
	}
	return out
}

// gone reports whether a node said that it ends, and was not heard since: it
// does not count.
func gone(n apim.Node, h *heard) bool {
	if h != nil {
		return h.Left
	}
	return !n.LeftAt.IsZero()
}

// The states of a node in an answer.
const (
	stateApplied     = "applied"
	stateRefused     = "refused"
	stateWaiting     = "waiting"
	stateUnreachable = "unreachable"
)

func (c *Collector) nodeApplied(n apim.Node, h *heard, change apim.Change, written time.Time, known bool) apim.NodeApplied {
	out := apim.NodeApplied{Name: n.Name, State: stateWaiting, AppliedMS: -1}
	if !c.reachable(h) {
		out.State = stateUnreachable
	}
	if h == nil || h.Applied.Sequence < change.Sequence || change.Sequence == 0 && h.Applied == (entry.Position{}) {
		return out
	}
	out.State = stateApplied
	for _, r := range h.Refused {
		if r.At.Sequence == change.Sequence {
			out.State, out.Reason = stateRefused, string(r.Key)+": "+r.Reason
			break
		}
	}
	if at, ok := h.first(change.Sequence); ok && known {
		out.AppliedMS = max(0, at.Sub(written).Milliseconds())
	}
	return out
}

// first returns when a node was first heard to have applied a sequence.
func (h *heard) first(sequence uint64) (time.Time, bool) {
	i := sort.Search(len(h.applied), func(i int) bool { return h.applied[i].sequence >= sequence })
	if i == len(h.applied) || i == 0 && h.applied[0].sequence != sequence { // or earlier, unheard
		return time.Time{}, false
	}
	return h.applied[i].at, true
}

// reachable reports whether a node was heard lately; just after the start of
// this process it may not have had its turn. mu is held.
func (c *Collector) reachable(h *heard) bool {
	last := c.started
	if h != nil {
		last = h.at
	}
	return c.Now().Sub(last) < unreachableAfter
}

// Reachable returns the newest status of each enrolled node that was heard
// lately, as far as it is known which are enrolled. It asks nobody.
func (c *Collector) Reachable(environment string) []entry.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fleets[environment]
	if f == nil {
		return nil
	}
	enrolled := map[string]bool{}
	for _, n := range f.enrolled {
		enrolled[n.ID.UUID()] = true
	}
	var out []entry.Status
	for uuid, h := range f.heard {
		if !h.Left && c.reachable(h) && (enrolled[uuid] || len(f.enrolled) == 0) {
			out = append(out, h.Status)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// Nodes returns the environment's enrolled nodes with what they last said.
func (c *Collector) Nodes(ctx context.Context, environment string) ([]apim.Node, error) {
	c.Invalidate(environment) // people look at it after a node came or was removed
	enrolled, err := c.enrolled(ctx, environment)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fleet(environment)
	newest := uint64(0)
	for _, h := range f.heard {
		newest = max(newest, h.Applied.Sequence)
	}
	if c.Head != nil {
		newest = max(newest, c.Head(environment))
	}
	nodes := make([]apim.Node, len(enrolled))
	for i, n := range enrolled {
		nodes[i] = c.node(n, f.heard[n.ID.UUID()], newest)
	}
	return nodes, nil
}

// node adds to an enrolled node what it last said. mu is held.
func (c *Collector) node(n apim.Node, h *heard, newest uint64) apim.Node {
	n.State, n.AppliedMS, n.Behind = apim.NodeUnreachable, -1, newest
	if c.reachable(h) {
		n.State = apim.NodeStarting
	}
	if gone(n, h) {
		n.State, n.Behind = apim.NodeLeft, 0
	}
	if h == nil {
		return n
	}
	switch {
	case h.Left, !c.reachable(h):
	case h.Draining:
		n.State = apim.NodeDraining
	case h.Ready && !h.FromDisk: // else it serves what it kept, and is catching up
		n.State = apim.NodeLive
	}
	n.Build, n.Applied, n.APIs, n.Grants, n.FromDisk = h.Build, h.Applied.Sequence, h.APIs, h.Grants, h.FromDisk
	if n.State != apim.NodeLeft {
		n.Behind = newest - min(newest, n.Applied)
	}
	n.StartedAt, n.HeardAt = time.UnixMilli(h.StartedAt), h.at
	n.Refused = nil
	for _, r := range h.Refused {
		n.Refused = append(n.Refused, apim.NodeRefusal{Key: string(r.Key), Reason: r.Reason})
	}
	written, known := c.Written(n.Environment, n.Applied)
	if at, ok := h.first(n.Applied); ok && known {
		n.AppliedMS = max(0, at.Sub(written).Milliseconds())
	}
	return n
}

// Statuses returns the last word of each of an environment's nodes that was
// heard of late.
func (c *Collector) Statuses(environment string) []entry.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fleets[environment]
	if f == nil {
		return nil
	}
	var out []entry.Status
	for _, h := range f.heard {
		if !h.Left {
			out = append(out, h.Status)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Node < out[j].Node })
	return out
}
