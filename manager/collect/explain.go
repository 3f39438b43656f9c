package collect

import (
	"context"
	"slices"
	"time"

	"portico/internal/entry"
)

// The ways of calls that nodes tell are kept in memory for a short while, by
// every manager: people look at them as they come. What a node could make of
// that is bounded.
const (
	waysFor  = 30 * time.Minute
	mostWays = 500 // of an environment; the oldest go first
)

// way is the way of a call, and when it was heard.
type way struct {
	entry.Explanation
	at time.Time
}

// listenExplained hears the ways of calls until ctx ends.
func (c *Collector) listenExplained(ctx context.Context, environment string) {
	for ctx.Err() == nil {
		if err := c.Bus.Environment(environment).Explanations(ctx, c.hearWay); err != nil && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "ways of calls are not heard", "environment", environment, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (c *Collector) hearWay(x entry.Explanation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fleet(x.Environment)
	now := c.Now()
	f.ways = slices.DeleteFunc(f.ways, func(w way) bool { return now.Sub(w.at) > waysFor })
	if len(f.ways) >= mostWays {
		f.ways = slices.Delete(f.ways, 0, len(f.ways)-mostWays+1)
	}
	f.ways = append(f.ways, way{x, now})
	close(f.told)
	f.told = make(chan struct{})
}

// Explanation returns the way of a call, of which the tenant's token asked for
// it. It waits for one that has not come yet until ctx ends; then ok is false.
func (c *Collector) Explanation(ctx context.Context, environment, tenant, id string) (x entry.Explanation, ok bool) {
	for {
		c.mu.Lock()
		f := c.fleet(environment)
		told := f.told
		for _, w := range f.ways {
			if w.ID == id && w.Tenant == tenant && c.Now().Sub(w.at) <= waysFor {
				c.mu.Unlock()
				return w.Explanation, true
			}
		}
		c.mu.Unlock()
		select {
		case <-told:
		case <-ctx.Done():
			return x, false
		}
	}
}

// Explanations returns the ways of calls that a tenant's tokens asked for, the
// newest first.
func (c *Collector) Explanations(environment, tenant string) []entry.Explanation {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []entry.Explanation
	for _, w := range slices.Backward(c.fleet(environment).ways) {
		if w.Tenant == tenant && c.Now().Sub(w.at) <= waysFor {
			out = append(out, w.Explanation)
		}
	}
	return out
}
