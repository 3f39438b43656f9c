package collect

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
)

// Targets asks the nodes of an environment to look, and how targets are. It gives
// the look its id. It waits for the
// nodes that can be reached, until ctx ends; of those that have not answered by
// then Answered is false.
func (c *Collector) Targets(ctx context.Context, environment string, look entry.Look) ([]apim.NodeTargets, error) {
	enrolled, err := c.enrolled(ctx, environment)
	if err != nil {
		return nil, err
	}
	var out []apim.NodeTargets
	place := map[string]int{} // of those that are waited for, by the node's uuid
	c.mu.Lock()
	f := c.fleet(environment)
	for _, n := range enrolled {
		h := f.heard[n.ID.UUID()]
		if gone(n, h) {
			continue
		}
		said := apim.NodeTargets{Node: n.Name, Reachable: h != nil && c.reachable(h)}
		if said.Reachable {
			place[n.ID.UUID()] = len(out)
		}
		out = append(out, said)
	}
	look.ID = newLookID()
	answers := make(chan entry.Targets, len(place))
	if len(place) > 0 {
		f.looks[look.ID] = answers
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(f.looks, look.ID)
	}()
	if len(place) == 0 {
		return out, nil
	}
	if err := c.Bus.Environment(environment).Command(ctx, entry.EveryNode, entry.Command{Do: entry.LookAtTargets, Look: &look}); err != nil {
		return nil, fmt.Errorf("ask the nodes of %s: %w", environment, err)
	}
	for len(place) > 0 {
		select {
		case said := <-answers:
			if i, ok := place[said.Node]; ok {
				delete(place, said.Node)
				out[i].Answered, out[i].Upstreams, out[i].More = true, upstreamTargets(said), said.More
			}
		case <-ctx.Done():
			return out, nil
		}
	}
	return out, nil
}

func newLookID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never returns an error since Go 1.24
	return hex.EncodeToString(raw[:])
}

// listenLooked hears how targets are until ctx ends.
func (c *Collector) listenLooked(ctx context.Context, environment string) {
	for ctx.Err() == nil {
		if err := c.Bus.Environment(environment).Looks(ctx, c.hearTargets); err != nil && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "how targets are is not heard", "environment", environment, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// hearTargets gives what a node says to who asked here. Another manager may have
// asked.
func (c *Collector) hearTargets(t entry.Targets) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.fleet(t.Environment).looks[t.Look] <- t:
	default: // nobody waits, or a node says it again and again
	}
}

func upstreamTargets(t entry.Targets) []apim.UpstreamTargets {
	var out []apim.UpstreamTargets
	for _, u := range t.Upstreams {
		one := apim.UpstreamTargets{Name: u.Upstream}
		for _, s := range u.Targets {
			state := apim.TargetState{URL: s.URL, Address: s.Address, Why: s.Why, Median: time.Duration(s.MedianUS) * time.Microsecond, Calls: s.Calls}
			for _, r := range s.Recent {
				state.Recent = append(state.Recent, apim.TargetCall{Ago: time.Duration(r[0]) * time.Second, Took: time.Duration(r[1]) * time.Microsecond})
			}
			if s.Checked != nil {
				state.Check = apim.TargetCheck{
					At: time.UnixMilli(s.Checked.At).UTC(), Took: time.Duration(s.Checked.TookUS) * time.Microsecond,
					Why: s.Checked.Why, Connected: s.Checked.Connected,
				}
			}
			one.Targets = append(one.Targets, state)
		}
		out = append(out, one)
	}
	return out
}
