package publish

import (
	"context"
	"time"

	"portico/internal/entry"
)

// Store is the desired state of all environments, as manager/store keeps it.
type Store interface {
	// Lead runs fn as the only one under a name, as soon as nobody else is; its
	// context ends when the lead is lost, which fn may notice late.
	Lead(ctx context.Context, name string, fn func(ctx context.Context) error) error
	// RemovedNodes lists the bus's users that are let in no more.
	RemovedNodes(ctx context.Context, env string) (userKeys []string, err error)
	// EnvironmentSlugs lists all environments.
	EnvironmentSlugs(ctx context.Context) ([]string, error)
	// EnvironmentsToDrop lists deleted environments that the bus still carries.
	EnvironmentsToDrop(ctx context.Context) ([]string, error)
	// EnvironmentDropped says that it carries nothing of one any more.
	EnvironmentDropped(ctx context.Context, env string, at time.Time) error
	// Pending returns what is not yet marked as published, of at most limit
	// sequences, in writing order, and the head that holds once it is written.
	// Nothing pending is no items and the newest head.
	Pending(ctx context.Context, env string, limit int) (items []entry.Item, head entry.Position, err error)
	// MarkPublished says that the bucket holds everything up to head. A mark
	// never goes back.
	MarkPublished(ctx context.Context, env string, head entry.Position) error
	// Desired yields every entry, tombstones too. It ends with yield's error.
	Desired(ctx context.Context, env string, yield func(key entry.Key, at entry.Position, ended bool) error) error
	// LoadEntries returns those of the entries that exist, in writing order.
	LoadEntries(ctx context.Context, env string, keys []entry.Key) ([]entry.Item, error)
	// Reissue makes entries pending again above a position, and tombstones of
	// foreign keys.
	Reissue(ctx context.Context, env string, above entry.Position, keys, foreign []entry.Key) error
	// NewEpoch makes everything pending again under a new epoch.
	NewEpoch(ctx context.Context, env string) (entry.Position, error)
	// SweepTombstones forgets what ended before a time and was published.
	SweepTombstones(ctx context.Context, env string, before time.Time) (int, error)
}
