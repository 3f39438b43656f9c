package publish

import (
	"context"
	"fmt"
	"slices"
	"time"

	"portico/internal/bus"
	"portico/internal/entry"
)

// chunk is how many entries are loaded at once.
const chunk = 500

// drift is how a bucket differs from what is desired.
type drift struct {
	missing  []entry.Key           // or older: written again as they are
	ended    map[entry.Key]bool    // of missing: tombstones
	reissued []entry.Key           // claim to be newer, differ, or are no entries
	foreign  []entry.Key           // not desired
	removed  []string              // raw: no keys, or tombstones that were swept
	above    entry.Position        // the newest position seen of reissued and foreign
	equal    map[entry.Key]bus.Sum // at the same position: still to be compared
}

// reconcile compares the bucket with the database and repairs it.
func (w *worker) reconcile(ctx context.Context) error {
	store := w.publisher.store
	made, err := w.env.Prepare(ctx)
	if err != nil {
		return err
	}
	found, err := w.look(ctx)
	if err != nil {
		return err
	}
	_, head, err := store.Pending(ctx, w.slug, 1)
	if err != nil {
		return fmt.Errorf("read what is pending: %w", err)
	}
	if made || lost(found, head.Epoch) {
		if head, err = store.NewEpoch(ctx, w.slug); err != nil {
			return fmt.Errorf("begin a new epoch: %w", err)
		}
		w.log.InfoContext(ctx, "bucket is new: everything is delivered", "epoch", head.Epoch)
	}
	w.head, w.incomplete = found[string(entry.HeadKey)].At, !complete(found, head.Epoch)
	if w.head == head && w.publisher.Head(w.slug) == 0 {
		w.publisher.written.note(w.slug, head.Sequence, time.Time{})
	}
	epoch := head.Epoch
	d := drift{ended: map[entry.Key]bool{}, equal: map[entry.Key]bus.Sum{}}
	head, err = w.deliver(ctx, func(it entry.Item) {
		if f := found[string(it.Key)]; f.At.After(it.Position) { // nodes have heard that one
			d.reissue(it.Key, f)
		}
		note(found, it)
	})
	if err != nil {
		return err
	}
	if head.Epoch != epoch {
		return errAgain
	}
	if err := w.compare(ctx, &d, found, head); err != nil {
		return err
	}
	return w.repair(ctx, d, head)
}

// look takes a snapshot of the bucket.
func (w *worker) look(ctx context.Context) (map[string]bus.Found, error) {
	found := map[string]bus.Found{}
	err := w.env.Snapshot(ctx, func(f bus.Found) error {
		found[f.Key] = f
		return nil
	})
	return found, err
}

// lost reports whether nothing of an epoch is there: the bucket was emptied.
func lost(found map[string]bus.Found, epoch uint64) bool {
	for _, f := range found {
		if f.Err == nil && f.At.Epoch == epoch {
			return false
		}
	}
	return true
}

func complete(found map[string]bus.Found, epoch uint64) bool {
	f, ok := found[string(entry.CompleteKey)]
	return ok && f.Err == nil && f.At.Epoch == epoch
}

// note puts what was just written into what was found.
func note(found map[string]bus.Found, it entry.Item) {
	sum, err := bus.SumOf(it)
	found[string(it.Key)] = bus.Found{Key: string(it.Key), At: it.Position, Ended: it.Ended, Sum: sum, Err: err}
}

