package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

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

// digest is the hash of a row: SHA-256 over a JSON list of all its values in
// this order, the hash of the row before among them.
func (r auditRow) digest() string {
	raw, _ := json.Marshal([]any{ // strings, integers and booleans only
		r.PreviousHash, r.TenantID, r.Sequence, r.ID, r.At, r.PersonID, r.TokenID, r.Name, r.Operator, r.System,
		r.Address, r.Request, r.Action, r.Object, r.Summary, r.Before, r.After,
	})
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
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
	row.Hash = row.digest()
	if err := insert(s.in(ctx), "audit row", &row); err != nil {
		return err
	}
	_, err = change(s.in(ctx).Where("tenant_id = ?", a.Tenant), "audit head", &auditHeadRow{Hash: row.Hash}, "hash")
	return err
}

// AuditLog returns a page of the tenant's audit log, newest first.
func (t Tenant) AuditLog(ctx context.Context, page apim.Page) (apim.List[apim.Audit], error) {
	return auditLog(t.own(ctx), page)
}

// AuditLog returns a page of the installation's own audit log, newest first.
func (s System) AuditLog(ctx context.Context, page apim.Page) (apim.List[apim.Audit], error) {
	return auditLog(s.in(ctx).Where("tenant_id = ''"), page)
}

func auditLog(db *gorm.DB, page apim.Page) (apim.List[apim.Audit], error) {
	rows, next, err := paged(db, "audit log", page, order{"audit", "sequence", "id", true}, func(r auditRow) (any, any) { return r.Sequence, r.ID })
	return apim.List[apim.Audit]{Items: sliceOf(rows, auditRow.domain), NextCursor: next}, err
}

// VerifyAudit walks a tenant's audit log from its first row. It returns how
// many rows fit, and says which is the first that does not.
func (s System) VerifyAudit(ctx context.Context, tenant apim.ID) (rows int, err error) {
	previous := ""
	for {
		batch, err := many[auditRow](s.in(ctx).Where("tenant_id = ? AND sequence > ?", tenant, rows).Order("sequence").Limit(1000), "audit log")
		if err != nil {
			return rows, err
		}
		for _, r := range batch {
			if r.Sequence != int64(rows+1) || r.PreviousHash != previous || r.digest() != r.Hash {
				return rows, apim.Errorf(apim.Conflict, "audit row %d of %s (%s) does not fit the rows before it", r.Sequence, when(r.At).Format(time.RFC3339), r.ID).WithCode("audit_broken")
			}
			rows, previous = rows+1, r.Hash
		}
		if len(batch) < 1000 {
			break
		}
	}
	head, err := many[auditHeadRow](s.in(ctx).Where("tenant_id = ?", tenant), "audit head")
	if err != nil {
		return rows, err
	}
	if len(head) == 1 && (head[0].Sequence != int64(rows) || head[0].Hash != previous) {
		return rows, apim.Errorf(apim.Conflict, "the audit log ends at row %d, its head is at row %d", rows, head[0].Sequence).WithCode("audit_broken")
	}
	return rows, nil
}
