package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"portico/internal/entry"
)

// window is how many messages may wait for their acknowledgement at once.
const window = 512

// idWindow is how long the server remembers the ids of messages, against
// duplicates. A chain needs the newest one only.
const idWindow = 5 * time.Second

// The server's numbers for a message that was not expected to come now.
const (
	wrongLastID       jetstream.ErrorCode = 10070
	wrongLastSequence jetstream.ErrorCode = 10071
)

// Put writes items in their order and returns when the server has acknowledged
// all. When it fails, what was written is the beginning of them, and a Snapshot
// is needed before the next Put. A body over 256 KiB goes to the object store
// first.
func (e *Environment) Put(ctx context.Context, items []entry.Item) error {
	msgs := make([]*nats.Msg, len(items))
	digests := make([]string, len(items))
	for i, it := range items {
		if _, err := entry.ParseKey(string(it.Key)); err != nil {
			return fmt.Errorf("put: %w", err)
		}
		value, large, err := encode(it)
		if err != nil {
			return err
		}
		if large != nil {
			err := e.bus.connected(ctx, func(ctx context.Context) (err error) {
				digests[i], err = e.store(ctx, large)
				return err
			})
			if err != nil {
				return fmt.Errorf("put entry %s: %w", it.Key, err)
			}
		}
		msgs[i] = &nats.Msg{Subject: e.subject(string(it.Key)), Data: value}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	first := e.last + 1
	if err := e.write(ctx, msgs); err != nil {
		return err
	}
	for i, it := range items {
		e.holds[string(it.Key)] = held{number: first + uint64(i), digest: digests[i]}
	}
	return nil
}

// Remove takes keys out of the bucket. Tombstones that have been swept go
// without a trace. A key that is none gets a marker in its place, so that
// watchers hear of it; removed once more, the marker goes too.
func (e *Environment) Remove(ctx context.Context, keys []string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.known {
		return fmt.Errorf("remove from the bucket of %s: %w", e.slug, ErrNoSnapshot)
	}
	var msgs []*nats.Msg
	var marked, gone []string
	for _, key := range keys {
		held, there := e.holds[key]
		_, err := entry.ParseKey(key)
		switch {
		case !there:
		case err == nil || held.marker:
			gone = append(gone, key)
		default:
			marked = append(marked, key)
			msgs = append(msgs, &nats.Msg{Subject: e.subject(key), Header: nats.Header{operation: []string{purge}}})
		}
	}
	first := e.last + 1
	if err := e.write(ctx, msgs); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	for i, key := range marked {
		e.holds[key] = held{number: first + uint64(i), marker: true}
	}
	if err := e.bus.connected(ctx, func(ctx context.Context) error { return e.drop(ctx, gone) }); err != nil {
		e.known = false
		return fmt.Errorf("remove from the bucket of %s: %w", e.slug, err)
	}
	return nil
}

// drop deletes messages by their numbers: what took their place meanwhile
// stays, and that is an error. mu is held.
func (e *Environment) drop(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	stream, err := e.bus.js.Stream(ctx, e.stream())
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := stream.DeleteMsg(ctx, e.holds[key].number); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		delete(e.holds, key)
	}
	return nil
}

// write sends messages as a chain and waits for all acknowledgements: the first
// expects the newest number that we know, every other one the id of the one
// before it. mu is held.
func (e *Environment) write(ctx context.Context, msgs []*nats.Msg) error {
	if !e.known {
		return fmt.Errorf("write to the bucket of %s: %w", e.slug, ErrNoSnapshot)
	}
	loss := e.bus.untilLoss()
	acks := make([]jetstream.PubAckFuture, 0, len(msgs))
	var err error
	for i, msg := range msgs {
		if i >= window {
			if err = wait(ctx, loss, acks[i-window]); err != nil {
				break
			}
		}
		after := jetstream.WithExpectLastSequence(e.last)
		if i > 0 {
			after = jetstream.WithExpectLastMsgID(e.id())
		}
		e.wrote++
		var ack jetstream.PubAckFuture
		ack, err = e.bus.js.PublishMsgAsync(msg, after, jetstream.WithMsgID(e.id()), jetstream.WithRetryAttempts(0))
		if err != nil {
			break
		}
		acks = append(acks, ack)
	}
	for i := max(0, len(acks)-window); i < len(acks) && err == nil; i++ {
		err = wait(ctx, loss, acks[i])
	}
	if err != nil {
		e.known = false
		return fmt.Errorf("write to the bucket of %s: %w", e.slug, explain(err))
	}
	e.last += uint64(len(msgs))
	return nil
}

// id is the id of the newest message that was written.
func (e *Environment) id() string { return e.name + "-" + strconv.FormatUint(e.wrote, 36) }

// wait waits for an acknowledgement. One that says that the message was there
// already is an error: ids are never used twice.
func wait(ctx context.Context, loss <-chan struct{}, ack jetstream.PubAckFuture) error {
	select {
	case got := <-ack.Ok():
		if got.Duplicate {
			return errors.New("the server took a message for a duplicate")
		}
		return nil
	case <-loss:
		return errLost
	case err := <-ack.Err():
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// explain names the refusals that callers tell apart.
func explain(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && (api.ErrorCode == wrongLastSequence || api.ErrorCode == wrongLastID):
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("%w: %w", ErrNoBucket, err)
	}
	return err
}
