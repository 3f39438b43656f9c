package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

type api struct {
	ID          apim.ID          `json:"id"`
	Slug        string           `json:"slug"`
	Name        string           `json:"name"`
	Team        apim.ID          `json:"team,omitempty"`
	Description string           `json:"description"`
	Contact     string           `json:"contact"`
	Tags        []string         `json:"tags"`
	Default     string           `json:"default_version"`
	Versions    []versionSummary `json:"versions"`
	CreatedAt   time.Time        `json:"created_at"`
	UpdatedAt   time.Time        `json:"updated_at"`
}

func apiOf(s manager.APISummary) api {
	a := s.API
	return api{
		ID: a.ID, Slug: a.Slug, Name: a.Name, Team: a.Team, Description: a.Description, Contact: a.Contact, Tags: orEmpty(a.Tags), Default: a.DefaultVersion,
		Versions: each(s.Versions, versionSummaryOf), CreatedAt: a.CreatedAt.UTC(), UpdatedAt: a.UpdatedAt.UTC(),
	}
}

// reference names an object inside another.
type reference struct {
	ID   apim.ID `json:"id"`
	Slug string  `json:"slug"`
	Name string  `json:"name"`
}

func apiReference(a apim.API) reference { return reference{ID: a.ID, Slug: a.Slug, Name: a.Name} }

// apiID returns the id of an API named by id or slug.
func apiID(r *request, ref string) (apim.ID, error) {
	if id, err := apim.ParseID(apim.PrefixAPI, ref); err == nil {
		return id, nil
	}
	a, err := r.Catalog.API(r.ctx, r.actor, r.tenant.ID, ref)
	return a.API.ID, err
}

func listAPIs(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	state, err := choice(r.c, "state", "", string(apim.Draft), string(apim.Published), string(apim.Deprecated), string(apim.Retired))
	if err != nil {
		return err
	}
	q := manager.APIQuery{Search: r.c.Query("search"), State: apim.VersionState(state), Team: apim.ID(r.c.Query("team")), Page: page}
	apis, err := r.Catalog.APIs(r.ctx, r.actor, r.tenant.ID, q)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(apis, apiOf))
}

func showAPI(r *request) error {
	a, err := r.Catalog.API(r.ctx, r.actor, r.tenant.ID, r.c.Param("api"))
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, a.API.Lock, apiOf(a))
}

func updateAPI(r *request) error {
	var in struct {
		Name        *string   `json:"name"`
		Description *string   `json:"description"`
		Contact     *string   `json:"contact"`
		Tags        *[]string `json:"tags"`
		Team        *apim.ID  `json:"team"`
		Default     *string   `json:"default_version"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	id, err := apiID(r, r.c.Param("api"))
	if err != nil {
		return err
	}
	change := manager.APIChange{Name: in.Name, Description: in.Description, Contact: in.Contact, Tags: in.Tags, Team: in.Team, DefaultVersion: in.Default, Lock: r.lock}
	if _, err := r.Catalog.UpdateAPI(r.ctx, r.actor, r.tenant.ID, id, change); err != nil {
		return err
	}
	a, err := r.Catalog.API(r.ctx, r.actor, r.tenant.ID, string(id))
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, a.API.Lock, apiOf(a))
}

func deleteAPI(r *request) error {
	id, err := apiID(r, r.c.Param("api"))
	if err != nil {
		return err
	}
	if err := r.Catalog.DeleteAPI(r.ctx, r.actor, r.tenant.ID, id); err != nil {
		return err
	}
	return r.gone()
}
