package upstream

import (
	"cmp"
	"slices"
	"time"

	"portico/internal/entry"
)

// Health tells of upstreams where something is amiss, and of those whose
// targets are looked for; more is how many others there are.
func (s *Set) Health(wall time.Time) (list []entry.UpstreamHealth, more int) {
	now := s.now.Load()
	at := func(mono int64) int64 { return wall.Add(time.Duration(mono - now)).UnixMilli() }
	s.mu.Lock()
	var told []named
	for version, byName := range s.byVersion {
		for _, u := range byName {
			if u.config.Traffic.Discovery.Kind != "" || !u.group.Well(now) {
				told = append(told, named{version, u})
			}
		}
	}
	s.mu.Unlock()
	slices.SortFunc(told, func(a, b named) int {
		return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(a.config.Name, b.config.Name))
	})
	if more = len(told) - entry.MaxUpstreamHealth; more > 0 {
		told = told[:entry.MaxUpstreamHealth]
	}
	for _, u := range told {
		list = append(list, u.health(u.version, now, at))
	}
	return list, max(more, 0)
}

// named is an upstream with the version that it is of.
type named struct {
	version string
	*Upstream
}

func (u *Upstream) health(version string, now int64, at func(int64) int64) entry.UpstreamHealth {
	h := u.group.Health(now)
	out := entry.UpstreamHealth{Version: version, Upstream: u.config.Name, Targets: h.Total, Unfit: len(h.Unfit), Panic: h.Panic, Open: h.Open}
	for _, x := range h.Unfit {
		if len(out.Worst) == entry.MaxTargetHealth {
			break
		}
		e := x.Endpoint.Data.(*endpoint)
		t := entry.TargetHealth{URL: e.target, Address: e.foundAt, Why: x.Why, Since: at(x.Since)}
		if x.Until > 0 {
			t.Until = at(x.Until)
		}
		out.Worst = append(out.Worst, t)
	}
	if u.search != nil {
		out.Source = u.search.astray()
		for _, e := range u.all() {
			out.Found = append(out.Found, e.key.address)
		}
		slices.Sort(out.Found)
		out.Found = out.Found[:min(len(out.Found), entry.MaxTargetHealth)]
	}
	return out
}
