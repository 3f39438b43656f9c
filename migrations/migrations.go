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

// Schema is the dump of what the SQLite steps lead to. A test compares it with
// a migrated database and rewrites it with -update.
//
//go:embed sqlite_schema.sql
var Schema string
