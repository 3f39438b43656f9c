package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"portico/internal/apim"
	"portico/internal/bus"
)

// question is what a Remote asks a manager's collector.
type question struct {
	Ask         string // "applied", "wait", "nodes"
	Change      apim.Change
	Environment string
	Until       time.Duration // of "wait": how long the asker waits
}

// reply is what the collector answers.
type reply struct {
	Applied apim.Applied
	Nodes   []apim.Node
	Error   string
}

// askFor bounds a question that waits for no node.
const askFor = 5 * time.Second

// longestWait bounds a wait whose asker sets no end.
const longestWait = time.Minute

// Remote asks the collector of a manager in another process, over the bus. A
// portal has one: it may not hear the nodes itself. It is safe for concurrent
// use.
type Remote struct{ Bus *bus.Bus }

// Applied returns what the nodes confirm of a change now.
func (r *Remote) Applied(ctx context.Context, c apim.Change) (apim.Applied, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	got, err := r.ask(ctx, question{Ask: "applied", Change: c})
	return got.Applied, err
}

// Wait returns when every enrolled node has confirmed, or when ctx ends; then
// Done is false. When no manager answers meanwhile, no node is named.
func (r *Remote) Wait(ctx context.Context, c apim.Change) (apim.Applied, error) {
	until := longestWait
	if end, ok := ctx.Deadline(); ok {
		until = min(until, time.Until(end))
	}
	// The manager stops a little before the asker, so that its answer arrives.
	got, err := r.ask(ctx, question{Ask: "wait", Change: c, Until: max(until-until/10, until-200*time.Millisecond)})
	if err != nil && ctx.Err() != nil {
		return apim.Applied{Change: c, TookMS: -1}, nil
	}
	return got.Applied, err
}

// Nodes returns the environment's enrolled nodes with what they last said.
func (r *Remote) Nodes(ctx context.Context, environment string) ([]apim.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	got, err := r.ask(ctx, question{Ask: "nodes", Environment: environment})
	return got.Nodes, err
}

func (r *Remote) ask(ctx context.Context, q question) (reply, error) {
	raw, err := json.Marshal(q)
	if err != nil {
		return reply{}, err
	}
	answer, err := r.Bus.Ask(ctx, raw)
	if errors.Is(err, bus.ErrNobody) {
		return reply{}, apim.Errorf(apim.Unavailable, "no manager can be reached to ask about the gateway nodes; try again in a moment")
	}
	if err != nil {
		return reply{}, err
	}
	var out reply
	if err := json.Unmarshal(answer, &out); err != nil {
		return reply{}, fmt.Errorf("read a manager's answer: %w", err)
	}
	if out.Error != "" {
		return reply{}, errors.New("a manager: " + out.Error)
	}
	return out, nil
}

// Serve answers the Remotes of other processes until ctx ends.
func (c *Collector) Serve(ctx context.Context) error {
	return c.Bus.Answer(ctx, func(ctx context.Context, raw []byte) []byte {
		out, err := c.reply(ctx, raw)
		if err != nil {
			out.Error = err.Error()
		}
		answer, err := json.Marshal(out)
		if err != nil {
			c.Log.WarnContext(ctx, "question not answered", "error", err)
		}
		return answer
	})
}

func (c *Collector) reply(ctx context.Context, raw []byte) (out reply, err error) {
	var q question
	if err := json.Unmarshal(raw, &q); err != nil {
		return out, err
	}
	switch q.Ask {
	case "applied":
		out.Applied, err = c.Applied(ctx, q.Change)
	case "wait":
		ctx, cancel := context.WithTimeout(ctx, min(q.Until, longestWait))
		defer cancel()
		out.Applied, err = c.Wait(ctx, q.Change)
	case "nodes":
		out.Nodes, err = c.Nodes(ctx, q.Environment)
	default:
		err = fmt.Errorf("unknown question %q", q.Ask)
	}
	return out, err
}
