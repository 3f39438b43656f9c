package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"portico/internal/bus"
	"portico/internal/entry"
)

// page is how many sequences are delivered at once.
const page = 500

// worker delivers to one environment. Only its own goroutine touches what is
// below wake.
type worker struct {
	publisher *Publisher
	slug      string
	log       *slog.Logger
	wake      chan struct{} // holds one
	leads     atomic.Bool   // this process delivers

	env      *bus.Environment // nil until the bus knows the account
	told     []string         // removed nodes that the bus was told of
	toldOn   time.Time        // on the connection that is since then; zero: never
	compared time.Time        // zero: the bucket's state is not known
	head     entry.Position   // that stands in the bucket
	// incomplete says that the bucket lacks entries of this epoch. Its head is
	// held back until they are there.
	incomplete bool
}

// run works until ctx ends or the environment has, while no other process does.
func (w *worker) run(ctx context.Context) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		err := w.publisher.store.Lead(ctx, "publish "+w.slug, func(ctx context.Context) error {
			attempt = 0
			return w.lead(ctx)
		})
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errGone) {
			w.publisher.bus.Forget(w.slug)
			return
		}
		w.log.InfoContext(ctx, "waiting for the lead", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause(attempt)):
		}
	}
}

// lead works until ctx ends, the process's or the lead's, and returns its error;
// or errGone, once the environment is deleted and the bus carries nothing of it.
func (w *worker) lead(ctx context.Context) error {
	w.leads.Store(true)
	defer w.leads.Store(false)
	w.compared, w.toldOn = time.Time{}, time.Time{} // another process may have been at work
	tick := time.NewTicker(w.publisher.look)
	defer tick.Stop()
	pending := time.NewTicker(pendingEvery)
	defer pending.Stop()
	looking, failed := true, 0
	for {
		err := w.gone(ctx, looking)
		if err == nil {
			err = w.work(ctx, looking)
		}
		if err != nil && !looking {
			if gone := w.gone(ctx, true); errors.Is(gone, errGone) {
				err = gone
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errGone) {
			return err
		}
		if err != nil {
			w.compared = time.Time{}
			level := slog.LevelDebug
			if failed == 0 { // the first of a row; the rest say the same
				level = slog.LevelWarn
			}
			w.log.Log(ctx, level, "delivery waits", "error", err)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause(failed)):
			}
			failed, looking = failed+1, true
			continue
		}
		if failed > 0 {
			w.log.InfoContext(ctx, "delivery goes on", "attempts", failed+1)
			failed = 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wake:
			looking = false
		case <-pending.C: // a nudge of another process may be lost, with the bus
			looking = false
		case <-tick.C:
			looking = true
		}
	}
}

// errGone says that the environment was deleted.
var errGone = errors.New("the environment was deleted")

// gone drops what the bus carries of a deleted environment, also of one that was
// made anew under the same name before that was done. It returns errGone where
// there is none.
func (w *worker) gone(ctx context.Context, looking bool) error {
	if !looking {
		return nil
	}
	store := w.publisher.store
	deleted, err := store.EnvironmentsToDrop(ctx)
	if err != nil {
		return fmt.Errorf("list deleted environments: %w", err)
	}
	slugs, err := store.EnvironmentSlugs(ctx)
	if err != nil {
		return fmt.Errorf("list environments: %w", err)
	}
	lives := slices.Contains(slugs, w.slug)
	if slices.Contains(deleted, w.slug) {
		if err := w.drop(ctx, lives); err != nil {
			return fmt.Errorf("drop: %w", err)
		}
	}
	if !lives {
		return errGone
	}
	return nil
}

// drop deletes the bucket, and closes the account of an environment that does
// not live under the same name.
func (w *worker) drop(ctx context.Context, lives bool) error {
	line := w.publisher.bus
	removed, err := w.publisher.store.RemovedNodes(ctx, w.slug)
	if err != nil {
		return fmt.Errorf("read which nodes were removed: %w", err)
	}
	// The account may be closed from an attempt before, and is needed once more.
	if err := line.PutAccount(ctx, bus.Account{Environment: w.slug, Revoked: removed}); err != nil {
		return err
	}
	if err := line.Environment(w.slug).Drop(ctx); err != nil {
		return err
	}
	if !lives {
		if err := line.PutAccount(ctx, bus.Account{Environment: w.slug, Revoked: removed, Closed: true}); err != nil {
			return err
		}
	}
	if err := w.publisher.store.EnvironmentDropped(ctx, w.slug, w.publisher.now()); err != nil {
		return err
	}
	w.env, w.toldOn, w.compared = nil, time.Time{}, time.Time{}
	w.log.InfoContext(ctx, "deleted environment dropped from the bus")
	return nil
}

