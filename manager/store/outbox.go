package store

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"portico/internal/apim"
	"portico/internal/entry"
)

type entryRow struct {
	Environment string    `gorm:"primaryKey"`
	Key         entry.Key `gorm:"primaryKey"`
	Epoch       int64
	Sequence    int64
	Since       int64
	Kind        entry.Kind
	Ended       bool
	Written     int64 `gorm:"column:written_at"`
	Body        []byte
}

func (entryRow) TableName() string { return "entry" }

func (r entryRow) at() entry.Position {
	return entry.Position{Epoch: uint64(r.Epoch), Sequence: uint64(r.Sequence)}
}

func (r entryRow) item() entry.Item {
	it := entry.Tombstone(r.Key, r.at())
	if !r.Ended {
		it.Ended, it.Body = false, r.Body
	}
	return it
}

// Emit makes items the desired state of an environment, under one new sequence
// that it takes under the environment's row lock. Their positions are set
// here. What is there already as it should be stays; when that is all, no
// sequence is taken and the environment's newest is returned, since everything
// asked for is in force with it.
func (s System) Emit(ctx context.Context, environment string, items []entry.Item, at time.Time) (apim.Change, error) {
	changed, err := s.changed(ctx, environment, items)
	if err != nil {
		return apim.Change{}, err
	}
	if len(changed) == 0 {
		env, err := s.Environment(ctx, environment)
		return apim.Change{Environment: environment, Sequence: env.Sequence}, err
	}
	env, err := s.nextSequence(ctx, environment)
	if err != nil {
		return apim.Change{}, err
	}
	rows := make([]entryRow, len(changed))
	for i, it := range changed {
		rows[i] = entryRow{
			Environment: environment, Key: it.Key, Epoch: env.Epoch, Sequence: env.Sequence, Since: env.Sequence,
			Kind: it.Kind, Ended: it.Ended, Written: micros(at), Body: append([]byte{}, it.Body...),
		}
	}
	if err := s.upsert(ctx, rows, env.PublishedSequence); err != nil {
		return apim.Change{}, err
	}
	return apim.Change{Environment: environment, Sequence: uint64(env.Sequence)}, nil
}

// changed returns the items that differ from what is desired now. A tombstone
// for what never was differs in nothing.
func (s System) changed(ctx context.Context, environment string, items []entry.Item) ([]entry.Item, error) {
	keys := make([]entry.Key, len(items))
	for i, it := range items {
		keys[i] = it.Key
	}
	have := map[entry.Key]entryRow{}
	for chunk := range slices.Chunk(keys, 500) {
		rows, err := many[entryRow](s.in(ctx).Where("environment = ? AND key IN ?", environment, chunk), "entries")
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			have[r.Key] = r
		}
	}
	var out []entry.Item
	for _, it := range items {
		row, known := have[it.Key]
		if !known && it.Ended || known && row.Ended == it.Ended && bytes.Equal(row.Body, it.Body) {
			continue
		}
		out = append(out, it)
	}
	return out, nil
}

// nextSequence takes the environment's next sequence. The update locks the row
// until the transaction ends, so sequences are committed in their order.
func (s System) nextSequence(ctx context.Context, environment string) (environmentRow, error) {
	named := s.in(ctx).Where("slug = ?", environment).Session(&gorm.Session{})
	res := named.Model(&environmentRow{}).UpdateColumn("sequence", gorm.Expr("sequence + 1"))
	if res.Error != nil {
		return environmentRow{}, fmt.Errorf("take a sequence: %w", res.Error)
	}
	return one[environmentRow](named, "environment")
}

func (s System) upsert(ctx context.Context, rows []entryRow, published int64) error {
	onConflict := clause.OnConflict{
		Columns: []clause.Column{{Name: "environment"}, {Name: "key"}},
		DoUpdates: append(clause.AssignmentColumns([]string{"epoch", "sequence", "kind", "ended", "written_at", "body"}),
			clause.Assignment{
				Column: clause.Column{Name: "since"},
				Value:  clause.Expr{SQL: "CASE WHEN entry.sequence > ? THEN entry.since ELSE excluded.since END", Vars: []any{published}},
			}),
	}
	for chunk := range slices.Chunk(rows, 200) {
		if err := insert(s.in(ctx).Clauses(onConflict), "entries", chunk); err != nil {
			return err
		}
	}
	return nil
}

