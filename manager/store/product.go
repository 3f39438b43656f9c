package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"portico/internal/apim"
)

type productRow struct {
	ID          apim.ID `gorm:"primaryKey"`
	TenantID    apim.ID
	TeamID      *apim.ID
	Slug        string
	Name        string
	NameKey     string
	SearchKey   string
	Summary     string
	Description string
	Visibility  apim.Visibility
	Listed      bool
	Created     int64 `gorm:"column:created_at"`
	Updated     int64 `gorm:"column:updated_at"`
	Lock        int64
}

func (productRow) TableName() string { return "product" }

func newProductRow(p apim.Product) productRow {
	return productRow{
		ID: p.ID, TenantID: p.Tenant, TeamID: optional(p.Team), Slug: p.Slug, Name: p.Name, NameKey: strings.ToLower(p.Name),
		SearchKey: strings.ToLower(p.Name + "\n" + p.Slug + "\n" + p.Summary), Summary: p.Summary, Description: p.Description,
		Visibility: p.Visibility, Listed: p.Listed, Created: micros(p.CreatedAt), Updated: micros(p.UpdatedAt), Lock: p.Lock,
	}
}

func (r productRow) domain() apim.Product {
	return apim.Product{
		ID: r.ID, Tenant: r.TenantID, Team: required(r.TeamID), Slug: r.Slug, Name: r.Name, Summary: r.Summary, Description: r.Description,
		Visibility: r.Visibility, Listed: r.Listed, CreatedAt: when(r.Created), UpdatedAt: when(r.Updated), Lock: r.Lock,
	}
}

type productVersionRow struct {
	TenantID  apim.ID
	ProductID apim.ID `gorm:"primaryKey"`
	VersionID apim.ID `gorm:"primaryKey"`
	Position  int
}

func (productVersionRow) TableName() string { return "product_version" }

type productShareRow struct {
	TenantID  apim.ID
	ProductID apim.ID `gorm:"primaryKey"`
	WithID    apim.ID `gorm:"primaryKey"`
	Position  int
}

func (productShareRow) TableName() string { return "product_share" }

// withVersions fills the versions of products from their rows.
func withVersions(rows []productRow, versions []productVersionRow) []apim.Product {
	byProduct := map[apim.ID][]apim.ID{}
	for _, v := range versions {
		byProduct[v.ProductID] = append(byProduct[v.ProductID], v.VersionID)
	}
	return sliceOf(rows, func(r productRow) apim.Product {
		p := r.domain()
		p.Versions = byProduct[r.ID]
		return p
	})
}

func productIDs(rows []productRow) []apim.ID {
	return sliceOf(rows, func(r productRow) apim.ID { return r.ID })
}

func (t Tenant) products(ctx context.Context, rows []productRow) ([]apim.Product, error) {
	versions, err := many[productVersionRow](t.own(ctx).Where("product_id IN ?", productIDs(rows)).Order("product_id, position"), "products")
	if err != nil {
		return nil, err
	}
	shares, err := many[productShareRow](t.own(ctx).Where("product_id IN ?", productIDs(rows)).Order("product_id, position"), "products")
	out := withVersions(rows, versions)
	for i := range out {
		for _, s := range shares {
			if s.ProductID == out[i].ID {
				out[i].SharedWith = append(out[i].SharedWith, s.WithID)
			}
		}
	}
	return out, err
}

// InsertProduct adds a product with its versions and the tenants it is shared
// with.
func (t Tenant) InsertProduct(ctx context.Context, p apim.Product) error {
	row := newProductRow(p)
	if err := insert(t.in(ctx), "product", &row); err != nil {
		return err
	}
	return errors.Join(t.setVersions(ctx, p), t.setShares(ctx, p))
}

func (t Tenant) setShares(ctx context.Context, p apim.Product) error {
	if len(p.SharedWith) == 0 {
		return nil
	}
	rows := make([]productShareRow, len(p.SharedWith))
	for i, with := range p.SharedWith {
		rows[i] = productShareRow{TenantID: p.Tenant, ProductID: p.ID, WithID: with, Position: i}
	}
	return insert(t.in(ctx), "product", rows)
}

func (t Tenant) setVersions(ctx context.Context, p apim.Product) error {
	if len(p.Versions) == 0 {
		return nil
	}
	rows := make([]productVersionRow, len(p.Versions))
	for i, v := range p.Versions {
		rows[i] = productVersionRow{TenantID: p.Tenant, ProductID: p.ID, VersionID: v, Position: i}
	}
	return insert(t.in(ctx), "product", rows)
}

// UpdateProduct writes a product, the list of its versions and that of the
// tenants it is shared with.
func (t Tenant) UpdateProduct(ctx context.Context, p *apim.Product) error {
	row := newProductRow(*p)
	row.Lock++
	err := update(t.own(ctx).Where("id = ?", p.ID), "product", &row, p.Lock,
		"team_id", "name", "name_key", "search_key", "summary", "description", "visibility", "listed", "updated_at")
	if err != nil {
		return err
	}
	p.Lock++
	if _, err := remove[productVersionRow](t.own(ctx).Where("product_id = ?", p.ID), "product"); err != nil {
		return err
	}
	if _, err := remove[productShareRow](t.own(ctx).Where("product_id = ?", p.ID), "product"); err != nil {
		return err
	}
	return errors.Join(t.setVersions(ctx, *p), t.setShares(ctx, *p))
}

