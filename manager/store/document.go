package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"portico/internal/apim"
)

type blobRow struct {
	TenantID apim.ID `gorm:"primaryKey"`
	Digest   string  `gorm:"primaryKey"`
	Body     []byte
}

func (blobRow) TableName() string { return "blob" }

type documentRow struct {
	ID         apim.ID `gorm:"primaryKey"`
	TenantID   apim.ID
	Digest     string
	Bytes      int64
	Format     string
	Spec       string
	Title      string
	Version    string
	Source     string
	Operations int
	State      apim.LoadState
	Stage      string
	Done       int
	Total      int
	Score      int
	Passed     int
	Findings   int
	Tries      int
	Created    int64 `gorm:"column:created_at"`
}

func (documentRow) TableName() string { return "document" }

func newDocumentRow(d apim.Document) documentRow {
	return documentRow{
		ID: d.ID, TenantID: d.Tenant, Digest: d.Digest, Bytes: d.Bytes, Format: d.Format, Spec: d.Spec, Title: d.Title, Version: d.Version,
		Source: d.Source, Operations: d.Operations, State: d.State, Stage: d.Stage, Done: d.Done, Total: d.Total, Score: d.Score,
		Passed: d.Passed, Findings: d.Findings, Created: micros(d.CreatedAt),
	}
}

func (r documentRow) domain() apim.Document {
	return apim.Document{
		ID: r.ID, Tenant: r.TenantID, Digest: r.Digest, Bytes: r.Bytes, Format: r.Format, Spec: r.Spec, Title: r.Title, Version: r.Version,
		Source: r.Source, Operations: r.Operations, State: r.State, Stage: r.Stage, Done: r.Done, Total: r.Total, Score: r.Score,
		Passed: r.Passed, Findings: r.Findings, CreatedAt: when(r.Created),
	}
}

// InsertDocument keeps a document and its compressed bytes, which are kept
// once for each digest of the tenant's.
func (t Tenant) InsertDocument(ctx context.Context, d apim.Document, compressed []byte) error {
	err := insert(t.in(ctx).Clauses(clause.OnConflict{DoNothing: true}), "document", &blobRow{TenantID: t.id, Digest: d.Digest, Body: compressed})
	if err != nil {
		return err
	}
	row := newDocumentRow(d)
	return insert(t.in(ctx), "document", &row)
}

// Document returns a document of the tenant.
func (t Tenant) Document(ctx context.Context, id apim.ID) (apim.Document, error) {
	row, err := one[documentRow](t.own(ctx).Where("id = ?", id), "document")
	return row.domain(), err
}

// Documents returns documents of the tenant by id.
func (t Tenant) Documents(ctx context.Context, ids []apim.ID) (map[apim.ID]apim.Document, error) {
	rows, err := many[documentRow](t.own(ctx).Where("id IN ?", ids), "documents")
	out := map[apim.ID]apim.Document{}
	for _, r := range rows {
		out[r.ID] = r.domain()
	}
	return out, err
}

// DocumentBody returns a document's bytes as they were imported.
func (t Tenant) DocumentBody(ctx context.Context, digest string) ([]byte, error) {
	row, err := one[blobRow](t.own(ctx).Where("digest = ?", digest), "document")
	if err != nil {
		return nil, err
	}
	return Decompress(row.Body)
}

// DocumentProgress writes how far the loader has come with a document, and
// what it made of it.
func (t Tenant) DocumentProgress(ctx context.Context, d apim.Document) error {
	row := newDocumentRow(d)
	n, err := change(t.own(ctx).Where("id = ?", d.ID), "document", &row, "state", "stage", "done", "total", "score", "passed", "findings")
	if err == nil && n == 0 {
		return apim.Errorf(apim.NotFound, "no such document")
	}
	return err
}

// NextDocument takes the oldest document that is still to be loaded and counts
// the try; tries is how often that was done before. None is NotFound.
func (s System) NextDocument(ctx context.Context) (d apim.Document, tries int, err error) {
	row, err := one[documentRow](s.in(ctx).Where("state IN ('waiting', 'loading')").Order("tries, id").Limit(1), "document")
	if err != nil {
		return apim.Document{}, 0, err
	}
	_, err = change(s.in(ctx).Where("id = ?", row.ID), "document", &documentRow{State: apim.Loading, Tries: row.Tries + 1}, "state", "tries")
	row.State = apim.Loading
	return row.domain(), row.Tries, err
}

