package manager

import (
	"context"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
)

// revokedShown is how long an application's page shows a revoked key.
const revokedShown = 30 * 24 * time.Hour

// CreateApplication makes an application of the tenant.
func (a *Access) CreateApplication(ctx context.Context, actor apim.Actor, tenant apim.ID, in ApplicationInput) (apim.Application, error) {
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectApplication); err != nil {
		return apim.Application{}, err
	}
	var app apim.Application
	err := a.write(ctx, actor, func(u *unit) (err error) {
		t := u.Tenant(tenant)
		app = apim.Application{
			ID: apim.NewID(apim.PrefixApplication, u.now), Tenant: tenant, Slug: in.Slug, Name: value(in.Name), Description: value(in.Description),
			By: identity(actor), CreatedAt: u.now, UpdatedAt: u.now, Lock: 1,
		}
		if app.Slug == "" {
			app.Slug = apim.Slugify(app.Name)
		}
		var check apim.Check
		if app.Team, err = u.ownerOfNew(ctx, &check, tenant, apim.ObjectApplication, value(in.Team)); err != nil {
			return err
		}
		checkApplication(&check, app)
		check.Slug("slug", app.Slug)
		switch _, err := t.Application(ctx, app.Slug); {
		case err == nil:
			check.Fail("slug", "taken", "you have an application %q already", app.Slug)
		case apim.KindOf(err) != apim.NotFound:
			return err
		}
		if err := check.Err(); err != nil {
			return err
		}
		if err := t.InsertApplication(ctx, app); err != nil {
			return err
		}
		return u.record(ctx, tenant, "application.create", app.ID, "application %s made", app.Name)
	})
	return app, err
}

func applicationFacts(a apim.Application) any {
	return map[string]any{"name": a.Name, "description": a.Description, "team": a.Team}
}

func checkApplication(check *apim.Check, app apim.Application) {
	checkName(check, app.Name)
	check.Length("description", app.Description, 2000)
}

// UpdateApplication changes an application. Its name travels with its keys.
func (a *Access) UpdateApplication(ctx context.Context, actor apim.Actor, tenant, id apim.ID, in ApplicationInput) (apim.Application, apim.Change, error) {
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectApplication); err != nil {
		return apim.Application{}, apim.Change{}, err
	}
	var app apim.Application
	var change apim.Change
	err := a.write(ctx, actor, func(u *unit) (err error) {
		t := u.Tenant(tenant)
		if app, err = t.Application(ctx, string(id)); err != nil {
			return err
		}
		if err := a.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectApplication, app.ID, app.Team); err != nil {
			return err
		}
		if err := apim.CheckLock("application", app.Lock, in.Lock); err != nil {
			return err
		}
		before := app
		if err := u.handOver(ctx, tenant, apim.ObjectApplication, &app.Team, in.Team); err != nil {
			return err
		}
		set(&app.Name, in.Name)
		set(&app.Description, in.Description)
		var check apim.Check
		checkApplication(&check, app)
		if in.Slug != "" && in.Slug != app.Slug {
			check.Fail("slug", "immutable", "a slug stays as it was made: %q", app.Slug)
		}
		if err := check.Err(); err != nil {
			return err
		}
		app.UpdatedAt = u.now
		if err := t.UpdateApplication(ctx, &app); err != nil {
			return err
		}
		if err := u.recordChange(ctx, tenant, "application.change", app.ID, applicationFacts(before), applicationFacts(app), "application %s changed", app.Name); err != nil {
			return err
		}
		change, err = u.regrant(ctx, app)
		return err
	})
	return app, change, err
}

// DeleteApplication cancels its subscriptions, revokes its keys and removes it.
func (a *Access) DeleteApplication(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Change, error) {
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectApplication); err != nil {
		return apim.Change{}, err
	}
	var change apim.Change
	err := a.write(ctx, actor, func(u *unit) error {
		t := u.Tenant(tenant)
		app, err := t.Application(ctx, string(id))
		if err != nil {
			return err
		}
		if err := a.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectApplication, app.ID, app.Team); err != nil {
			return err
		}
		subscriptions, err := t.SubscriptionsOf(ctx, []apim.ID{app.ID})
		if err != nil {
			return err
		}
		for _, s := range subscriptions {
			if !s.Live() {
				continue
			}
			if err := s.Cancel("the application was deleted", u.now); err != nil {
				return err
			}
			s.UpdatedAt = u.now
			if err := t.UpdateSubscription(ctx, &s); err != nil {
				return err
			}
			if err := u.recordBoth(ctx, tenant, s, "subscription.cancel", "cancelled: the application %s was deleted", app.Name); err != nil {
				return err
			}
		}
		credentials, err := t.LiveCredentials(ctx, app.ID)
		if err != nil {
			return err
		}
		for _, c := range credentials {
			c.Revoke(who(actor), u.now)
			if err := t.RevokeCredential(ctx, &c); err != nil {
				return err
			}
		}
		app.UpdatedAt = u.now
		if err := t.RemoveApplication(ctx, app); err != nil {
			return err
		}
		if err := u.endGrantsOn(ctx, tenant, app.ID); err != nil {
			return err
		}
		if err := u.record(ctx, tenant, "application.delete", app.ID, "application %s deleted with %d keys", app.Name, len(credentials)); err != nil {
			return err
		}
		change, err = u.endGrants(ctx, credentials)
		return err
	})
	return change, err
}

