package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

type product struct {
	ID          apim.ID          `json:"id"`
	Slug        string           `json:"slug"`
	Name        string           `json:"name"`
	Team        apim.ID          `json:"team,omitempty"`
	Summary     string           `json:"summary"`
	Description string           `json:"description"`
	Visibility  apim.Visibility  `json:"visibility"`
	SharedWith  []consumer       `json:"shared_with,omitempty"`
	Kept        []consumer       `json:"still_subscribed,omitempty"`
	Listed      bool             `json:"listed"`
	Versions    []productVersion `json:"versions"`
	Plans       []plan           `json:"plans"`
	Subscribers int              `json:"subscribers"`
	CreatedAt   time.Time        `json:"created_at"`
	UpdatedAt   time.Time        `json:"updated_at"`
	outcome
}

// productVersion is an API version in a product.
type productVersion struct {
	API     reference      `json:"api"`
	Version versionSummary `json:"version"`
}

// consumer is another tenant as a product's provider may see it.
type consumer struct {
	Slug        string `json:"slug"`
	Name        string `json:"name,omitempty"`
	Subscribers int    `json:"subscribers"`
}

func productOf(d manager.ProductDetail) product {
	p := d.Product
	out := product{
		ID: p.ID, Slug: p.Slug, Name: p.Name, Team: p.Team, Summary: p.Summary, Description: p.Description,
		Visibility: p.Visibility, SharedWith: each(d.Shared, consumerOf), Kept: each(d.Kept, consumerOf), Listed: p.Listed, Plans: each(d.Plans, planOf), Subscribers: d.Subscribers,
		Versions: each(d.Versions, func(v manager.ProductVersion) productVersion {
			return productVersion{API: apiReference(v.API), Version: versionSummaryOf(v.Version)}
		}),
		CreatedAt: p.CreatedAt.UTC(), UpdatedAt: p.UpdatedAt.UTC(),
	}
	for i := range out.Plans {
		out.Plans[i].LongKeys = d.LongKeys[out.Plans[i].ID]
	}
	return out
}

func consumerOf(c manager.Consumer) consumer { return consumer(c) }

func productReference(p apim.Product) reference {
	return reference{ID: p.ID, Slug: p.Slug, Name: p.Name}
}

// productID returns the id of the path's product, which may be a slug.
func productID(r *request) (apim.ID, error) {
	return r.ref(apim.PrefixProduct, "product", func(slug string) (apim.ID, error) {
		p, err := r.Catalog.Product(r.ctx, r.actor, r.tenant.ID, slug)
		return p.Product.ID, err
	})
}

// productInput is the body that makes or changes a product.
type productInput struct {
	Name        *string          `json:"name"`
	Summary     *string          `json:"summary"`
	Description *string          `json:"description"`
	Visibility  *apim.Visibility `json:"visibility"`
	SharedWith  *[]string        `json:"shared_with"`
	Listed      *bool            `json:"listed"`
	Versions    *[]apim.ID       `json:"versions"`
	Team        *apim.ID         `json:"team"`
}

func (in productInput) input() manager.ProductInput {
	return manager.ProductInput{
		Name: in.Name, Summary: in.Summary, Description: in.Description,
		Visibility: in.Visibility, SharedWith: in.SharedWith, Listed: in.Listed, Versions: in.Versions, Team: in.Team,
	}
}

// answerProduct answers with a product as it is now.
func answerProduct(r *request, status int, id apim.ID, o outcome) error {
	p, err := r.Catalog.Product(r.ctx, r.actor, r.tenant.ID, string(id))
	if err != nil {
		return err
	}
	out := productOf(p)
	out.outcome = o
	if status == http.StatusCreated {
		return r.made("/products/"+p.Product.Slug, p.Product.Lock, out)
	}
	return r.answer(status, p.Product.Lock, out)
}

func listProducts(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	products, err := r.Catalog.Products(r.ctx, r.actor, r.tenant.ID, manager.ProductQuery{Team: apim.ID(r.c.Query("team")), Page: page})
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(products, productOf))
}

func createProduct(r *request) error {
	var in struct {
		Slug string `json:"slug"`
		productInput
	}
	if err := r.body(&in); err != nil {
		return err
	}
	make := in.input()
	make.Slug = in.Slug
	p, err := r.Catalog.CreateProduct(r.ctx, r.actor, r.tenant.ID, make)
	if err != nil {
		return err
	}
	return answerProduct(r, http.StatusCreated, p.ID, outcome{})
}

func showProduct(r *request) error {
	p, err := r.Catalog.Product(r.ctx, r.actor, r.tenant.ID, r.c.Param("product"))
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, p.Product.Lock, productOf(p))
}

func updateProduct(r *request) error {
	var in productInput
	if err := r.body(&in); err != nil {
		return err
	}
	id, err := productID(r)
	if err != nil {
		return err
	}
	change := in.input()
	change.Lock = r.lock
	_, published, err := r.Catalog.UpdateProduct(r.ctx, r.actor, r.tenant.ID, id, change)
	if err != nil {
		return err
	}
	return answerProduct(r, http.StatusOK, id, r.settle(published))
}

func deleteProduct(r *request) error {
	id, err := productID(r)
	if err != nil {
		return err
	}
	if err := r.Catalog.DeleteProduct(r.ctx, r.actor, r.tenant.ID, id); err != nil {
		return err
	}
	return r.gone()
}
