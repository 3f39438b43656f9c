package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"portico/internal/apim"
)

// Once names a request that is to be carried out once, and one try at it.
type Once struct {
	Tenant  apim.ID // "" for the installation's own
	Owner   apim.ID // token, else person
	Key     string  // hash of what the caller sent
	Attempt string  // of this try, random
}

// OnceAnswer is what is kept of a request.
type OnceAnswer struct {
	Fingerprint string // hash of the request
	Committed   bool   // its change was made
	Answered    bool   // and so was its answer, which is below
	Status      int
	Header      map[string]string
	Body        []byte
	Object      string // made or changed, of an answer that is not kept
}

type idempotencyRow struct {
	TenantID    apim.ID `gorm:"primaryKey"`
	Owner       apim.ID `gorm:"primaryKey"`
	Key         string  `gorm:"primaryKey"`
	Fingerprint string
	Attempt     string
	Committed   bool
	Answered    bool
	Status      int
	Header      jsonOf[map[string]string]
	Body        []byte
	Object      string
	Leased      int64 `gorm:"column:leased_to"`
	Expires     int64 `gorm:"column:expires_at"`
}

func (idempotencyRow) TableName() string { return "idempotency" }

func (r idempotencyRow) answer() OnceAnswer {
	return OnceAnswer{
		Fingerprint: r.Fingerprint, Committed: r.Committed, Answered: r.Answered, Status: r.Status, Header: r.Header.V, Body: r.Body, Object: r.Object,
	}
}

func (s System) once(ctx context.Context, o Once) *gorm.DB {
	return s.in(ctx).Where(map[string]any{"tenant_id": o.Tenant, "owner": o.Owner, "key": o.Key})
}

// BeginOnce takes a request to carry it out, until lease; mine is false, and
// have says what there is, when another try has. A try that let its lease pass
// without a change is taken over: it cannot change anything any more. An owner
// who has most requests kept already is refused.
func (s *Store) BeginOnce(ctx context.Context, o Once, fingerprint string, now, lease, expires time.Time, most int) (have OnceAnswer, mine bool, err error) {
	err = s.writeAside(ctx, func(tx *Tx) error {
		sys := tx.System()
		kept, err := count[idempotencyRow](sys.in(ctx).Where("tenant_id = ? AND owner = ? AND expires_at > ?", o.Tenant, o.Owner, micros(now)), "requests")
		if err != nil {
			return err
		}
		if _, err := remove[idempotencyRow](sys.once(ctx, o).Where("expires_at <= ?", micros(now)), "request"); err != nil {
			return err
		}
		row := idempotencyRow{
			TenantID: o.Tenant, Owner: o.Owner, Key: o.Key, Fingerprint: fingerprint, Attempt: o.Attempt, Header: jsonOf[map[string]string]{map[string]string{}},
			Body: []byte{}, Leased: micros(lease), Expires: micros(expires),
		}
		res := sys.in(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if res.Error != nil {
			return refuse(res.Error, "request")
		}
		if res.RowsAffected == 1 {
			if kept >= most {
				return apim.Errorf(apim.TooMany, "%d requests with an Idempotency-Key are kept already, which is the most in 24 hours; send this one without", most).WithCode("too_many_idempotency_keys")
			}
			mine = true
			return nil
		}
		n, err := change(sys.once(ctx, o).Where("fingerprint = ? AND NOT committed AND NOT answered AND leased_to <= ?", fingerprint, micros(now)), "request",
			&idempotencyRow{Attempt: o.Attempt, Leased: micros(lease)}, "attempt", "leased_to")
		if err != nil || n == 1 {
			mine = n == 1
			return err
		}
		found, err := one[idempotencyRow](sys.once(ctx, o), "request")
		have = found.answer()
		return err
	})
	return have, mine, err
}

// CommitOnce notes, in the transaction of the change, that a request is being
// carried out. A try that was taken over is refused.
func (s System) CommitOnce(ctx context.Context, o Once) error {
	n, err := change(s.once(ctx, o).Where("attempt = ?", o.Attempt), "request", &idempotencyRow{Committed: true}, "committed")
	if err == nil && n == 0 {
		return apim.Errorf(apim.Conflict, "the request took so long that another one with the same Idempotency-Key was let through").WithCode("idempotency_in_progress")
	}
	return err
}

// AnswerOnce keeps the answer of a request that was carried out.
func (s *Store) AnswerOnce(ctx context.Context, o Once, a OnceAnswer) error {
	return s.writeAside(ctx, func(tx *Tx) error {
		row := idempotencyRow{Committed: true, Answered: a.Answered, Status: a.Status, Header: jsonOf[map[string]string]{a.Header}, Body: a.Body, Object: a.Object}
		_, err := change(tx.System().once(ctx, o).Where("attempt = ?", o.Attempt), "request", &row, "committed", "answered", "status", "header", "body", "object")
		return err
	})
}

// ForgetOnce lets a request that changed nothing be sent again.
func (s *Store) ForgetOnce(ctx context.Context, o Once) error {
	return s.writeAside(ctx, func(tx *Tx) error {
		_, err := remove[idempotencyRow](tx.System().once(ctx, o).Where("attempt = ? AND NOT committed", o.Attempt), "request")
		return err
	})
}

// SweepOnce forgets requests whose time is over.
func (s *Store) SweepOnce(ctx context.Context, now time.Time) error {
	return s.writeAside(ctx, func(tx *Tx) error {
		_, err := remove[idempotencyRow](tx.System().in(ctx).Where("expires_at <= ?", micros(now)), "requests")
		return err
	})
}
