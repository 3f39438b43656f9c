// Package migrations holds the database's schema as forward-only steps, one
// folder of SQL for each dialect, and the dump that they lead to.
//
// It runs nothing: manager/store applies them with goose when it opens a
// database. A merged file is never edited; the previous release must run on
// the new schema.
package migrations

import "embed"

// Files holds the steps, "sqlite/0001_spine.sql", "postgres/0001_spine.sql" and
// so on. A step has the same number and name in both dialects.
//
//go:embed sqlite/*.sql postgres/*.sql
var Files embed.FS

// SQLiteSchema and PostgresSchema are the dumps of what the steps lead to. A
// test compares them with migrated databases and rewrites them with -update.
var (
	//go:embed sqlite_schema.sql
	SQLiteSchema string
	//go:embed postgres_schema.sql
	PostgresSchema string
)
