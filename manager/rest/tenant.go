package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

type tenant struct {
	ID        apim.ID   `json:"id"`
	Slug      string    `json:"slug"`
	Name      string    `json:"name"`
	KeyPrefix string    `json:"key_prefix,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

func tenantOf(t apim.Tenant) tenant {
	return tenant{ID: t.ID, Slug: t.Slug, Name: t.Name, KeyPrefix: t.KeyPrefix, CreatedAt: t.CreatedAt.UTC()}
}

// membership is one tenant of who asks.
type membership struct {
	Tenant tenant      `json:"tenant"`
	Roles  []apim.Role `json:"roles"`
	Grants []roleGrant `json:"grants"`
}

type identity struct {
	Person   apim.ID      `json:"person,omitempty"`
	Token    apim.ID      `json:"token,omitempty"`
	Name     string       `json:"name"`
	Operator bool         `json:"operator"`
	Tenants  []membership `json:"tenants"`
}

func memberships(r *request) ([]membership, error) {
	all, err := r.Tenants.Memberships(r.ctx, r.actor)
	if err != nil {
		return nil, err
	}
	return each(all, func(m manager.Membership) membership {
		return membership{Tenant: tenantOf(m.Tenant), Roles: orEmpty(m.Roles), Grants: each(m.Grants, grantOf)}
	}), nil
}

func whoami(r *request) error {
	all, err := memberships(r)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, identity{
		Person: r.actor.Person, Token: r.actor.Token, Name: r.actor.Name, Operator: r.actor.Operator, Tenants: all,
	})
}

func listTenants(r *request) error {
	all, err := memberships(r)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, list[tenant]{Items: each(all, func(m membership) tenant { return m.Tenant })})
}

func createTenant(r *request) error {
	var in struct {
		Slug string `json:"slug"`
		Name string `json:"name"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	t, err := r.Tenants.CreateTenant(r.ctx, r.actor, in.Slug, in.Name)
	if err != nil {
		return err
	}
	r.tenant = t
	return r.made("", t.Lock, tenantOf(t))
}

func showTenant(r *request) error {
	return r.answer(http.StatusOK, r.tenant.Lock, tenantOf(r.tenant))
}

// updateTenant changes what a tenant chooses for itself.
func updateTenant(r *request) error {
	var in struct {
		KeyPrefix *string `json:"key_prefix"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	prefix := r.tenant.KeyPrefix
	if in.KeyPrefix != nil {
		prefix = *in.KeyPrefix
	}
	t, err := r.Tenants.SetKeyPrefix(r.ctx, r.actor, r.tenant.ID, prefix, r.lock)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, t.Lock, tenantOf(t))
}
