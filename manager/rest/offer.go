package rest

import (
	"net/http"
	"slices"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

// offer is a product as the catalog shows it to the path's tenant.
type offer struct {
	Product  offeredProduct   `json:"product"`
	Provider provider         `json:"provider"`
	Plans    []plan           `json:"plans"`
	Versions []offeredVersion `json:"versions"`
}

type offeredProduct struct {
	ID          apim.ID `json:"id"`
	Slug        string  `json:"slug"`
	Name        string  `json:"name"`
	Summary     string  `json:"summary"`
	Description string  `json:"description"`
}

// provider is what is public of a tenant that offers something.
type provider struct {
	Slug string `json:"slug"`
	Name string `json:"name"`
}

type offeredVersion struct {
	ID          apim.ID           `json:"id"`
	API         string            `json:"api"`
	Label       string            `json:"label"`
	State       apim.VersionState `json:"state"`
	StateReason string            `json:"state_reason,omitempty"`
	SunsetAt    time.Time         `json:"sunset_at,omitzero"`
	Operations  int               `json:"operations"`
	URL         string            `json:"url,omitempty"`
	Places      []offeredPlace    `json:"environments,omitempty"`
	Credentials credentialPlaces  `json:"credentials"`
}

// offeredPlace is an environment in which a version can be called.
type offeredPlace struct {
	Slug string               `json:"slug"`
	Name string               `json:"name"`
	Kind apim.EnvironmentKind `json:"kind"`
	URL  string               `json:"url"`
}

func offerOf(o manager.Offer) offer {
	p := o.Product
	return offer{
		Product:  offeredProduct{ID: p.ID, Slug: p.Slug, Name: p.Name, Summary: p.Summary, Description: p.Description},
		Provider: provider{Slug: o.Provider.Slug, Name: o.Provider.Name}, Plans: each(o.Plans, offeredPlan),
		Versions: each(o.Versions, func(v manager.OfferedVersion) offeredVersion {
			return offeredVersion{
				ID: v.Version, API: v.API.Slug, Label: v.Label, State: v.State, StateReason: v.StateReason,
				SunsetAt: v.SunsetAt.UTC(), Operations: v.Operations, URL: v.URL, Places: each(v.Places, placeOf), Credentials: credentialPlaces(v.Credentials),
			}
		}),
	}
}

// offeredPlan is a plan as who subscribes to it sees it: without what is not in
// force.
func offeredPlan(p apim.Plan) plan {
	p.Policies = slices.DeleteFunc(slices.Clone(p.Policies), func(one apim.Policy) bool { return one.Off })
	return planOf(p)
}

func placeOf(p manager.OfferedPlace) offeredPlace {
	return offeredPlace{Slug: p.Environment, Name: p.Name, Kind: p.Kind, URL: p.URL}
}

func listOffers(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	offers, err := r.Catalog.Offers(r.ctx, r.actor, r.tenant.ID, manager.OfferQuery{Search: r.c.Query("search"), Page: page})
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(offers, offerOf))
}

func showOffer(r *request) error {
	o, err := r.Catalog.Offer(r.ctx, r.actor, r.tenant.ID, r.c.Param("provider"), r.c.Param("product"))
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, offerOf(o))
}
