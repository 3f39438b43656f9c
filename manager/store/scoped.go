package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// scopedPool is what gorm sees of PostgreSQL: connections on which nothing can
// be asked outside a transaction. Row-level security shows a statement what
// the settings of its transaction allow, and scopedTx sets them.
type scopedPool struct {
	pool     *sql.DB
	readOnly bool // transactions that nobody describes further only read
	alone    bool // a transaction waits until no other such one runs
}

// errOutside is a fault of this package, as errUnguarded is.
var errOutside = errors.New("statement outside a transaction")

// BeginTx begins a transaction without a scope, in which nothing is seen yet.
//
// # Why writers wait for each other
//
// The use cases read, decide and write, and what they read may span tables
// and tenants: all subscriptions of an application make one grant. SQLite has
// one writer at a time, which makes that right. Under PostgreSQL's default
// isolation two such decisions would miss each other; serializable isolation
// would have one repeat itself, and functions that change what they have
// captured cannot be repeated safely. So writers take one lock of the database
// first, across all managers, and each statement after it sees everything that
// was committed before. Reading waits for nobody, and neither do the few
// writes that stand by themselves (Store.writeAside).
func (p *scopedPool) BeginTx(ctx context.Context, opts *sql.TxOptions) (gorm.ConnPool, error) {
	if opts == nil {
		opts = &sql.TxOptions{Isolation: sql.LevelReadCommitted, ReadOnly: p.readOnly}
	}
	tx, err := p.pool.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	if p.alone {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", lockWrite); err != nil {
			return nil, errors.Join(fmt.Errorf("wait for other writers: %w", err), ignoreDone(tx.Rollback()))
		}
	}
	return &scopedTx{tx: tx}, nil
}

// ignoreDone drops the news that a transaction had ended already.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// PrepareContext refuses: statements belong in a transaction.
func (*scopedPool) PrepareContext(context.Context, string) (*sql.Stmt, error) { return nil, errOutside }

// ExecContext refuses: statements belong in a transaction.
func (*scopedPool) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	return nil, errOutside
}

// QueryContext refuses: statements belong in a transaction.
func (*scopedPool) QueryContext(context.Context, string, ...any) (*sql.Rows, error) {
	return nil, errOutside
}

// QueryRowContext answers nil, as gorm takes it of a dry run: a row has no way
// to be an error. Nothing in this package asks for one.
func (*scopedPool) QueryRowContext(context.Context, string, ...any) *sql.Row { return nil }

// scopedTx is a transaction whose settings follow the scope of the statement
// that comes, which travels in its context.
type scopedTx struct {
	tx  *sql.Tx
	now scope // what the settings say
}

// enter sets the scope of ctx, as SET LOCAL would: it ends with the
// transaction, and a connection goes back to its pool without any.
func (t *scopedTx) enter(ctx context.Context) error {
	s, _ := ctx.Value(scopeKey{}).(scope)
	if s == t.now {
		return nil
	}
	tenant, reader := "", ""
	switch s.kind {
	case scopeTenant:
		tenant = string(s.tenant)
	case scopeCatalog:
		reader = string(s.tenant)
	}
	_, err := t.tx.ExecContext(ctx, "SELECT set_config('portico.scope', $1, true), set_config('portico.tenant', $2, true), set_config('portico.reader', $3, true)",
		s.kind.String(), tenant, reader)
	if err != nil {
		return fmt.Errorf("enter the scope: %w", err)
	}
	t.now = s
	return nil
}

// PrepareContext prepares a statement in its scope.
func (t *scopedTx) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := t.enter(ctx); err != nil {
		return nil, err
	}
	return t.tx.PrepareContext(ctx, query)
}

// ExecContext runs a statement in its scope.
func (t *scopedTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := t.enter(ctx); err != nil {
		return nil, err
	}
	return t.tx.ExecContext(ctx, query, args...)
}

// QueryContext asks in the statement's scope.
func (t *scopedTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := t.enter(ctx); err != nil {
		return nil, err
	}
	return t.tx.QueryContext(ctx, query, args...)
}

// QueryRowContext asks in the statement's scope. When that cannot be entered
// the transaction is broken, and the row's Scan says so.
func (t *scopedTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	_ = t.enter(ctx)
	return t.tx.QueryRowContext(ctx, query, args...)
}

// Commit ends the transaction and keeps what it did.
func (t *scopedTx) Commit() error { return t.tx.Commit() }

// Rollback ends the transaction and undoes what it did.
func (t *scopedTx) Rollback() error { return t.tx.Rollback() }
