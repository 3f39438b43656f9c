package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"portico/internal/entry"
)

// Ledger takes nodes' usage and counts it once, as the manager does with the bus
// and a database between. The zero value is ready, and connected.
type Ledger struct {
	mu     sync.Mutex
	down   bool
	silent bool
	since  time.Time
	next   map[string]uint32
	pieces []entry.Usage
	again  int
	hears  []chan entry.UsageAck
	unsaid []entry.UsageAck // nobody listened yet
}

// Down cuts nodes off, and connects them again.
func (l *Ledger) Down(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down, l.since = down, time.Now()
}

// Silent makes the ledger acknowledge nothing of what it takes, and take that up
// again.
func (l *Ledger) Silent(silent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent = silent
}

// Usage implements usage.Carrier.
func (l *Ledger) Usage(_ context.Context, _ string, piece []byte) error {
	u, err := entry.DecodeUsage(piece)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return errors.New("not connected")
	}
	if l.next == nil {
		l.next = map[string]uint32{}
	}
	key := fmt.Sprint(u.Spool, u.Segment)
	if l.next[key] <= u.From {
		l.next[key] = u.To
		l.pieces = append(l.pieces, u)
	} else {
		l.again++
	}
	ack := entry.UsageAck{Spool: u.Spool, Segment: u.Segment, To: u.To}
	switch {
	case l.silent:
	case len(l.hears) == 0:
		l.unsaid = append(l.unsaid, ack)
	}
	for _, hear := range l.hears {
		if !l.silent {
			hear <- ack
		}
	}
	return nil
}

// UsageAcks implements usage.Carrier.
func (l *Ledger) UsageAcks(ctx context.Context, _ string, each func(entry.UsageAck)) error {
	hear := make(chan entry.UsageAck, 1000)
	l.mu.Lock()
	l.hears = append(l.hears, hear)
	for _, ack := range l.unsaid {
		hear <- ack
	}
	l.unsaid = nil
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.hears = slices.DeleteFunc(l.hears, func(other chan entry.UsageAck) bool { return other == hear })
	}()
	for {
		select {
		case ack := <-hear:
			each(ack)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Connected implements usage.Carrier.
func (l *Ledger) Connected() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since, !l.down
}

// Usages returns what was counted, each piece once.
func (l *Ledger) Usages() []entry.Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]entry.Usage{}, l.pieces...)
}

// Again returns how many pieces came that had been counted.
func (l *Ledger) Again() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.again
}

// ByStatus returns how many calls were counted, by status; -1 for those that
// were given up.
func (l *Ledger) ByStatus() map[int]uint64 {
	out := map[int]uint64{}
	for _, u := range l.Usages() {
		for _, c := range u.Calls {
			out[u.Callers[c.Caller].Status] += c.Count
		}
		if u.Lost > 0 {
			out[-1] += u.Lost
		}
	}
	return out
}
