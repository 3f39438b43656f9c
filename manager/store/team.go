package store

import (
	"context"
	"strings"

	"portico/internal/apim"
)

type teamRow struct {
	ID          apim.ID `gorm:"primaryKey"`
	TenantID    apim.ID
	Slug        string
	Name        string
	NameKey     string
	Description string
	Created     int64 `gorm:"column:created_at"`
	Updated     int64 `gorm:"column:updated_at"`
	Lock        int64
}

func (teamRow) TableName() string { return "team" }

func newTeamRow(m apim.Team) teamRow {
	return teamRow{
		ID: m.ID, TenantID: m.Tenant, Slug: m.Slug, Name: m.Name, NameKey: strings.ToLower(m.Name), Description: m.Description,
		Created: micros(m.CreatedAt), Updated: micros(m.UpdatedAt), Lock: m.Lock,
	}
}

func (r teamRow) domain() apim.Team {
	return apim.Team{
		ID: r.ID, Tenant: r.TenantID, Slug: r.Slug, Name: r.Name, Description: r.Description,
		CreatedAt: when(r.Created), UpdatedAt: when(r.Updated), Lock: r.Lock,
	}
}

type teamRoleRow struct {
	TenantID apim.ID   `gorm:"primaryKey"`
	TeamID   apim.ID   `gorm:"primaryKey"`
	Role     apim.Role `gorm:"primaryKey"`
}

func (teamRoleRow) TableName() string { return "team_role" }

// teamRoleHolder is a role of a team with one of its members.
type teamRoleHolder struct {
	TenantID, TeamID, PersonID apim.ID
	Role                       apim.Role
}

func (teamRoleHolder) TableName() string { return "team_role" }

type teamMemberRow struct {
	TenantID apim.ID `gorm:"primaryKey"`
	TeamID   apim.ID `gorm:"primaryKey"`
	PersonID apim.ID `gorm:"primaryKey"`
	Joined   int64   `gorm:"column:joined_at"`
}

func (teamMemberRow) TableName() string { return "team_member" }

// InsertTeam adds a team with its roles.
func (t Tenant) InsertTeam(ctx context.Context, m apim.Team) error {
	row := newTeamRow(m)
	if err := insert(t.in(ctx), "team", &row); err != nil {
		return err
	}
	return t.insertTeamRoles(ctx, m)
}

func (t Tenant) insertTeamRoles(ctx context.Context, m apim.Team) error {
	if len(m.Roles) == 0 {
		return nil
	}
	return insert(t.in(ctx), "role", sliceOf(m.Roles, func(r apim.Role) teamRoleRow {
		return teamRoleRow{TenantID: m.Tenant, TeamID: m.ID, Role: r}
	}))
}

// UpdateTeam writes a team's name, description and roles.
func (t Tenant) UpdateTeam(ctx context.Context, m *apim.Team) error {
	row := newTeamRow(*m)
	row.Lock++
	if err := update(t.own(ctx).Where("id = ?", m.ID), "team", &row, m.Lock, "name", "name_key", "description", "updated_at"); err != nil {
		return err
	}
	m.Lock++
	if _, err := remove[teamRoleRow](t.own(ctx).Where("team_id = ?", m.ID), "roles"); err != nil {
		return err
	}
	return t.insertTeamRoles(ctx, *m)
}

// DeleteTeam removes a team that owns nothing.
func (t Tenant) DeleteTeam(ctx context.Context, id apim.ID) error {
	n, err := remove[teamRow](t.own(ctx).Where("id = ?", id), "team")
	if err == nil && n == 0 {
		return apim.Errorf(apim.NotFound, "no such team")
	}
	return err
}

// ReleaseRemoved takes a team off applications that were removed and stay as a
// name alone.
func (t Tenant) ReleaseRemoved(ctx context.Context, team apim.ID) error {
	_, err := change(t.own(ctx).Where("team_id = ? AND removed_at > 0", team), "application", &applicationRow{}, "team_id")
	return err
}

// Team returns a team of the tenant by id or slug.
func (t Tenant) Team(ctx context.Context, ref string) (apim.Team, error) {
	column := "slug = ?"
	if strings.HasPrefix(ref, apim.PrefixTeam+"_") {
		column = "id = ?"
	}
	row, err := one[teamRow](t.own(ctx).Where(column, ref), "team")
	if err != nil {
		return apim.Team{}, err
	}
	all, err := t.teams(ctx, []teamRow{row})
	if err != nil {
		return apim.Team{}, err
	}
	return all[0], nil
}

