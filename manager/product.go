package manager

import (
	"context"

	"portico/internal/apim"
)

// ProductInput makes or changes a product. On change nil fields stay.
type ProductInput struct {
	Slug                       string // on making only
	Name, Summary, Description *string
	Visibility                 *apim.Visibility
	Listed                     *bool
	Versions                   *[]apim.ID
	Lock                       int64
}

// PlanInput makes or changes a plan. On change nil fields stay.
type PlanInput struct {
	Slug                     string // on making only
	Name, Description, Price *string
	Approval                 *apim.Approval
	Limits                   *[]apim.RateLimit
	State                    *apim.PlanState
	Lock                     int64
}

// ProductDetail is a product with its plans and versions.
type ProductDetail struct {
	Product     apim.Product
	Plans       []apim.Plan
	Versions    []ProductVersion
	Subscribers int // live subscriptions
}

// ProductVersion is an API version in a product.
type ProductVersion struct {
	API     apim.API
	Version VersionSummary
}

// CreateProduct makes a product of the tenant.
func (c *Catalog) CreateProduct(ctx context.Context, actor apim.Actor, tenant apim.ID, in ProductInput) (apim.Product, error) {
	return apim.Product{}, errUnbuilt
}

// UpdateProduct changes a product. Its versions are in its plans' terms, so
// the change may reach the nodes; Change is zero when it does not.
func (c *Catalog) UpdateProduct(ctx context.Context, actor apim.Actor, tenant, id apim.ID, in ProductInput) (apim.Product, apim.Change, error) {
	return apim.Product{}, apim.Change{}, errUnbuilt
}

// DeleteProduct removes a product that nobody has ever subscribed to.
func (c *Catalog) DeleteProduct(ctx context.Context, actor apim.Actor, tenant, id apim.ID) error {
	return errUnbuilt
}

// Products lists the tenant's products, by name.
func (c *Catalog) Products(ctx context.Context, actor apim.Actor, tenant apim.ID, page apim.Page) (apim.List[ProductDetail], error) {
	return apim.List[ProductDetail]{}, errUnbuilt
}

// Product returns a product of the tenant by id or slug.
func (c *Catalog) Product(ctx context.Context, actor apim.Actor, tenant apim.ID, ref string) (ProductDetail, error) {
	return ProductDetail{}, errUnbuilt
}

// CreatePlan adds a plan to a product. It starts as a draft unless State says
// published.
func (c *Catalog) CreatePlan(ctx context.Context, actor apim.Actor, tenant, product apim.ID, in PlanInput) (apim.Plan, apim.Change, error) {
	return apim.Plan{}, apim.Change{}, errUnbuilt
}

// UpdatePlan changes a plan; its limits are in force for existing
// subscriptions as soon as the nodes confirm.
func (c *Catalog) UpdatePlan(ctx context.Context, actor apim.Actor, tenant, plan apim.ID, in PlanInput) (apim.Plan, apim.Change, error) {
	return apim.Plan{}, apim.Change{}, errUnbuilt
}

// Plan returns a plan of the tenant.
func (c *Catalog) Plan(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Plan, error) {
	return apim.Plan{}, errUnbuilt
}
