package manager

import (
	"context"
	"strconv"
	"time"

	"portico/internal/apim"
	"portico/manager/store"
)

// A plan bounds the life of keys, not a tenant: the bound is the provider's, a
// key is the consumer's, and a plan is the one thing that both have agreed on.
// A key opens what all of its application's subscriptions give, so the shortest
// of their bounds holds for it, in the environments that they cover.

// The bounds of a plan's MaxKeyLife.
const (
	shortestKeyLife = time.Hour
	longestKeyLife  = 10 * 365 * 24 * time.Hour
)

// KeyLimit bounds the keys of an application in an environment. Its zero value
// is no bound.
type KeyLimit struct {
	Environment string // slug
	Life        time.Duration
	Plan        string // whose bound it is, by name
	Product     string // name
}

// Latest is when a key that is made now has to end.
func (l KeyLimit) Latest(now time.Time) time.Time { return now.Add(l.Life) }

// Text says why there is a bound: "keys for Growth of Orders live at most 90
// days".
func (l KeyLimit) Text() string {
	return "keys for " + l.Plan + " of " + l.Product + " live at most " + lifeText(l.Life)
}

// lifeText writes a length of time for people: "90 days", "36 hours".
func lifeText(d time.Duration) string {
	n, unit := int64(d/time.Hour), "hour"
	if d%(24*time.Hour) == 0 {
		n, unit = int64(d/(24*time.Hour)), "day"
	} else if d%time.Hour != 0 {
		n, unit = int64(d/time.Minute), "minute"
	}
	if n != 1 {
		unit += "s"
	}
	return strconv.FormatInt(n, 10) + " " + unit
}

// keyLimit returns the shortest of the bounds that an application's plans set in
// an environment.
func keyLimit(ctx context.Context, tx *store.Tx, app apim.Application, environment string) (KeyLimit, error) {
	all, err := tx.Tenant(app.Tenant).SubscriptionsOf(ctx, []apim.ID{app.ID})
	if err != nil {
		return KeyLimit{}, err
	}
	plans, err := tx.System().PlansByID(ctx, ids(all, func(s apim.Subscription) apim.ID { return s.Plan }))
	if err != nil {
		return KeyLimit{}, err
	}
	out, product := KeyLimit{Environment: environment}, apim.ID("")
	for _, s := range all {
		if plan := plans[s.Plan]; s.Live() && s.Covers(environment) && plan.MaxKeyLife > 0 && (out.Life == 0 || plan.MaxKeyLife < out.Life) {
			out.Life, out.Plan, product = plan.MaxKeyLife, plan.Name, s.Product
		}
	}
	if product == "" {
		return out, nil
	}
	products, err := tx.System().ProductsByID(ctx, []apim.ID{product})
	out.Product = products[product].Name
	return out, err
}

// keyLimits returns the bounds of an application's keys, one for each
// environment that has one.
func keyLimits(ctx context.Context, tx *store.Tx, app apim.Application) ([]KeyLimit, error) {
	environments, err := tx.System().Environments(ctx)
	if err != nil {
		return nil, err
	}
	var out []KeyLimit
	for _, e := range environments {
		limit, err := keyLimit(ctx, tx, app, e.Slug)
		if err != nil {
			return nil, err
		}
		if limit.Life > 0 {
			out = append(out, limit)
		}
	}
	return out, nil
}

// checkKeyLife refuses a key that would outlive its plans.
func checkKeyLife(fields *apim.Check, limit KeyLimit, expires, now time.Time) {
	if limit.Life == 0 {
		return
	}
	latest := limit.Latest(now).UTC().Format("2 January 2006 15:04 MST")
	switch {
	case expires.IsZero():
		fields.Fail("expires_at", "required", "needs an end, at the latest %s: %s", latest, limit.Text())
	case expires.After(limit.Latest(now)):
		fields.Fail("expires_at", "too_late", "is after %s: %s", latest, limit.Text())
	}
}

// checkMaxKeyLife checks a plan's bound.
func checkMaxKeyLife(fields *apim.Check, d time.Duration) {
	if d != 0 && (d < shortestKeyLife || d > longestKeyLife) {
		fields.Fail("max_key_life_ms", "range", "is %s; use %s to %s, or 0 for no bound", lifeText(d), lifeText(shortestKeyLife), lifeText(longestKeyLife))
	}
}

// longKeys counts, by plan, the keys that live longer than it allows: those that
// were made before it was so. They work on.
func longKeys(keys []store.LongKey) map[apim.ID]int {
	out := map[apim.ID]int{}
	for _, k := range keys {
		out[k.Plan]++
	}
	return out
}
