package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/internal/entry"
)

// batch is the most items of one call of apply.
const batch = 1024

// Watch calls apply with what the bucket holds, in pieces of any size and in
// the order of writing, and after that with every change. It begins with a call
// without items; caughtUp is false until the call that completes what was
// there, and true from then on. When the bus or the bucket is lost it waits,
// and begins anew with everything: apply hears the same entry again. It returns
// when ctx ends, or with the error that apply returned, and calls apply from
// this goroutine only.
//
// What is in the bucket and is no entry is passed on to be refused: an item of
// no kind, whose body is the raw value; Refusal says why. When its key was no
// key and it has been removed, it comes again as ended. Keys that were deleted
// by hand are not passed on: an entry ends by a tombstone.
func (e *Environment) Watch(ctx context.Context, apply func(items []entry.Item, caughtUp bool) error) error {
	for attempt := 0; ; attempt++ {
		w := watch{env: e, apply: apply}
		err := e.follow(ctx, w.begin, w.each)
		if w.applyErr != nil {
			return w.applyErr
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if w.caughtUp {
			attempt = 0
		}
		e.bus.log.DebugContext(ctx, "watch begins anew", "environment", e.slug, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause(attempt)):
		}
	}
}

// Refusal says why an item that Watch passed on is no entry; nil when it is one.
func Refusal(it entry.Item) error {
	if it.Kind != "" {
		return nil
	}
	if it.Ended {
		return errRemoved
	}
	if _, err := decode(string(it.Key), it.Body); err != nil {
		return err
	}
	return fmt.Errorf("entry %s: %w", it.Key, errNoBody)
}

// watch is one go at following a bucket.
type watch struct {
	env      *Environment
	apply    func([]entry.Item, bool) error
	applyErr error
	caughtUp bool
	left     uint64
	items    []entry.Item
}

func (w *watch) begin(s start) error {
	w.left = s.count
	if w.applyErr = w.apply(nil, false); w.applyErr != nil || s.count > 0 {
		return w.applyErr
	}
	return w.flush(true)
}

func (w *watch) each(ctx context.Context, d delivery) error {
	it, passed, err := w.env.item(ctx, d)
	if err != nil {
		return err
	}
	if passed {
		w.items = append(w.items, it)
	}
	if d.replay {
		w.left--
	}
	if w.left > 0 && d.rest > 0 && len(w.items) < batch { // still replaying
		return nil
	}
	caughtUp := w.caughtUp || w.left == 0 || d.rest == 0
	if d.rest > 0 && len(w.items) < batch && caughtUp == w.caughtUp { // more is on its way
		return nil
	}
	return w.flush(caughtUp)
}

func (w *watch) flush(caughtUp bool) error {
	if len(w.items) == 0 && caughtUp == w.caughtUp {
		return nil
	}
	w.caughtUp = caughtUp
	items := w.items
	w.items = nil
	w.applyErr = w.apply(items, caughtUp)
	return w.applyErr
}

// item turns a message into what apply gets of it, if anything.
func (e *Environment) item(ctx context.Context, d delivery) (it entry.Item, passed bool, err error) {
	if d.removed {
		_, err := entry.ParseKey(d.key)
		return entry.Item{Key: entry.Key(d.key), Envelope: entry.Envelope{Ended: true}}, err != nil, nil
	}
	it, err = decode(d.key, d.value)
	if err != nil || it.Digest == "" {
		return it, true, nil
	}
	body, err := e.fetch(ctx, it.Digest)
	if errors.Is(err, errNoBody) {
		return entry.Item{Key: it.Key, Envelope: entry.Envelope{Position: it.Position, Body: d.value}}, true, nil
	}
	if err != nil {
		return it, false, fmt.Errorf("fetch the body of entry %s: %w", it.Key, err)
	}
	it.Digest, it.Body = "", body
	return it, true, nil
}
