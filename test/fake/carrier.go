// Package fake has one honest stand-in for each boundary of the product, for
// tests of all parts. It is in no binary.
package fake

import (
	"context"
	"errors"
	"sync"
	"time"

	"portico/internal/entry"
)

// Carrier brings entries to nodes from memory, as internal/bus does over NATS:
// the newest value of every key first, then every change, beginning anew after
// each interruption. The zero value is not ready: use NewCarrier.
type Carrier struct {
	mu       sync.Mutex
	order    []entry.Item // the newest of each key, in the order of writing
	changed  chan struct{}
	down     bool
	since    time.Time
	version  int // of the connection
	statuses []entry.Status
	told     chan entry.Command
	seen     []entry.Seen
	ways     []entry.Explanation
	looked   []entry.Targets
	ledger   Ledger
	log      []entry.Item // everything since the connection's version began
}

// NewCarrier returns a carrier that is connected and holds nothing.
func NewCarrier() *Carrier {
	return &Carrier{changed: make(chan struct{}), since: time.Now(), told: make(chan entry.Command)}
}

// Put writes entries, in order.
func (c *Carrier) Put(items ...entry.Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range items {
		for i := range c.order {
			if c.order[i].Key == it.Key {
				c.order = append(c.order[:i], c.order[i+1:]...)
				break
			}
		}
		c.order = append(c.order, it)
		c.log = append(c.log, it)
	}
	c.wake()
}

// Replace swaps the whole content, as a rebuilt bucket does.
func (c *Carrier) Replace(items ...entry.Item) {
	c.mu.Lock()
	c.order, c.log = nil, nil
	c.version++
	c.mu.Unlock()
	c.Put(items...)
}

// Tell gives a command to a node that listens, and waits until it has it.
func (c *Carrier) Tell(ctx context.Context, do entry.CommandKind) error {
	return c.TellWhole(ctx, entry.Command{Do: do})
}

// TellWhole is Tell for a command that says more.
func (c *Carrier) TellWhole(ctx context.Context, command entry.Command) error {
	select {
	case c.told <- command:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Commands calls each with what Tell tells, until ctx ends.
func (c *Carrier) Commands(ctx context.Context, _ string, each func(entry.Command)) error {
	for {
		select {
		case command := <-c.told:
			each(command)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Saw keeps what a node says.
func (c *Carrier) Saw(_ context.Context, seen entry.Seen) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, seen)
	return nil
}

// Usage implements gateway.Carrier.
func (c *Carrier) Usage(ctx context.Context, node string, piece []byte) error {
	return c.ledger.Usage(ctx, node, piece)
}

// UsageAcks implements gateway.Carrier.
func (c *Carrier) UsageAcks(ctx context.Context, node string, each func(entry.UsageAck)) error {
	return c.ledger.UsageAcks(ctx, node, each)
}

// Ledger returns what counts the usage that nodes send.
func (c *Carrier) Ledger() *Ledger { return &c.ledger }

// Seen returns what nodes said with Saw.
func (c *Carrier) Seen() []entry.Seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]entry.Seen{}, c.seen...)
}

// Explained implements gateway.Carrier.
func (c *Carrier) Explained(_ context.Context, explanation entry.Explanation) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return errors.New("not connected")
	}
	c.ways = append(c.ways, explanation)
	return nil
}

// Explanations returns what nodes said with Explained.
func (c *Carrier) Explanations() []entry.Explanation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]entry.Explanation{}, c.ways...)
}

// Looked implements gateway.Carrier.
func (c *Carrier) Looked(_ context.Context, targets entry.Targets) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked = append(c.looked, targets)
	return nil
}

// Looks returns what nodes said with Looked.
func (c *Carrier) Looks() []entry.Targets {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]entry.Targets{}, c.looked...)
}

// Stop cuts all nodes off; Start connects them again.
func (c *Carrier) Stop() { c.set(true) }

// Start ends what Stop began.
func (c *Carrier) Start() { c.set(false) }

func (c *Carrier) set(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down != down {
		c.down, c.since = down, time.Now()
		c.version++
		c.log = nil
	}
	c.wake()
}

// wake tells watchers that something changed. mu is held.
func (c *Carrier) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Watch implements gateway.Carrier.
func (c *Carrier) Watch(ctx context.Context, apply func([]entry.Item, bool) error) error {
	version, sent := -1, 0
	for {
		c.mu.Lock()
		changed, down := c.changed, c.down
		var items []entry.Item
		fresh := version != c.version
		switch {
		case down:
		case fresh:
			items = append(items, c.order...)
			version, sent = c.version, len(c.log)
		default:
			items = append(items, c.log[sent:]...)
			sent = len(c.log)
		}
		c.mu.Unlock()
		if !down && (fresh || len(items) > 0) {
			if err := apply(items, true); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// Report implements gateway.Carrier.
func (c *Carrier) Report(_ context.Context, status entry.Status) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return errors.New("not connected")
	}
	c.statuses = append(c.statuses, status)
	return nil
}

// Connected implements gateway.Carrier.
func (c *Carrier) Connected() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since, !c.down
}

// Last returns the last status that a node reported.
func (c *Carrier) Last() (status entry.Status, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.statuses) == 0 {
		return status, false
	}
	return c.statuses[len(c.statuses)-1], true
}