// DeleteProduct removes a product with its plans. One with subscriptions is
// still in use.
func (t Tenant) DeleteProduct(ctx context.Context, id apim.ID) error {
	n, err := remove[productRow](t.own(ctx).Where("id = ?", id), "product")
	if err == nil && n == 0 {
		return apim.Errorf(apim.NotFound, "no such product")
	}
	return err
}

// Product returns a product of the tenant by id or slug.
func (t Tenant) Product(ctx context.Context, ref string) (apim.Product, error) {
	column := "slug = ?"
	if strings.HasPrefix(ref, apim.PrefixProduct+"_") {
		column = "id = ?"
	}
	row, err := one[productRow](t.own(ctx).Where(column, ref), "product")
	if err != nil {
		return apim.Product{}, err
	}
	products, err := t.products(ctx, []productRow{row})
	if err != nil {
		return apim.Product{}, err
	}
	return products[0], nil
}

// Products returns a page of the tenant's products, by name, as far as a reach
// goes.
func (t Tenant) Products(ctx context.Context, reach apim.Reach, team apim.ID, page apim.Page) (apim.List[apim.Product], error) {
	rows, next, err := paged(ownedBy(within(t.own(ctx), reach, apim.PrefixProduct), team), "products", page, order{"product", "name_key", "id", false}, func(r productRow) (any, any) { return r.NameKey, r.ID })
	if err != nil {
		return apim.List[apim.Product]{}, err
	}
	products, err := t.products(ctx, rows)
	return apim.List[apim.Product]{Items: products, NextCursor: next}, err
}

// ProductsWith returns the tenant's products that have any of these versions.
func (t Tenant) ProductsWith(ctx context.Context, versions []apim.ID) ([]apim.Product, error) {
	rows, err := many[productRow](t.own(ctx).Where("id IN (SELECT product_id FROM product_version WHERE tenant_id = ? AND version_id IN ?)", t.id, versions).Order("name_key, id"), "products")
	if err != nil {
		return nil, err
	}
	return t.products(ctx, rows)
}

type planRow struct {
	ID           apim.ID `gorm:"primaryKey"`
	TenantID     apim.ID
	ProductID    apim.ID
	Slug         string
	Name         string
	Description  string
	Price        string
	Approval     apim.Approval
	Limits       jsonOf[[]apim.RateLimit]
	Policies     jsonOf[[]apim.Policy]
	State        apim.PlanState
	Closes       int64 `gorm:"column:closes_at"`
	MaxKeyLifeMS int64 `gorm:"column:max_key_life_ms"`
	Created      int64 `gorm:"column:created_at"`
	Updated      int64 `gorm:"column:updated_at"`
	Lock         int64
}

func (planRow) TableName() string { return "plan" }

func newPlanRow(p apim.Plan) planRow {
	return planRow{
		ID: p.ID, TenantID: p.Tenant, ProductID: p.Product, Slug: p.Slug, Name: p.Name, Description: p.Description, Price: p.Price,
		Approval: p.Approval, Limits: jsonOf[[]apim.RateLimit]{p.Limits}, Policies: jsonOf[[]apim.Policy]{p.Policies}, State: p.State, Closes: micros(p.ClosesAt), MaxKeyLifeMS: p.MaxKeyLife.Milliseconds(), Created: micros(p.CreatedAt), Updated: micros(p.UpdatedAt), Lock: p.Lock,
	}
}

func (r planRow) domain() apim.Plan {
	return apim.Plan{
		ID: r.ID, Tenant: r.TenantID, Product: r.ProductID, Slug: r.Slug, Name: r.Name, Description: r.Description, Price: r.Price,
		Approval: r.Approval, Limits: r.Limits.V, Policies: r.Policies.V, State: r.State, ClosesAt: when(r.Closes), MaxKeyLife: time.Duration(r.MaxKeyLifeMS) * time.Millisecond, CreatedAt: when(r.Created), UpdatedAt: when(r.Updated), Lock: r.Lock,
	}
}

// InsertPlan adds a plan to a product of the tenant.
func (t Tenant) InsertPlan(ctx context.Context, p apim.Plan) error {
	row := newPlanRow(p)
	return insert(t.in(ctx), "plan", &row)
}

// UpdatePlan writes a plan.
func (t Tenant) UpdatePlan(ctx context.Context, p *apim.Plan) error {
	row := newPlanRow(*p)
	row.Lock++
	err := update(t.own(ctx).Where("id = ?", p.ID), "plan", &row, p.Lock, "name", "description", "price", "approval", "limits", "policies", "state", "closes_at", "max_key_life_ms", "updated_at")
	if err == nil {
		p.Lock++
	}
	return err
}

// Plan returns a plan of the tenant.
func (t Tenant) Plan(ctx context.Context, id apim.ID) (apim.Plan, error) {
	row, err := one[planRow](t.own(ctx).Where("id = ?", id), "plan")
	return row.domain(), err
}

// PlansToClose returns plans whose closing date has come, at most limit.
func (s System) PlansToClose(ctx context.Context, now time.Time, limit int) ([]apim.Plan, error) {
	rows, err := many[planRow](s.in(ctx).Where("closes_at > 0 AND closes_at <= ? AND state = 'deprecated'", micros(now)).Order("closes_at").Limit(limit), "plans")
	return sliceOf(rows, planRow.domain), err
}

// Plans returns the plans of products of the tenant in the order they were
// made.
func (t Tenant) Plans(ctx context.Context, products []apim.ID) ([]apim.Plan, error) {
	rows, err := many[planRow](t.own(ctx).Where("product_id IN ?", products).Order("id"), "plans")
	return sliceOf(rows, planRow.domain), err
}
