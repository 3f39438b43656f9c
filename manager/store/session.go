package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"gorm.io/gorm/clause"
)

type sessionRow struct {
	Hash    string `gorm:"primaryKey"`
	Data    []byte
	Expires int64 `gorm:"column:expires_at"`
}

func (sessionRow) TableName() string { return "session" }

// Sessions keeps people's sessions, for scs (it is a Store and a CtxStore).
// Only the hash of a session's token is kept.
type Sessions struct {
	store *Store
	use   string
	now   func() time.Time
}

// Sessions returns the sessions of one use, "console" or "portal": a token of
// one is nothing in the other.
func (s *Store) Sessions(use string, now func() time.Time) *Sessions {
	return &Sessions{s, use, now}
}

// FindCtx returns a session that has not ended.
func (s *Sessions) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	rows, err := many[sessionRow](s.store.System().in(ctx).Where("hash = ? AND expires_at > ?", s.hash(token), micros(s.now())), "session")
	if err != nil || len(rows) == 0 {
		return nil, false, err
	}
	return rows[0].Data, true, nil
}

// CommitCtx keeps a session until a time.
func (s *Sessions) CommitCtx(ctx context.Context, token string, data []byte, expires time.Time) error {
	return s.store.writeAside(ctx, func(tx *Tx) error {
		db := tx.System().in(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "hash"}}, DoUpdates: clause.AssignmentColumns([]string{"data", "expires_at"})})
		return insert(db, "session", &sessionRow{Hash: s.hash(token), Data: data, Expires: micros(expires)})
	})
}

// DeleteCtx ends a session; ending one that is not there is no error.
func (s *Sessions) DeleteCtx(ctx context.Context, token string) error {
	return s.store.writeAside(ctx, func(tx *Tx) error {
		_, err := remove[sessionRow](tx.System().in(ctx).Where("hash = ?", s.hash(token)), "session")
		return err
	})
}

// Find is FindCtx without a context.
func (s *Sessions) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx without a context.
func (s *Sessions) Commit(token string, data []byte, expires time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expires)
}

// Delete is DeleteCtx without a context.
func (s *Sessions) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// SweepSessions forgets the sessions of every use that ended before a time.
func (s *Store) SweepSessions(ctx context.Context, before time.Time) error {
	return s.writeAside(ctx, func(tx *Tx) error {
		_, err := remove[sessionRow](tx.System().in(ctx).Where("expires_at <= ?", micros(before)), "sessions")
		return err
	})
}

func (s *Sessions) hash(token string) string {
	sum := sha256.Sum256([]byte(s.use + "\x00" + token))
	return hex.EncodeToString(sum[:])
}