// compare finds the drift of a bucket in which everything up to head was
// written. What is newer than that in the database is pending, not missing.
func (w *worker) compare(ctx context.Context, d *drift, found map[string]bus.Found, head entry.Position) error {
	desired := map[string]bool{}
	err := w.publisher.store.Desired(ctx, w.slug, func(key entry.Key, at entry.Position, ended bool) error {
		desired[string(key)] = true
		f, ok := found[string(key)]
		switch {
		case at.After(head): // it comes with the next delivery
		case ok && (f.Err != nil || f.At.After(at)):
			d.reissue(key, f)
		case !ok || at.After(f.At):
			d.missing = append(d.missing, key)
			d.ended[key] = ended
		default:
			d.equal[key] = f.Sum
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read what is desired: %w", err)
	}
	for raw, f := range found {
		if !desired[raw] {
			d.stray(raw, f, head)
		}
	}
	return w.compareSums(ctx, d, found)
}

func (d *drift) reissue(key entry.Key, f bus.Found) {
	d.reissued = append(d.reissued, key)
	d.see(f.At)
}

func (d *drift) see(at entry.Position) {
	if at.After(d.above) {
		d.above = at
	}
}

// stray sorts what is not desired.
func (d *drift) stray(raw string, f bus.Found, head entry.Position) {
	key, err := entry.ParseKey(raw)
	switch {
	case err != nil || f.Removed:
		d.removed = append(d.removed, raw)
	case key == entry.HeadKey || key == entry.CompleteKey:
		if f.Err != nil || f.At.After(head) { // a new sequence outranks it
			d.reissue(entry.EnvKey, f)
		}
	case f.Ended:
		d.removed = append(d.removed, raw)
	default:
		d.foreign = append(d.foreign, key)
		d.see(f.At)
	}
}

// compareSums looks for entries that differ at the same position.
func (w *worker) compareSums(ctx context.Context, d *drift, found map[string]bus.Found) error {
	keys := make([]entry.Key, 0, len(d.equal))
	for key := range d.equal {
		keys = append(keys, key)
	}
	for some := range slices.Chunk(keys, chunk) {
		items, err := w.publisher.store.LoadEntries(ctx, w.slug, some)
		if err != nil {
			return fmt.Errorf("load entries: %w", err)
		}
		for _, it := range items {
			f := found[string(it.Key)]
			if it.Position != f.At { // changed meanwhile: pending
				continue
			}
			sum, err := bus.SumOf(it)
			if err != nil {
				return err
			}
			if sum != f.Sum {
				d.reissue(it.Key, f)
			}
		}
	}
	return nil
}

// repair writes what drifted, marks the head, and forgets what ended long ago.
func (w *worker) repair(ctx context.Context, d drift, head entry.Position) error {
	if len(d.missing)+len(d.reissued)+len(d.foreign)+len(d.removed) > 0 {
		w.log.WarnContext(ctx, "bucket drifted", "missing", len(d.missing), "outranked", len(d.reissued),
			"foreign", len(d.foreign), "removed", len(d.removed), "keys", d.examples())
	}
	if err := w.restore(ctx, d, head); err != nil {
		return err
	}
	if len(d.removed) > 0 {
		if err := w.env.Remove(ctx, d.removed); err != nil {
			return err
		}
	}
	if len(d.reissued)+len(d.foreign) > 0 {
		if err := w.publisher.store.Reissue(ctx, w.slug, d.above, d.reissued, d.foreign); err != nil {
			return fmt.Errorf("reissue: %w", err)
		}
		_, now, err := w.publisher.store.Pending(ctx, w.slug, 1)
		if err != nil {
			return fmt.Errorf("read what is pending: %w", err)
		}
		w.incomplete = w.incomplete || now.Epoch != head.Epoch // everything was issued again
		if head, err = w.deliver(ctx, nil); err != nil {
			return err
		}
	}
	if w.incomplete {
		if err := w.finish(ctx, head); err != nil {
			return err
		}
	}
	return w.sweep(ctx)
}

// restore writes what is missing, what is referred to first.
func (w *worker) restore(ctx context.Context, d drift, head entry.Position) error {
	kinds := entry.Kinds()
	slices.SortFunc(d.missing, func(a, b entry.Key) int {
		if d.ended[a] != d.ended[b] {
			if d.ended[a] {
				return 1
			}
			return -1
		}
		byKind := slices.Index(kinds, a.Kind()) - slices.Index(kinds, b.Kind())
		if d.ended[a] {
			return -byKind
		}
		return byKind
	})
	for some := range slices.Chunk(d.missing, chunk) {
		items, err := w.publisher.store.LoadEntries(ctx, w.slug, some)
		if err != nil {
			return fmt.Errorf("load entries: %w", err)
		}
		items = slices.DeleteFunc(items, func(it entry.Item) bool { return it.After(head) })
		if err := w.env.Put(ctx, items); err != nil {
			return err
		}
	}
	return nil
}

// sweep forgets tombstones that every node has had time to hear, and bodies
// that no entry names. The bucket's tombstones go with the next comparison.
func (w *worker) sweep(ctx context.Context) error {
	now := w.publisher.now()
	ended, err := w.publisher.store.SweepTombstones(ctx, w.slug, now.Add(-keepEnded))
	if err != nil {
		return fmt.Errorf("sweep tombstones: %w", err)
	}
	bodies, err := w.env.SweepBodies(ctx, now.Add(-keepBodies))
	if err != nil {
		return err
	}
	if ended+bodies > 0 {
		w.log.InfoContext(ctx, "swept", "tombstones", ended, "bodies", bodies)
	}
	return nil
}

// examples names a few of the keys that drifted.
func (d drift) examples() []string {
	var out []string
	for _, keys := range [][]entry.Key{d.reissued, d.foreign, d.missing} {
		for _, key := range keys[:min(len(keys), 3)] {
			out = append(out, string(key))
		}
	}
	return append(out, d.removed[:min(len(d.removed), 3)]...)
}
