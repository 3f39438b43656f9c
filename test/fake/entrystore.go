package fake

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"portico/internal/entry"
)

// EntryStore is the desired state of environments in memory, as manager/store
// keeps it in a database. The zero value has no environments; it is safe for
// concurrent use.
type EntryStore struct {
	mu           sync.Mutex // guards what follows
	environments map[string]*desired
	deleted      map[string]bool // of these the bus still carries what is true
	failure      error
}

type desired struct {
	epoch, sequence, published uint64
	entries                    map[entry.Key]desiredEntry
}

type desiredEntry struct {
	entry.Item
	since   uint64 // the first change that is not yet published
	written time.Time
}

// Fail makes every later call fail with err, until it is nil again.
func (s *EntryStore) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
}

// AddEnvironment makes an environment.
func (s *EntryStore) AddEnvironment(slug string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.environments == nil {
		s.environments = map[string]*desired{}
	}
	s.environments[slug] = &desired{epoch: 1, entries: map[entry.Key]desiredEntry{}}
}

// DeleteEnvironment removes an environment.
func (s *EntryStore) DeleteEnvironment(slug string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.environments, slug)
	if s.deleted == nil {
		s.deleted = map[string]bool{}
	}
	s.deleted[slug] = true
}

// EnvironmentsToDrop implements publish.Store.
func (s *EntryStore) EnvironmentsToDrop(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for slug, carried := range s.deleted {
		if carried {
			all = append(all, slug)
		}
	}
	slices.Sort(all)
	return all, s.failure
}

// EnvironmentDropped implements publish.Store.
func (s *EntryStore) EnvironmentDropped(_ context.Context, slug string, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil && s.deleted != nil {
		s.deleted[slug] = false
	}
	return s.failure
}

// Emit makes items the desired state, under a new sequence, which it returns.
func (s *EntryStore) Emit(slug string, at time.Time, items ...entry.Item) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.environments[slug]
	d.sequence++
	for _, it := range items {
		d.set(it, at)
	}
	return d.sequence
}

func (d *desired) set(it entry.Item, at time.Time) {
	since := d.sequence
	if old, ok := d.entries[it.Key]; ok && old.Sequence > d.published {
		since = old.since
	}
	it.Schema, it.Kind, it.Position = entry.Schema, it.Key.Kind(), entry.Position{Epoch: d.epoch, Sequence: d.sequence}
	d.entries[it.Key] = desiredEntry{it, since, at}
}

// in calls do with an environment.
func (s *EntryStore) in(ctx context.Context, slug string, do func(*desired) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return s.failure
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	d := s.environments[slug]
	if d == nil {
		return fmt.Errorf("no environment %q", slug)
	}
	return do(d)
}

// Lead gives the lead to everybody at once: what one publisher writes has to be
// safe against another that has not noticed the loss of its own.
func (s *EntryStore) Lead(ctx context.Context, _ string, fn func(ctx context.Context) error) error {
	return fn(ctx)
}

// RemovedNodes is none: nodes of the fake are not removed.
func (s *EntryStore) RemovedNodes(context.Context, string) ([]string, error) { return nil, nil }

// EnvironmentSlugs implements publish.Store.
func (s *EntryStore) EnvironmentSlugs(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for slug := range s.environments {
		all = append(all, slug)
	}
	slices.Sort(all)
	return all, s.failure
}

// Pending implements publish.Store.
func (s *EntryStore) Pending(ctx context.Context, slug string, limit int) (items []entry.Item, head entry.Position, err error) {
	err = s.in(ctx, slug, func(d *desired) error {
		head = entry.Position{Epoch: d.epoch, Sequence: d.sequence}
		var cuts []uint64
		for _, e := range d.entries {
			if e.Sequence > d.published {
				cuts = append(cuts, e.since)
			}
		}
		slices.Sort(cuts)
		if cuts = slices.Compact(cuts); len(cuts) > limit {
			head.Sequence = cuts[limit-1]
		}
		for _, e := range d.entries {
			if e.Sequence > d.published && e.since <= head.Sequence {
				items = append(items, e.Item)
			}
		}
		slices.SortFunc(items, writingOrder)
		return nil
	})
	return items, head, err
}

