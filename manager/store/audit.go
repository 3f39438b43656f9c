package store

import (
	"context"
	"fmt"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"portico/internal/apim"
)

type auditHeadRow struct {
	TenantID apim.ID `gorm:"primaryKey"`
	Sequence int64
	Hash     string
}

func (auditHeadRow) TableName() string { return "audit_head" }

type auditRow struct {
	TenantID     apim.ID `gorm:"primaryKey"`
	Sequence     int64   `gorm:"primaryKey;autoIncrement:false"`
	ID           apim.ID
	At           int64
	PersonID     apim.ID
	TokenID      apim.ID
	Name         string
	Operator     bool
	System       bool
	Address      string
	Request      string
	Action       string
	Object       apim.ID
	Summary      string
	Before       string
	After        string
	PreviousHash string
	Hash         string
}

func (auditRow) TableName() string { return "audit" }

func (r auditRow) domain() apim.Audit {
	return apim.Audit{
		ID: r.ID, Tenant: r.TenantID, At: when(r.At),
		Actor:  apim.Actor{Person: r.PersonID, Token: r.TokenID, Name: r.Name, Operator: r.Operator, System: r.System, Address: r.Address, Request: r.Request},
		Action: r.Action, Object: r.Object, Summary: r.Summary, Before: r.Before, After: r.After,
	}
}

func (r auditRow) link() apim.AuditLink {
	return apim.AuditLink{Audit: r.domain(), Sequence: r.Sequence, PreviousHash: r.PreviousHash, Hash: r.Hash}
}

// Audit appends a row to the audit log of its tenant ("" is the
// installation's). The tenant's head row is locked until the transaction ends,
// so the chain has no forks.
func (s System) Audit(ctx context.Context, a apim.Audit) error {
	err := s.in(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "tenant_id"}},
		DoUpdates: []clause.Assignment{{Column: clause.Column{Name: "sequence"}, Value: gorm.Expr("audit_head.sequence + 1")}},
	}).Create(&auditHeadRow{TenantID: a.Tenant, Sequence: 1}).Error
	if err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	head, err := one[auditHeadRow](s.in(ctx).Where("tenant_id = ?", a.Tenant), "audit head")
	if err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	row := auditRow{
		TenantID: a.Tenant, Sequence: head.Sequence, ID: a.ID, At: micros(a.At), PersonID: a.Actor.Person, TokenID: a.Actor.Token,
		Name: a.Actor.Name, Operator: a.Actor.Operator, System: a.Actor.System, Address: a.Actor.Address, Request: a.Actor.Request,
		Action: a.Action, Object: a.Object, Summary: a.Summary, Before: a.Before, After: a.After, PreviousHash: head.Hash,
	}
	row.Hash = row.link().Digest()
	if err := insert(s.in(ctx), "audit row", &row); err != nil {
		return err
	}
	_, err = change(s.in(ctx).Where("tenant_id = ?", a.Tenant), "audit head", &auditHeadRow{Hash: row.Hash}, "hash")
	return err
}

// AuditLog returns a page of the tenant's audit log, newest first.
func (t Tenant) AuditLog(ctx context.Context, f apim.AuditFilter, page apim.Page) (apim.List[apim.AuditLink], error) {
	return auditLog(t.own(ctx), f, page)
}

// AuditLog returns a page of the installation's own audit log, newest first.
func (s System) AuditLog(ctx context.Context, f apim.AuditFilter, page apim.Page) (apim.List[apim.AuditLink], error) {
	return auditLog(s.in(ctx).Where("tenant_id = ''"), f, page)
}

func auditLog(db *gorm.DB, f apim.AuditFilter, page apim.Page) (apim.List[apim.AuditLink], error) {
	rows, next, err := paged(filtered(db, f), "audit log", page, order{"audit", "sequence", "id", true}, func(r auditRow) (any, any) { return r.Sequence, r.ID })
	return apim.List[apim.AuditLink]{Items: sliceOf(rows, auditRow.link), NextCursor: next}, err
}