// RequeueDocument puts a document back that the loader could not finish, with
// the tries that it had.
func (s System) RequeueDocument(ctx context.Context, id apim.ID, tries int) error {
	_, err := change(s.in(ctx).Where("id = ?", id), "document", &documentRow{State: apim.LoadWaiting, Tries: tries}, "state", "tries")
	return err
}

// SweepDocuments forgets staged imports that ended before a time and the
// documents and bytes that nothing refers to any more.
func (s System) SweepDocuments(ctx context.Context, before time.Time) (int, error) {
	if _, err := remove[importRow](s.in(ctx).Where("expires_at < ?", micros(before)), "imports"); err != nil {
		return 0, err
	}
	n, err := remove[documentRow](s.in(ctx).Where(`created_at < ? AND id NOT IN (SELECT document_id FROM import)
		AND NOT EXISTS (SELECT 1 FROM version v WHERE v.tenant_id = document.tenant_id AND v.document_id = document.id)
		AND NOT EXISTS (SELECT 1 FROM revision r WHERE r.tenant_id = document.tenant_id AND r.document_id = document.id)`, micros(before)), "documents")
	if err != nil || n == 0 {
		return 0, err
	}
	_, err = remove[blobRow](s.in(ctx).Where("NOT EXISTS (SELECT 1 FROM document d WHERE d.tenant_id = blob.tenant_id AND d.digest = blob.digest)"), "documents")
	return int(n), err
}

type findingRow struct {
	TenantID   apim.ID
	DocumentID apim.ID `gorm:"primaryKey"`
	Position   int     `gorm:"primaryKey;autoIncrement:false"`
	Code       string
	Severity   string
	Message    string
	Hint       string
	File       string
	Pointer    string
	Line       int
}

func (findingRow) TableName() string { return "finding" }

func (r findingRow) domain() apim.Finding {
	return apim.Finding{Code: r.Code, Severity: r.Severity, Message: r.Message, Hint: r.Hint, File: r.File, Pointer: r.Pointer, Line: r.Line}
}

// SetFindings replaces what is known to be odd about a document. They are
// listed in the order given.
func (t Tenant) SetFindings(ctx context.Context, document apim.ID, findings []apim.Finding) error {
	if _, err := remove[findingRow](t.own(ctx).Where("document_id = ?", document), "findings"); err != nil {
		return err
	}
	rows := make([]findingRow, len(findings))
	for i, f := range findings {
		rows[i] = findingRow{
			TenantID: t.id, DocumentID: document, Position: i, Code: f.Code, Severity: f.Severity,
			Message: f.Message, Hint: f.Hint, File: f.File, Pointer: f.Pointer, Line: f.Line,
		}
	}
	for chunk := range slices.Chunk(rows, 250) {
		if err := insert(t.in(ctx), "findings", chunk); err != nil {
			return err
		}
	}
	return nil
}

// Findings returns a page of a document's findings.
func (t Tenant) Findings(ctx context.Context, document apim.ID, page apim.Page) (apim.List[apim.Finding], error) {
	rows, next, err := paged(t.own(ctx).Where("document_id = ?", document), "findings", page, order{"finding", "position", "document_id", false},
		func(r findingRow) (any, any) { return r.Position, r.DocumentID })
	return apim.List[apim.Finding]{Items: sliceOf(rows, findingRow.domain), NextCursor: next}, err
}

type referenceRow struct {
	TenantID   apim.ID
	DocumentID apim.ID `gorm:"primaryKey"`
	Kind       string  `gorm:"primaryKey"`
	Name       string  `gorm:"primaryKey"`
	Body       []byte
}

func (referenceRow) TableName() string { return "reference" }

// ReferencePage is one stored page of a document's reference. Kind is
// "operation" or "schema"; Body is compressed JSON.
type ReferencePage struct {
	Kind, Name string
	Body       []byte
}

// ClearReferences forgets a document's reference pages.
func (t Tenant) ClearReferences(ctx context.Context, document apim.ID) error {
	_, err := remove[referenceRow](t.own(ctx).Where("document_id = ?", document), "reference")
	return err
}