// Pending returns what of an environment's desired state is above its
// published mark, in the order in which it is to be written (env, terms, api,
// grant; what ends comes last, in reverse), and the head that holds once it is.
// At most limit sequences' worth is returned at once. Nothing pending is no
// items and the newest head.
//
// A row that was changed twice since the mark comes with its first change, as
// it is now: a head is never written before everything that it claims.
func (s *Store) Pending(ctx context.Context, environment string, limit int) (items []entry.Item, head entry.Position, err error) {
	err = s.Read(ctx, func(tx *Tx) error {
		items, head, err = tx.System().pending(ctx, environment, max(1, limit))
		return err
	})
	return items, head, err
}

func (s System) pending(ctx context.Context, environment string, limit int) ([]entry.Item, entry.Position, error) {
	env, err := one[environmentRow](s.in(ctx).Where("slug = ?", environment), "environment")
	if err != nil {
		return nil, entry.Position{}, err
	}
	head := entry.Position{Epoch: uint64(env.Epoch), Sequence: uint64(env.Sequence)}
	above := s.in(ctx).Where("environment = ? AND sequence > ?", environment, env.PublishedSequence)
	var cuts []int64
	above = above.Session(&gorm.Session{})
	err = above.Model(&entryRow{}).Where("since > ?", env.PublishedSequence).Distinct("since").Order("since").Limit(limit+1).Pluck("since", &cuts).Error
	if err != nil {
		return nil, entry.Position{}, fmt.Errorf("list pending entries: %w", err)
	}
	if len(cuts) > limit {
		cut := cuts[limit-1]
		above = above.Where("since <= ?", cut)
		head.Sequence = uint64(cut)
	}
	rows, err := many[entryRow](above, "pending entries")
	if err != nil {
		return nil, entry.Position{}, err
	}
	items := sliceOf(rows, entryRow.item)
	slices.SortStableFunc(items, writingOrder)
	return items, head, nil
}

// writingOrder puts what is referred to before what refers to it, and what
// ends after everything, the other way round.
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
	if byKind != 0 {
		return byKind
	}
	if a.Sequence != b.Sequence {
		if a.Sequence < b.Sequence {
			return -1
		}
		return 1
	}
	return bytes.Compare([]byte(a.Key), []byte(b.Key))
}

// MarkPublished says that the bucket holds everything up to head. A mark never
// goes back, and one of another epoch is ignored: the bucket it is about is
// gone.
func (s *Store) MarkPublished(ctx context.Context, environment string, head entry.Position) error {
	if head.Sequence > math.MaxInt64 {
		return fmt.Errorf("mark published: sequence %d is out of range", head.Sequence)
	}
	return s.Write(ctx, func(tx *Tx) error {
		_, err := change(tx.System().in(ctx).Where("slug = ? AND epoch = ? AND published_sequence < ? AND sequence >= ?",
			environment, head.Epoch, head.Sequence, head.Sequence), "published mark",
			&environmentRow{PublishedEpoch: int64(head.Epoch), PublishedSequence: int64(head.Sequence)}, "published_epoch", "published_sequence")
		return err
	})
}

// Desired yields the key and position of every entry of an environment,
// tombstones too, in the order of their keys. It ends with yield's error.
func (s *Store) Desired(ctx context.Context, environment string, yield func(key entry.Key, at entry.Position, ended bool) error) error {
	const batch = 2000
	after := entry.Key("")
	for {
		rows, err := many[entryRow](s.System().in(ctx).Select("key", "epoch", "sequence", "ended").
			Where("environment = ? AND key > ?", environment, after).Order("key").Limit(batch), "entries")
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := yield(r.Key, r.at(), r.Ended); err != nil {
				return err
			}
		}
		if len(rows) < batch {
			return nil
		}
		after = rows[len(rows)-1].Key
	}
}

// LoadEntries returns the named entries that exist, in writing order.
func (s *Store) LoadEntries(ctx context.Context, environment string, keys []entry.Key) ([]entry.Item, error) {
	var items []entry.Item
	for chunk := range slices.Chunk(keys, 500) {
		rows, err := many[entryRow](s.System().in(ctx).Where("environment = ? AND key IN ?", environment, chunk), "entries")
		if err != nil {
			return nil, err
		}
		items = append(items, sliceOf(rows, entryRow.item)...)
	}
	slices.SortStableFunc(items, writingOrder)
	return items, nil
}

