package bus

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"portico/internal/entry"
)

// Found is what a snapshot found under a key.
type Found struct {
	Key   string // raw: entry.ParseKey says whether it is one
	At    entry.Position
	Ended bool
	Sum   Sum
	// Err says why this is no entry: a key or a value that is none, or a body
	// that is missing. At is then what could be read.
	Err error
	// Removed says that the key was removed and its marker is still there.
	Removed bool
}

var errDone = errors.New("done")

// Snapshot calls yield with everything that the bucket holds, and makes it
// possible to Put. It ends with yield's error, or with ErrNoBucket.
func (e *Environment) Snapshot(ctx context.Context, yield func(Found) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known = false
	holds := map[string]held{}
	var stored map[string]bool
	last, left := uint64(0), uint64(0)
	err := e.follow(ctx, func(s start) error {
		e.born, last, left = s.born, s.last, s.count
		if left == 0 {
			return errDone
		}
		return nil
	}, func(ctx context.Context, d delivery) error {
		last, left = max(last, d.number), left-1
		it, err := decode(d.key, d.value)
		holds[d.key] = held{number: d.number, marker: d.removed}
		if err == nil && it.Digest != "" {
			holds[d.key] = held{number: d.number, digest: it.Digest}
			if stored == nil {
				if stored, err = e.digests(ctx); err != nil {
					return err
				}
			}
			if !stored[it.Digest] {
				err = fmt.Errorf("entry %s: %w", it.Key, errNoBody)
			}
		}
		found := Found{Key: d.key, At: it.Position, Ended: it.Ended, Sum: sha256.Sum256(d.value), Err: err}
		if d.removed {
			found = Found{Key: d.key, Err: errRemoved, Removed: true}
		}
		if err := yield(found); err != nil {
			return err
		}
		if left == 0 || d.rest == 0 {
			return errDone
		}
		return nil
	})
	if !errors.Is(err, errDone) {
		return fmt.Errorf("take a snapshot: %w", err)
	}
	e.known, e.last, e.holds = true, last, holds
	return nil
}

// errRemoved says that a key was deleted by hand, which is not how entries end.
var errRemoved = errors.New("the key was deleted, which is not how entries end")

func (e *Environment) digests(ctx context.Context) (map[string]bool, error) {
	stored, err := e.stored(ctx)
	out := make(map[string]bool, len(stored))
	for digest := range stored {
		out[digest] = true
	}
	return out, err
}
