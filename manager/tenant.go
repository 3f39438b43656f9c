package manager

import (
	"context"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager/store"
)

// Memberships returns the tenants that the actor belongs to, by name; an
// operator's are all tenants.
func (t *Tenants) Memberships(ctx context.Context, actor apim.Actor) ([]Membership, error) {
	if err := signedIn(actor); err != nil {
		return nil, err
	}
	var out []Membership
	err := t.Store.Read(ctx, func(tx *store.Tx) error {
		tenants, roles, err := tx.System().MembershipsOf(ctx, actor.Person)
		if err != nil {
			return err
		}
		if actor.Operator || actor.System {
			if tenants, err = tx.System().Tenants(ctx); err != nil {
				return err
			}
		}
		for _, tenant := range tenants {
			if actor.Tenant == "" || actor.Tenant == tenant.ID {
				out = append(out, Membership{Tenant: tenant, Roles: roles[tenant.ID], Grants: t.Authz.Grants(actor.Person, tenant.ID)})
			}
		}
		return nil
	})
	return out, err
}

// Tenant returns a tenant by slug or id that the actor belongs to. Another's
// is NotFound.
func (t *Tenants) Tenant(ctx context.Context, actor apim.Actor, ref string) (apim.Tenant, error) {
	if err := signedIn(actor); err != nil {
		return apim.Tenant{}, err
	}
	tenant, err := t.Store.System().Tenant(ctx, ref)
	if err != nil {
		return apim.Tenant{}, err
	}
	if err := t.Authz.Allow(ctx, actor, tenant.ID, apim.Read, apim.ObjectTenant); err != nil {
		return apim.Tenant{}, err
	}
	return tenant, nil
}

// CreateTenant makes a tenant, for operators. A person who makes one owns it.
func (t *Tenants) CreateTenant(ctx context.Context, actor apim.Actor, slug, name string) (apim.Tenant, error) {
	if err := t.Authz.Allow(ctx, actor, "", apim.Write, apim.ObjectTenant); err != nil {
		return apim.Tenant{}, err
	}
	var tenant apim.Tenant
	err := t.write(ctx, actor, func(u *unit) (err error) {
		var check apim.Check
		if tenant, err = newTenant(ctx, u, &check, slug, name, "slug", "name"); err != nil {
			return err
		}
		if err := check.Err(); err != nil {
			return err
		}
		if err := joinOrMake(ctx, u, tenant, apim.Person{ID: actor.Person, Name: who(actor)}, apim.RoleOwner); err != nil {
			return err
		}
		tenant.Lock = 1
		return nil
	})
	if err != nil {
		return apim.Tenant{}, err
	}
	return tenant, t.Authz.Reload(ctx)
}

// SetKeyPrefix chooses what keys of the tenant's applications begin with: "acme"
// makes acme_live_… and acme_test_…; "" is portico again. Keys of before work on
// as they are: nodes know a key by its hash alone.
//
// Why the consumer's tenant and not a provider's: a key opens what an
// application has of many providers, and it is the consumer who has to know
// their own when one is found where it should not be.
func (t *Tenants) SetKeyPrefix(ctx context.Context, actor apim.Actor, tenant apim.ID, prefix string, lock int64) (apim.Tenant, error) {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Manage, apim.ObjectTenant); err != nil {
		return apim.Tenant{}, err
	}
	var out apim.Tenant
	err := t.write(ctx, actor, func(u *unit) (err error) {
		if out, err = u.System().Tenant(ctx, string(tenant)); err != nil {
			return err
		}
		if err := apim.CheckLock("tenant", out.Lock, lock); err != nil {
			return err
		}
		if out.KeyPrefix == prefix {
			return nil
		}
		if prefix != "" {
			if err := secret.CheckTenantPrefix(prefix); err != nil {
				return invalid("key_prefix", "prefix", "%s", err)
			}
			taken, err := u.System().KeyPrefixTaken(ctx, prefix, tenant)
			if err != nil {
				return err
			}
			if taken {
				return invalid("key_prefix", "taken", "%q is not free; choose another", prefix)
			}
		}
		before := out.KeyPrefix
		out.KeyPrefix = prefix
		if err := u.System().SetKeyPrefix(ctx, &out); err != nil {
			return err
		}
		return u.recordChange(ctx, tenant, "tenant.key_prefix", out.ID, map[string]any{"key_prefix": before}, map[string]any{"key_prefix": prefix},
			"new keys begin with %s…", secret.KeyPrefix(prefix, false))
	})
	return out, err
}

// Can reports whether the actor may do something in a tenant: somewhere in it,
// or at the places that are given. It is for pages that show or hide a button
// and decides nothing: use cases check again.
func (t *Tenants) Can(ctx context.Context, actor apim.Actor, tenant apim.ID, verb apim.Verb, object apim.Object, places ...apim.ID) bool {
	if len(places) > 0 {
		return t.Authz.Allow(ctx, actor, tenant, verb, object, places...) == nil
	}
	return t.Authz.Somewhere(ctx, actor, tenant, verb, object) == nil
}
