package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"

	"portico/internal/apim"
)

// InsertMember joins a person to the tenant with their roles. Teams are joined
// by InsertTeamMember.
func (t Tenant) InsertMember(ctx context.Context, m apim.Member) error {
	err := insert(t.in(ctx), "member", &memberRow{TenantID: m.Tenant, PersonID: m.Person, Joined: micros(m.JoinedAt), Lock: max(m.Lock, 1)})
	if err != nil {
		return err
	}
	return t.insertRoles(ctx, m)
}

func (t Tenant) insertRoles(ctx context.Context, m apim.Member) error {
	var rows []memberRoleRow
	for _, role := range m.Roles {
		rows = append(rows, memberRoleRow{TenantID: m.Tenant, PersonID: m.Person, Role: role})
	}
	for _, g := range m.Grants {
		rows = append(rows, memberRoleRow{TenantID: m.Tenant, PersonID: m.Person, Scope: g.On, Role: g.Role})
	}
	if len(rows) == 0 {
		return nil
	}
	return insert(t.in(ctx), "role", rows)
}

// UpdateMember writes a member's roles.
func (t Tenant) UpdateMember(ctx context.Context, m *apim.Member) error {
	if err := update(t.own(ctx).Where("person_id = ?", m.Person), "member", &memberRow{Lock: m.Lock + 1}, m.Lock); err != nil {
		return err
	}
	m.Lock++
	if _, err := remove[memberRoleRow](t.own(ctx).Where("person_id = ?", m.Person), "roles"); err != nil {
		return err
	}
	return t.insertRoles(ctx, *m)
}

// DeleteMember takes a person out of the tenant, with their roles, their places
// in teams and their tokens for it. It returns how many tokens there were.
func (t Tenant) DeleteMember(ctx context.Context, person apim.ID) (tokens int, err error) {
	ended, err := remove[tokenRow](t.own(ctx).Where("person_id = ?", person), "API tokens")
	if err != nil {
		return 0, err
	}
	n, err := remove[memberRow](t.own(ctx).Where("person_id = ?", person), "member")
	if err == nil && n == 0 {
		err = apim.Errorf(apim.NotFound, "no such member")
	}
	return int(ended), err
}

// memberLine is a member with the person's name, by which the list is sorted.
type memberLine struct {
	TenantID apim.ID
	PersonID apim.ID
	Joined   int64 `gorm:"column:joined_at"`
	Lock     int64
	Name     string
	Email    string
	SignedIn int64 `gorm:"column:signed_in_at"`
}

func (memberLine) TableName() string { return "member" }

func (t Tenant) memberLines(ctx context.Context) *gorm.DB {
	return t.own(ctx).Select("member.tenant_id, member.person_id, member.joined_at, member.lock, person.name, person.email, person.signed_in_at").
		Joins("JOIN person ON person.id = member.person_id")
}

// Member returns a member of the tenant.
func (t Tenant) Member(ctx context.Context, person apim.ID) (apim.Member, error) {
	row, err := one[memberLine](t.memberLines(ctx).Where("member.person_id = ?", person), "member")
	if err != nil {
		return apim.Member{}, err
	}
	all, err := t.members(ctx, []memberLine{row})
	if err != nil {
		return apim.Member{}, err
	}
	return all[0], nil
}

// MemberByEmail returns the member of the tenant with an e-mail address.
func (t Tenant) MemberByEmail(ctx context.Context, email string) (apim.Member, error) {
	row, err := one[memberLine](t.memberLines(ctx).Where("person.email = ?", email), "member")
	if err != nil {
		return apim.Member{}, err
	}
	return t.Member(ctx, row.PersonID)
}

// Members returns a page of the tenant's members, by name.
func (t Tenant) Members(ctx context.Context, page apim.Page) (apim.List[apim.Member], error) {
	rows, next, err := paged(t.memberLines(ctx), "members", page, order{"person", "name", "id", false}, func(r memberLine) (any, any) { return r.Name, r.PersonID })
	if err != nil || len(rows) == 0 {
		return apim.List[apim.Member]{}, err
	}
	out, err := t.members(ctx, rows)
	return apim.List[apim.Member]{Items: out, NextCursor: next}, err
}

func (t Tenant) members(ctx context.Context, rows []memberLine) ([]apim.Member, error) {
	ids := sliceOf(rows, func(r memberLine) apim.ID { return r.PersonID })
	roles, err := many[memberRoleRow](t.own(ctx).Where("person_id IN ?", ids).Order("scope, role"), "roles")
	if err != nil {
		return nil, err
	}
	teams, err := many[teamMemberRow](t.own(ctx).Where("person_id IN ?", ids).Order("team_id"), "teams")
	if err != nil {
		return nil, err
	}
	return sliceOf(rows, func(r memberLine) apim.Member {
		m := apim.Member{Tenant: r.TenantID, Person: r.PersonID, Name: r.Name, Email: r.Email, JoinedAt: when(r.Joined), SignedIn: when(r.SignedIn), Lock: r.Lock}
		for _, role := range roles {
			switch {
			case role.PersonID != r.PersonID:
			case role.Scope == "":
				m.Roles = append(m.Roles, role.Role)
			default:
				m.Grants = append(m.Grants, apim.RoleGrant{Role: role.Role, On: role.Scope})
			}
		}
		for _, team := range teams {
			if team.PersonID == r.PersonID {
				m.Teams = append(m.Teams, team.TeamID)
			}
		}
		m.Roles = apim.SortRoles(m.Roles)
		return m
	}), nil
}

// Others counts the tenant's members but one who have any of the roles on the
// tenant, or on one of the places: teams and objects.
func (t Tenant) Others(ctx context.Context, but apim.ID, roles []apim.Role, places []apim.ID) (int, error) {
	places = append(slices.DeleteFunc(slices.Clone(places), func(p apim.ID) bool { return p == "" }), "")
	var n int64
	err := t.own(ctx).Model(&memberRow{}).Where("person_id <> ?", but).Where(`(
		EXISTS (SELECT 1 FROM member_role r WHERE r.tenant_id = member.tenant_id AND r.person_id = member.person_id AND r.role IN ? AND r.scope IN ?)
		OR EXISTS (SELECT 1 FROM team_role r JOIN team_member m ON m.tenant_id = r.tenant_id AND m.team_id = r.team_id
			WHERE r.tenant_id = member.tenant_id AND m.person_id = member.person_id AND r.role IN ? AND r.team_id IN ?))`,
		roles, places, roles, places).Count(&n).Error
	return int(n), away(err)
}

// EndGrants takes away every role on something that is there no more.
func (t Tenant) EndGrants(ctx context.Context, on apim.ID) error {
	if on == "" {
		return nil
	}
	_, err := remove[memberRoleRow](t.own(ctx).Where("scope = ?", on), "roles")
	return err
}

// SignedIn keeps when a person last signed in.
func (s System) SignedIn(ctx context.Context, person apim.ID, at time.Time) error {
	_, err := change(s.in(ctx).Where("id = ?", person), "person", &personRow{SignedIn: micros(at)}, "signed_in_at")
	return err
}
