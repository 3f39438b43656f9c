package store

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"portico/internal/apim"
)

// visible begins a query on the products that the reader may see: the listed
// ones that are public, its own, or shared with it.
func (c Catalog) visible(ctx context.Context) *gorm.DB {
	return c.in(ctx).Where(`product.listed AND (product.visibility = 'public' OR product.tenant_id = ? OR product.visibility = 'shared' AND EXISTS (
		SELECT 1 FROM product_share s WHERE s.tenant_id = product.tenant_id AND s.product_id = product.id AND s.with_id = ?))`, c.reader, c.reader)
}

// shown is the condition that a version, called v, is in such a product and in
// a state that consumers see. Its arguments are the reader, twice.
const shown = `v.state IN ('published', 'deprecated') AND EXISTS (
	SELECT 1 FROM product_version pv JOIN product p ON p.tenant_id = pv.tenant_id AND p.id = pv.product_id
	WHERE pv.tenant_id = v.tenant_id AND pv.version_id = v.id AND p.listed AND (p.visibility = 'public' OR p.tenant_id = ? OR p.visibility = 'shared' AND EXISTS (
		SELECT 1 FROM product_share s WHERE s.tenant_id = p.tenant_id AND s.product_id = p.id AND s.with_id = ?)))`

func (c Catalog) products(ctx context.Context, rows []productRow) ([]apim.Product, error) {
	versions, err := many[productVersionRow](c.in(ctx).Where("product_id IN ?", productIDs(rows)).Order("product_id, position"), "products")
	return withVersions(rows, versions), err
}

// Offers returns a page of the visible products, by name. Search finds text in
// a product, and in the APIs and operations of its visible versions.
func (c Catalog) Offers(ctx context.Context, search string, page apim.Page) (apim.List[apim.Product], error) {
	db := c.visible(ctx)
	if search != "" {
		text := like(search)
		db = db.Where(`(product.search_key LIKE ? ESCAPE '\' OR product.id IN (
			SELECT pv.product_id FROM product_version pv
			JOIN version v ON v.tenant_id = pv.tenant_id AND v.id = pv.version_id AND v.state IN ('published', 'deprecated')
			JOIN api a ON a.tenant_id = v.tenant_id AND a.id = v.api_id
			WHERE a.search_key LIKE ? ESCAPE '\' OR EXISTS (
				SELECT 1 FROM operation o WHERE o.version_id = v.id AND o.search_key LIKE ? ESCAPE '\')))`, text, text, text)
	}
	rows, next, err := paged(db, "products", page, order{"product", "name_key", "id", false}, func(r productRow) (any, any) { return r.NameKey, r.ID })
	if err != nil {
		return apim.List[apim.Product]{}, err
	}
	products, err := c.products(ctx, rows)
	return apim.List[apim.Product]{Items: products, NextCursor: next}, err
}

// Offer returns a visible product by the slugs of its tenant and itself.
func (c Catalog) Offer(ctx context.Context, provider, product string) (apim.Product, error) {
	return c.offer(ctx, c.visible(ctx).Where("product.slug = ? AND product.tenant_id = (SELECT id FROM tenant WHERE slug = ?)", product, provider))
}

// OfferByID returns a visible product.
func (c Catalog) OfferByID(ctx context.Context, id apim.ID) (apim.Product, error) {
	return c.offer(ctx, c.visible(ctx).Where("product.id = ?", id))
}

func (c Catalog) offer(ctx context.Context, db *gorm.DB) (apim.Product, error) {
	row, err := one[productRow](db, "product")
	if err != nil {
		return apim.Product{}, err
	}
	products, err := c.products(ctx, []productRow{row})
	if err != nil {
		return apim.Product{}, err
	}
	return products[0], nil
}

// OffersWith returns the visible products that have a version.
func (c Catalog) OffersWith(ctx context.Context, version apim.ID) ([]apim.Product, error) {
	rows, err := many[productRow](c.visible(ctx).Where("product.id IN (SELECT product_id FROM product_version WHERE version_id = ?)", version).Order("product.name_key, product.id"), "products")
	if err != nil {
		return nil, err
	}
	return c.products(ctx, rows)
}