// work brings the bucket up to date. looking asks to look at it first.
func (w *worker) work(ctx context.Context, looking bool) error {
	if looking {
		if err := w.account(ctx); err != nil {
			return err
		}
		if w.env == nil { // not before: the server does not know its account
			w.env = w.publisher.bus.Environment(w.slug)
		}
	}
	now := w.publisher.now()
	compare := w.compared.IsZero() || now.Sub(w.compared) >= compareEvery
	if looking && !compare {
		untouched, err := w.env.Untouched(ctx)
		if err != nil {
			return err
		}
		compare = !untouched
	}
	if !compare {
		_, err := w.deliver(ctx, nil)
		return err
	}
	if err := w.reconcile(ctx); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	w.compared = now
	return nil
}

// account tells the bus which nodes of the environment it must let in no more:
// on every new connection, and when one was removed.
func (w *worker) account(ctx context.Context) error {
	removed, err := w.publisher.store.RemovedNodes(ctx, w.slug)
	if err != nil {
		return fmt.Errorf("read which nodes were removed: %w", err)
	}
	since, _ := w.publisher.bus.Connected()
	if !w.toldOn.IsZero() && w.toldOn.Equal(since) && slices.Equal(removed, w.told) {
		return nil
	}
	if err := w.publisher.bus.PutAccount(ctx, bus.Account{Environment: w.slug, Revoked: removed}); err != nil {
		return err
	}
	w.told, w.toldOn = removed, since
	return nil
}

// deliver writes what is pending and returns the head that holds then. written,
// which may be nil, hears of every item that was written.
func (w *worker) deliver(ctx context.Context, written func(entry.Item)) (entry.Position, error) {
	for {
		items, head, err := w.publisher.store.Pending(ctx, w.slug, page)
		if err != nil {
			return head, fmt.Errorf("read what is pending: %w", err)
		}
		if len(items) == 0 && (head == w.head || w.incomplete) {
			return head, nil
		}
		put := items
		if !w.incomplete {
			put = append(slices.Clip(items), entry.Mark(entry.HeadKey, head)) // a chain: not without the items
			w.note(head)
		}
		if slices.ContainsFunc(items, func(it entry.Item) bool { return it.Kind == entry.KindKeys }) { // a node came or was removed
			if err := w.account(ctx); err != nil {
				return head, err
			}
		}
		if err := w.env.Put(ctx, put); err != nil {
			return head, err
		}
		if err := w.publisher.store.MarkPublished(ctx, w.slug, head); err != nil {
			return head, fmt.Errorf("mark %d as published: %w", head.Sequence, err)
		}
		if !w.incomplete {
			w.head = head
		}
		w.log.DebugContext(ctx, "delivered", "entries", len(items), "sequence", head.Sequence)
		if written != nil {
			for _, it := range items {
				written(it)
			}
		}
	}
}

// finish marks a bucket as complete, and then its head.
func (w *worker) finish(ctx context.Context, head entry.Position) error {
	w.note(head)
	if err := w.env.Put(ctx, []entry.Item{entry.Mark(entry.CompleteKey, head), entry.Mark(entry.HeadKey, head)}); err != nil {
		return err
	}
	w.head, w.incomplete = head, false
	w.log.InfoContext(ctx, "bucket complete", "epoch", head.Epoch, "sequence", head.Sequence)
	return nil
}

// note says here and to other processes that a head is being written.
func (w *worker) note(head entry.Position) {
	w.publisher.written.note(w.slug, head.Sequence, w.publisher.now())
	w.publisher.bus.TellHead(w.slug, head.Sequence)
}

// errAgain says that the bucket must be looked at once more.
var errAgain = errors.New("the epoch changed meanwhile")
