package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

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

// Statuses calls each with what the environment's nodes report, until ctx ends.
// A report under the name of another node or environment is dropped and logged:
// the subject is what a node's permissions are for.
func (e *Environment) Statuses(ctx context.Context, each func(entry.Status)) error {
	return e.bus.listen(ctx, entry.StatusSubject(e.slug, "*"), func(msg *nats.Msg) {
		var s entry.Status
		err := entry.Strict(msg.Data, &s)
		if err == nil && msg.Subject != entry.StatusSubject(s.Environment, s.Node) {
			err = fmt.Errorf("is of node %q in environment %q", s.Node, s.Environment)
		}
		if err != nil {
			e.bus.log.WarnContext(ctx, "status dropped", "subject", msg.Subject, "error", err)
			return
		}
		each(s)
	})
}

// Saw sends which secrets a node has taken. It does not wait for anybody to
// read it, and fails at once while the bus is away.
func (e *Environment) Saw(_ context.Context, seen entry.Seen) error {
	raw, err := json.Marshal(seen)
	if err == nil {
		err = e.bus.conn.Publish(entry.SeenSubject(e.slug, seen.Node), raw)
	}
	if err != nil {
		return fmt.Errorf("report uses: %w", err)
	}
	return nil
}

// Seen calls each with the secrets that the environment's nodes have taken,
// until ctx ends. Of the processes that listen one hears each.
func (e *Environment) Seen(ctx context.Context, each func(entry.Seen)) error {
	return e.bus.listenAs(ctx, entry.SeenSubject(e.slug, "*"), answering, func(msg *nats.Msg) {
		var s entry.Seen
		err := entry.Strict(msg.Data, &s)
		if err == nil && (msg.Subject != entry.SeenSubject(s.Environment, s.Node) || len(s.Uses) > entry.MaxUses) {
			err = fmt.Errorf("is of node %q in environment %q, with %d uses", s.Node, s.Environment, len(s.Uses))
		}
		if err != nil {
			e.bus.log.WarnContext(ctx, "uses dropped", "subject", msg.Subject, "error", err)
			return
		}
		each(s)
	})
}

// Explained sends the way of a call. It does not wait for anybody to read it,
// and fails at once while the bus is away.
func (e *Environment) Explained(_ context.Context, explanation entry.Explanation) error {
	raw, err := json.Marshal(explanation)
	if err == nil {
		err = e.bus.conn.Publish(entry.ExplainSubject(e.slug, explanation.Node), raw)
	}
	if err != nil {
		return fmt.Errorf("report the way of a call: %w", err)
	}
	return nil
}

// maxExplanation bounds what one explanation may take, in bytes.
const maxExplanation = 64 << 10

// Explanations calls each with the ways of calls that the environment's nodes
// report, until ctx ends. One under the name of another node or environment is
// dropped and logged.
func (e *Environment) Explanations(ctx context.Context, each func(entry.Explanation)) error {
	return e.bus.listen(ctx, entry.ExplainSubject(e.slug, "*"), func(msg *nats.Msg) {
		var x entry.Explanation
		err := entry.Strict(msg.Data, &x)
		if err == nil && (msg.Subject != entry.ExplainSubject(x.Environment, x.Node) || len(msg.Data) > maxExplanation) {
			err = fmt.Errorf("is of node %q in environment %q, with %d bytes", x.Node, x.Environment, len(msg.Data))
		}
		if err != nil {
			e.bus.log.WarnContext(ctx, "way of a call dropped", "subject", msg.Subject, "error", err)
			return
		}
		each(x)
	})
}

// Looked sends how targets are. It does not wait for anybody to read it, and
// fails at once while the bus is away.
func (e *Environment) Looked(_ context.Context, targets entry.Targets) error {
	raw, err := json.Marshal(targets)
	if err == nil {
		err = e.bus.conn.Publish(entry.TargetsSubject(e.slug, targets.Node), raw)
	}
	if err != nil {
		return fmt.Errorf("say how targets are: %w", err)
	}
	return nil
}

// Looks calls each with what the environment's nodes say of targets, until ctx
// ends. One under the name of another node or environment is dropped and logged.
func (e *Environment) Looks(ctx context.Context, each func(entry.Targets)) error {
	return e.bus.listen(ctx, entry.TargetsSubject(e.slug, "*"), func(msg *nats.Msg) {
		var t entry.Targets
		err := entry.Strict(msg.Data, &t)
		if err == nil && msg.Subject != entry.TargetsSubject(t.Environment, t.Node) {
			err = fmt.Errorf("is of node %q in environment %q", t.Node, t.Environment)
		}
		if err != nil {
			e.bus.log.WarnContext(ctx, "word on targets dropped", "subject", msg.Subject, "error", err)
			return
		}
		each(t)
	})
}

// Command tells a node, or every node with entry.EveryNode, to do something. It
// does not wait: what came of it stands in the statuses.
func (e *Environment) Command(_ context.Context, node string, command entry.Command) error {
	raw, err := json.Marshal(command)
	if err == nil {
		err = e.bus.conn.Publish(entry.CommandSubject(e.slug, node), raw)
	}
	if err == nil {
		err = e.bus.conn.FlushTimeout(callTimeout) // it is on its way also when this process ends next
	}
	if err != nil {
		return fmt.Errorf("tell node %s to %s: %w", node, command.Do, err)
	}
	return nil
}

// Commands calls each with what a node is told, until ctx ends. What is no
// command is dropped and logged.
func (e *Environment) Commands(ctx context.Context, node string, each func(entry.Command)) error {
	hear := func(msg *nats.Msg) {
		var c entry.Command
		if err := entry.Strict(msg.Data, &c); err != nil {
			e.bus.log.WarnContext(ctx, "command dropped", "subject", msg.Subject, "error", err)
			return
		}
		each(c)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, to := range []string{node, entry.EveryNode} {
		group.Go(func() error { return e.bus.listen(ctx, entry.CommandSubject(e.slug, to), hear) })
	}
	return group.Wait()
}

// listen calls each with the messages of a subject, one at a time, until ctx
// ends; also while the server is away.
func (b *Bus) listen(ctx context.Context, subject string, each func(*nats.Msg)) error {
	return b.listenAs(ctx, subject, "", each)
}

// listenAs is listen as one of a queue, of which one hears each message; ""
// hears all.
func (b *Bus) listenAs(ctx context.Context, subject, queue string, each func(*nats.Msg)) error {
	sub, err := b.conn.QueueSubscribeSync(subject, queue)
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
