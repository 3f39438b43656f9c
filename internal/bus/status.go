package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"

	"portico/internal/entry"
)

// Report sends a status. It does not wait for anybody to read it, and fails at
// once while the bus is away.
func (e *Environment) Report(_ context.Context, status entry.Status) error {
	raw, err := json.Marshal(status)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := e.bus.conn.Publish(entry.StatusSubject(e.slug, status.Node), raw); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// Statuses calls each with what the nodes of all environments report, until ctx
// ends. A report under the name of another node or environment is dropped and
// logged: the subject is what a node's permissions are for.
func (b *Bus) Statuses(ctx context.Context, each func(entry.Status)) error {
	return b.listen(ctx, entry.StatusSubject("*", "*"), func(msg *nats.Msg) {
		var s entry.Status
		err := entry.Strict(msg.Data, &s)
		if err == nil && msg.Subject != entry.StatusSubject(s.Environment, s.Node) {
			err = fmt.Errorf("is of node %q in environment %q", s.Node, s.Environment)
		}
		if err != nil {
			b.log.WarnContext(ctx, "status dropped", "subject", msg.Subject, "error", err)
			return
		}
		each(s)
	})
}

// nudges is the subject of nudges from one manager to others.
const nudges = "nudge."

// Nudge tells the publishers of other processes that an environment has
// something to deliver. Nothing depends on its arrival: they look by themselves
// from time to time.
func (b *Bus) Nudge(environment string) {
	if err := b.conn.Publish(nudges+environment, nil); err != nil {
		b.log.Debug("nudge not sent", "environment", environment, "error", err)
	}
}

// Nudges calls each with the environments that are nudged, until ctx ends.
func (b *Bus) Nudges(ctx context.Context, each func(environment string)) error {
	return b.listen(ctx, nudges+"*", func(msg *nats.Msg) { each(msg.Subject[len(nudges):]) })
}

// listen calls each with the messages of a subject, one at a time, until ctx
// ends; also while the server is away.
func (b *Bus) listen(ctx context.Context, subject string, each func(*nats.Msg)) error {
	sub, err := b.conn.SubscribeSync(subject)
	if err != nil {
		return fmt.Errorf("listen to %s: %w", subject, err)
	}
	defer func() {
		if err := sub.Unsubscribe(); err != nil {
			b.log.Debug("subscription not ended", slog.String("subject", subject), slog.Any("error", err))
		}
	}()
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if sub.IsValid() { // it fell behind: messages were dropped, and it goes on
				b.log.WarnContext(ctx, "messages dropped", "subject", subject, "error", err)
				continue
			}
			return fmt.Errorf("listen to %s: %w", subject, err)
		}
		each(msg)
	}
}
