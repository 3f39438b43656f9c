package rest

import (
	"context"
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

type team struct {
	ID          apim.ID      `json:"id"`
	Slug        string       `json:"slug"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Roles       []apim.Role  `json:"roles"`
	Members     []teamMember `json:"members"`
	Owns        teamOwns     `json:"owns"`
	CreatedAt   time.Time    `json:"created_at"`
	UpdatedAt   time.Time    `json:"updated_at"`
}

type teamMember struct {
	Person   apim.ID   `json:"person"`
	Name     string    `json:"name"`
	Email    string    `json:"email"`
	JoinedAt time.Time `json:"joined_at"`
}

// teamOwns counts what a team owns.
type teamOwns struct {
	APIs         int `json:"apis"`
	Products     int `json:"products"`
	Applications int `json:"applications"`
}

func teamOf(d manager.TeamDetail) team {
	t := d.Team
	return team{
		ID: t.ID, Slug: t.Slug, Name: t.Name, Description: t.Description, Roles: orEmpty(t.Roles),
		Members: each(d.Members, func(m apim.TeamMember) teamMember {
			return teamMember{Person: m.Person, Name: m.Name, Email: m.Email, JoinedAt: m.JoinedAt.UTC()}
		}),
		Owns:      teamOwns{APIs: d.Owns.APIs, Products: d.Owns.Products, Applications: d.Owns.Applications},
		CreatedAt: t.CreatedAt.UTC(), UpdatedAt: t.UpdatedAt.UTC(),
	}
}

// teamID returns the id of the path's team, named by id or slug.
func teamID(r *request) (apim.ID, error) {
	return r.ref(apim.PrefixTeam, "team", func(slug string) (apim.ID, error) {
		t, err := r.Tenants.Team(r.ctx, r.actor, r.tenant.ID, slug)
		return t.Team.ID, err
	})
}

func answerTeam(r *request, status int, id apim.ID) error {
	t, err := r.Tenants.Team(r.ctx, r.actor, r.tenant.ID, string(id))
	if err != nil {
		return err
	}
	if status == http.StatusCreated {
		return r.made("/teams/"+t.Team.Slug, t.Team.Lock, teamOf(t))
	}
	return r.answer(status, t.Team.Lock, teamOf(t))
}

func listTeams(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	teams, err := r.Tenants.Teams(r.ctx, r.actor, r.tenant.ID, page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(teams, teamOf))
}

func createTeam(r *request) error {
	var in struct {
		Slug        string       `json:"slug"`
		Name        *string      `json:"name"`
		Description *string      `json:"description"`
		Roles       *[]apim.Role `json:"roles"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	t, err := r.Tenants.CreateTeam(r.ctx, r.actor, r.tenant.ID, manager.TeamInput{Slug: in.Slug, Name: in.Name, Description: in.Description, Roles: in.Roles})
	if err != nil {
		return err
	}
	return answerTeam(r, http.StatusCreated, t.ID)
}

func showTeam(r *request) error {
	t, err := r.Tenants.Team(r.ctx, r.actor, r.tenant.ID, r.c.Param("team"))
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, t.Team.Lock, teamOf(t))
}

func updateTeam(r *request) error {
	var in struct {
		Name        *string      `json:"name"`
		Description *string      `json:"description"`
		Roles       *[]apim.Role `json:"roles"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	id, err := teamID(r)
	if err != nil {
		return err
	}
	_, err = r.Tenants.UpdateTeam(r.ctx, r.actor, r.tenant.ID, id, manager.TeamInput{Name: in.Name, Description: in.Description, Roles: in.Roles, Lock: r.lock})
	if err != nil {
		return err
	}
	return answerTeam(r, http.StatusOK, id)
}

func deleteTeam(r *request) error {
	id, err := teamID(r)
	if err != nil {
		return err
	}
	if err := r.Tenants.DeleteTeam(r.ctx, r.actor, r.tenant.ID, id); err != nil {
		return err
	}
	return r.gone()
}

func addTeamMember(r *request) error    { return changeTeamMember(r, r.Tenants.AddTeamMember) }
func removeTeamMember(r *request) error { return changeTeamMember(r, r.Tenants.RemoveTeamMember) }

func changeTeamMember(r *request, change func(ctx context.Context, actor apim.Actor, tenant, team, person apim.ID) error) error {
	if err := r.optionalBody(&struct{}{}); err != nil {
		return err
	}
	id, err := teamID(r)
	if err != nil {
		return err
	}
	person, err := r.id(apim.PrefixPerson, "person")
	if err != nil {
		return err
	}
	if err := change(r.ctx, r.actor, r.tenant.ID, id, person); err != nil {
		return err
	}
	return answerTeam(r, http.StatusOK, id)
}
