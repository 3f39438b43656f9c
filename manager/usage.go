package manager

import (
	"context"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
)

// UsageFilter says which usage is asked for.
type UsageFilter struct {
	Environment string // slug
	API         string // slug or id; only of what the tenant offers
	Version     apim.ID
	Application string // slug or id; of another tenant's the id
	Status      int    // 0 is any
	// From is in it, To is not. Zero: an hour before To; no bound.
	From, To time.Time
}

// UsageLine is usage with the names of what it is of, "" for what is no more.
type UsageLine struct {
	apim.Usage
	VersionName     string // "Orders v1"
	ApplicationName string
}

// usageHour is how far back usage goes when nobody says.
const usageHour = time.Hour

func (c *Core) usageFilter(f UsageFilter) (apim.UsageFilter, error) {
	var check apim.Check
	check.Length("environment", f.Environment, 200)
	check.Length("version", string(f.Version), 200)
	if f.Status < 0 || f.Status > 599 {
		check.Fail("status", "range", "is not a status of HTTP, such as 200")
	}
	out := apim.UsageFilter{Environment: f.Environment, Version: f.Version, Status: f.Status, From: f.From, To: f.To}
	if out.From.IsZero() {
		end := f.To
		if end.IsZero() {
			end = c.now()
		}
		out.From = end.Add(-usageHour).Truncate(time.Minute)
	}
	if !f.To.IsZero() && !f.To.After(out.From) {
		check.Fail("to", "before_from", "is not after from")
	}
	return out, check.Err()
}

// usageLines adds names to usage.
func usageLines(ctx context.Context, tx *store.Tx, list apim.List[apim.Usage], err error) (apim.List[UsageLine], error) {
	out := apim.List[UsageLine]{NextCursor: list.NextCursor}
	if err != nil {
		return out, err
	}
	var versions, applications []apim.ID
	for _, u := range list.Items {
		versions, applications = append(versions, u.Version), append(applications, u.Application)
	}
	versionNames, err := tx.System().VersionNames(ctx, versions)
	if err != nil {
		return out, err
	}
	applicationNames, err := tx.System().ApplicationNames(ctx, applications)
	for _, u := range list.Items {
		out.Items = append(out.Items, UsageLine{u, versionNames[u.Version], applicationNames[u.Application]})
	}
	return out, err
}

// Usage lists what was called of the tenant's APIs, by the minute, newest first,
// as far as the actor may read them.
func (c *Catalog) Usage(ctx context.Context, actor apim.Actor, tenant apim.ID, f UsageFilter, page apim.Page) (apim.List[UsageLine], error) {
	reach, err := c.Authz.Reach(ctx, actor, tenant, apim.Read, apim.ObjectAPI)
	if err != nil {
		return apim.List[UsageLine]{}, err
	}
	filter, err := c.usageFilter(f)
	if err != nil {
		return apim.List[UsageLine]{}, err
	}
	var out apim.List[UsageLine]
	err = c.Store.Read(ctx, func(tx *store.Tx) error {
		if f.API != "" {
			api, err := tx.Tenant(tenant).API(ctx, f.API)
			if err != nil {
				return err
			}
			if err := c.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectAPI, api.ID, api.Team); err != nil {
				return err
			}
			filter.API = api.ID
		}
		if f.Application != "" {
			filter.Application = apim.ID(f.Application) // a consumer's; by the id that its subscription shows
			if own, err := tx.Tenant(tenant).Application(ctx, f.Application); err == nil {
				filter.Application = own.ID
			}
		}
		list, err := tx.Tenant(tenant).OfferedUsage(ctx, reach, filter, page)
		out, err = usageLines(ctx, tx, list, err)
		return err
	})
	return out, err
}

// paceOf is over how many minutes it is said how much a version is called.
const paceOf = 10 * time.Minute

// Pace is how much a version is called in an environment, as far as its nodes'
// usage has been counted.
type Pace struct {
	Calls
	Of         time.Duration    // the time in which
	Operations map[string]Calls // by operation; those that were not called are left out
}

