package store

import (
	"context"
	"slices"
	"strings"

	"gorm.io/gorm/clause"

	"portico/internal/apim"
)

type versionRow struct {
	ID          apim.ID `gorm:"primaryKey"`
	TenantID    apim.ID
	APIID       apim.ID `gorm:"column:api_id"`
	Label       string
	State       apim.VersionState
	DocumentID  *apim.ID
	Unpublished bool
	Revision    int
	Operations  int
	Deprecated  int64 `gorm:"column:deprecated_at"`
	Sunset      int64 `gorm:"column:sunset_at"`
	StateReason string
	Created     int64 `gorm:"column:created_at"`
	Updated     int64 `gorm:"column:updated_at"`
	Lock        int64
	Runtime     jsonOf[apim.Runtime]
}

func (versionRow) TableName() string { return "version" }

func newVersionRow(v apim.Version) versionRow {
	return versionRow{
		ID: v.ID, TenantID: v.Tenant, APIID: v.API, Label: v.Label, State: v.State, DocumentID: optional(v.Document),
		Unpublished: v.Unpublished, Revision: v.Revision, Operations: v.Runtime.Served(), Deprecated: micros(v.DeprecatedAt),
		Sunset: micros(v.SunsetAt), StateReason: v.StateReason, Created: micros(v.CreatedAt), Updated: micros(v.UpdatedAt),
		Lock: v.Lock, Runtime: jsonOf[apim.Runtime]{v.Runtime},
	}
}

func (r versionRow) domain() apim.Version {
	return apim.Version{
		ID: r.ID, Tenant: r.TenantID, API: r.APIID, Label: r.Label, State: r.State, Document: required(r.DocumentID),
		Runtime: r.Runtime.V, Unpublished: r.Unpublished, Revision: r.Revision, DeprecatedAt: when(r.Deprecated),
		SunsetAt: when(r.Sunset), StateReason: r.StateReason, CreatedAt: when(r.Created), UpdatedAt: when(r.Updated), Lock: r.Lock,
	}
}

// versionLine is every column of a version but its runtime.
func versionLine() []string {
	return []string{
		"version.id", "version.tenant_id", "version.api_id", "version.label", "version.state", "version.document_id",
		"version.unpublished", "version.revision", "version.operations", "version.deprecated_at", "version.sunset_at",
		"version.state_reason", "version.created_at", "version.updated_at", "version.lock",
	}
}

// VersionLine is a version without its runtime, for lists.
type VersionLine struct {
	apim.Version
	Operations int
}

func (r versionRow) line() VersionLine { return VersionLine{r.domain(), r.Operations} }

// InsertVersion adds a version to an API of the tenant.
func (t Tenant) InsertVersion(ctx context.Context, v apim.Version) error {
	row := newVersionRow(v)
	return insert(t.in(ctx), "version", &row)
}

// UpdateVersion writes a version's state; its runtime too when draft is true.
func (t Tenant) UpdateVersion(ctx context.Context, v *apim.Version, draft bool) error {
	row := newVersionRow(*v)
	row.Lock++
	columns := []string{"state", "unpublished", "revision", "deprecated_at", "sunset_at", "state_reason", "updated_at"}
	if draft {
		columns = append(columns, "document_id", "operations", "runtime")
	}
	if err := update(t.own(ctx).Where("id = ?", v.ID), "version", &row, v.Lock, columns...); err != nil {
		return err
	}
	v.Lock++
	return nil
}

// Version returns a version of the tenant.
func (t Tenant) Version(ctx context.Context, id apim.ID) (apim.Version, error) {
	row, err := one[versionRow](t.own(ctx).Where("id = ?", id), "version")
	return row.domain(), err
}

// VersionByLabel returns the version of an API with a label.
func (t Tenant) VersionByLabel(ctx context.Context, api apim.ID, label string) (apim.Version, error) {
	row, err := one[versionRow](t.own(ctx).Where("api_id = ? AND label = ?", api, label), "version")
	return row.domain(), err
}

// VersionLines returns the versions of APIs of the tenant, newest first.
func (t Tenant) VersionLines(ctx context.Context, apis []apim.ID) ([]VersionLine, error) {
	rows, err := many[versionRow](t.own(ctx).Select(versionLine()).Where("api_id IN ?", apis).Order("id DESC"), "versions")
	return sliceOf(rows, versionRow.line), err
}

