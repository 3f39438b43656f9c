package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

type application struct {
	ID            apim.ID        `json:"id"`
	Slug          string         `json:"slug"`
	Name          string         `json:"name"`
	Team          apim.ID        `json:"team,omitempty"`
	Description   string         `json:"description"`
	Subscriptions []subscription `json:"subscriptions"`
	Credentials   []credential   `json:"credentials"`
	KeyLimits     []keyLimit     `json:"key_limits,omitempty"`
	CreatedAt     time.Time      `json:"created_at"`
	UpdatedAt     time.Time      `json:"updated_at"`
	outcome
}

// keyLimit bounds an application's keys in an environment.
type keyLimit struct {
	Environment string `json:"environment"`
	MaxKeyLife  int64  `json:"max_key_life_ms"`
	Plan        string `json:"plan"`
	Product     string `json:"product"`
}

func applicationOf(d manager.ApplicationDetail) application {
	a := d.Application
	return application{
		ID: a.ID, Slug: a.Slug, Name: a.Name, Team: a.Team, Description: a.Description,
		Subscriptions: each(d.Subscriptions, subscriptionOf), Credentials: each(d.Credentials, credentialOf),
		KeyLimits: each(d.KeyLimits, func(l manager.KeyLimit) keyLimit {
			return keyLimit{Environment: l.Environment, MaxKeyLife: l.Life.Milliseconds(), Plan: l.Plan, Product: l.Product}
		}),
		CreatedAt: a.CreatedAt.UTC(), UpdatedAt: a.UpdatedAt.UTC(),
	}
}

// applicationID returns the id of an application named by id or slug.
func applicationID(r *request, ref string) (apim.ID, error) {
	if id, err := apim.ParseID(apim.PrefixApplication, ref); err == nil {
		return id, nil
	}
	a, err := r.Access.Application(r.ctx, r.actor, r.tenant.ID, ref)
	return a.Application.ID, err
}

// answerApplication answers with an application as it is now.
func answerApplication(r *request, status int, id apim.ID, o outcome) error {
	a, err := r.Access.Application(r.ctx, r.actor, r.tenant.ID, string(id))
	if err != nil {
		return err
	}
	out := applicationOf(a)
	out.outcome = o
	if status == http.StatusCreated {
		return r.made("/applications/"+a.Application.Slug, a.Application.Lock, out)
	}
	return r.answer(status, a.Application.Lock, out)
}

func listApplications(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	applications, err := r.Access.Applications(r.ctx, r.actor, r.tenant.ID, page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(applications, applicationOf))
}

func createApplication(r *request) error {
	var in struct {
		Slug        string   `json:"slug"`
		Name        *string  `json:"name"`
		Description *string  `json:"description"`
		Team        *apim.ID `json:"team"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	a, err := r.Access.CreateApplication(r.ctx, r.actor, r.tenant.ID, manager.ApplicationInput{
		Slug: in.Slug, Name: in.Name, Description: in.Description, Team: in.Team,
	})
	if err != nil {
		return err
	}
	return answerApplication(r, http.StatusCreated, a.ID, outcome{})
}

func showApplication(r *request) error {
	a, err := r.Access.Application(r.ctx, r.actor, r.tenant.ID, r.c.Param("application"))
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, a.Application.Lock, applicationOf(a))
}

func updateApplication(r *request) error {
	var in struct {
		Name        *string  `json:"name"`
		Description *string  `json:"description"`
		Team        *apim.ID `json:"team"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	id, err := applicationID(r, r.c.Param("application"))
	if err != nil {
		return err
	}
	_, change, err := r.Access.UpdateApplication(r.ctx, r.actor, r.tenant.ID, id, manager.ApplicationInput{
		Name: in.Name, Description: in.Description, Team: in.Team, Lock: r.lock,
	})
	if err != nil {
		return err
	}
	return answerApplication(r, http.StatusOK, id, r.settle(change))
}

func deleteApplication(r *request) error {
	id, err := applicationID(r, r.c.Param("application"))
	if err != nil {
		return err
	}
	change, err := r.Access.DeleteApplication(r.ctx, r.actor, r.tenant.ID, id)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, r.settle(change))
}
