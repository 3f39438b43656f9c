package store

import (
	"context"
	"strings"

	"portico/internal/apim"
)

type tenantRow struct {
	ID        apim.ID `gorm:"primaryKey"`
	Slug      string
	Name      string
	KeyPrefix string
	Created   int64 `gorm:"column:created_at"`
	Lock      int64
}

func (tenantRow) TableName() string { return "tenant" }

func (r tenantRow) domain() apim.Tenant {
	return apim.Tenant{ID: r.ID, Slug: r.Slug, Name: r.Name, KeyPrefix: r.KeyPrefix, CreatedAt: when(r.Created), Lock: r.Lock}
}

type memberRow struct {
	TenantID apim.ID `gorm:"primaryKey"`
	PersonID apim.ID `gorm:"primaryKey"`
	Joined   int64   `gorm:"column:joined_at"`
	Lock     int64
}

func (memberRow) TableName() string { return "member" }

type memberRoleRow struct {
	TenantID apim.ID   `gorm:"primaryKey"`
	PersonID apim.ID   `gorm:"primaryKey"`
	Scope    apim.ID   `gorm:"primaryKey"`
	Role     apim.Role `gorm:"primaryKey"`
}

func (memberRoleRow) TableName() string { return "member_role" }

// InsertTenant adds a tenant.
func (s System) InsertTenant(ctx context.Context, t apim.Tenant) error {
	return insert(s.in(ctx), "tenant", &tenantRow{ID: t.ID, Slug: t.Slug, Name: t.Name, KeyPrefix: t.KeyPrefix, Created: micros(t.CreatedAt), Lock: t.Lock})
}

// SetKeyPrefix writes a tenant's prefix of keys.
func (s System) SetKeyPrefix(ctx context.Context, t *apim.Tenant) error {
	row := tenantRow{KeyPrefix: t.KeyPrefix, Lock: t.Lock + 1}
	if err := update(s.in(ctx).Where("id = ?", t.ID), "tenant", &row, t.Lock, "key_prefix"); err != nil {
		return err
	}
	t.Lock++
	return nil
}

// KeyPrefixTaken reports whether another tenant has a prefix of keys.
func (s System) KeyPrefixTaken(ctx context.Context, prefix string, but apim.ID) (bool, error) {
	rows, err := many[tenantRow](s.in(ctx).Select("id").Where("key_prefix = ? AND id <> ?", prefix, but).Limit(1), "tenants")
	return len(rows) > 0, err
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

// MembershipRow is a person's place in a tenant, for authorisation.
type MembershipRow struct {
	Tenant, Person apim.ID
	Role           apim.Role // "" for a member, whatever the roles
	On             apim.ID   // what the role is on: "" for the tenant, a team, an object
}

// Memberships yields every member of every tenant, every role of theirs, and
// for each role of a team every member of it. It ends with yield's error.
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
	roles, err := many[memberRoleRow](s.System().in(ctx), "roles")
	if err != nil {
		return err
	}
	for _, r := range roles {
		if err := yield(MembershipRow{Tenant: r.TenantID, Person: r.PersonID, Role: r.Role, On: r.Scope}); err != nil {
			return err
		}
	}
	ofTeams, err := many[teamRoleHolder](s.System().in(ctx).Select("team_role.tenant_id, team_role.team_id, team_role.role, team_member.person_id").
		Joins("JOIN team_member ON team_member.tenant_id = team_role.tenant_id AND team_member.team_id = team_role.team_id"), "roles of teams")
	if err != nil {
		return err
	}
	for _, r := range ofTeams {
		if err := yield(MembershipRow{Tenant: r.TenantID, Person: r.PersonID, Role: r.Role, On: r.TeamID}); err != nil {
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