// VersionLinesByID returns versions of the tenant by their ids, newest first.
func (t Tenant) VersionLinesByID(ctx context.Context, ids []apim.ID) ([]VersionLine, error) {
	rows, err := many[versionRow](t.own(ctx).Select(versionLine()).Where("id IN ?", ids).Order("id DESC"), "versions")
	return sliceOf(rows, versionRow.line), err
}

// VersionsOfDocument returns the versions whose draft is of a document.
func (t Tenant) VersionsOfDocument(ctx context.Context, document apim.ID) ([]VersionLine, error) {
	rows, err := many[versionRow](t.own(ctx).Select(versionLine()).Where("document_id = ?", document), "versions")
	return sliceOf(rows, versionRow.line), err
}

type revisionRow struct {
	ID         apim.ID `gorm:"primaryKey"`
	TenantID   apim.ID
	VersionID  apim.ID
	Number     int
	DocumentID *apim.ID
	Note       string
	ByName     string
	Created    int64 `gorm:"column:created_at"`
	Runtime    jsonOf[apim.Runtime]
}

func (revisionRow) TableName() string { return "revision" }

func (r revisionRow) domain() apim.Revision {
	return apim.Revision{
		ID: r.ID, Tenant: r.TenantID, Version: r.VersionID, Number: r.Number, Document: required(r.DocumentID), Runtime: r.Runtime.V,
		Note: r.Note, By: r.ByName, CreatedAt: when(r.Created),
	}
}

// InsertRevision adds a revision. None is ever changed.
func (t Tenant) InsertRevision(ctx context.Context, r apim.Revision) error {
	return insert(t.in(ctx), "revision", &revisionRow{
		ID: r.ID, TenantID: r.Tenant, VersionID: r.Version, Number: r.Number, DocumentID: optional(r.Document),
		Note: r.Note, ByName: r.By, Created: micros(r.CreatedAt), Runtime: jsonOf[apim.Runtime]{r.Runtime},
	})
}

// Revision returns a version's revision by number.
func (t Tenant) Revision(ctx context.Context, version apim.ID, number int) (apim.Revision, error) {
	row, err := one[revisionRow](t.own(ctx).Where("version_id = ? AND number = ?", version, number), "revision")
	return row.domain(), err
}

// Revisions returns a page of a version's revisions without their runtime,
// newest first.
func (t Tenant) Revisions(ctx context.Context, version apim.ID, page apim.Page) (apim.List[apim.Revision], error) {
	db := t.own(ctx).Select("id", "tenant_id", "version_id", "number", "document_id", "note", "by_name", "created_at").Where("version_id = ?", version)
	rows, next, err := paged(db, "revisions", page, order{"revision", "number", "id", true}, func(r revisionRow) (any, any) { return r.Number, r.ID })
	return apim.List[apim.Revision]{Items: sliceOf(rows, revisionRow.domain), NextCursor: next}, err
}

type deploymentRow struct {
	TenantID    apim.ID
	VersionID   apim.ID `gorm:"primaryKey"`
	Environment string  `gorm:"primaryKey"`
	Revision    int
	Sequence    int64
	At          int64
}

func (deploymentRow) TableName() string { return "deployment" }

func (r deploymentRow) domain() apim.Deployment {
	return apim.Deployment{Version: r.VersionID, Environment: r.Environment, Revision: r.Revision, Sequence: uint64(r.Sequence), At: when(r.At)}
}

// Deploy says which revision of a version is live in an environment.
func (t Tenant) Deploy(ctx context.Context, d apim.Deployment) error {
	db := t.in(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "version_id"}, {Name: "environment"}},
		DoUpdates: clause.AssignmentColumns([]string{"revision", "sequence", "at"}),
		Where:     clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "deployment.tenant_id = ?", Vars: []any{t.id}}}},
	})
	return insert(db, "deployment", &deploymentRow{TenantID: t.id, VersionID: d.Version, Environment: d.Environment, Revision: d.Revision, Sequence: int64(d.Sequence), At: micros(d.At)})
}

// Undeploy takes a version off every environment.
func (t Tenant) Undeploy(ctx context.Context, version apim.ID) error {
	_, err := remove[deploymentRow](t.own(ctx).Where("version_id = ?", version), "deployment")
	return err
}

// UndeployFrom takes a version off one environment.
func (t Tenant) UndeployFrom(ctx context.Context, version apim.ID, environment string) error {
	_, err := remove[deploymentRow](t.own(ctx).Where("version_id = ? AND environment = ?", version, environment), "deployment")
	return err
}

