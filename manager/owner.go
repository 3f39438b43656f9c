package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/manager/store"
)

// allowVersion is Authz.Allow for what belongs to an API.
func (c *Core) allowVersion(ctx context.Context, t store.Tenant, actor apim.Actor, verb apim.Verb, api apim.ID) error {
	a, err := t.API(ctx, string(api))
	if err != nil {
		return err
	}
	return c.Authz.Allow(ctx, actor, a.Tenant, verb, apim.ObjectAPI, a.ID, a.Team)
}

// allowDocument checks that the actor may read one of the APIs that a document
// describes. One that describes none yet was staged, by whoever knows its id.
func (c *Core) allowDocument(ctx context.Context, t store.Tenant, actor apim.Actor, tenant, document apim.ID) error {
	apis, err := t.APIsOfDocument(ctx, document)
	if err != nil {
		return err
	}
	if len(apis) == 0 {
		return c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectAPI)
	}
	for _, api := range apis {
		if err = c.allowVersion(ctx, t, actor, apim.Read, api); err == nil {
			return nil
		}
	}
	if apim.KindOf(err) == apim.NotFound {
		return apim.Errorf(apim.NotFound, "no such document")
	}
	return err
}

// Owners are whose things of a kind can be.
type Owners struct {
	None  bool        // nobody's in particular: the tenant's own
	Teams []apim.Team // by name
}

// Owners returns whose things of a kind the actor may read, make or change: for
// forms that give them to somebody, and for lists.
func (t *Tenants) Owners(ctx context.Context, actor apim.Actor, tenant apim.ID, verb apim.Verb, object apim.Object) (Owners, error) {
	reach, err := t.Authz.Reach(ctx, actor, tenant, verb, object)
	if err != nil {
		return Owners{}, err
	}
	out := Owners{None: reach.All}
	err = t.Store.Read(ctx, func(tx *store.Tx) error {
		page := apim.Page{Limit: 200}
		for {
			list, err := tx.Tenant(tenant).Teams(ctx, page)
			if err != nil {
				return err
			}
			for _, team := range list.Items {
				if reach.Covers(team.ID) {
					out.Teams = append(out.Teams, team)
				}
			}
			if page.Cursor = list.NextCursor; page.Cursor == "" {
				return nil
			}
		}
	})
	return out, err
}

// ownerNames returns the names of the teams that own something; "" among them
// is no team.
func ownerNames(ctx context.Context, t store.Tenant, teams []apim.ID) (map[apim.ID]string, error) {
	if !slices.ContainsFunc(teams, func(team apim.ID) bool { return team != "" }) {
		return nil, nil
	}
	return t.TeamNames(ctx)
}

// filterTeam returns the id of a team that a list is filtered by.
func filterTeam(ctx context.Context, t store.Tenant, team apim.ID) (apim.ID, error) {
	if team == "" || team == apim.NoTeam {
		return team, nil
	}
	found, err := t.Team(ctx, string(team))
	if apim.KindOf(err) == apim.NotFound {
		return "", invalid("team", "unknown", "there is no team %q", team)
	}
	return found.ID, err
}

// ownerOfNew returns the team that is to own a new object: the one that was
// asked for, by id or slug. Who may make such things in one team alone makes
// them for that one.
func (u *unit) ownerOfNew(ctx context.Context, check *apim.Check, tenant apim.ID, object apim.Object, team apim.ID) (apim.ID, error) {
	reach, err := u.core.Authz.Reach(ctx, u.actor, tenant, apim.Write, object)
	if err != nil {
		return "", err
	}
	if team != "" {
		found, err := u.Tenant(tenant).Team(ctx, string(team))
		switch {
		case apim.KindOf(err) == apim.NotFound:
			check.Fail("team", "unknown", "there is no team %q", team)
			return "", nil
		case err != nil:
			return "", err
		case !reach.Covers(found.ID):
			check.Fail("team", "not_yours", "you may not make things for the team %s", found.Name)
		}
		return found.ID, nil
	}
	teams := reach.Places(apim.PrefixTeam)
	switch {
	case reach.All:
		return "", nil
	case len(teams) == 1:
		return teams[0], nil
	case len(teams) == 0: // a role on single objects
		return "", u.core.Authz.Allow(ctx, u.actor, tenant, apim.Write, object)
	}
	names, err := u.Tenant(tenant).TeamNames(ctx)
	if err != nil {
		return "", err
	}
	var list []string
	for _, t := range teams {
		list = append(list, names[t])
	}
	slices.Sort(list)
	check.Fail("team", "required", "say which team is to own it: %s", strings.Join(list, ", "))
	return "", nil
}

