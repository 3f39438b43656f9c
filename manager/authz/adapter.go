package authz

import (
	"context"
	"errors"

	"github.com/casbin/casbin/v2/model"

	"portico/manager/store"
)

// adapter gives casbin the matrix and the memberships. It is read-only.
type adapter struct {
	ctx    context.Context // of the one load that the adapter is made for
	source Source
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
		return m.AddPolicy("g", "g", []string{string(row.Person), role, string(row.Tenant)})
	})
}

var errReadOnly = errors.New("permissions are changed in the store")

func (*adapter) SavePolicy(model.Model) error { return errReadOnly }

func (*adapter) AddPolicy(string, string, []string) error { return errReadOnly }

func (*adapter) RemovePolicy(string, string, []string) error { return errReadOnly }

func (*adapter) RemoveFilteredPolicy(string, string, int, ...string) error { return errReadOnly }
