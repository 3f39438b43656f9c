package discover

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"
)

// Consul finds the instances of a service that pass their checks, by queries
// that the agent answers when something changes.
type Consul struct {
	Origin          *Origin
	Service         string
	Tag, Datacenter string // "" for any, and for the agent's
}

// instance is a row of /v1/health/service, as far as it counts here.
type instance struct {
	Node struct {
		Address string `json:"Address"`
	} `json:"Node"`
	Service struct {
		Address string `json:"Address"`
		Port    int    `json:"Port"`
		Weights struct {
			Passing int `json:"Passing"`
		} `json:"Weights"`
	} `json:"Service"`
}

// holdFor is how long the agent may hold an answer back for want of a change.
const holdFor = 55 * time.Second

// Run implements Source.
func (c *Consul) Run(ctx context.Context, tell func([]Found, error)) {
	t, p, index := teller{tell: tell}, pause{}, uint64(0)
	for ctx.Err() == nil {
		asked := time.Now()
		list, next, err := c.look(ctx, index)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.failed(err)
			index = 0
			if !p.wait(ctx) {
				return
			}
			continue
		}
		_ = t.found(list) // nothing there is told, and may change
		p.reset()
		// An agent may hold no answer back: it does not know how, or there is always
		// news, of whatever else moves the index.
		if left := firstPause - time.Since(asked); left > 0 && !sleep(ctx, left) {
			return
		}
		if next < index { // it began anew
			next = 0
		}
		index = next
	}
}

func (c *Consul) look(ctx context.Context, index uint64) ([]Found, uint64, error) {
	query := url.Values{"passing": {"true"}}
	if c.Tag != "" {
		query.Set("tag", c.Tag)
	}
	if c.Datacenter != "" {
		query.Set("dc", c.Datacenter)
	}
	timeout := listTimeout
	if index > 0 {
		query.Set("index", strconv.FormatUint(index, 10))
		query.Set("wait", holdFor.String())
		timeout += holdFor + holdFor/16 // by which the agent spreads its answers
	}
	var rows []instance
	header, err := c.Origin.get(ctx, "/v1/health/service/"+url.PathEscape(c.Service), query, timeout, &rows)
	if err != nil {
		return nil, 0, fmt.Errorf("ask for service %s: %w", c.Service, err)
	}
	next, err := strconv.ParseUint(header.Get("X-Consul-Index"), 10, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("ask for service %s: the answer has no index", c.Service)
	}
	out := make([]Found, 0, len(rows))
	for _, r := range rows {
		out = append(out, Found{
			net.JoinHostPort(cmp.Or(r.Service.Address, r.Node.Address), strconv.Itoa(r.Service.Port)),
			min(max(r.Service.Weights.Passing, 1), 1000),
		})
	}
	return out, max(next, 1), nil
}
