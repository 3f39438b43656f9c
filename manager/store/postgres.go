package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// oldestPostgres is the oldest server that the tests run on, as it numbers
// itself.
const oldestPostgres = 150000

// The keys of the advisory locks, which are one database's own: two databases
// of a server do not meet. lockLead is the first of a pair of 32-bit keys and
// so in a space of its own.
const (
	lockMigrate int64 = 0x706f727469636f01
	lockWrite   int64 = 0x706f727469636f02
	lockLead    int32 = 0x706f7274
)

// openPostgres opens a PostgreSQL database by its URL.
func openPostgres(ctx context.Context, url string) (*Store, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	defaults := map[string]string{
		"application_name": "portico",
		// A manager that the network cut off in a transaction holds the
		// writers' lock: not for longer than this.
		"idle_in_transaction_session_timeout": "30s",
	}
	for name, value := range defaults {
		if _, set := config.RuntimeParams[name]; !set {
			config.RuntimeParams[name] = value
		}
	}
	if err := preparePostgres(ctx, *config.Copy()); err != nil {
		return nil, err
	}
	s := &Store{
		writerPool: postgresPool(config, 4), // one works, the others wait for it in the database, in order
		readPool:   postgresPool(config, max(8, 4*runtime.GOMAXPROCS(0))),
		reading:    &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		shared:     true,
	}
	if s.writer, err = openScoped(&scopedPool{pool: s.writerPool, alone: true}); err == nil {
		if s.aside, err = openScoped(&scopedPool{pool: s.readPool}); err == nil {
			s.reader, err = openScoped(&scopedPool{pool: s.readPool, readOnly: true})
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// inspectPostgres opens a PostgreSQL database to read it.
func inspectPostgres(url string) (*Store, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	config.RuntimeParams["application_name"] = "portico inspect"
	pool := postgresPool(config, 2)
	s := &Store{readPool: pool, writerPool: pool, reading: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}}
	if s.reader, err = openScoped(&scopedPool{pool: pool, readOnly: true}); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	s.writer, s.aside = s.reader, s.reader
	return s, nil
}

func postgresPool(config *pgx.ConnConfig, size int) *sql.DB {
	pool := stdlib.OpenDB(*config.Copy())
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(time.Hour) // so that all of them move on after a fail-over
	return pool
}

// preparePostgres refuses a server or a role that will not do, and brings the
// schema up to date. Several managers may do so at once. It works in the
// system's scope, since a step may have to rewrite every tenant's rows.
func preparePostgres(ctx context.Context, config pgx.ConnConfig) (err error) {
	config.RuntimeParams["portico.scope"] = scopeSystem.String()
	pool := stdlib.OpenDB(config)
	pool.SetMaxOpenConns(2)
	defer func() { err = errors.Join(err, pool.Close()) }()
	var version int
	var role string
	var unbound bool
	err = pool.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_user, rolsuper OR rolbypassrls
		FROM pg_roles WHERE rolname = current_user`).Scan(&version, &role, &unbound)
	switch {
	case err != nil:
		return fmt.Errorf("open database: %w", err)
	case version < oldestPostgres:
		return fmt.Errorf("open database: PostgreSQL %d is too old, the oldest that will do is %d", version/10000, oldestPostgres/10000)
	case unbound:
		return fmt.Errorf("open database: role %q is not bound by row-level security, which keeps tenants apart; "+
			"use one without SUPERUSER and BYPASSRLS that owns the database (CREATE ROLE portico LOGIN PASSWORD '…'; CREATE DATABASE portico OWNER portico)", role)
	}
	return migrate(ctx, pool, goose.DialectPostgres, "postgres", goose.WithSessionLocker(migrateLock{}))
}

// migrateLock lets one manager at a time migrate. Unlike goose's own lockers
// it waits in the database, not by asking again every few seconds.
type migrateLock struct{}

func (migrateLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lockMigrate)
	return err
}

func (migrateLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", lockMigrate)
	return err
}

// openScoped opens gorm on a pool. A single statement outside a transaction
// gets one of its own, for its scope to be set in; the pool refuses the rest.
// pgx prepares statements and keeps them, so gorm need not.
func openScoped(pool *scopedPool) (*gorm.DB, error) {
	config := gormConfig()
	config.PrepareStmt = false
	db, err := gorm.Open(postgresDialector{postgres.Dialector{Config: &postgres.Config{Conn: pool}}}, config)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := guard(db); err != nil {
		return nil, fmt.Errorf("guard the database: %w", err)
	}
	queries := db.Callback().Query()
	err = errors.Join(
		queries.Before("gorm:query").After("portico:guard").Register("portico:begin", beginQuery),
		queries.After("gorm:after_query").Register("portico:end", endQuery),
	)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// postgresDialector is gorm's own with one thing more.
type postgresDialector struct{ postgres.Dialector }

func (d postgresDialector) BindVarTo(w clause.Writer, stmt *gorm.Statement, v any) {
	if err := storable(v); err != nil {
		_ = stmt.AddError(err)
	}
	d.Dialector.BindVarTo(w, stmt, v)
}

func beginQuery(db *gorm.DB) {
	pool, outside := db.Statement.ConnPool.(*scopedPool)
	if !outside || db.Error != nil {
		return
	}
	tx, err := pool.BeginTx(db.Statement.Context, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		_ = db.AddError(err)
		return
	}
	db.Statement.ConnPool = tx
	db.InstanceSet("portico:pool", pool)
}

func endQuery(db *gorm.DB) {
	pool, began := db.InstanceGet("portico:pool")
	if !began {
		return
	}
	tx := db.Statement.ConnPool.(gorm.TxCommitter)
	db.Statement.ConnPool = pool.(gorm.ConnPool)
	if db.Error != nil {
		_ = tx.Rollback()
		return
	}
	if err := tx.Commit(); err != nil {
		_ = db.AddError(err)
	}
}

// postgresBreach says what an error of PostgreSQL broke.
func postgresBreach(err error) breach {
	var unreachable *pgconn.ConnectError
	var line *net.OpError
	if errors.As(err, &unreachable) || errors.As(err, &line) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, pgconn.ErrConnClosed) {
		return absent
	}
	var broken *pgconn.PgError
	if !errors.As(err, &broken) {
		return noBreach
	}
	switch broken.Code {
	case "23505": // unique_violation
		return duplicate
	case "23503": // foreign_key_violation
		return dangling
	}
	switch broken.Code[:2] {
	case "08", "53", "57", "58": // connection, resources, operator, system
		return absent
	}
	return noBreach
}