// Teams returns a page of the tenant's teams, by name.
func (t Tenant) Teams(ctx context.Context, page apim.Page) (apim.List[apim.Team], error) {
	rows, next, err := paged(t.own(ctx), "teams", page, order{"team", "name_key", "id", false}, func(r teamRow) (any, any) { return r.NameKey, r.ID })
	if err != nil || len(rows) == 0 {
		return apim.List[apim.Team]{}, err
	}
	out, err := t.teams(ctx, rows)
	return apim.List[apim.Team]{Items: out, NextCursor: next}, err
}

func (t Tenant) teams(ctx context.Context, rows []teamRow) ([]apim.Team, error) {
	roles, err := many[teamRoleRow](t.own(ctx).Where("team_id IN ?", sliceOf(rows, func(r teamRow) apim.ID { return r.ID })).Order("role"), "roles of teams")
	if err != nil {
		return nil, err
	}
	return sliceOf(rows, func(r teamRow) apim.Team {
		m := r.domain()
		for _, role := range roles {
			if role.TeamID == r.ID {
				m.Roles = append(m.Roles, role.Role)
			}
		}
		m.Roles = apim.SortRoles(m.Roles)
		return m
	}), nil
}

// TeamNames returns the names of all the tenant's teams.
func (t Tenant) TeamNames(ctx context.Context) (map[apim.ID]string, error) {
	rows, err := many[teamRow](t.own(ctx).Select("id", "name"), "teams")
	out := map[apim.ID]string{}
	for _, r := range rows {
		out[r.ID] = r.Name
	}
	return out, err
}

// InsertTeamMember adds a member of the tenant to a team.
func (t Tenant) InsertTeamMember(ctx context.Context, m apim.TeamMember) error {
	return insert(t.in(ctx), "member of the team", &teamMemberRow{TenantID: m.Tenant, TeamID: m.Team, PersonID: m.Person, Joined: micros(m.JoinedAt)})
}

// DeleteTeamMember takes a member out of a team.
func (t Tenant) DeleteTeamMember(ctx context.Context, team, person apim.ID) error {
	n, err := remove[teamMemberRow](t.own(ctx).Where("team_id = ? AND person_id = ?", team, person), "member of the team")
	if err == nil && n == 0 {
		return apim.Errorf(apim.NotFound, "no such member of the team")
	}
	return err
}

// teamMemberLine is a team's member with the person's name.
type teamMemberLine struct {
	TenantID, TeamID, PersonID apim.ID
	Joined                     int64 `gorm:"column:joined_at"`
	Name                       string
	Email                      string
}

func (teamMemberLine) TableName() string { return "team_member" }

// TeamMembers returns the members of teams, by name. They are few: a team is
// people who work together.
func (t Tenant) TeamMembers(ctx context.Context, teams []apim.ID) ([]apim.TeamMember, error) {
	rows, err := many[teamMemberLine](t.own(ctx).Select("team_member.*, person.name, person.email").Joins("JOIN person ON person.id = team_member.person_id").
		Where("team_member.team_id IN ?", teams).Order("person.name, person.id"), "members of teams")
	return sliceOf(rows, func(r teamMemberLine) apim.TeamMember {
		return apim.TeamMember{Tenant: r.TenantID, Team: r.TeamID, Person: r.PersonID, Name: r.Name, Email: r.Email, JoinedAt: when(r.Joined)}
	}), err
}

// TeamOwns counts what a team owns.
type TeamOwns struct{ APIs, Products, Applications int }

// TeamsOwn counts what each of the tenant's teams owns.
func (t Tenant) TeamsOwn(ctx context.Context) (map[apim.ID]TeamOwns, error) {
	type line struct {
		TeamID apim.ID
		N      int
	}
	out := map[apim.ID]TeamOwns{}
	for i, model := range []any{&apiRow{}, &productRow{}, &applicationRow{}} {
		var rows []line
		db := t.own(ctx).Model(model).Select("team_id, count(*) AS n").Where("team_id IS NOT NULL")
		if i == 2 {
			db = db.Where("removed_at = 0")
		}
		if err := db.Group("team_id").Find(&rows).Error; err != nil {
			return nil, away(err)
		}
		for _, r := range rows {
			o := out[r.TeamID]
			*[]*int{&o.APIs, &o.Products, &o.Applications}[i] = r.N
			out[r.TeamID] = o
		}
	}
	return out, nil
}
