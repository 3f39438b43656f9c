// Package store keeps the control plane's state in a database.
//
// A store is used in one of three named scopes. Tenant is what people work in:
// every query carries the tenant, another tenant's row is NotFound. Catalog
// reads what is visible to a tenant across tenants. System spans tenants, for
// the publisher, the collector and what joins two tenants. Outside a
// transaction scopes read only; Store.Write gives one that writes.
//
// Rows are unexported and apart from the domain's structs. gorm's conveniences
// stay in here and are mostly unused: no Save, no associations, no hooks, no
// soft delete, no AutoMigrate. The package decides nothing about the product:
// it does not know which change is allowed, only which tenant a row belongs to.
//
// There are two dialects and no difference that a caller sees: sqlite.go and
// postgres.go hold what differs. On PostgreSQL row-level security stands behind
// the scopes; see scoped.go.
//
// # Why one writer
//
// SQLite has one writer at a time. Two pools, one connection that writes and a
// few that read, queue writers in Go, where they respect their contexts,
// instead of in SQLite's busy handler, and readers never wait (WAL). On
// PostgreSQL writers take a lock of the database, so that what a use case read
// is still so when it writes; scopedPool says more.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"portico/internal/apim"
)

// Store is an open database. It is safe for concurrent use.
type Store struct {
	writer, reader       *gorm.DB
	aside                *gorm.DB // for what writeAside is for; the writer's on SQLite
	writerPool, readPool *sql.DB
	reading              *sql.TxOptions // of Read; nil is the dialect's own
	shared               bool           // other processes may use the database too
	leads                leads
}

// Open opens a database and brings its schema up to date. A URL that begins
// with postgres:// or postgresql:// names a PostgreSQL database; anything else
// is the path of a SQLite file, which is made when it is not there. Several
// processes may open a database at once.
func Open(ctx context.Context, url string) (*Store, error) {
	if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		return openPostgres(ctx, url)
	}
	return openSQLite(ctx, url)
}

// Inspect opens a database that is there, to read it and to change nothing: its
// schema stays as it is, and Write is refused by the database.
func Inspect(ctx context.Context, url string) (*Store, error) {
	var s *Store
	var err error
	if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		s, err = inspectPostgres(url)
	} else {
		s, err = inspectSQLite(url)
	}
	if err != nil {
		return nil, err
	}
	if err := s.Ping(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Tx is a transaction. Its scopes read what it has written. It is for one
// goroutine, and of no use after the function it was given to returns.
type Tx struct{ db *gorm.DB }

// Tenant is the scope of one tenant.
type Tenant struct {
	db *gorm.DB
	id apim.ID
}

// Catalog is the scope of what a tenant sees across tenants. An empty reader
// sees what is public.
type Catalog struct {
	db     *gorm.DB
	reader apim.ID
}

// System is the scope that spans tenants.
type System struct{ db *gorm.DB }

// Tenant returns the read-only scope of one tenant.
func (s *Store) Tenant(id apim.ID) Tenant { return Tenant{s.reader, id} }

// Catalog returns the scope of what a tenant sees, read-only by nature.
func (s *Store) Catalog(reader apim.ID) Catalog { return Catalog{s.reader, reader} }

// System returns the read-only scope that spans tenants.
func (s *Store) System() System { return System{s.reader} }

// Tenant returns the scope of one tenant within the transaction.
func (tx *Tx) Tenant(id apim.ID) Tenant { return Tenant{tx.db, id} }

// Catalog returns the catalog's scope within the transaction.
func (tx *Tx) Catalog(reader apim.ID) Catalog { return Catalog{tx.db, reader} }

// System returns the scope that spans tenants within the transaction.
func (tx *Tx) System() System { return System{tx.db} }

// Write runs fn in a transaction, which is committed when fn returns nil and
// rolled back otherwise. No other Write runs at the same time, in this process
// or another: what fn reads stays so until it is done. Nothing remote may
// happen in fn, and after a statement that failed it can only end. Once Write
// has returned nil the change outlives a kill of the process.
func (s *Store) Write(ctx context.Context, fn func(tx *Tx) error) error {
	return transact(ctx, s.writer, fn)
}

// Read runs fn on one unchanging state of the database. Its scopes cannot
// write.
func (s *Store) Read(ctx context.Context, fn func(tx *Tx) error) error {
	if s.reading == nil {
		return transact(ctx, s.reader, fn)
	}
	return transact(ctx, s.reader, fn, s.reading)
}

// writeAside is Write for a change that depends on nothing but the row it is
// to, so that it need not wait for other writers.
func (s *Store) writeAside(ctx context.Context, fn func(tx *Tx) error) error {
	return transact(ctx, s.aside, fn)
}

func transact(ctx context.Context, db *gorm.DB, fn func(tx *Tx) error, opts ...*sql.TxOptions) error {
	done := false
	err := db.WithContext(ctx).Transaction(func(db *gorm.DB) error {
		err := fn(&Tx{db})
		done = err == nil
		return err
	}, opts...)
	if err = away(err); done && apim.KindOf(err) == apim.Unavailable {
		// A server that goes while it commits may have done so.
		e := apim.Errorf(apim.Unavailable, "the database broke off while it kept the change; look whether it was made before you try again")
		e.Cause = err
		return e
	}
	if err == nil || apim.KindOf(err) != "" {
		return err
	}
	return fmt.Errorf("transaction: %w", err)
}

// Tend lets the database look again how much it holds, where it does not do so
// by itself: SQLite plans by what it knew last. It costs milliseconds.
func (s *Store) Tend(ctx context.Context) error {
	if s.shared {
		return nil
	}
	if _, err := s.writerPool.ExecContext(ctx, tend); err != nil {
		return fmt.Errorf("tend the database: %w", away(err))
	}
	return nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.readPool.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	return nil
}

// Close closes the database. Transactions that run are waited for.
func (s *Store) Close() error { return errors.Join(s.readPool.Close(), s.writerPool.Close()) }
