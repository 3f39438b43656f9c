package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"portico/internal/entry"
)

// Settings of the stream of usage. It is a way and no store: a node keeps what it
// sent until the ledger has it, and sends it again should this lose it.
const (
	usageAge      = time.Hour
	usageBytes    = 256 << 20
	usageFetch    = 64               // pieces asked for at once
	usageExpiry   = 5 * time.Second  // of one question
	usageAgain    = time.Second      // after a piece could not be taken
	usageAckWait  = 30 * time.Second // then another collector gets it
	usageConsumer = "collector"      // shared by all managers
)

// Usage sends a piece of a node's usage, and returns when the server has it. It
// fails while the bus is away or nobody has made the stream.
func (e *Environment) Usage(ctx context.Context, node string, piece []byte) error {
	err := e.bus.connected(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		_, err := e.bus.js.Publish(ctx, entry.UsageSubject(e.slug, node), piece)
		return err
	})
	if err != nil {
		return fmt.Errorf("send usage: %w", err)
	}
	return nil
}

// UsageAcks calls each with what the ledger has of a node's usage, until ctx
// ends.
func (e *Environment) UsageAcks(ctx context.Context, node string, each func(entry.UsageAck)) error {
	return e.bus.listen(ctx, entry.AckSubject(e.slug, node), func(msg *nats.Msg) {
		var ack entry.UsageAck
		if err := entry.Strict(msg.Data, &ack); err != nil {
			e.bus.log.WarnContext(ctx, "acknowledgement of usage dropped", "error", err)
			return
		}
		each(ack)
	})
}

// AckUsage tells a node what the ledger has of its usage.
func (e *Environment) AckUsage(node string, ack entry.UsageAck) error {
	raw, err := json.Marshal(ack)
	if err == nil {
		err = e.bus.conn.Publish(entry.AckSubject(e.slug, node), raw)
	}
	if err != nil {
		return fmt.Errorf("acknowledge usage: %w", err)
	}
	return nil
}

// ErrUnreadable is of a piece that no repetition makes better.
var ErrUnreadable = errors.New("this piece of usage cannot be read")

// Piece is a piece of usage that a node sent.
type Piece struct {
	Node string
	Body []byte
}

// Usages makes the environment's stream of usage where it is not, and calls take
// with what its nodes send, until ctx ends or the stream cannot be read: one
// piece, or as many as came while the ones before were taken, up to 64. take
// returns an error for each. Of the processes that listen one gets a piece; it
// gets it again, or another does, until take returns nil for it or an
// ErrUnreadable.
func (e *Environment) Usages(ctx context.Context, take func(ctx context.Context, pieces []Piece) []error) error {
	return e.bus.connected(ctx, func(ctx context.Context) error {
		consumer, err := e.usages(ctx)
		if err != nil {
			return fmt.Errorf("read the usage of %s: %w", e.slug, err)
		}
		for {
			if err := e.takeSome(ctx, consumer, take); err != nil {
				return fmt.Errorf("read the usage of %s: %w", e.slug, err)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	})
}

// takeSome asks for pieces once, and waits for the first a while.
func (e *Environment) takeSome(ctx context.Context, consumer jetstream.Consumer, take func(context.Context, []Piece) []error) error {
	asking, enough := context.WithTimeout(ctx, usageExpiry)
	defer enough()
	batch, err := consumer.Fetch(usageFetch, jetstream.FetchContext(asking))
	if err != nil {
		return err
	}
	for msg := range batch.Messages() {
		if err := e.take(ctx, waiting(msg, batch.Messages()), take); err != nil {
			return err
		}
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// waiting returns a message and those that are there behind it.
func waiting(first jetstream.Msg, more <-chan jetstream.Msg) []jetstream.Msg {
	all := []jetstream.Msg{first}
	for {
		select {
		case msg, ok := <-more:
			if !ok {
				return all
			}
			all = append(all, msg)
		default:
			return all
		}
	}
}

// take passes pieces on, and tells the server what came of each.
func (e *Environment) take(ctx context.Context, all []jetstream.Msg, take func(context.Context, []Piece) []error) error {
	pieces := make([]Piece, len(all))
	for i, msg := range all {
		pieces[i] = Piece{Node: strings.TrimPrefix(msg.Subject(), entry.UsageSubject(e.slug, "")), Body: msg.Data()}
	}
	var told error
	for i, err := range take(ctx, pieces) {
		switch {
		case err == nil:
			told = errors.Join(told, all[i].Ack())
		case errors.Is(err, ErrUnreadable):
			e.bus.log.WarnContext(ctx, "usage dropped", "node", pieces[i].Node, "error", err)
			told = errors.Join(told, all[i].Term())
		default:
			told = errors.Join(told, all[i].NakWithDelay(usageAgain))
		}
	}
	return told
}

func (e *Environment) usages(ctx context.Context) (jetstream.Consumer, error) {
	name := entry.UsageStream(e.slug)
	stream, err := e.bus.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = e.bus.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{entry.UsageSubject(e.slug, "*")}, Description: "usage on its way from nodes of environment " + e.slug,
			Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, MaxAge: usageAge, MaxBytes: usageBytes,
			MaxMsgSize: maxPayload, Storage: jetstream.FileStorage,
		})
	}
	if err != nil {
		return nil, err
	}
	return stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: usageConsumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: usageAckWait, MaxAckPending: 4 * usageFetch,
	})
}
