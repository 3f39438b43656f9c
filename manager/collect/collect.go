// Package collect hears what gateway nodes say of themselves, and tells which
// changes they confirm.
//
// It keeps the newest status of every node in memory. It deliberately decides
// nothing: what a node must be told is the publisher's, what a status means for
// a page is the page's.
package collect

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
)

const (
	// unreachableAfter is how long a node may be silent.
	unreachableAfter = 5 * time.Second
	// keepEvery is how often it is stored that a node was heard.
	keepEvery = 30 * time.Second
	// lookEvery is how often new environments and enrolled nodes are looked for.
	lookEvery = 5 * time.Second
	// keepConfirmed is how many confirmations of a node are remembered.
	keepConfirmed = 1024
)

// Store is what the collector needs of the database.
type Store interface {
	EnvironmentSlugs(ctx context.Context) ([]string, error)
	EnrolledNodes(ctx context.Context, environment string) ([]apim.Node, error)
	NodeHeard(ctx context.Context, node apim.Node) error
}

// Options are the parts a collector works with.
type Options struct {
	Store Store
	Bus   *bus.Bus
	// Written tells when the head that includes a sequence was written.
	Written func(environment string, sequence uint64) (time.Time, bool)
	Log     *slog.Logger
	Now     func() time.Time // nil: time.Now
}

// Collector implements manager.Confirmations. Make one with New; it is safe
// for concurrent use.
type Collector struct {
	Options

	mu      sync.Mutex // guards what follows
	heard   map[string]*node
	changed chan struct{} // closed and replaced whenever a node confirms more
}

// node is the newest of a node, by its uuid.
type node struct {
	status    entry.Status
	at        time.Time
	kept      time.Time
	confirmed []confirmation // ascending
}

type confirmation struct {
	sequence uint64
	at       time.Time
}

// New returns a collector that hears nothing until Run.
func New(o Options) *Collector {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Collector{Options: o, heard: map[string]*node{}, changed: make(chan struct{})}
}

// Run listens to the nodes of all environments until ctx ends.
func (c *Collector) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	listening := map[string]bool{}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		slugs, err := c.Store.EnvironmentSlugs(ctx)
		if err != nil && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "environments not read", "error", err)
		}
		for _, slug := range slugs {
			if !listening[slug] {
				listening[slug] = true
				group.Go(func() error { return c.Bus.Statuses(ctx, slug, func(s entry.Status) { c.hear(ctx, s) }) })
			}
		}
		select {
		case <-ctx.Done():
			return group.Wait()
		case <-tick.C:
		}
	}
}

func (c *Collector) hear(ctx context.Context, s entry.Status) {
	now := c.Now()
	c.mu.Lock()
	n := c.heard[s.Node]
	if n == nil {
		n = &node{}
		c.heard[s.Node] = n
	}
	if s.StartedAt < n.status.StartedAt || s.StartedAt == n.status.StartedAt && s.SentAt < n.status.SentAt {
		c.mu.Unlock()
		return // overtaken
	}
	more := s.Applied != n.status.Applied || len(s.Refused) != len(n.status.Refused) || s.Ready != n.status.Ready
	if s.Applied != n.status.Applied {
		n.confirmed = append(n.confirmed, confirmation{s.Applied.Sequence, now})
		if len(n.confirmed) > keepConfirmed {
			n.confirmed = slices.Clone(n.confirmed[keepConfirmed/2:])
		}
	}
	n.status, n.at = s, now
	keep := now.Sub(n.kept) >= keepEvery
	if keep {
		n.kept = now
	}
	if more {
		close(c.changed)
		c.changed = make(chan struct{})
	}
	c.mu.Unlock()
	if keep {
		if err := c.Store.NodeHeard(ctx, apim.Node{ID: idOf(s.Node), Build: s.Build, HeardAt: now}); err != nil && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "status not kept", "node", s.Name, "error", err)
		}
	}
}

func idOf(uuid string) apim.ID { return apim.ID(apim.PrefixNode + "_" + uuid) }