// endGrants ends the grants of credentials, and returns the change in the
// first environment.
func (u *unit) endGrants(ctx context.Context, credentials []apim.Credential) (apim.Change, error) {
	items := map[string][]entry.Item{}
	for _, c := range credentials {
		for _, s := range c.Secrets {
			key, err := entry.GrantKey(s.Hash)
			if err != nil {
				return apim.Change{}, err
			}
			items[c.Environment] = append(items[c.Environment], entry.Tombstone(key, entry.Position{}))
		}
	}
	environments, err := u.System().Environments(ctx)
	if err != nil {
		return apim.Change{}, err
	}
	var first apim.Change
	for _, e := range environments {
		if len(items[e.Slug]) == 0 {
			continue
		}
		change, err := u.emit(ctx, e.Slug, items[e.Slug])
		if err != nil {
			return apim.Change{}, err
		}
		if first.Environment == "" {
			first = change
		}
	}
	return first, nil
}

// Applications lists those of the tenant's applications that the actor may
// read, by name.
func (a *Access) Applications(ctx context.Context, actor apim.Actor, tenant apim.ID, page apim.Page) (apim.List[ApplicationDetail], error) {
	reach, err := a.Authz.Reach(ctx, actor, tenant, apim.Read, apim.ObjectApplication)
	if err != nil {
		return apim.List[ApplicationDetail]{}, err
	}
	var out apim.List[ApplicationDetail]
	err = a.Store.Read(ctx, func(tx *store.Tx) error {
		list, err := tx.Tenant(tenant).Applications(ctx, reach, page)
		if err != nil {
			return err
		}
		out.NextCursor = list.NextCursor
		out.Items, err = a.applicationDetails(ctx, tx, actor, tenant, list.Items)
		return err
	})
	return out, err
}

// Application returns an application of the tenant by id or slug.
func (a *Access) Application(ctx context.Context, actor apim.Actor, tenant apim.ID, ref string) (ApplicationDetail, error) {
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectApplication); err != nil {
		return ApplicationDetail{}, err
	}
	var out ApplicationDetail
	err := a.Store.Read(ctx, func(tx *store.Tx) error {
		app, err := tx.Tenant(tenant).Application(ctx, ref)
		if err != nil {
			return err
		}
		if err := a.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectApplication, app.ID, app.Team); err != nil {
			return err
		}
		all, err := a.applicationDetails(ctx, tx, actor, tenant, []apim.Application{app})
		if err != nil {
			return err
		}
		out = all[0]
		out.KeyLimits, err = keyLimits(ctx, tx, app)
		return err
	})
	return out, err
}

func (a *Access) applicationDetails(ctx context.Context, tx *store.Tx, actor apim.Actor, tenant apim.ID, apps []apim.Application) ([]ApplicationDetail, error) {
	t := tx.Tenant(tenant)
	appIDs := ids(apps, func(a apim.Application) apim.ID { return a.ID })
	subscriptions, err := t.SubscriptionsOf(ctx, appIDs)
	if err != nil {
		return nil, err
	}
	views, err := a.views(ctx, tx, actor, tenant, subscriptions)
	if err != nil {
		return nil, err
	}
	credentials, err := t.Credentials(ctx, appIDs, a.now().Add(-revokedShown))
	if err != nil {
		return nil, err
	}
	owners, err := ownerNames(ctx, t, ids(apps, func(a apim.Application) apim.ID { return a.Team }))
	if err != nil {
		return nil, err
	}
	out := make([]ApplicationDetail, len(apps))
	for i, app := range apps {
		d := ApplicationDetail{Application: app, Owner: owners[app.Team]}
		for _, v := range views {
			if v.Subscription.Application == app.ID {
				d.Subscriptions = append(d.Subscriptions, v)
			}
		}
		for _, c := range credentials {
			if c.Application == app.ID {
				d.Credentials = append(d.Credentials, c)
			}
		}
		out[i] = d
	}
	return out, nil
}
