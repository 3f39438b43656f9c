package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"portico/internal/entry"
)

// Errors of the manager's side.
var (
	// ErrNoBucket says that the environment has no bucket: it was never made,
	// or it was lost.
	ErrNoBucket = errors.New("the environment has no bucket")
	// ErrNoSnapshot says that Put does not know what the bucket holds: before
	// the first Snapshot, and after a Put that failed.
	ErrNoSnapshot = errors.New("a snapshot is needed first")
	// ErrConflict says that somebody else wrote into the bucket.
	ErrConflict = errors.New("somebody else wrote into the bucket")
)

// Environment is what the bus carries for one environment. Its manager's side
// is for one publisher; all of it is safe for concurrent use.
type Environment struct {
	bus  *Bus
	slug string
	name string // unlike that of every other writer, for the ids of messages

	mu    sync.Mutex      // guards what follows, and is held while writing
	wrote uint64          // messages, for their ids
	known bool            // what follows is what the bucket holds
	born  time.Time       // when the bucket was made
	last  uint64          // number of the newest message
	holds map[string]held // by raw key
}

// held is the message that a bucket holds under a key.
type held struct {
	number uint64
	digest string // of its body in the object store, or ""
	marker bool   // says that the key was removed
}

// Environment returns the environment with a slug. It asks nothing of the
// server.
func (b *Bus) Environment(slug string) *Environment {
	return &Environment{bus: b.line(slug), slug: slug, name: rand.Text()}
}

// Connected is Bus.Connected.
func (e *Environment) Connected() (since time.Time, ok bool) { return e.bus.Connected() }

// Prepare makes the environment's bucket and object store where they are not,
// and reports whether it made the bucket.
func (e *Environment) Prepare(ctx context.Context) (made bool, err error) {
	err = e.bus.connected(ctx, func(ctx context.Context) error {
		made, err = e.prepare(ctx)
		return err
	})
	return made, err
}

func (e *Environment) prepare(ctx context.Context) (made bool, err error) {
	_, err = e.bus.js.Stream(ctx, e.stream())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = e.bus.js.CreateStream(ctx, e.config())
		made = err == nil
	}
	if err != nil {
		return false, fmt.Errorf("prepare the bucket of %s: %w", e.slug, err)
	}
	_, err = e.bus.js.ObjectStore(ctx, entry.Objects(e.slug))
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		_, err = e.bus.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
			Bucket: entry.Objects(e.slug), Description: "large bodies of environment " + e.slug,
			Storage: jetstream.FileStorage,
		})
	}
	if err != nil {
		return made, fmt.Errorf("prepare the object store of %s: %w", e.slug, err)
	}
	return made, nil
}

// config is that of a key-value bucket, but that single messages may be deleted:
// a purge by key would take the key "*", which the server accepts, as all keys.
func (e *Environment) config() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: e.stream(), Subjects: []string{e.prefix() + ">"}, Description: "entries of environment " + e.slug,
		MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, MaxMsgSize: maxPayload,
		AllowRollup: true, AllowDirect: true, Storage: jetstream.FileStorage, Duplicates: idWindow,
	}
}

// Drop deletes the environment's bucket, object store and usage, where they are.
func (e *Environment) Drop(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known = false
	return e.bus.connected(ctx, func(ctx context.Context) error {
		if err := e.bus.js.DeleteStream(ctx, e.stream()); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("delete the bucket of %s: %w", e.slug, err)
		}
		if err := e.bus.js.DeleteStream(ctx, entry.UsageStream(e.slug)); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("delete the usage of %s: %w", e.slug, err)
		}
		err := e.bus.js.DeleteObjectStore(ctx, entry.Objects(e.slug))
		if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) && !errors.Is(err, jetstream.ErrBucketNotFound) {
			return fmt.Errorf("delete the object store of %s: %w", e.slug, err)
		}
		return nil
	})
}

// Untouched reports whether the bucket still is as the last Snapshot and the
// Puts after it left it. It costs one question to the server.
func (e *Environment) Untouched(ctx context.Context) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.known {
		return false, nil
	}
	var stream jetstream.Stream
	err := e.bus.connected(ctx, func(ctx context.Context) (err error) {
		stream, err = e.bus.js.Stream(ctx, e.stream())
		return err
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the bucket of %s: %w", e.slug, err)
	}
	info := stream.CachedInfo()
	return info.Created.Equal(e.born) && info.State.LastSeq == e.last && info.State.Msgs == uint64(len(e.holds)), nil
}

func (e *Environment) stream() string { return "KV_" + entry.Bucket(e.slug) }

func (e *Environment) prefix() string { return "$KV." + entry.Bucket(e.slug) + "." }

func (e *Environment) subject(key string) string { return e.prefix() + key }

func (e *Environment) key(subject string) string { return strings.TrimPrefix(subject, e.prefix()) }
