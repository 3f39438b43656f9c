package store

import (
	"context"
	"sync/atomic"
	"time"

	"portico/internal/apim"
)

type claimRow struct {
	Hash        string `gorm:"primaryKey"`
	Fingerprint string
	Claimed     int64 `gorm:"column:claimed_at"`
	Answer      []byte
}

func (claimRow) TableName() string { return "idempotency" }

// ErrClaimed is what a Write under a claim returns when another request has
// made the change.
var ErrClaimed = apim.Errorf(apim.Conflict, "a request with this Idempotency-Key is being carried out; ask again in a second").WithCode("idempotency_in_progress")

// Claim lets one of several equal requests make its change. The first Write
// under it takes it in the same transaction: the change and the claim are there
// together or not at all, also after a kill.
type Claim struct {
	Hash        string                 // names it
	At, Since   time.Time              // now, and from when on others count
	Fingerprint func() (string, error) // of the request; asked once, when it is taken

	taken atomic.Bool
}

type claimKey struct{}

// WithClaim returns a context under which Write takes a claim.
func WithClaim(ctx context.Context, c *Claim) context.Context {
	return context.WithValue(ctx, claimKey{}, c)
}

// Taken reports whether a Write under the claim was committed.
func (c *Claim) Taken() bool { return c.taken.Load() }

// take is safe without a lock of its own: writes are made in turn.
func (c *Claim) take(ctx context.Context, tx *Tx) error {
	_, found, err := tx.System().Claimed(ctx, c.Hash, c.Since)
	if err != nil {
		return err
	}
	if found {
		return ErrClaimed
	}
	print, err := c.Fingerprint()
	if err != nil {
		return err
	}
	if _, err := remove[claimRow](tx.System().in(ctx).Where("hash = ?", c.Hash), "claim"); err != nil {
		return err // an old one
	}
	return insert(tx.System().in(ctx), "claim", &claimRow{Hash: c.Hash, Fingerprint: print, Claimed: micros(c.At), Answer: []byte{}})
}

// Claimed is a claim that was taken.
type Claimed struct {
	Fingerprint string
	At          time.Time
	Answer      []byte // as KeepAnswer got it; empty before
}

// Claimed returns a claim that was taken at a time or later.
func (s System) Claimed(ctx context.Context, hash string, since time.Time) (Claimed, bool, error) {
	rows, err := many[claimRow](s.in(ctx).Where("hash = ? AND claimed_at >= ?", hash, micros(since)), "claim")
	if err != nil || len(rows) == 0 {
		return Claimed{}, false, err
	}
	return Claimed{Fingerprint: rows[0].Fingerprint, At: when(rows[0].Claimed), Answer: rows[0].Answer}, true, nil
}

// KeepAnswer keeps what the request of a taken claim was answered.
func (s *Store) KeepAnswer(ctx context.Context, hash string, answer []byte) error {
	return s.writeAside(ctx, func(tx *Tx) error {
		_, err := change(tx.System().in(ctx).Where("hash = ?", hash), "claim", &claimRow{Answer: answer}, "answer")
		return err
	})
}

// SweepClaims forgets claims that were taken before a time.
func (s *Store) SweepClaims(ctx context.Context, before time.Time) error {
	return s.writeAside(ctx, func(tx *Tx) error {
		_, err := remove[claimRow](tx.System().in(ctx).Where("claimed_at < ?", micros(before)), "claims")
		return err
	})
}
