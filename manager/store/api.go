package store

import (
	"context"
	"strings"

	"gorm.io/gorm"

	"portico/internal/apim"
)

type apiRow struct {
	ID          apim.ID `gorm:"primaryKey"`
	TenantID    apim.ID
	TeamID      *apim.ID
	Slug        string
	Name        string
	NameKey     string
	SearchKey   string
	Description string
	Contact     string
	Tags        jsonOf[[]string]
	Default     string `gorm:"column:default_version"`
	Created     int64  `gorm:"column:created_at"`
	Updated     int64  `gorm:"column:updated_at"`
	Lock        int64
}

func (apiRow) TableName() string { return "api" }

func newAPIRow(a apim.API) apiRow {
	return apiRow{
		ID: a.ID, TenantID: a.Tenant, TeamID: optional(a.Team), Slug: a.Slug, Name: a.Name, NameKey: strings.ToLower(a.Name),
		SearchKey: strings.ToLower(a.Name + "\n" + a.Slug + "\n" + strings.Join(a.Tags, "\n")), Description: a.Description,
		Contact: a.Contact, Tags: jsonOf[[]string]{a.Tags}, Default: a.DefaultVersion, Created: micros(a.CreatedAt), Updated: micros(a.UpdatedAt), Lock: a.Lock,
	}
}

func (r apiRow) domain() apim.API {
	return apim.API{
		ID: r.ID, Tenant: r.TenantID, Team: required(r.TeamID), Slug: r.Slug, Name: r.Name, Description: r.Description, Contact: r.Contact,
		Tags: r.Tags.V, DefaultVersion: r.Default, CreatedAt: when(r.Created), UpdatedAt: when(r.Updated), Lock: r.Lock,
	}
}

// InsertAPI adds an API of the tenant.
func (t Tenant) InsertAPI(ctx context.Context, a apim.API) error {
	row := newAPIRow(a)
	return insert(t.in(ctx), "API", &row)
}

// UpdateAPI writes what an API says of itself, and who owns it.
func (t Tenant) UpdateAPI(ctx context.Context, a *apim.API) error {
	row := newAPIRow(*a)
	row.Lock++
	err := update(t.own(ctx).Where("id = ?", a.ID), "API", &row, a.Lock, "team_id", "name", "name_key", "search_key", "description", "contact", "tags", "default_version", "updated_at")
	if err == nil {
		a.Lock++
	}
	return err
}

// DeleteAPI removes an API with its versions and revisions.
func (t Tenant) DeleteAPI(ctx context.Context, id apim.ID) error {
	versions := "SELECT id FROM version WHERE tenant_id = ? AND api_id = ?"
	if _, err := change(t.own(ctx).Where("version_id IN ("+versions+")", t.id, id), "import", &importRow{}, "version_id"); err != nil {
		return err
	}
	n, err := remove[apiRow](t.own(ctx).Where("id = ?", id), "API")
	if err == nil && n == 0 {
		return apim.Errorf(apim.NotFound, "no such API")
	}
	return err
}

// API returns an API of the tenant by id or slug.
func (t Tenant) API(ctx context.Context, ref string) (apim.API, error) {
	column := "slug = ?"
	if strings.HasPrefix(ref, apim.PrefixAPI+"_") {
		column = "id = ?"
	}
	row, err := one[apiRow](t.own(ctx).Where(column, ref), "API")
	return row.domain(), err
}

// APIs returns a page of the tenant's APIs by name, those with text in name,
// slug or tags, with a version in a state, with one that is live in an environment,
// and of a team, as far as a reach goes.
func (t Tenant) APIs(ctx context.Context, reach apim.Reach, search string, state apim.VersionState, live string, team apim.ID, page apim.Page) (apim.List[apim.API], error) {
	db := ownedBy(within(t.own(ctx), reach, apim.PrefixAPI), team)
	if search != "" {
		db = db.Where(`search_key LIKE ? ESCAPE '\'`, like(search))
	}
	if state != "" {
		db = db.Where("id IN (SELECT v.api_id FROM version v WHERE v.tenant_id = ? AND v.state = ?)", t.id, state)
	}
	if live != "" {
		db = db.Where("id IN (SELECT v.api_id FROM deployment d JOIN version v ON v.tenant_id = d.tenant_id AND v.id = d.version_id WHERE d.tenant_id = ? AND d.environment = ?)", t.id, live)
	}
	rows, next, err := paged(db, "APIs", page, order{"api", "name_key", "id", false}, func(r apiRow) (any, any) { return r.NameKey, r.ID })
	return apim.List[apim.API]{Items: sliceOf(rows, apiRow.domain), NextCursor: next}, err
}

// APIsByID returns those of the tenant's APIs, in no order.
func (t Tenant) APIsByID(ctx context.Context, ids []apim.ID) ([]apim.API, error) {
	rows, err := many[apiRow](t.own(ctx).Where("id IN ?", ids), "APIs")
	return sliceOf(rows, apiRow.domain), err
}

// within narrows a query on what teams own to a reach. prefix is that of the
// ids in the table.
func within(db *gorm.DB, reach apim.Reach, prefix string) *gorm.DB {
	if reach.All {
		return db
	}
	return db.Where("(id IN ? OR team_id IN ?)", reach.Places(prefix), reach.Places(apim.PrefixTeam))
}

// ownedBy narrows a query to what a team owns, apim.NoTeam to what none does;
// "" leaves it as it is.
func ownedBy(db *gorm.DB, team apim.ID) *gorm.DB {
	switch team {
	case "":
		return db
	case apim.NoTeam:
		return db.Where("team_id IS NULL")
	}
	return db.Where("team_id = ?", team)
}

// APIsOfDocument returns the ids of the APIs that a document describes, in a
// draft or a revision.
func (t Tenant) APIsOfDocument(ctx context.Context, document apim.ID) ([]apim.ID, error) {
	rows, err := many[versionRow](t.own(ctx).Select("api_id").Distinct().
		Where("(document_id = ? OR id IN (SELECT r.version_id FROM revision r WHERE r.tenant_id = ? AND r.document_id = ?))", document, t.id, document), "versions")
	return sliceOf(rows, func(r versionRow) apim.ID { return r.APIID }), err
}

// APIsOfVersions returns the API of each of the versions.
func (t Tenant) APIsOfVersions(ctx context.Context, versions []apim.ID) (map[apim.ID]apim.ID, error) {
	rows, err := many[versionRow](t.own(ctx).Select("id", "api_id").Where("id IN ?", versions), "versions")
	out := map[apim.ID]apim.ID{}
	for _, r := range rows {
		out[r.ID] = r.APIID
	}
	return out, err
}
