package manager

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/compile"
	"portico/manager/store"
)

// unit is one use case's transaction: what it writes, records and emits.
type unit struct {
	*store.Tx
	core    *Core
	actor   apim.Actor
	now     time.Time
	touched map[string]bool // environments with something to deliver
}

// now returns the time as the database keeps it.
func (c *Core) now() time.Time { return c.Now().UTC().Truncate(time.Microsecond) }

// write runs fn in a transaction and, once it is committed, tells the
// publisher what there is to deliver.
func (c *Core) write(ctx context.Context, actor apim.Actor, fn func(u *unit) error) error {
	u := &unit{core: c, actor: actor, now: c.now(), touched: map[string]bool{}}
	err := c.Store.Write(ctx, func(tx *store.Tx) error {
		u.Tx = tx
		if err := fn(u); err != nil {
			return err
		}
		return commitOnce(ctx, tx)
	})
	if err != nil {
		return err
	}
	for _, environment := range slices.Sorted(maps.Keys(u.touched)) {
		c.Nudge(environment)
	}
	return nil
}

// record appends to the tenant's audit log. A change whose audit row cannot be
// written does not happen.
func (u *unit) record(ctx context.Context, tenant apim.ID, action string, object apim.ID, format string, args ...any) error {
	return u.recordChange(ctx, tenant, action, object, nil, nil, format, args...)
}

// recordChange is record with what the change was from and to.
func (u *unit) recordChange(ctx context.Context, tenant apim.ID, action string, object apim.ID, before, after any, format string, args ...any) error {
	return u.System().Audit(ctx, apim.Audit{
		ID: apim.NewID(apim.PrefixAudit, u.now), Tenant: tenant, At: u.now, Actor: u.actor, Action: action, Object: object,
		Summary: fmt.Sprintf(format, args...), Before: jsonText(before), After: jsonText(after),
	})
}

func jsonText(v any) string {
	if v == nil {
		return ""
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(raw)
}

// emit makes items the desired state of an environment.
func (u *unit) emit(ctx context.Context, environment string, items []entry.Item) (apim.Change, error) {
	change, err := u.System().Emit(ctx, environment, items, u.now)
	if err != nil {
		return apim.Change{}, fmt.Errorf("emit to %s: %w", environment, err)
	}
	u.touched[environment] = true
	return change, nil
}

// emitEverywhere emits the same items to all environments and returns the
// change in the first.
func (u *unit) emitEverywhere(ctx context.Context, items []entry.Item) (apim.Change, error) {
	environments, err := u.System().Environments(ctx)
	if err != nil {
		return apim.Change{}, err
	}
	var first apim.Change
	for i, e := range environments {
		change, err := u.emit(ctx, e.Slug, items)
		if err != nil {
			return apim.Change{}, err
		}
		if i == 0 {
			first = change
		}
	}
	return first, nil
}

// regrant compiles what every live key of an application may do and emits it,
// in all environments. It returns the change in the first that has such a key,
// in the first of all when none has.
func (u *unit) regrant(ctx context.Context, app apim.Application) (apim.Change, error) {
	return u.regrantIn(ctx, app, "")
}

// regrantIn is regrant, with the change of one environment to return.
func (u *unit) regrantIn(ctx context.Context, app apim.Application, wanted string) (apim.Change, error) {
	items, err := u.grants(ctx, app)
	if err != nil {
		return apim.Change{}, err
	}
	environments, err := u.System().Environments(ctx)
	if err != nil || len(environments) == 0 {
		return apim.Change{}, err
	}
	var out apim.Change
	for _, e := range environments {
		if len(items[e.Slug]) == 0 {
			continue
		}
		change, err := u.emit(ctx, e.Slug, items[e.Slug])
		if err != nil {
			return apim.Change{}, err
		}
		if out.Environment == "" || e.Slug == wanted {
			out = change
		}
	}
	if out.Environment == "" {
		out = apim.Change{Environment: environments[0].Slug, Sequence: environments[0].Sequence}
	}
	return out, nil
}

// grants compiles an application's live keys, by environment.
func (u *unit) grants(ctx context.Context, app apim.Application) (map[string][]entry.Item, error) {
	t := u.Tenant(app.Tenant)
	credentials, err := t.LiveCredentials(ctx, app.ID)
	if err != nil {
		return nil, err
	}
	subscriptions, err := t.SubscriptionsOf(ctx, []apim.ID{app.ID})
	if err != nil {
		return nil, err
	}
	subscriptions = telling(subscriptions)
	items := map[string][]entry.Item{}
	for _, c := range credentials {
		for _, s := range c.Secrets {
			key, err := entry.GrantKey(s.Hash)
			if err != nil {
				return nil, err
			}
			it, err := entry.Encode(key, entry.Position{}, compile.Grant(c, s, app, subscriptions))
			if err != nil {
				return nil, err
			}
			items[c.Environment] = append(items[c.Environment], it)
		}
	}
	return items, nil
}

// telling returns the subscriptions that explain an answer to a caller: live
// ones, and of those that expired the newest on a plan without a live one.
func telling(newestFirst []apim.Subscription) []apim.Subscription {
	told := map[apim.ID]bool{}
	for _, s := range newestFirst {
		told[s.Plan] = told[s.Plan] || s.Live()
	}
	var out []apim.Subscription
	for _, s := range newestFirst {
		if s.Live() || s.State == apim.Expired && !told[s.Plan] {
			out = append(out, s)
			told[s.Plan] = true
		}
	}
	return out
}

// environment returns an environment by slug, the first for "". field is what
// the caller calls it.
func environment(ctx context.Context, sys store.System, slug, field string) (apim.Environment, error) {
	all, err := sys.Environments(ctx)
	if err != nil {
		return apim.Environment{}, err
	}
	var known []string
	for _, e := range all {
		if e.Slug == slug || slug == "" {
			return e, nil
		}
		known = append(known, e.Slug)
	}
	if len(all) == 0 {
		return apim.Environment{}, apim.Errorf(apim.Unavailable, "there is no environment yet; start a gateway first")
	}
	return apim.Environment{}, invalid(field, "unknown", "there is no environment %q; there is %v", slug, known)
}

// invalid refuses one field.
func invalid(field, code, format string, args ...any) error {
	var check apim.Check
	check.Fail(field, code, format, args...)
	return check.Err()
}

// who names an actor in audit rows and as a decider.
func who(actor apim.Actor) string {
	switch {
	case actor.Name != "":
		return actor.Name
	case actor.System:
		return "Portico"
	}
	return "somebody"
}

// identity is who an actor is where two actors must differ: a person, however
// they came in, else the token.
func identity(actor apim.Actor) apim.ID {
	if actor.Person != "" {
		return actor.Person
	}
	return actor.Token
}

// set writes a value that was given.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// value returns what was given, else the zero value.
func value[T any](from *T) T {
	var zero T
	if from == nil {
		return zero
	}
	return *from
}

// ids returns the ids of things, each once.
func ids[T any](things []T, id func(T) apim.ID) []apim.ID {
	seen := map[apim.ID]bool{}
	var out []apim.ID
	for _, t := range things {
		if v := id(t); v != "" && !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}
