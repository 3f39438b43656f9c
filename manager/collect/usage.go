package collect

import (
	"context"
	"fmt"
	"time"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
)

// Usage is forgotten in batches, so that nobody waits for long.
const (
	usageKept  = 90 * 24 * time.Hour
	sweepEvery = 10 * time.Minute
	sweepRows  = 1000
)

// minute is how much of time one line of usage is of.
const minute = time.Minute

// clockAhead bounds by how much a node's clock may run ahead of ours.
const clockAhead = 10 * time.Minute

// Pieces are counted in one transaction as far as they came together: calls of
// one minute and caller are then one line, however many pieces they came in.
const (
	countLines = 20_000      // of one transaction, but for the last piece's, as long as they do not fail
	restShare  = 4           // times what a transaction took is waited before the next one,
	restMost   = time.Second // but no longer than this
)

// count listens to the environment's nodes' usage until ctx ends, and counts it.
// A node gives up what it keeps once it has heard of it: after the commit.
func (c *Collector) count(ctx context.Context, environment string) {
	k := &counter{Collector: c, environment: environment, bus: c.Bus.Environment(environment), atOnce: countLines}
	for ctx.Err() == nil {
		err := k.bus.Usages(ctx, func(ctx context.Context, pieces []bus.Piece) []error {
			began := time.Now()
			errs := k.countAll(ctx, pieces)
			wait(ctx, min(restShare*time.Since(began), restMost))
			return errs
		})
		if err != nil && ctx.Err() == nil {
			c.Log.DebugContext(ctx, "usage is not heard", "environment", environment, "error", err)
			wait(ctx, environmentsEvery+time.Second) // an environment that was deleted is not counted any more by then
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// counter counts one environment's usage.
type counter struct {
	*Collector
	environment string
	bus         *bus.Environment
	atOnce      int // lines of one transaction: fewer after one that came to nothing
}

// countAll counts pieces and returns what came of each.
func (k *counter) countAll(ctx context.Context, pieces []bus.Piece) []error {
	errs := make([]error, len(pieces))
	var of []int // which pieces parts are
	var parts []apim.UsagePiece
	lines := 0
	commit := func() {
		for i, err := range k.commit(ctx, parts, lines) {
			errs[of[i]] = err
		}
		of, parts, lines = of[:0], parts[:0], 0
	}
	for i, piece := range pieces {
		u, err := entry.DecodeUsage(piece.Body)
		if err != nil {
			errs[i] = fmt.Errorf("%w: %w", bus.ErrUnreadable, err)
			continue
		}
		p := k.addUp(k.environment, piece.Node, u)
		of, parts, lines = append(of, i), append(parts, p), lines+len(p.Lines)
		if lines >= k.atOnce {
			commit()
		}
	}
	if len(parts) > 0 {
		commit()
	}
	return errs
}

// commit counts pieces in one transaction and tells their nodes. What is refused
// is counted in halves: it may be one of them.
func (k *counter) commit(ctx context.Context, parts []apim.UsagePiece, lines int) []error {
	fresh, err := k.Store.CountUsage(ctx, parts, k.Now())
	switch kind := apim.KindOf(err); {
	case err == nil:
		k.atOnce = min(k.atOnce+k.atOnce/4+1, countLines)
	case kind == apim.Unavailable: // away, or too slow for so much
		k.atOnce = max(lines/2, 1)
	case len(parts) > 1 && ctx.Err() == nil:
		half := len(parts) / 2
		return append(k.commit(ctx, parts[:half], lines/2), k.commit(ctx, parts[half:], lines/2)...)
	case len(parts) == 1 && kind == apim.Invalid:
		return []error{fmt.Errorf("%w: %w", bus.ErrUnreadable, err)}
	}
	errs := make([]error, len(parts))
	if err != nil {
		if ctx.Err() == nil {
			k.Log.DebugContext(ctx, "usage not counted, it will be", "environment", k.environment, "pieces", len(parts), "error", err)
		}
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	for i, p := range parts {
		if lost := lostIn(p); fresh[i] && lost > 0 {
			k.Log.WarnContext(ctx, "a node gave calls up for want of room", "environment", k.environment, "node", p.Node, "calls", lost)
		}
		errs[i] = k.bus.AckUsage(p.Node, entry.UsageAck{Spool: p.Spool, Segment: uint64(p.Segment), To: uint32(p.To)})
	}
	return errs
}

// lostIn returns how many calls a piece says its node gave up.
func lostIn(p apim.UsagePiece) (n int64) {
	for _, l := range p.Lines {
		if l.Code == apim.UsageLost {
			n += l.Calls
		}
	}
	return n
}

// lineKey is what a line is of, within an environment.
type lineKey struct {
	caller int
	minute int64
}

// addUp makes lines of a piece's calls.
func (c *Collector) addUp(environment, node string, u entry.Usage) apim.UsagePiece {
	p := apim.UsagePiece{Environment: environment, Node: node, Spool: u.Spool, Segment: int64(u.Segment), From: int64(u.From), To: int64(u.To)}
	now := c.Now()
	lines := map[lineKey]int{}
	for _, call := range u.Calls {
		at := minuteOf(time.UnixMicro(call.At), now)
		key := lineKey{call.Caller, at.Unix()}
		i, known := lines[key]
		if !known {
			i = len(p.Lines)
			lines[key] = i
			p.Lines = append(p.Lines, lineOf(u.Callers[call.Caller], at))
		}
		l := &p.Lines[i]
		l.Calls += int64(call.Count)
		l.BytesIn += int64(call.BytesIn)
		l.BytesOut += int64(call.BytesOut)
		l.TookUS += int64(call.TookUS)
		l.UpstreamUS += int64(call.UpstreamUS)
		if call.Count == 1 {
			l.Took[entry.UsageBucket(int64(call.TookUS))]++
			continue
		}
		for j, n := range call.Took {
			l.Took[j] += int64(n)
		}
	}
	if u.Lost > 0 {
		p.Lines = append(p.Lines, apim.Usage{Minute: minuteOf(now, now), Code: apim.UsageLost, Calls: int64(u.Lost), Took: make([]int64, apim.UsageBuckets)})
	}
	return p
}

// minuteOf is the minute of a node's time. One that is beyond what clocks differ
// by is taken for now: it would stand in a future that nobody asks for.
func minuteOf(at, now time.Time) time.Time {
	if at.After(now.Add(clockAhead)) || at.Unix() < 0 {
		at = now
	}
	return at.UTC().Truncate(minute)
}

func lineOf(c entry.UsageCaller, at time.Time) apim.Usage {
	id := func(prefix, uuid string) apim.ID {
		if uuid == "" {
			return ""
		}
		return apim.ID(prefix + "_" + uuid)
	}
	return apim.Usage{
		Minute: at, Version: id(apim.PrefixVersion, c.Version), Operation: c.Operation, Application: id(apim.PrefixApplication, c.Application),
		Subscription: id(apim.PrefixSubscription, c.Subscription), Plan: id(apim.PrefixPlan, c.Plan), Status: c.Status, Code: c.Code,
		Took: make([]int64, apim.UsageBuckets),
	}
}

// sweep forgets usage that is older than is to be kept, until ctx ends.
func (c *Collector) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		n, err := c.Store.SweepUsage(ctx, c.Now().Add(-c.KeepUsage), sweepRows)
		if err != nil && ctx.Err() == nil {
			c.Log.DebugContext(ctx, "old usage not forgotten", "error", err)
		}
		if n >= sweepRows && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
