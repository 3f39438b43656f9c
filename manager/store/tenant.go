package store

import (
	"context"
	"strings"

	"portico/internal/apim"
)

type tenantRow struct {
	ID      apim.ID `gorm:"primaryKey"`
	Slug    string
	Name    string
	Created int64 `gorm:"column:created_at"`
	Lock    int64
}

func (tenantRow) TableName() string { return "tenant" }

func (r tenantRow) domain() apim.Tenant {
	return apim.Tenant{ID: r.ID, Slug: r.Slug, Name: r.Name, CreatedAt: when(r.Created), Lock: r.Lock}
}

type memberRow struct {
	TenantID apim.ID `gorm:"primaryKey"`
	PersonID apim.ID `gorm:"primaryKey"`
	Joined   int64   `gorm:"column:joined_at"`
}

func (memberRow) TableName() string { return "member" }

type memberRoleRow struct {
	TenantID apim.ID   `gorm:"primaryKey"`
	PersonID apim.ID   `gorm:"primaryKey"`
	Scope    string    `gorm:"primaryKey"`
	Role     apim.Role `gorm:"primaryKey"`
}

func (memberRoleRow) TableName() string { return "member_role" }

// InsertTenant adds a tenant.
func (s System) InsertTenant(ctx context.Context, t apim.Tenant) error {
	return insert(s.in(ctx), "tenant", &tenantRow{ID: t.ID, Slug: t.Slug, Name: t.Name, Created: micros(t.CreatedAt), Lock: t.Lock})
}

// Tenant returns a tenant by its id or slug.
func (s System) Tenant(ctx context.Context, ref string) (apim.Tenant, error) {
	column := "slug = ?"
	if strings.HasPrefix(ref, apim.PrefixTenant+"_") {
		column = "id = ?"
	}
	row, err := one[tenantRow](s.in(ctx).Where(column, ref), "tenant")
	return row.domain(), err
}

// Tenants returns the tenants with these ids, all when there are none.
func (s System) Tenants(ctx context.Context, ids ...apim.ID) ([]apim.Tenant, error) {
	db := s.in(ctx)
	if len(ids) > 0 {
		db = db.Where("id IN ?", ids)
	}
	rows, err := many[tenantRow](db.Order("slug"), "tenants")
	return sliceOf(rows, tenantRow.domain), err
}

// EmptyTenant returns the oldest tenant that nobody belongs to; none is
// NotFound.
func (s System) EmptyTenant(ctx context.Context) (apim.Tenant, error) {
	row, err := one[tenantRow](s.in(ctx).Where("id NOT IN (SELECT tenant_id FROM member)").Order("id").Limit(1), "tenant")
	return row.domain(), err
}

// InsertMember joins a person to the tenant with roles for all of it.
func (t Tenant) InsertMember(ctx context.Context, m apim.Member) error {
	err := insert(t.in(ctx), "member", &memberRow{TenantID: m.Tenant, PersonID: m.Person, Joined: micros(m.JoinedAt)})
	if err != nil || len(m.Roles) == 0 {
		return err
	}
	rows := make([]memberRoleRow, len(m.Roles))
	for i, role := range m.Roles {
		rows[i] = memberRoleRow{TenantID: m.Tenant, PersonID: m.Person, Role: role}
	}
	return insert(t.in(ctx), "role", rows)
}

// memberLine is a member with the person's name, by which the list is sorted.
type memberLine struct {
	TenantID apim.ID
	PersonID apim.ID
	Joined   int64 `gorm:"column:joined_at"`
	Name     string
	Email    string
}

func (memberLine) TableName() string { return "member" }

// Members returns a page of the tenant's members, by name.
func (t Tenant) Members(ctx context.Context, page apim.Page) (apim.List[apim.Member], error) {
	db := t.own(ctx).Select("member.tenant_id, member.person_id, member.joined_at, person.name, person.email").
		Joins("JOIN person ON person.id = member.person_id")
	rows, next, err := paged(db, "members", page, order{"person", "name", "id", false}, func(r memberLine) (any, any) { return r.Name, r.PersonID })
	if err != nil || len(rows) == 0 {
		return apim.List[apim.Member]{}, err
	}
	ids := sliceOf(rows, func(r memberLine) apim.ID { return r.PersonID })
	roles, err := many[memberRoleRow](t.own(ctx).Where("person_id IN ? AND scope = ''", ids), "roles")
	if err != nil {
		return apim.List[apim.Member]{}, err
	}
	out := sliceOf(rows, func(r memberLine) apim.Member {
		m := apim.Member{Tenant: r.TenantID, Person: r.PersonID, Name: r.Name, Email: r.Email, JoinedAt: when(r.Joined)}
		for _, role := range roles {
			if role.PersonID == r.PersonID {
				m.Roles = append(m.Roles, role.Role)
			}
		}
		m.Roles = apim.SortRoles(m.Roles)
		return m
	})
	return apim.List[apim.Member]{Items: out, NextCursor: next}, nil
}

// OthersWithRole counts the tenant's members but one who have any of the roles.
func (t Tenant) OthersWithRole(ctx context.Context, but apim.ID, roles []apim.Role) (int, error) {
	var n int64
	err := t.own(ctx).Model(&memberRoleRow{}).Where("person_id <> ? AND role IN ?", but, roles).Distinct("person_id").Count(&n).Error
	return int(n), err
}

// MembershipRow is a person's place in a tenant, for authorisation.
type MembershipRow struct {
	Tenant, Person apim.ID
	Role           apim.Role // "" for a member, whatever the roles
}

// Memberships yields every member of every tenant and every role that is for a
// whole tenant. It ends with yield's error.
func (s *Store) Memberships(ctx context.Context, yield func(MembershipRow) error) error {
	members, err := many[memberRow](s.System().in(ctx), "members")
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := yield(MembershipRow{Tenant: m.TenantID, Person: m.PersonID}); err != nil {
			return err
		}
	}
	roles, err := many[memberRoleRow](s.System().in(ctx).Where("scope = ''"), "roles")
	if err != nil {
		return err
	}
	for _, r := range roles {
		if err := yield(MembershipRow{Tenant: r.TenantID, Person: r.PersonID, Role: r.Role}); err != nil {
			return err
		}
	}
	return nil
}

// MembershipsOf returns the tenants of a person with the roles there, by name.
func (s System) MembershipsOf(ctx context.Context, person apim.ID) ([]apim.Tenant, map[apim.ID][]apim.Role, error) {
	rows, err := many[tenantRow](s.in(ctx).Where("id IN (SELECT tenant_id FROM member WHERE person_id = ?)", person).Order("name, id"), "tenants")
	if err != nil {
		return nil, nil, err
	}
	roles, err := many[memberRoleRow](s.in(ctx).Where("person_id = ? AND scope = ''", person), "roles")
	if err != nil {
		return nil, nil, err
	}
	byTenant := map[apim.ID][]apim.Role{}
	for _, r := range roles {
		byTenant[r.TenantID] = apim.SortRoles(append(byTenant[r.TenantID], r.Role))
	}
	return sliceOf(rows, tenantRow.domain), byTenant, nil
}
