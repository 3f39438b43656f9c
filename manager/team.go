package manager

import (
	"context"
	"fmt"
	"slices"

	"portico/internal/apim"
	"portico/manager/store"
)

// TeamInput makes or changes a team. On change nil fields stay.
type TeamInput struct {
	Slug              string // on making only; "" is made from the name
	Name, Description *string
	Roles             *[]apim.Role // what its members may do with what it owns
	Lock              int64
}

// TeamDetail is a team with what its page shows.
type TeamDetail struct {
	Team    apim.Team
	Members []apim.TeamMember
	Owns    store.TeamOwns
}

// Teams lists a tenant's teams, by name.
func (t *Tenants) Teams(ctx context.Context, actor apim.Actor, tenant apim.ID, page apim.Page) (apim.List[TeamDetail], error) {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectTeam); err != nil {
		return apim.List[TeamDetail]{}, err
	}
	var out apim.List[TeamDetail]
	err := t.Store.Read(ctx, func(tx *store.Tx) error {
		list, err := tx.Tenant(tenant).Teams(ctx, page)
		if err != nil {
			return err
		}
		out.NextCursor = list.NextCursor
		out.Items, err = teamDetails(ctx, tx.Tenant(tenant), list.Items)
		return err
	})
	return out, err
}

// Team returns a team of the tenant by id or slug.
func (t *Tenants) Team(ctx context.Context, actor apim.Actor, tenant apim.ID, ref string) (TeamDetail, error) {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectTeam); err != nil {
		return TeamDetail{}, err
	}
	var out TeamDetail
	err := t.Store.Read(ctx, func(tx *store.Tx) error {
		team, err := tx.Tenant(tenant).Team(ctx, ref)
		if err != nil {
			return err
		}
		all, err := teamDetails(ctx, tx.Tenant(tenant), []apim.Team{team})
		if err == nil {
			out = all[0]
		}
		return err
	})
	return out, err
}

func teamDetails(ctx context.Context, t store.Tenant, teams []apim.Team) ([]TeamDetail, error) {
	members, err := t.TeamMembers(ctx, ids(teams, func(m apim.Team) apim.ID { return m.ID }))
	if err != nil {
		return nil, err
	}
	owns, err := t.TeamsOwn(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]TeamDetail, len(teams))
	for i, team := range teams {
		out[i] = TeamDetail{Team: team, Owns: owns[team.ID]}
		for _, m := range members {
			if m.Team == team.ID {
				out[i].Members = append(out[i].Members, m)
			}
		}
	}
	return out, nil
}

// CreateTeam makes a team of the tenant.
func (t *Tenants) CreateTeam(ctx context.Context, actor apim.Actor, tenant apim.ID, in TeamInput) (apim.Team, error) {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectTeam); err != nil {
		return apim.Team{}, err
	}
	var team apim.Team
	err := t.writeRights(ctx, actor, func(u *unit) error {
		if err := t.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectTeam); err != nil {
			return err
		}
		team = apim.Team{
			ID: apim.NewID(apim.PrefixTeam, u.now), Tenant: tenant, Slug: in.Slug, Name: value(in.Name), Description: value(in.Description),
			Roles: value(in.Roles), CreatedAt: u.now, UpdatedAt: u.now, Lock: 1,
		}
		if team.Slug == "" {
			team.Slug = apim.Slugify(team.Name)
		}
		var check apim.Check
		checkTeam(&check, &team)
		check.Slug("slug", team.Slug)
		switch _, err := u.Tenant(tenant).Team(ctx, team.Slug); {
		case err == nil:
			check.Fail("slug", "taken", "you have a team %q already", team.Slug)
		case apim.KindOf(err) != apim.NotFound:
			return err
		}
		if err := check.Err(); err != nil {
			return err
		}
		if err := u.Tenant(tenant).InsertTeam(ctx, team); err != nil {
			return err
		}
		return u.recordChange(ctx, tenant, "team.create", team.ID, nil, teamFacts(team), "team %s made", team.Name)
	})
	return team, err
}

func checkTeam(check *apim.Check, team *apim.Team) {
	checkName(check, team.Name)
	check.Length("description", team.Description, 2000)
	team.Roles = apim.SortRoles(slices.Clone(team.Roles))
	for i, r := range team.Roles {
		switch {
		case !slices.Contains(rolesOn(team.ID), r):
			check.Fail(fmt.Sprintf("roles[%d]", i), "unknown", "%q is no role of a team; use admin, provider, approver, consumer or auditor", r)
		case slices.Contains(team.Roles[:i], r):
			check.Fail(fmt.Sprintf("roles[%d]", i), "twice", "is in the list already")
		}
	}
}

func teamFacts(team apim.Team) any {
	return map[string]any{"name": team.Name, "description": team.Description, "roles": team.Roles}
}