// PutReferences adds reference pages to a document; one that is there already
// is replaced.
func (t Tenant) PutReferences(ctx context.Context, document apim.ID, pages []ReferencePage) error {
	rows := make([]referenceRow, len(pages))
	for i, p := range pages {
		rows[i] = referenceRow{TenantID: t.id, DocumentID: document, Kind: p.Kind, Name: p.Name, Body: p.Body}
	}
	onConflict := clause.OnConflict{
		Columns:   []clause.Column{{Name: "document_id"}, {Name: "kind"}, {Name: "name"}},
		DoUpdates: clause.AssignmentColumns([]string{"body"}),
		Where:     clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "reference.tenant_id = ?", Vars: []any{t.id}}}},
	}
	for chunk := range slices.Chunk(rows, 100) {
		if err := insert(t.in(ctx).Clauses(onConflict), "reference", chunk); err != nil {
			return err
		}
	}
	return nil
}

// ReferenceOf returns one reference page of a document; ok is false when the
// loader has not reached it.
func (t Tenant) ReferenceOf(ctx context.Context, document apim.ID, kind, name string) (body []byte, ok bool, err error) {
	var row referenceRow
	err = t.own(ctx).Where("document_id = ? AND kind = ? AND name = ?", document, kind, name).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("load reference: %w", err)
	}
	body, err = Decompress(row.Body)
	return body, err == nil, err
}

type importRow struct {
	ID         apim.ID `gorm:"primaryKey"`
	TenantID   apim.ID
	DocumentID apim.ID
	VersionID  *apim.ID
	Created    int64 `gorm:"column:created_at"`
	Expires    int64 `gorm:"column:expires_at"`
	Scan       jsonOf[importScan]
}

// importScan is what a scan found, beside the findings.
type importScan struct {
	Servers   []apim.ImportServer
	Routes    []apim.Route
	Upstreams []apim.Upstream
	Security  []apim.SecurityMapping
	Proposed  apim.ImportProposal
	Files     []string
}

func (importRow) TableName() string { return "import" }

// InsertImport stages an import. Its document and findings are stored apart.
func (t Tenant) InsertImport(ctx context.Context, i apim.Import) error {
	return insert(t.in(ctx), "staged import", &importRow{
		ID: i.ID, TenantID: i.Tenant, DocumentID: i.Document.ID, Created: micros(i.CreatedAt), Expires: micros(i.ExpiresAt),
		Scan: jsonOf[importScan]{importScan{i.Servers, i.Routes, i.Upstreams, i.Security, i.Proposed, i.Files}},
	})
}

// Import returns a staged import that has not ended, with its document, the
// first 200 findings, and the version that was made of it ("" for none).
func (t Tenant) Import(ctx context.Context, id apim.ID, now time.Time) (apim.Import, apim.ID, error) {
	row, err := one[importRow](t.own(ctx).Where("id = ? AND expires_at > ?", id, micros(now)), "staged import")
	if err != nil {
		return apim.Import{}, "", err
	}
	doc, err := t.Document(ctx, row.DocumentID)
	if err != nil {
		return apim.Import{}, "", err
	}
	findings, err := t.Findings(ctx, row.DocumentID, apim.Page{Limit: 200})
	s := row.Scan.V
	return apim.Import{
		ID: row.ID, Tenant: row.TenantID, Document: doc, Servers: s.Servers, Routes: s.Routes, Upstreams: s.Upstreams, Security: s.Security,
		Findings: findings.Items, Proposed: s.Proposed, Files: s.Files, CreatedAt: when(row.Created), ExpiresAt: when(row.Expires),
	}, required(row.VersionID), err
}

// ImportAccepted notes the version that was made of a staged import.
func (t Tenant) ImportAccepted(ctx context.Context, id, version apim.ID) error {
	_, err := change(t.own(ctx).Where("id = ?", id), "staged import", &importRow{VersionID: optional(version)}, "version_id")
	return err
}

// QueueDocument hands a document to the loader.
func (t Tenant) QueueDocument(ctx context.Context, id apim.ID) error {
	_, err := change(t.own(ctx).Where("id = ? AND state = ''", id), "document", &documentRow{State: apim.LoadWaiting}, "state")
	return err
}

// Compress makes bytes small, for rows that hold documents.
func Compress(raw []byte) ([]byte, error) {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if _, err := w.Write(raw); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return buf.Bytes(), nil
}

// Decompress undoes Compress.
func Decompress(raw []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return out, nil
}