// MarkPublished implements publish.Store.
func (s *EntryStore) MarkPublished(ctx context.Context, slug string, head entry.Position) error {
	return s.in(ctx, slug, func(d *desired) error {
		if head.Epoch == d.epoch && head.Sequence <= d.sequence {
			d.published = max(d.published, head.Sequence)
		}
		return nil
	})
}

// Desired implements publish.Store.
func (s *EntryStore) Desired(ctx context.Context, slug string, yield func(entry.Key, entry.Position, bool) error) error {
	var items []entry.Item
	err := s.in(ctx, slug, func(d *desired) error {
		for _, e := range d.entries {
			items = append(items, e.Item)
		}
		return nil
	})
	slices.SortFunc(items, func(a, b entry.Item) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) })
	for _, it := range items {
		if err := yield(it.Key, it.Position, it.Ended); err != nil {
			return err
		}
	}
	return err
}

// LoadEntries implements publish.Store.
func (s *EntryStore) LoadEntries(ctx context.Context, slug string, keys []entry.Key) (items []entry.Item, err error) {
	err = s.in(ctx, slug, func(d *desired) error {
		for _, key := range keys {
			if e, ok := d.entries[key]; ok {
				items = append(items, e.Item)
			}
		}
		slices.SortFunc(items, writingOrder)
		return nil
	})
	return items, err
}

// Reissue implements publish.Store.
func (s *EntryStore) Reissue(ctx context.Context, slug string, above entry.Position, keys, foreign []entry.Key) error {
	return s.in(ctx, slug, func(d *desired) error {
		var again []entry.Item
		for _, key := range slices.Concat(keys, foreign) {
			if e, ok := d.entries[key]; ok {
				again = append(again, e.Item)
			} else if slices.Contains(foreign, key) {
				again = append(again, entry.Tombstone(key, entry.Position{}))
			}
		}
		if len(again) == 0 {
			return nil
		}
		if above.Epoch > d.epoch || above.Sequence > math.MaxInt64/2 {
			d.rebase(max(d.epoch, above.Epoch) + 1)
		} else if above.Epoch == d.epoch {
			d.sequence = max(d.sequence, above.Sequence)
		}
		d.sequence++
		for _, it := range again {
			d.set(it, d.entries[it.Key].written)
		}
		return nil
	})
}

// NewEpoch implements publish.Store.
func (s *EntryStore) NewEpoch(ctx context.Context, slug string) (at entry.Position, err error) {
	err = s.in(ctx, slug, func(d *desired) error {
		d.rebase(d.epoch + 1)
		at = entry.Position{Epoch: d.epoch, Sequence: d.sequence}
		return nil
	})
	return at, err
}

func (d *desired) rebase(epoch uint64) {
	d.epoch, d.published = epoch, 0
	for key, e := range d.entries {
		e.Epoch, e.since = epoch, e.Sequence
		d.entries[key] = e
	}
}

// SweepTombstones implements publish.Store.
func (s *EntryStore) SweepTombstones(ctx context.Context, slug string, before time.Time) (n int, err error) {
	err = s.in(ctx, slug, func(d *desired) error {
		for key, e := range d.entries {
			if e.Ended && e.written.Before(before) && e.Sequence <= d.published {
				delete(d.entries, key)
				n++
			}
		}
		return nil
	})
	return n, err
}

// writingOrder puts what is referred to first, and what ends last, the other
// way round.
func writingOrder(a, b entry.Item) int {
	if a.Ended != b.Ended {
		if a.Ended {
			return 1
		}
		return -1
	}
	kinds := entry.Kinds()
	byKind := slices.Index(kinds, a.Kind) - slices.Index(kinds, b.Kind)
	if a.Ended {
		byKind = -byKind
	}
	switch {
	case byKind != 0:
		return byKind
	case a.Sequence != b.Sequence:
		if a.Sequence < b.Sequence {
			return -1
		}
		return 1
	}
	return bytes.Compare([]byte(a.Key), []byte(b.Key))
}