// UpdateTeam changes a team. Its roles are given and taken by who may give them
// there.
func (t *Tenants) UpdateTeam(ctx context.Context, actor apim.Actor, tenant, id apim.ID, in TeamInput) (apim.Team, error) {
	if err := t.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectTeam); err != nil {
		return apim.Team{}, err
	}
	var team apim.Team
	err := t.writeRights(ctx, actor, func(u *unit) (err error) {
		if team, err = u.Tenant(tenant).Team(ctx, string(id)); err != nil {
			return err
		}
		if err := t.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectTeam, team.ID); err != nil {
			return err
		}
		if err := apim.CheckLock("team", team.Lock, in.Lock); err != nil {
			return err
		}
		before := team
		set(&team.Name, in.Name)
		set(&team.Description, in.Description)
		set(&team.Roles, in.Roles)
		var check apim.Check
		checkTeam(&check, &team)
		if in.Slug != "" && in.Slug != team.Slug {
			check.Fail("slug", "immutable", "a slug stays as it was made: %q", team.Slug)
		}
		if err := check.Err(); err != nil {
			return err
		}
		if !slices.Equal(before.Roles, team.Roles) {
			if err := t.Authz.Allow(ctx, actor, tenant, apim.Manage, apim.ObjectMember, team.ID); err != nil {
				return err
			}
		}
		team.UpdatedAt = u.now
		if err := u.Tenant(tenant).UpdateTeam(ctx, &team); err != nil {
			return err
		}
		return u.recordChange(ctx, tenant, "team.change", team.ID, teamFacts(before), teamFacts(team), "team %s changed", team.Name)
	})
	return team, err
}

// DeleteTeam removes a team that owns nothing, with the roles that were on it.
func (t *Tenants) DeleteTeam(ctx context.Context, actor apim.Actor, tenant, id apim.ID) error {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectTeam); err != nil {
		return err
	}
	return t.writeRights(ctx, actor, func(u *unit) error {
		if err := t.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectTeam); err != nil {
			return err
		}
		ten := u.Tenant(tenant)
		team, err := ten.Team(ctx, string(id))
		if err != nil {
			return err
		}
		owns, err := ten.TeamsOwn(ctx)
		if err != nil {
			return err
		}
		if o := owns[team.ID]; o.APIs+o.Products+o.Applications > 0 {
			return apim.Errorf(apim.Conflict, "%s owns %d APIs, %d products and %d applications; give them to another team first", team.Name, o.APIs, o.Products, o.Applications).WithCode("owns_things")
		}
		if err := u.endGrantsOn(ctx, tenant, team.ID); err != nil {
			return err
		}
		if err := ten.ReleaseRemoved(ctx, team.ID); err != nil {
			return err
		}
		if err := ten.DeleteTeam(ctx, team.ID); err != nil {
			return err
		}
		return u.recordChange(ctx, tenant, "team.delete", team.ID, teamFacts(team), nil, "team %s deleted", team.Name)
	})
}

// AddTeamMember puts a member of the tenant into a team. Adding one who is there
// changes nothing.
func (t *Tenants) AddTeamMember(ctx context.Context, actor apim.Actor, tenant, id, person apim.ID) error {
	return t.inTeam(ctx, actor, tenant, id, person, false, func(u *unit, team apim.Team, m apim.Member, there bool) error {
		if there {
			return nil
		}
		err := u.Tenant(tenant).InsertTeamMember(ctx, apim.TeamMember{Tenant: tenant, Team: team.ID, Person: person, JoinedAt: u.now})
		if err != nil {
			return err
		}
		return u.record(ctx, tenant, "team.join", team.ID, "%s joined the team %s", m.Name, team.Name)
	})
}

// RemoveTeamMember takes a member out of a team. Anybody may leave.
func (t *Tenants) RemoveTeamMember(ctx context.Context, actor apim.Actor, tenant, id, person apim.ID) error {
	leaves := actor.Person != "" && actor.Person == person && actor.Token == ""
	return t.inTeam(ctx, actor, tenant, id, person, leaves, func(u *unit, team apim.Team, m apim.Member, _ bool) error {
		if err := u.Tenant(tenant).DeleteTeamMember(ctx, team.ID, person); err != nil {
			return err
		}
		return u.record(ctx, tenant, "team.leave", team.ID, "%s left the team %s", m.Name, team.Name)
	})
}

func (t *Tenants) inTeam(ctx context.Context, actor apim.Actor, tenant, id, person apim.ID, leaves bool, change func(u *unit, team apim.Team, m apim.Member, there bool) error) error {
	verb := apim.Manage
	if leaves {
		verb = apim.Read
	}
	if err := t.Authz.Somewhere(ctx, actor, tenant, verb, apim.ObjectMember); err != nil {
		return err
	}
	return t.writeRights(ctx, actor, func(u *unit) error {
		team, err := u.Tenant(tenant).Team(ctx, string(id))
		if err != nil {
			return err
		}
		if err := t.Authz.Allow(ctx, actor, tenant, verb, apim.ObjectMember, team.ID); err != nil {
			return err
		}
		m, err := u.Tenant(tenant).Member(ctx, person)
		if err != nil {
			return err
		}
		return change(u, team, m, slices.Contains(m.Teams, team.ID))
	})
}