// Deployments returns what is live of versions of the tenant.
func (t Tenant) Deployments(ctx context.Context, versions []apim.ID) (map[apim.ID][]apim.Deployment, error) {
	rows, err := many[deploymentRow](t.own(ctx).Where("version_id IN ?", versions).Order("environment"), "deployments")
	out := map[apim.ID][]apim.Deployment{}
	for _, r := range rows {
		out[r.VersionID] = append(out[r.VersionID], r.domain())
	}
	return out, err
}

type mountRow struct {
	Host      string `gorm:"primaryKey"`
	BasePath  string `gorm:"primaryKey"`
	Selector  string `gorm:"primaryKey"`
	TenantID  apim.ID
	VersionID apim.ID
}

func (mountRow) TableName() string { return "mount" }

// MountHolder is a version that holds a mount.
type MountHolder struct {
	Version, Tenant apim.ID
	API             apim.ID
	Selector        string // as apim.Mount.Key has it
}

// MountHolders returns the versions that hold mounts at a mount's host and path,
// whatever they select. They may be any tenant's, so it is the system's to ask.
func (s System) MountHolders(ctx context.Context, m apim.Mount) ([]MountHolder, error) {
	rows, err := many[mountRow](s.in(ctx).Where("host = ? AND base_path = ?", m.Host, m.BasePath).Order("selector"), "mounts")
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	versions, err := many[versionRow](s.in(ctx).Select("id", "api_id").Where("id IN ?", sliceOf(rows, func(r mountRow) apim.ID { return r.VersionID })), "versions")
	if err != nil {
		return nil, err
	}
	apis := map[apim.ID]apim.ID{}
	for _, v := range versions {
		apis[v.ID] = v.APIID
	}
	return sliceOf(rows, func(r mountRow) MountHolder {
		return MountHolder{r.VersionID, r.TenantID, apis[r.VersionID], r.Selector}
	}), nil
}

// MountedBelow reports whether a mount for every host begins with a slug.
func (s System) MountedBelow(ctx context.Context, slug string) (bool, error) {
	path := "/" + slug // which holds no character that LIKE reads as another
	n, err := count[mountRow](s.in(ctx).Where("host = '' AND (base_path = ? OR base_path LIKE ?)", path, path+"/%"), "mounts")
	return n > 0, err
}

// SetMounts makes a version hold exactly these mounts. One that another
// version holds is a Conflict.
func (t Tenant) SetMounts(ctx context.Context, version apim.ID, mounts []apim.Mount) error {
	if _, err := remove[mountRow](t.own(ctx).Where("version_id = ?", version), "mount"); err != nil || len(mounts) == 0 {
		return err
	}
	rows := sliceOf(mounts, func(m apim.Mount) mountRow {
		return mountRow{Host: m.Host, BasePath: m.BasePath, Selector: m.Key(), TenantID: t.id, VersionID: version}
	})
	slices.SortFunc(rows, func(a, b mountRow) int {
		return strings.Compare(a.Host+"\x00"+a.BasePath+"\x00"+a.Selector, b.Host+"\x00"+b.BasePath+"\x00"+b.Selector)
	})
	return insert(t.in(ctx), "mount", slices.Compact(rows))
}

type operationRow struct {
	TenantID   apim.ID
	VersionID  apim.ID `gorm:"primaryKey"`
	Position   int     `gorm:"primaryKey;autoIncrement:false"`
	Operation  string
	Slug       string
	Method     string
	Path       string
	Summary    string
	Tag        string
	Deprecated bool
	Public     bool
	SearchKey  string
}

func (operationRow) TableName() string { return "operation" }

// SetOperations replaces the operations that the catalog shows of a version,
// in the order of routes.
func (t Tenant) SetOperations(ctx context.Context, version apim.ID, routes []apim.Route) error {
	if _, err := remove[operationRow](t.own(ctx).Where("version_id = ?", version), "operations"); err != nil {
		return err
	}
	rows := make([]operationRow, len(routes))
	for i, r := range routes {
		rows[i] = operationRow{
			TenantID: t.id, VersionID: version, Position: i, Operation: r.Operation, Slug: r.Slug, Method: r.Method, Path: r.Path, Summary: r.Summary,
			Tag: r.Tag, Deprecated: r.Deprecated, Public: r.Public,
			SearchKey: strings.ToLower(r.Summary + "\n" + r.Method + " " + r.Path + "\n" + r.Operation),
		}
	}
	for chunk := range slices.Chunk(rows, 250) {
		if err := insert(t.in(ctx), "operations", chunk); err != nil {
			return err
		}
	}
	return nil
}
