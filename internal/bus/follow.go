package bus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Headers and values of the key-value store's own protocol.
const (
	operation = "KV-Operation"
	purge     = "PURGE"
)

// Settings of a consumer. Two missed heartbeats end it.
const (
	pullMessages = 2048
	pullBytes    = 16 << 20
	pullExpiry   = 20 * time.Second
	heartbeat    = 2 * time.Second
	forgetAfter  = 10 * time.Second // the server drops a consumer that asks for nothing
	askedEvery   = 3 * time.Second  // it is looked whether one that is quiet is asked
)

// delivery is one message of a bucket.
type delivery struct {
	key     string // raw
	value   []byte
	removed bool   // the key was deleted or purged
	number  uint64 // in the stream
	rest    uint64 // how many more the server has now
	replay  bool   // it was there before following began
}

// start is what is known when following begins.
type start struct {
	born  time.Time
	last  uint64 // number of the newest message
	count uint64 // messages that come as replay
}

// errUnasked says that nothing is asked of the server any more.
var errUnasked = errors.New("no request waits at the server")

// errGap says that a message did not come.
var errGap = errors.New("a message is missing")

// follow calls begin, and then each with the newest message of every key and
// after that with every change, until ctx ends or something is not as it should
// be: it never skips a message. It ends with the functions' error or its own.
func (e *Environment) follow(ctx context.Context, begin func(start) error, each func(context.Context, delivery) error) error {
	err := e.bus.connected(ctx, func(ctx context.Context) error { return e.followUntil(ctx, begin, each) })
	if errors.Is(err, errLost) {
		return fmt.Errorf("follow the bucket of %s: %w", e.slug, err)
	}
	return err
}

func (e *Environment) followUntil(ctx context.Context, begin func(start) error, each func(context.Context, delivery) error) error {
	consumer, first, err := e.consumer(ctx)
	if err != nil {
		return err
	}
	defer e.forget(consumer)
	if err := begin(first); err != nil {
		return err
	}
	msgs, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(pullMessages, pullBytes),
		jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return fmt.Errorf("follow the bucket of %s: %w", e.slug, err)
	}
	defer msgs.Stop()
	var heard atomic.Int64
	ctx, cancel := context.WithCancelCause(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		cancel(e.asked(ctx, consumer, &heard))
	}()
	defer func() { cancel(nil); <-watching }()
	for n := uint64(1); ; n++ {
		msg, err := msgs.Next(jetstream.NextContext(ctx))
		if cause := context.Cause(ctx); err != nil && errors.Is(cause, errUnasked) {
			err = cause
		}
		if err != nil {
			return fmt.Errorf("follow the bucket of %s: %w", e.slug, err)
		}
		heard.Add(1)
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("follow the bucket of %s: %w", e.slug, err)
		}
		if meta.Sequence.Consumer != n {
			return fmt.Errorf("follow the bucket of %s: %w: number %d came as %d", e.slug, errGap, meta.Sequence.Consumer, n)
		}
		header := msg.Headers()
		err = each(ctx, delivery{
			key: e.key(msg.Subject()), value: msg.Data(), number: meta.Sequence.Stream,
			removed: header.Get(operation) != "" || header.Get("Nats-Marker-Reason") != "",
			rest:    meta.NumPending, replay: n <= first.count,
		})
		if err != nil {
			return err
		}
	}
}

// asked returns when nothing has come for a while and the server knows of no
// request of ours either. The library stops listening for heartbeats when a
// connection is lost; where it is told of a loss that was over before, it never
// asks again (nats.go 1.55), and what changes would not come any more.
func (e *Environment) asked(ctx context.Context, consumer jetstream.Consumer, heard *atomic.Int64) error {
	tick := time.NewTicker(askedEvery)
	defer tick.Stop()
	last, idle := heard.Load(), 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if now := heard.Load(); now != last {
			last, idle = now, 0
			continue
		}
		info, err := consumer.Info(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case err == nil && (info.NumWaiting == 0 || info.NumPending > 0), errors.Is(err, jetstream.ErrConsumerNotFound):
			if idle++; idle == 2 { // once, it may be between two requests
				return errUnasked
			}
		default: // all is well, or a trouble of the connection, which is noticed elsewhere
			idle = 0
		}
	}
}

// consumer makes a consumer of the bucket that begins with the newest message
// of every key.
func (e *Environment) consumer(ctx context.Context) (jetstream.Consumer, start, error) {
	stream, err := e.bus.js.Stream(ctx, e.stream())
	if err != nil {
		return nil, start{}, fmt.Errorf("follow the bucket of %s: %w", e.slug, explain(err))
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubject: e.prefix() + ">",
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: forgetAfter,
	})
	if err != nil {
		return nil, start{}, fmt.Errorf("follow the bucket of %s: %w", e.slug, explain(err))
	}
	info := stream.CachedInfo()
	return consumer, start{born: info.Created, last: info.State.LastSeq, count: consumer.CachedInfo().NumPending}, nil
}

// forget drops a consumer at once where that is possible; otherwise the server
// drops it by itself.
func (e *Environment) forget(consumer jetstream.Consumer) {
	if !e.bus.conn.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := e.bus.js.DeleteConsumer(ctx, e.stream(), consumer.CachedInfo().Name); err != nil {
		e.bus.log.Debug("consumer not dropped", "environment", e.slug, "error", err)
	}
}
