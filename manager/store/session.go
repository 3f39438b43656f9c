package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"gorm.io/gorm/clause"

	"portico/internal/apim"
)

type sessionRow struct {
	Hash    string `gorm:"primaryKey"`
	Data    []byte
	Expires int64 `gorm:"column:expires_at"`
	// What the person is shown of it, "" and 0 before anybody has signed in.
	ID       apim.ID
	Use      string
	PersonID apim.ID
	Address  string
	Agent    string
	Started  int64 `gorm:"column:started_at"`
	Seen     int64 `gorm:"column:seen_at"`
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
	return s.CommitSession(ctx, token, data, expires, apim.Session{})
}

// CommitSession is CommitCtx with what the person is shown of the session.
func (s *Sessions) CommitSession(ctx context.Context, token string, data []byte, expires time.Time, shown apim.Session) error {
	return s.store.writeAside(ctx, func(tx *Tx) error {
		db := tx.System().in(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "hash"}}, DoUpdates: clause.AssignmentColumns(sessionChanges())})
		return insert(db, "session", s.row(token, data, expires, shown))
	})
}

// KeepSession is CommitSession of a session that was there before. One that was
// ended meanwhile stays ended, and that is no error.
func (s *Sessions) KeepSession(ctx context.Context, token string, data []byte, expires time.Time, shown apim.Session) error {
	return s.store.writeAside(ctx, func(tx *Tx) error {
		row := s.row(token, data, expires, shown)
		_, err := change(tx.System().in(ctx).Where("hash = ?", row.Hash), "session", row, sessionChanges()...)
		return err
	})
}

func (s *Sessions) row(token string, data []byte, expires time.Time, shown apim.Session) *sessionRow {
	return &sessionRow{
		Hash: s.hash(token), Data: data, Expires: micros(expires), ID: shown.ID, Use: s.use,
		PersonID: shown.Person, Address: shown.Address, Agent: shown.Agent, Started: micros(shown.StartedAt), Seen: micros(shown.SeenAt),
	}
}

// sessionChanges are the columns that change in the life of a session.
func sessionChanges() []string {
	return []string{"data", "expires_at", "id", "person_id", "address", "agent", "started_at", "seen_at"}
}

// mostSessions is how many sessions a person is shown.
const mostSessions = 200

// SessionsOf returns a person's sessions that have not ended, the latest used
// first.
func (s System) SessionsOf(ctx context.Context, person apim.ID, now time.Time) ([]apim.Session, error) {
	if person == "" {
		return nil, nil
	}
	rows, err := many[sessionRow](s.in(ctx).Where("person_id = ? AND id <> '' AND expires_at > ?", person, micros(now)).Order("seen_at DESC, id").Limit(mostSessions), "sessions")
	return sliceOf(rows, func(r sessionRow) apim.Session {
		return apim.Session{
			ID: r.ID, Person: r.PersonID, Use: r.Use, Address: r.Address, Agent: r.Agent,
			StartedAt: when(r.Started), SeenAt: when(r.Seen), ExpiresAt: when(r.Expires),
		}
	}), err
}

// EndSession ends a session of a person.
func (s System) EndSession(ctx context.Context, person, id apim.ID) error {
	n, err := remove[sessionRow](s.in(ctx).Where("person_id = ? AND id = ? AND id <> ''", person, id), "session")
	if err == nil && n == 0 {
		return apim.Errorf(apim.NotFound, "no such session; it may have ended")
	}
	return err
}

// EndSessions ends all sessions of a person but one ("" spares none).
func (s System) EndSessions(ctx context.Context, person, but apim.ID) (int, error) {
	if person == "" {
		return 0, nil
	}
	n, err := remove[sessionRow](s.in(ctx).Where("person_id = ? AND id <> ?", person, but), "sessions")
	return int(n), err
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
