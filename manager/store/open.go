package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"portico/internal/apim"
	"portico/migrations"
)

// What the two dialects have in common when they open a database, and what
// they make of its errors.

func gormConfig() *gorm.Config {
	return &gorm.Config{
		SkipDefaultTransaction:   true, // Store.Write is the one way
		DisableNestedTransaction: true,
		PrepareStmt:              true,
		PrepareStmtMaxSize:       500,
		Logger:                   logger.Discard, // errors are returned, with what was done
		DisableAutomaticPing:     true,
	}
}

// migrate takes the steps of a dialect that a database has not taken.
func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, folder string, options ...goose.ProviderOption) error {
	steps, err := fs.Sub(migrations.Files, folder)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(dialect, db, steps, append(options, goose.WithDisableGlobalRegistry(true))...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

// breach is what an error of the database means to whoever asked.
type breach int

const (
	noBreach  breach = iota
	duplicate        // of a row that is there
	dangling         // a reference, or what is still referred to
	absent           // the database cannot answer now
)

func breachOf(err error) breach {
	if b := sqliteBreach(err); b != noBreach {
		return b
	}
	return postgresBreach(err)
}

// refuse turns a broken constraint into a refusal; other errors stay.
func refuse(err error, noun string) error {
	var e *apim.Error
	switch breachOf(err) {
	case duplicate:
		e = apim.Errorf(apim.Conflict, "this %s exists already; load it again", noun).WithCode("exists")
	case dangling:
		e = apim.Errorf(apim.Conflict, "the %s is still in use, or what it refers to is gone; load it again", noun).WithCode("in_use")
	default:
		return err
	}
	e.Cause = err
	return e
}

// away turns a database that cannot answer now (locked by another program for
// too long, its disk full or failing, its server gone) into a refusal; other
// errors stay.
func away(err error) error {
	var refused *apim.Error
	if errors.As(err, &refused) || breachOf(err) != absent {
		return err
	}
	e := apim.Errorf(apim.Unavailable, "the database cannot be used at the moment; nothing was changed, try again")
	e.Cause = err
	return e
}