// Plans returns the plans of visible products that consumers see, in the order
// they were made.
func (c Catalog) Plans(ctx context.Context, products []apim.ID) ([]apim.Plan, error) {
	visible := c.visible(ctx).Model(&productRow{}).Select("product.id").Where("product.id IN ?", products)
	rows, err := many[planRow](c.in(ctx).Where("product_id IN (?) AND state IN ('published', 'deprecated')", visible).Order("id"), "plans")
	return sliceOf(rows, planRow.domain), err
}

// PlanByID returns a plan of a visible product, one that takes no subscriptions
// any more too; drafts are not visible.
func (c Catalog) PlanByID(ctx context.Context, id apim.ID) (apim.Plan, error) {
	row, err := one[planRow](c.in(ctx).Where("id = ? AND state <> 'draft'", id), "plan")
	if err != nil {
		return apim.Plan{}, err
	}
	if _, err := c.OfferByID(ctx, row.ProductID); err != nil {
		return apim.Plan{}, apim.Errorf(apim.NotFound, "no such plan")
	}
	return row.domain(), nil
}

// OfferedVersion is a visible version and what is live of it in the first
// environment that it is live in.
type OfferedVersion struct {
	Version     apim.Version // without runtime
	API         apim.API
	Operations  int
	Revision    int
	Document    apim.Document
	GatewayURL  string
	Mounts      []apim.Mount
	Credentials apim.CredentialPlaces
	Policies    []apim.Policy  // of the version itself
	Places      []OfferedPlace // every environment that it is live in
}

// OfferedPlace is an environment that a version is live in.
type OfferedPlace struct {
	Environment, Name string // slug and name
	Kind              apim.EnvironmentKind
	GatewayURL        string
	Mounts            []apim.Mount // of the revision that is live there
}

type offeredRow struct {
	Line        versionRow `gorm:"embedded"`
	Number      int
	LiveDoc     *apim.ID
	GatewayURL  string
	Mounts      jsonOf[[]apim.Mount]
	Credentials jsonOf[apim.CredentialPlaces]
	Policies    jsonOf[[]apim.Policy]

	Environment, EnvironmentName string
	EnvironmentKind              apim.EnvironmentKind
}

const offeredColumns = `v.id, v.tenant_id, v.api_id, v.label, v.state, v.unpublished, v.revision, v.operations, v.deprecated_at,
	v.sunset_at, v.state_reason, v.created_at, v.updated_at, r.number, r.document_id AS live_doc, e.gateway_url, e.slug AS environment, e.name AS environment_name, e.kind AS environment_kind,
	r.runtime->>'mounts' AS mounts, r.runtime->>'credentials' AS credentials,
	COALESCE(r.runtime->>'policies', '[]') AS policies
	FROM version v
	JOIN deployment d ON d.tenant_id = v.tenant_id AND d.version_id = v.id
	JOIN environment e ON e.slug = d.environment
	JOIN revision r ON r.version_id = d.version_id AND r.number = d.revision`

// Versions returns the visible ones of these versions that are live, newest
// first.
func (c Catalog) Versions(ctx context.Context, ids []apim.ID) ([]OfferedVersion, error) {
	return c.offered(ctx, "SELECT "+offeredColumns+" WHERE v.id IN ? AND "+shown+" ORDER BY v.id DESC, e.id", ids, c.reader, c.reader)
}

// VersionByLabel returns a visible version by the slugs of tenant and API, and
// its label.
func (c Catalog) VersionByLabel(ctx context.Context, provider, api, label string) (OfferedVersion, error) {
	return c.first(c.offered(ctx, "SELECT "+offeredColumns+` JOIN api a ON a.tenant_id = v.tenant_id AND a.id = v.api_id
		JOIN tenant t ON t.id = v.tenant_id WHERE t.slug = ? AND a.slug = ? AND v.label = ? AND `+shown+" ORDER BY e.id", provider, api, label, c.reader, c.reader))
}

// Version returns a visible version.
func (c Catalog) Version(ctx context.Context, id apim.ID) (OfferedVersion, error) {
	return c.first(c.Versions(ctx, []apim.ID{id}))
}

// Siblings returns the labels of an API's visible versions, newest first.
func (c Catalog) Siblings(ctx context.Context, api apim.ID) ([]string, error) {
	var labels []string
	err := c.in(ctx).Raw("SELECT v.label FROM version v WHERE v.api_id = ? AND "+shown+" ORDER BY v.id DESC", api, c.reader, c.reader).Find(&labels).Error
	return labels, err
}

