package gateway

import (
	"context"
	"time"

	"portico/internal/entry"
)

// Carrier brings a node its entries and takes its status away. internal/bus
// has the real one, test/fake one in memory.
type Carrier interface {
	// Watch calls apply with what the environment holds, in pieces of any size
	// and in the order of writing, and after that with every change. caughtUp is
	// true on the call that completes what was there when it connected, and on
	// all later ones. It reconnects by itself, beginning anew each time, and
	// returns when ctx ends, or with the error that apply returned. It calls
	// apply from one goroutine at a time.
	Watch(ctx context.Context, apply func(items []entry.Item, caughtUp bool) error) error
	// Report sends a status. It does not wait for anybody to read it.
	Report(ctx context.Context, status entry.Status) error
	// Saw sends which secrets the node has taken, as Report sends.
	Saw(ctx context.Context, seen entry.Seen) error
	// Explained sends the way of a call, as Report sends.
	Explained(ctx context.Context, explanation entry.Explanation) error
	// Looked sends how targets are, as Report sends.
	Looked(ctx context.Context, targets entry.Targets) error
	// Usage sends a piece of the spool, and UsageAcks hears what the ledger has:
	// see usage.Carrier.
	Usage(ctx context.Context, node string, piece []byte) error
	UsageAcks(ctx context.Context, node string, each func(entry.UsageAck)) error
	// Commands calls each with what the node is told, until ctx ends.
	Commands(ctx context.Context, node string, each func(entry.Command)) error
	// Connected says whether the bus is there now, and since when it is or is
	// not; the zero time when it never was.
	Connected() (since time.Time, ok bool)
}
