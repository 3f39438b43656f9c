package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
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

// errLost says that a bucket cannot be followed further from here.
var errLost = errors.New("the bucket was lost from sight")

// follow calls begin, and then each with the newest message of every key and
// after that with every change, until ctx ends or something is not as it should
// be: it never skips a message. It ends with the functions' error or its own.
func (e *Environment) follow(ctx context.Context, begin func(start) error, each func(delivery) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer e.onLoss(func() { cancel(errLost) })()
	err := e.followUntil(ctx, begin, each)
	if cause := context.Cause(ctx); errors.Is(cause, errLost) && errors.Is(err, context.Canceled) {
		return fmt.Errorf("follow the bucket of %s: %w", e.slug, errLost)
	}
	return err
}

func (e *Environment) followUntil(ctx context.Context, begin func(start) error, each func(delivery) error) error {
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
	for n := uint64(1); ; n++ {
		msg, err := msgs.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("follow the bucket of %s: %w", e.slug, err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("follow the bucket of %s: %w", e.slug, err)
		}
		if meta.Sequence.Consumer != n {
			return fmt.Errorf("follow the bucket of %s: %w: message %d came as %d", e.slug, errLost, meta.Sequence.Consumer, n)
		}
		header := msg.Headers()
		err = each(delivery{
			key: e.key(msg.Subject()), value: msg.Data(), number: meta.Sequence.Stream,
			removed: header.Get(operation) != "" || header.Get("Nats-Marker-Reason") != "",
			rest:    meta.NumPending, replay: n <= first.count,
		})
		if err != nil {
			return err
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

// onLoss calls lost when the connection is, until the returned function is
// called, which waits.
func (e *Environment) onLoss(lost func()) (stop func()) {
	changes := e.bus.conn.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-changes:
			lost()
		case <-quit:
		}
	}()
	return func() {
		e.bus.conn.RemoveStatusListener(changes)
		close(quit)
		<-done
	}
}