func filtered(db *gorm.DB, f apim.AuditFilter) *gorm.DB {
	switch {
	case f.Actor == "":
	case strings.HasPrefix(f.Actor, apim.PrefixPerson+"_"):
		db = db.Where("person_id = ?", f.Actor)
	case strings.HasPrefix(f.Actor, apim.PrefixToken+"_"):
		db = db.Where("token_id = ?", f.Actor)
	default:
		db = db.Where("name = ?", f.Actor)
	}
	if f.Action != "" {
		if strings.Contains(f.Action, ".") {
			db = db.Where("action = ?", f.Action)
		} else {
			db = db.Where("action >= ? AND action < ?", f.Action+".", f.Action+"/") // "/" is what follows "."
		}
	}
	if f.Object != "" {
		db = db.Where("object = ?", f.Object)
	}
	if !f.From.IsZero() {
		db = db.Where("at >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		db = db.Where("at < ?", micros(f.To))
	}
	return db
}

// auditBatch is how many rows of a long log are in memory at once.
const auditBatch = 1000

// AuditHead returns the sequence of a tenant's newest audit row, 0 for none.
func (s System) AuditHead(ctx context.Context, tenant apim.ID) (int64, error) {
	rows, err := many[auditHeadRow](s.in(ctx).Where("tenant_id = ?", tenant), "audit head")
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return rows[0].Sequence, nil
}

// AuditRows yields the tenant's audit rows from the first to the one with a
// sequence. It ends with yield's error.
func (t Tenant) AuditRows(ctx context.Context, f apim.AuditFilter, to int64, yield func(apim.AuditLink) error) error {
	return auditRows(func() *gorm.DB { return t.own(ctx) }, f, to, yield)
}

// AuditRows is Tenant.AuditRows of the installation's own log.
func (s System) AuditRows(ctx context.Context, f apim.AuditFilter, to int64, yield func(apim.AuditLink) error) error {
	return auditRows(func() *gorm.DB { return s.in(ctx).Where("tenant_id = ''") }, f, to, yield)
}

func auditRows(rows func() *gorm.DB, f apim.AuditFilter, to int64, yield func(apim.AuditLink) error) error {
	for last := int64(0); ; {
		batch, err := many[auditRow](filtered(rows(), f).Where("sequence > ? AND sequence <= ?", last, to).Order("sequence").Limit(auditBatch), "audit log")
		if err != nil {
			return err
		}
		for _, r := range batch {
			if err := yield(r.link()); err != nil {
				return err
			}
			last = r.Sequence
		}
		if len(batch) < auditBatch {
			return nil
		}
	}
}

// AuditTenants returns the tenants that have an audit log, "" for the
// installation.
func (s System) AuditTenants(ctx context.Context) ([]apim.ID, error) {
	rows, err := many[auditHeadRow](s.in(ctx).Order("tenant_id"), "audit heads")
	return sliceOf(rows, func(r auditHeadRow) apim.ID { return r.TenantID }), err
}

// VerifyAudit walks a tenant's audit log from its first row, and says which is
// the first that does not fit. Rows that are written meanwhile are not looked at.
func (s System) VerifyAudit(ctx context.Context, tenant apim.ID) (apim.AuditCheck, error) {
	heads, err := many[auditHeadRow](s.in(ctx).Where("tenant_id = ?", tenant), "audit head")
	if err != nil {
		return apim.AuditCheck{}, err
	}
	head := auditHeadRow{}
	if len(heads) == 1 {
		head = heads[0]
	}
	var walk apim.AuditWalk
	var check apim.AuditCheck
	for {
		batch, err := many[auditRow](s.in(ctx).Where("tenant_id = ? AND sequence > ?", tenant, walk.Last.Sequence).Order("sequence").Limit(auditBatch), "audit log")
		if err != nil {
			return check, err
		}
		for _, r := range batch {
			why := walk.Step(r.link())
			if why == "" && walk.Rows == head.Sequence && r.Hash != head.Hash {
				why = "it is not the row that was written last"
			}
			if why != "" {
				check.Broken, check.Sequence, check.ID, check.At = why, r.Sequence, r.ID, when(r.At)
				return check, nil
			}
			check.Rows, check.Head = walk.Rows, r.Hash
		}
		if len(batch) < auditBatch {
			break
		}
	}
	switch {
	case check.Rows == 0 && head.Sequence == 0 && tenant != "":
		check.Broken, check.Sequence = "the log is empty, and every tenant's begins with its making", 1
	case check.Rows > 0 && len(heads) == 0:
		check.Broken, check.Sequence = "what was written last is not on record", check.Rows
	case check.Rows < head.Sequence:
		check.Broken, check.Sequence = fmt.Sprintf("the log ends at row %d, and %d were written", check.Rows, head.Sequence), check.Rows+1
	}
	return check, nil
}