// Reissue gives entries a new sequence above a position that was seen in the
// bucket, so that the publisher writes them again and they outrank what stands
// there. foreign keys that the database does not know become tombstones. When
// no sequence of this epoch can outrank it, everything is issued again under a
// new epoch.
func (s *Store) Reissue(ctx context.Context, environment string, above entry.Position, keys, foreign []entry.Key) error {
	return s.Write(ctx, func(tx *Tx) error {
		sys := tx.System()
		env, err := one[environmentRow](sys.in(ctx).Where("slug = ?", environment), "environment")
		if err != nil {
			return err
		}
		rows, err := sys.reissued(ctx, environment, keys, foreign)
		if err != nil || len(rows) == 0 {
			return err
		}
		const highest = math.MaxInt64 / 2 // leaves room for every sequence after it
		if above.Epoch > uint64(env.Epoch) || above.Sequence > highest {
			if above.Epoch > highest {
				return fmt.Errorf("reissue: epoch %d is out of range", above.Epoch)
			}
			env.Epoch = max(env.Epoch, int64(above.Epoch)) + 1
			env.PublishedSequence = 0
			if err := sys.rebase(ctx, environment, env.Epoch); err != nil {
				return err
			}
		} else if above.Epoch == uint64(env.Epoch) {
			env.Sequence = max(env.Sequence, int64(above.Sequence))
		}
		env.Sequence++
		if _, err := change(sys.in(ctx).Where("slug = ?", environment), "sequence", &env, "sequence"); err != nil {
			return err
		}
		for i := range rows {
			rows[i].Epoch, rows[i].Sequence, rows[i].Since = env.Epoch, env.Sequence, env.Sequence
		}
		return sys.upsert(ctx, rows, env.PublishedSequence)
	})
}

func (s System) reissued(ctx context.Context, environment string, keys, foreign []entry.Key) ([]entryRow, error) {
	all := slices.Concat(keys, foreign)
	var rows []entryRow
	known := map[entry.Key]bool{}
	for chunk := range slices.Chunk(all, 500) {
		found, err := many[entryRow](s.in(ctx).Where("environment = ? AND key IN ?", environment, chunk), "entries")
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			known[r.Key] = true
		}
		rows = append(rows, found...)
	}
	for _, key := range foreign {
		if !known[key] {
			known[key] = true
			rows = append(rows, entryRow{Environment: environment, Key: key, Kind: key.Kind(), Ended: true, Body: []byte{}})
		}
	}
	return rows, nil
}

// NewEpoch makes everything pending again under a new epoch: the bucket was
// lost. Sequences stay, so that the order of what is delivered does too.
func (s *Store) NewEpoch(ctx context.Context, environment string) (at entry.Position, err error) {
	err = s.Write(ctx, func(tx *Tx) error {
		env, err := one[environmentRow](tx.System().in(ctx).Where("slug = ?", environment), "environment")
		if err != nil {
			return err
		}
		at = entry.Position{Epoch: uint64(env.Epoch) + 1, Sequence: uint64(env.Sequence)}
		return tx.System().rebase(ctx, environment, env.Epoch+1)
	})
	return at, err
}

func (s System) rebase(ctx context.Context, environment string, epoch int64) error {
	if _, err := change(s.in(ctx).Where("slug = ?", environment), "environment",
		&environmentRow{Epoch: epoch, PublishedEpoch: epoch}, "epoch", "published_epoch", "published_sequence"); err != nil {
		return err
	}
	res := s.in(ctx).Model(&entryRow{}).Where("environment = ?", environment).
		UpdateColumns(map[string]any{"epoch": epoch, "since": gorm.Expr("sequence")})
	if res.Error != nil {
		return fmt.Errorf("move entries to epoch %d: %w", epoch, res.Error)
	}
	return nil
}

// SweepTombstones forgets what ended before a time and was delivered, and
// returns how many entries that were.
func (s *Store) SweepTombstones(ctx context.Context, environment string, before time.Time) (int, error) {
	var n int64
	err := s.Write(ctx, func(tx *Tx) error {
		env, err := one[environmentRow](tx.System().in(ctx).Where("slug = ?", environment), "environment")
		if err != nil {
			return err
		}
		n, err = remove[entryRow](tx.System().in(ctx).Where("environment = ? AND ended AND written_at < ? AND sequence <= ?",
			environment, micros(before), env.PublishedSequence), "entries")
		return err
	})
	return int(n), err
}
