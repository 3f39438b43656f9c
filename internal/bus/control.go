package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// What managers and portals tell one another, in the account that they share.
// Nothing depends on its arrival: everybody also looks by themselves.
const (
	nudges         = "nudge."           // an environment has something to deliver
	heads          = "head."            // an environment's head is being written
	membersChanged = "members"          // who may do what
	questions      = "question"         // to any manager
	answering      = "portico-managers" // the queue of those that answer
)

// Nudge tells the publishers of other processes that an environment has
// something to deliver. Nothing depends on its arrival: they look by themselves
// from time to time.
func (b *Bus) Nudge(environment string) {
	b.tell(nudges+environment, nil)
}

// Nudges calls each with the environments that are nudged, until ctx ends.
func (b *Bus) Nudges(ctx context.Context, each func(environment string)) error {
	return b.listen(ctx, nudges+"*", func(msg *nats.Msg) { each(msg.Subject[len(nudges):]) })
}

// TellHead tells the other managers that a head is about to be written, so that
// each can say by its own clock how long the nodes took.
func (b *Bus) TellHead(environment string, sequence uint64) {
	b.tell(heads+environment, strconv.AppendUint(nil, sequence, 10))
}

// Heads calls each with the heads that TellHead tells, those of this process
// too, until ctx ends.
func (b *Bus) Heads(ctx context.Context, each func(environment string, sequence uint64)) error {
	return b.listen(ctx, heads+"*", func(msg *nats.Msg) {
		if sequence, err := strconv.ParseUint(string(msg.Data), 10, 64); err == nil {
			each(msg.Subject[len(heads):], sequence)
		}
	})
}

// TellMembersChanged tells the other processes that memberships or roles
// changed.
func (b *Bus) TellMembersChanged() { b.tell(membersChanged, nil) }

// MembersChanged calls each whenever memberships or roles changed, until ctx
// ends.
func (b *Bus) MembersChanged(ctx context.Context, each func()) error {
	return b.listen(ctx, membersChanged, func(*nats.Msg) { each() })
}

func (b *Bus) tell(subject string, data []byte) {
	if err := b.conn.Publish(subject, data); err != nil {
		b.log.Debug("not told", "subject", subject, "error", err)
	}
}

// ErrNobody says that no manager is there to answer.
var ErrNobody = errors.New("no manager answers")

// Ask asks any manager, and waits for its answer until ctx ends.
func (b *Bus) Ask(ctx context.Context, question []byte) (answer []byte, err error) {
	msg, err := b.conn.RequestWithContext(ctx, questions, question)
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrConnectionReconnecting):
		return nil, ErrNobody
	case err != nil:
		return nil, fmt.Errorf("ask a manager: %w", err)
	}
	return msg.Data, nil
}

// askedAtOnce bounds the questions that a manager works on.
const askedAtOnce = 1000

// Answer calls answer with what Ask asks, several at a time, until ctx ends.
// Of all processes that answer one does.
func (b *Bus) Answer(ctx context.Context, answer func(ctx context.Context, question []byte) []byte) error {
	sub, err := b.conn.QueueSubscribeSync(questions, answering)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	var all sync.WaitGroup
	defer all.Wait()
	defer func() { _ = sub.Unsubscribe() }() // the connection may be closed
	places := make(chan struct{}, askedAtOnce)
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if sub.IsValid() {
				continue
			}
			return fmt.Errorf("answer: %w", err)
		}
		if !strings.HasPrefix(msg.Reply, "_INBOX") { // nobody listens, or it is aimed elsewhere
			continue
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		all.Go(func() {
			defer func() { <-places }()
			if err := msg.Respond(answer(ctx, msg.Data)); err != nil {
				b.log.DebugContext(ctx, "answer not sent", "error", err)
			}
		})
	}
}