// handOver gives an object to another team, "" for nobody in particular: for
// who may change things there too.
func (u *unit) handOver(ctx context.Context, tenant apim.ID, object apim.Object, owner, to *apim.ID) error {
	if to == nil || *to == *owner {
		return nil
	}
	if *to == "" {
		if err := u.core.Authz.Allow(ctx, u.actor, tenant, apim.Write, object); err != nil {
			return err
		}
		*owner = ""
		return nil
	}
	team, err := u.Tenant(tenant).Team(ctx, string(*to))
	if apim.KindOf(err) == apim.NotFound {
		return invalid("team", "unknown", "there is no team %q", *to)
	}
	if err != nil {
		return err
	}
	if team.ID == *owner {
		return nil
	}
	if err := u.core.Authz.Allow(ctx, u.actor, tenant, apim.Write, object, team.ID); err != nil {
		return invalid("team", "not_yours", "you may not make things for the team %s", team.Name)
	}
	*owner = team.ID
	return nil
}

// endGrantsOn takes away the roles on an object that is deleted.
func (u *unit) endGrantsOn(ctx context.Context, tenant, object apim.ID) error {
	if err := u.Tenant(tenant).EndGrants(ctx, object); err != nil {
		return fmt.Errorf("end the roles on %s: %w", object, err)
	}
	return nil
}

// applicationPlaces are where a role may be that says something of an
// application and what it has.
func applicationPlaces(ctx context.Context, t store.Tenant, application apim.ID) ([]apim.ID, error) {
	teams, err := t.TeamsOfApplications(ctx, []apim.ID{application})
	return []apim.ID{application, teams[application]}, err
}

// productPlaces are where a role may be that says something of subscriptions
// to products of a tenant: the product, the team that owns it, an API in it.
func productPlaces(ctx context.Context, t store.Tenant, products map[apim.ID]apim.Product) (map[apim.ID][]apim.ID, error) {
	var versions []apim.ID
	for _, p := range products {
		versions = append(versions, p.Versions...)
	}
	apis, err := t.APIsOfVersions(ctx, versions)
	if err != nil {
		return nil, err
	}
	out := map[apim.ID][]apim.ID{}
	for id, p := range products {
		out[id] = []apim.ID{p.ID, p.Team}
		for _, v := range p.Versions {
			out[id] = append(out[id], apis[v])
		}
	}
	return out, nil
}

// offersReach returns where in the tenant the actor reads what is asked of its
// products: where they may read the products, or the APIs in them. A consumer's
// role lets nobody look across to the side that offers.
func (c *Core) offersReach(ctx context.Context, actor apim.Actor, tenant apim.ID) (apim.Reach, error) {
	if _, err := c.Authz.Reach(ctx, actor, tenant, apim.Read, apim.ObjectSubscription); err != nil {
		return apim.Reach{}, err
	}
	person := actor
	person.Scopes = nil // what a token may was asked, and is of subscriptions
	out, none := c.Authz.Reach(ctx, person, tenant, apim.Read, apim.ObjectProduct)
	if none != nil && apim.KindOf(none) != apim.Forbidden {
		return apim.Reach{}, none
	}
	apis, err := c.Authz.Reach(ctx, person, tenant, apim.Read, apim.ObjectAPI)
	switch {
	case err == nil:
		return apim.Reach{All: out.All || apis.All, In: append(out.In, apis.In...)}, nil
	case apim.KindOf(err) == apim.Forbidden:
		return out, none
	}
	return apim.Reach{}, err
}

// providerPlaces is productPlaces of a subscription's product.
func providerPlaces(ctx context.Context, tx *store.Tx, s apim.Subscription) ([]apim.ID, error) {
	p, err := tx.Tenant(s.Tenant).Product(ctx, string(s.Product))
	if err != nil {
		return nil, err
	}
	places, err := productPlaces(ctx, tx.Tenant(s.Tenant), map[apim.ID]apim.Product{p.ID: p})
	return places[p.ID], err
}
