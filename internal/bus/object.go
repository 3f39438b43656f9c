package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"portico/internal/entry"
)

// errNoBody says that the object store does not hold what an entry names.
var errNoBody = errors.New("its body is not in the object store")

// store writes a body under its digest, unless it is there.
func (e *Environment) store(ctx context.Context, body []byte) (digest string, err error) {
	sum := sha256.Sum256(body)
	digest = hex.EncodeToString(sum[:])
	objects, err := e.bus.js.ObjectStore(ctx, entry.Objects(e.slug))
	if err != nil {
		return "", err
	}
	if info, err := objects.GetInfo(ctx, digest); err == nil && info.Size == uint64(len(body)) {
		return digest, nil
	}
	if _, err := objects.PutBytes(ctx, digest, body); err != nil {
		return "", fmt.Errorf("store a body of %d bytes: %w", len(body), err)
	}
	return digest, nil
}

// fetch reads a body by its digest and checks that it is the one. An error that
// is not errNoBody is of the bus, and passes.
func (e *Environment) fetch(ctx context.Context, digest string) ([]byte, error) {
	objects, err := e.bus.js.ObjectStore(ctx, entry.Objects(e.slug))
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, fmt.Errorf("%w: there is no store", errNoBody)
	}
	if err != nil {
		return nil, err
	}
	object, err := objects.Get(ctx, digest)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, errNoBody
	}
	if err != nil {
		return nil, err
	}
	defer object.Close()
	body, err := io.ReadAll(io.LimitReader(object, maxBody+1))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(body); len(body) > maxBody || hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("%w: what stands there is something else", errNoBody)
	}
	return body, nil
}

// stored returns the digests in the object store.
func (e *Environment) stored(ctx context.Context) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	objects, err := e.bus.js.ObjectStore(ctx, entry.Objects(e.slug))
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	list, err := objects.List(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, err
	}
	for _, info := range list {
		out[info.Name] = info.ModTime
	}
	return out, nil
}

// SweepBodies removes bodies that no entry names and that were written before a
// time; nodes may still be fetching younger ones. It returns how many.
func (e *Environment) SweepBodies(ctx context.Context, before time.Time) (n int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.known {
		return 0, fmt.Errorf("sweep bodies of %s: %w", e.slug, ErrNoSnapshot)
	}
	err = e.bus.connected(ctx, func(ctx context.Context) error {
		n, err = e.sweep(ctx, before)
		return err
	})
	if err != nil {
		return n, fmt.Errorf("sweep bodies of %s: %w", e.slug, err)
	}
	return n, nil
}

// sweep is SweepBodies. mu is held.
func (e *Environment) sweep(ctx context.Context, before time.Time) (n int, err error) {
	named := map[string]bool{}
	for _, h := range e.holds {
		named[h.digest] = true
	}
	stored, err := e.stored(ctx)
	if err != nil {
		return 0, err
	}
	var objects jetstream.ObjectStore
	for digest, at := range stored {
		if named[digest] || !at.Before(before) {
			continue
		}
		if objects == nil {
			if objects, err = e.bus.js.ObjectStore(ctx, entry.Objects(e.slug)); err != nil {
				return n, err
			}
		}
		if err := objects.Delete(ctx, digest); err != nil {
			return n, fmt.Errorf("%s: %w", digest, err)
		}
		n++
	}
	return n, nil
}