func (c Catalog) first(found []OfferedVersion, err error) (OfferedVersion, error) {
	if err != nil {
		return OfferedVersion{}, err
	}
	if len(found) == 0 {
		return OfferedVersion{}, apim.Errorf(apim.NotFound, "no such version")
	}
	return found[0], nil
}

func (c Catalog) offered(ctx context.Context, sql string, args ...any) ([]OfferedVersion, error) {
	var rows []offeredRow
	if err := c.in(ctx).Raw(sql, args...).Find(&rows).Error; err != nil {
		return nil, err
	}
	var apiIDs, docIDs []apim.ID
	for _, r := range rows {
		apiIDs = append(apiIDs, r.Line.APIID)
		docIDs = append(docIDs, required(r.LiveDoc))
	}
	apis, err := many[apiRow](c.in(ctx).Where("id IN ?", apiIDs), "APIs")
	if err != nil {
		return nil, err
	}
	docs, err := many[documentRow](c.in(ctx).Where("id IN ?", docIDs), "documents")
	if err != nil {
		return nil, err
	}
	apiOf, docOf := map[apim.ID]apim.API{}, map[apim.ID]apim.Document{}
	for _, a := range apis {
		apiOf[a.ID] = a.domain()
	}
	for _, d := range docs {
		docOf[d.ID] = d.domain()
	}
	var out []OfferedVersion
	for _, r := range rows {
		place := OfferedPlace{Environment: r.Environment, Name: r.EnvironmentName, Kind: r.EnvironmentKind, GatewayURL: r.GatewayURL, Mounts: r.Mounts.V}
		if last := len(out) - 1; last >= 0 && out[last].Version.ID == r.Line.ID { // live in a further environment
			out[last].Places = append(out[last].Places, place)
			continue
		}
		out = append(out, OfferedVersion{
			Version: r.Line.domain(), API: apiOf[r.Line.APIID], Document: docOf[required(r.LiveDoc)],
			Operations: r.Line.Operations, Revision: r.Number, GatewayURL: r.GatewayURL,
			Mounts: r.Mounts.V, Credentials: r.Credentials.V, Policies: r.Policies.V, Places: []OfferedPlace{place},
		})
	}
	return out, nil
}

// Providers returns the tenants that offer, by id.
func (c Catalog) Providers(ctx context.Context, ids []apim.ID) (map[apim.ID]apim.Tenant, error) {
	rows, err := many[tenantRow](c.in(ctx).Where("id IN ?", ids), "tenants")
	out := map[apim.ID]apim.Tenant{}
	for _, r := range rows {
		out[r.ID] = apim.Tenant{ID: r.ID, Slug: r.Slug, Name: r.Name}
	}
	return out, err
}

// Operations returns the operations of a version that the reader was shown, in
// the order of its document.
func (c Catalog) Operations(ctx context.Context, version OfferedVersion) ([]apim.Route, error) {
	rows, err := many[operationRow](c.in(ctx).Where("version_id = ?", version.Version.ID).Order("position"), "operations")
	return sliceOf(rows, operationRow.domain), err
}

// Operation returns one operation, by its id or slug, of a version that the
// reader was shown.
func (c Catalog) Operation(ctx context.Context, version OfferedVersion, operation string) (apim.Route, error) {
	row, err := one[operationRow](c.in(ctx).Where("version_id = ? AND (operation = ? OR slug = ?)", version.Version.ID, operation, operation).Order(clause.Expr{SQL: "operation = ? DESC, position", Vars: []any{operation}}).Limit(1), "operation")
	return row.domain(), err
}

func (r operationRow) domain() apim.Route {
	return apim.Route{Operation: r.Operation, Slug: r.Slug, Method: r.Method, Path: r.Path, Summary: r.Summary, Tag: r.Tag, Deprecated: r.Deprecated, Public: r.Public}
}

// Provider is the scope of the tenant that offers a version which the reader
// was shown: its document and reference are then the reader's to read.
func (c Catalog) Provider(version OfferedVersion) Tenant { return Tenant{c.db, version.Version.Tenant} }
