package upstream

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"portico/gateway/upstream/health"
	"portico/internal/entry"
)

// Look says how the targets of a version are; more is how many others there
// are. Told to check, it has each asked at once, or the one that is named: by its
// health check, or whether it can be connected to where there is none. Then it
// waits for what is found, and says of those who have not answered when ctx ends
// that they did not.
func (s *Set) Look(ctx context.Context, l entry.Look, wall func() time.Time) (list []entry.UpstreamTargets, more int) {
	s.mu.Lock()
	var upstreams []*Upstream
	for _, u := range s.byVersion[l.Version] {
		upstreams = append(upstreams, u)
	}
	s.mu.Unlock()
	slices.SortFunc(upstreams, func(a, b *Upstream) int { return cmp.Compare(a.config.Name, b.config.Name) })
	left := entry.MaxTargets
	var asking sync.WaitGroup
	for _, u := range upstreams {
		endpoints := u.all()
		slices.SortFunc(endpoints, func(a, b *endpoint) int { return cmp.Compare(a.balance.Name, b.balance.Name) })
		told := endpoints[:min(len(endpoints), left)]
		left, more = left-len(told), more+len(endpoints)-len(told)
		states := make([]entry.TargetState, len(told))
		for i, e := range told {
			asking.Go(func() {
				found, connected := u.checked(ctx, e, l.Check && (l.Target == "" || l.Target == e.target || l.Target == e.foundAt))
				states[i] = u.state(e) // after it, which may have changed it
				if !found.At.IsZero() {
					at := wall().Add(-time.Since(found.At)).UnixMilli()
					states[i].Checked = &entry.TargetCheck{At: at, TookUS: found.Took.Microseconds(), Why: found.Why, Connected: connected}
				}
			})
		}
		list = append(list, entry.UpstreamTargets{Upstream: u.config.Name, Targets: states})
	}
	asking.Wait()
	return list, more
}

// Tenant returns whose a version is; "" when the set has nothing of it.
func (s *Set) Tenant(version string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.byVersion[version] {
		return u.tenant
	}
	return ""
}

// checked returns what a check of an endpoint found: the last one, or with ask one
// of now. connected reports that only connecting was tried.
func (u *Upstream) checked(ctx context.Context, e *endpoint, ask bool) (f health.Finding, connected bool) {
	u.mu.Lock()
	watch := u.watched[e.balance.Name]
	u.mu.Unlock()
	began, ok := time.Now(), true
	switch {
	case watch != nil && !ask:
		return watch.Last(), false
	case watch != nil:
		f, ok = watch.Ask(ctx)
	case ask:
		connected = true
		f, ok = u.set.checks.Once(ctx, e.asTarget(), health.Check{Kind: health.TCP, Timeout: u.timeouts().Connect, Interval: time.Hour, Healthy: 1, Unhealthy: 1})
	}
	if !ok {
		f = health.Finding{At: time.Now(), Took: time.Since(began), Why: "check: there was no answer yet"}
	}
	return f, connected
}

// state says how an endpoint is.
func (u *Upstream) state(e *endpoint) entry.TargetState {
	now := u.set.now.Load()
	median, calls := e.balance.Latency(now)
	out := entry.TargetState{
		URL: e.target, Address: e.foundAt, Why: e.balance.Unfit(now),
		MedianUS: median.Microseconds(), Calls: len(calls),
	}
	for _, c := range calls {
		out.Recent = append(out.Recent, entry.TargetCall{int64(c.Ago / time.Second), c.Took.Microseconds()})
	}
	return out
}
