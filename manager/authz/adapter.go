package authz

import (
	"context"
	"errors"
	"slices"

	"github.com/casbin/casbin/v2/model"

	"portico/internal/apim"
	"portico/manager/store"
)

// adapter gives casbin the matrix and the memberships. It is read-only.
type adapter struct {
	ctx    context.Context // of the one load that the adapter is made for
	source Source
	places places
}

// domain is a tenant, or a place in it, as casbin knows it.
func domain(tenant, place apim.ID) string {
	if place == "" {
		return string(tenant)
	}
	return string(tenant) + " " + string(place)
}

// places are where in tenants people have roles beside those on all of one.
type places map[holder][]apim.ID

type holder struct{ person, tenant apim.ID }

func (p places) add(row store.MembershipRow) {
	h := holder{row.Person, row.Tenant}
	if row.On != "" && !slices.Contains(p[h], row.On) {
		p[h] = append(p[h], row.On)
	}
}

// LoadPolicy fills the model.
func (a *adapter) LoadPolicy(m model.Model) error {
	for role, permissions := range matrix() {
		for _, p := range permissions {
			if err := m.AddPolicy("p", "p", []string{string(role), string(p.object), string(p.verb)}); err != nil {
				return err
			}
		}
	}
	return a.source.Memberships(a.ctx, func(row store.MembershipRow) error {
		role := string(row.Role)
		if role == "" {
			role = member
		}
		a.places.add(row)
		return m.AddPolicy("g", "g", []string{string(row.Person), role, domain(row.Tenant, row.On)})
	})
}

var errReadOnly = errors.New("permissions are changed in the store")

func (*adapter) SavePolicy(model.Model) error { return errReadOnly }

func (*adapter) AddPolicy(string, string, []string) error { return errReadOnly }

func (*adapter) RemovePolicy(string, string, []string) error { return errReadOnly }

func (*adapter) RemoveFilteredPolicy(string, string, int, ...string) error { return errReadOnly }
