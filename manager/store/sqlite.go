package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
	"modernc.org/sqlite"
)

// tend gathers statistics of tables that have grown tenfold or have none, by a
// sample of each index.
const tend = "PRAGMA analysis_limit = 1000; PRAGMA optimize = 0x10002"

// openSQLite opens the SQLite database in the file at path.
func openSQLite(ctx context.Context, path string) (*Store, error) {
	s := &Store{}
	// Made here and not by SQLite, which would let everybody on the machine
	// read it; its log and shared memory follow the file's mode.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if s.writerPool, err = sql.Open("sqlite", dataSource(path, "_txlock=immediate")); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s.writerPool.SetMaxOpenConns(1)
	s.writerPool.SetMaxIdleConns(1)
	if err := migrate(ctx, s.writerPool, goose.DialectSQLite3, "sqlite"); err != nil {
		return nil, errors.Join(err, s.writerPool.Close())
	}
	if s.readPool, err = sql.Open("sqlite", dataSource(path, "_pragma=query_only(1)")); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), s.writerPool.Close())
	}
	readers := max(4, runtime.GOMAXPROCS(0))
	s.readPool.SetMaxOpenConns(readers)
	s.readPool.SetMaxIdleConns(readers)
	if s.writer, err = open(s.writerPool, true); err == nil {
		s.reader, err = open(s.readPool, false)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.aside = s.writer
	if err := s.Tend(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// inspectSQLite opens the file at path to read it.
func inspectSQLite(path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pool, err := sql.Open("sqlite", dataSource(path, "_pragma=query_only(1)"))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{readPool: pool, writerPool: pool}
	if s.reader, err = open(pool, false); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	s.writer, s.aside = s.reader, s.reader
	return s, nil
}

// dataSource names the file with the settings of every connection. In WAL mode
// synchronous=NORMAL keeps every committed transaction through a kill of the
// process: the write-ahead log is the kernel's by then. Only a loss of power
// may take the newest transactions, and it never corrupts; what it takes,
// gateway nodes that had heard of it are told again by the reconcile pass.
func dataSource(path, extra string) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)" +
		"&_pragma=foreign_keys(1)&_pragma=trusted_schema(0)&_pragma=cache_size(-8000)&" + extra
}

// open returns gorm over a pool. prepare keeps prepared statements, which gorm
// shares between connections: whoever needs one that is being prepared waits for
// whoever prepares it, also when that one waits for a connection and all who have
// one are waiting for the statement. So it is for a pool of one connection alone.
func open(pool *sql.DB, prepare bool) (*gorm.DB, error) {
	config := gormConfig()
	config.PrepareStmt = prepare
	db, err := gorm.Open(dialector{pool}, config)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := guard(db); err != nil {
		return nil, fmt.Errorf("guard the database: %w", err)
	}
	return db, nil
}

// dialector is gorm's view of SQLite through modernc.org/sqlite: placeholders,
// quoting and clauses. It has no migrator.
type dialector struct{ pool *sql.DB }

func (dialector) Name() string { return "sqlite" }

func (d dialector) Initialize(db *gorm.DB) error {
	db.ConnPool = d.pool
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{
		CreateClauses: []string{"INSERT", "VALUES", "ON CONFLICT", "RETURNING"},
		UpdateClauses: []string{"UPDATE", "SET", "FROM", "WHERE", "RETURNING"},
		DeleteClauses: []string{"DELETE", "FROM", "WHERE", "RETURNING"},
	})
	return nil
}

// Migrator returns none: goose runs the migrations.
func (dialector) Migrator(*gorm.DB) gorm.Migrator { return nil }

func (dialector) DataTypeOf(*schema.Field) string { return "" }

func (dialector) DefaultValueOf(*schema.Field) clause.Expression {
	return clause.Expr{SQL: "NULL"}
}

func (dialector) BindVarTo(w clause.Writer, stmt *gorm.Statement, v any) {
	if err := storable(v); err != nil {
		_ = stmt.AddError(err)
	}
	_ = w.WriteByte('?')
}

// QuoteTo quotes a name, each part of a dotted one by itself.
func (dialector) QuoteTo(w clause.Writer, name string) {
	_ = w.WriteByte('"')
	for i := range len(name) {
		switch c := name[i]; c {
		case '.':
			_, _ = w.WriteString(`"."`)
		case '"':
			_, _ = w.WriteString(`""`)
		default:
			_ = w.WriteByte(c)
		}
	}
	_ = w.WriteByte('"')
}

func (dialector) Explain(sql string, vars ...any) string {
	return logger.ExplainSQL(sql, nil, `'`, vars...)
}

// sqliteBreach says what an error of SQLite broke, by its extended result code.
func sqliteBreach(err error) breach {
	var broken *sqlite.Error
	if !errors.As(err, &broken) {
		return noBreach
	}
	const unique, primaryKey, foreignKey = 2067, 1555, 787
	switch broken.Code() {
	case unique, primaryKey:
		return duplicate
	case foreignKey:
		return dangling
	}
	const busy, locked, ioError, full, cantOpen = 5, 6, 10, 13, 14
	switch broken.Code() & 0xff {
	case busy, locked, ioError, full, cantOpen:
		return absent
	}
	return noBreach
}
