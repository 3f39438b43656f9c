package collect

import (
	"context"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
)

// Upstreams returns what each enrolled node of an environment last said of the
// upstreams of a version, which is a uuid.
func (c *Collector) Upstreams(ctx context.Context, environment, version string) ([]apim.NodeUpstreams, error) {
	enrolled, err := c.enrolled(ctx, environment)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fleet(environment)
	out := make([]apim.NodeUpstreams, 0, len(enrolled))
	for _, n := range enrolled {
		h := f.heard[n.ID.UUID()]
		if gone(n, h) {
			continue
		}
		said := apim.NodeUpstreams{Node: n.Name}
		if h != nil {
			said.Reachable, said.HeardAt, said.Partial = c.reachable(h), h.at, h.MoreUpstreams > 0
			for _, u := range h.Upstreams {
				if u.Version == version {
					said.Upstreams = append(said.Upstreams, upstreamHealth(u))
				}
			}
		}
		out = append(out, said)
	}
	return out, nil
}

func upstreamHealth(u entry.UpstreamHealth) apim.UpstreamHealth {
	out := apim.UpstreamHealth{Name: u.Upstream, Targets: u.Targets, Unfit: u.Unfit, Panic: u.Panic, Open: u.Open, Source: u.Source, Found: u.Found}
	for _, t := range u.Worst {
		one := apim.TargetHealth{URL: t.URL, Address: t.Address, Why: t.Why, Since: time.UnixMilli(t.Since)}
		if t.Until > 0 {
			one.Until = time.UnixMilli(t.Until)
		}
		out.Worst = append(out.Worst, one)
	}
	return out
}