// Applied returns what the nodes confirm of a change now.
func (c *Collector) Applied(ctx context.Context, change apim.Change) (apim.Applied, error) {
	nodes, err := c.Store.EnrolledNodes(ctx, change.Environment)
	if err != nil {
		return apim.Applied{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.applied(change, nodes), nil
}

// Wait returns when every enrolled node has confirmed, or when ctx ends.
func (c *Collector) Wait(ctx context.Context, change apim.Change) (apim.Applied, error) {
	nodes, err := c.Store.EnrolledNodes(ctx, change.Environment)
	if err != nil {
		return apim.Applied{}, err
	}
	for {
		c.mu.Lock()
		out, changed := c.applied(change, nodes), c.changed
		c.mu.Unlock()
		if out.Done {
			return out, nil
		}
		select {
		case <-ctx.Done():
			return out, nil
		case <-changed:
		}
	}
}

func (c *Collector) applied(change apim.Change, nodes []apim.Node) apim.Applied {
	out := apim.Applied{Change: change, Nodes: []apim.NodeApplied{}, TookMS: -1, Done: true}
	written, known := c.Written(change.Environment, change.Sequence)
	for _, n := range nodes {
		one := apim.NodeApplied{Name: n.Name, State: "waiting", AppliedMS: -1}
		h := c.heard[n.ID.UUID()]
		switch {
		case h == nil || c.Now().Sub(h.at) > unreachableAfter:
			one.State = "unreachable"
		case h.status.Applied.Sequence >= change.Sequence:
			one.State = "applied"
			for _, r := range h.status.Refused {
				if r.At.Sequence == change.Sequence {
					one.State, one.Reason = "refused", r.Reason
				}
			}
			if at, ok := h.confirmedAt(change.Sequence); ok && known {
				one.AppliedMS = max(0, at.Sub(written).Milliseconds())
				out.TookMS = max(out.TookMS, one.AppliedMS)
			}
		}
		if one.State != "applied" && one.State != "refused" {
			out.Done = false
		}
		out.Nodes = append(out.Nodes, one)
	}
	if !out.Done {
		out.TookMS = -1
	}
	return out
}

func (n *node) confirmedAt(sequence uint64) (time.Time, bool) {
	i, _ := slices.BinarySearchFunc(n.confirmed, sequence, func(c confirmation, s uint64) int { return cmp.Compare(c.sequence, s) })
	if i == len(n.confirmed) || i == 0 && n.confirmed[0].sequence != sequence {
		return time.Time{}, false
	}
	return n.confirmed[i].at, true
}

// Nodes returns the environment's enrolled nodes with what they last said, by
// name.
func (c *Collector) Nodes(ctx context.Context, environment string) ([]apim.Node, error) {
	nodes, err := c.Store.EnrolledNodes(ctx, environment)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var newest uint64
	for _, n := range nodes {
		if h := c.heard[n.ID.UUID()]; h != nil {
			newest = max(newest, h.status.Applied.Sequence)
		}
	}
	for i := range nodes {
		c.fill(&nodes[i], newest)
	}
	slices.SortFunc(nodes, func(a, b apim.Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes, nil
}

func (c *Collector) fill(n *apim.Node, newest uint64) {
	n.State, n.AppliedMS = apim.NodeUnreachable, -1
	h := c.heard[n.ID.UUID()]
	if h == nil {
		return
	}
	s := h.status
	n.Build, n.Applied, n.APIs, n.Grants, n.FromDisk = s.Build, s.Applied.Sequence, s.APIs, s.Grants, s.FromDisk
	n.StartedAt, n.HeardAt = time.UnixMilli(s.StartedAt), h.at
	if newest > n.Applied {
		n.Behind = newest - n.Applied
	}
	for _, r := range s.Refused {
		n.Refused = append(n.Refused, apim.NodeRefusal{Key: string(r.Key), Reason: r.Reason})
	}
	if written, ok := c.Written(n.Environment, n.Applied); ok {
		if at, ok := h.confirmedAt(n.Applied); ok {
			n.AppliedMS = max(0, at.Sub(written).Milliseconds())
		}
	}
	switch {
	case c.Now().Sub(h.at) > unreachableAfter:
	case s.Draining:
		n.State = apim.NodeDraining
	case !s.Ready:
		n.State = apim.NodeStarting
	default:
		n.State = apim.NodeLive
	}
}