// Calls are what was called in some time.
type Calls struct {
	Number    int64
	PerSecond float64
	// Within is how long 99 of 100 took at most: the end of the range of durations
	// that the last of them is in. Zero: longer than what is told apart.
	Within time.Duration
}

// Pace returns how much a version was called in the last ten minutes, and how
// long that took.
func (c *Catalog) Pace(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environment string) (Pace, error) {
	at, id, err := c.whereLive(ctx, actor, tenant, version, environment, apim.Read)
	if err != nil {
		return Pace{}, err
	}
	now := c.now()
	from := now.Add(-paceOf).Truncate(time.Minute)
	out := Pace{Of: now.Sub(from), Operations: map[string]Calls{}}
	var lines []apim.Usage
	err = c.Store.Read(ctx, func(tx *store.Tx) (err error) {
		lines, err = tx.Tenant(tenant).OperationUsage(ctx, apim.UsageFilter{Environment: at, Version: id, From: from})
		return err
	})
	all := apim.Usage{Took: make([]int64, apim.UsageBuckets)}
	for _, l := range lines {
		out.Operations[l.Operation] = callsOf(l, out.Of)
		all.Calls += l.Calls
		for i, n := range l.Took {
			all.Took[i] += n
		}
	}
	out.Calls = callsOf(all, out.Of)
	return out, err
}

func callsOf(u apim.Usage, of time.Duration) Calls {
	out := Calls{Number: u.Calls, PerSecond: float64(u.Calls) / of.Seconds()}
	timed, below := int64(0), int64(0)
	for _, n := range u.Took {
		timed += n
	}
	for i, bound := range entry.UsageBounds() {
		if below += u.Took[i]; timed > 0 && below*100 >= timed*99 {
			out.Within = time.Duration(bound) * time.Microsecond
			break
		}
	}
	return out
}

// Usage lists what the tenant's applications have called, by the minute, newest
// first, as far as the actor may read them.
func (a *Access) Usage(ctx context.Context, actor apim.Actor, tenant apim.ID, f UsageFilter, page apim.Page) (apim.List[UsageLine], error) {
	reach, err := a.Authz.Reach(ctx, actor, tenant, apim.Read, apim.ObjectApplication)
	if err != nil {
		return apim.List[UsageLine]{}, err
	}
	filter, err := a.usageFilter(f)
	if err != nil {
		return apim.List[UsageLine]{}, err
	}
	var out apim.List[UsageLine]
	err = a.Store.Read(ctx, func(tx *store.Tx) error {
		if f.Application != "" {
			app, err := tx.Tenant(tenant).Application(ctx, f.Application)
			if err != nil {
				return err
			}
			if err := a.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectApplication, app.ID, app.Team); err != nil {
				return err
			}
			filter.Application = app.ID
		}
		list, err := tx.Tenant(tenant).UsedUsage(ctx, reach, filter, page)
		out, err = usageLines(ctx, tx, list, err)
		return err
	})
	return out, err
}

// Usage lists all that the installation's nodes were asked for, by the minute,
// newest first: also calls of no API, those that a node's end interrupted, and
// how many a node gave up counting.
func (f *Fleet) Usage(ctx context.Context, actor apim.Actor, of UsageFilter, page apim.Page) (apim.List[UsageLine], error) {
	if err := f.Authz.Allow(ctx, actor, "", apim.Read, apim.ObjectNode); err != nil {
		return apim.List[UsageLine]{}, err
	}
	filter, err := f.usageFilter(of)
	if err != nil {
		return apim.List[UsageLine]{}, err
	}
	filter.Application = apim.ID(of.Application)
	var out apim.List[UsageLine]
	err = f.Store.Read(ctx, func(tx *store.Tx) error {
		list, err := tx.System().Usage(ctx, filter, page)
		out, err = usageLines(ctx, tx, list, err)
		return err
	})
	return out, err
}
