package migrations_test

import (
	"database/sql"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"portico/manager/store"
	"portico/migrations"
)

var update = flag.Bool("update", false, "rewrite the dump of the schema")

// The dump is what reviewers read: it has to be what the steps lead to.
func TestDumpIsWhatTheMigrationsMake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portico.db")
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := dump(t, path)
	if *update {
		if err := os.WriteFile("sqlite_schema.sql", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != migrations.Schema {
		t.Fatalf("sqlite_schema.sql is not what the migrations make; run go test ./migrations -update and read the difference\ngot:\n%s", got)
	}
}

// Opening a database twice migrates it once.
func TestMigrationsRunOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portico.db")
	before := ""
	for range 2 {
		s, err := store.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		after := dump(t, path)
		if before != "" && before != after {
			t.Fatal("the second start changed the schema")
		}
		before = after
	}
}

// What belongs to a tenant refers to what belongs to a tenant by both columns,
// so that no row can point across tenants.
func TestReferencesCarryTheTenant(t *testing.T) {
	db := openRaw(t)
	tables := query(t, db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'")
	owned := map[string]bool{}
	for _, table := range tables {
		for _, column := range query(t, db, "SELECT name FROM pragma_table_info(?)", table) {
			owned[table] = owned[table] || column == "tenant_id"
		}
	}
	if len(owned) < 20 {
		t.Fatalf("got %d tables with a tenant, want the schema", len(owned))
	}
	// (version_id, revision) lies beside (tenant_id, version_id), which holds the tenant.
	exempt := map[string]bool{"deployment → revision": true}
	for _, table := range tables {
		if !owned[table] {
			continue
		}
		for _, id := range query(t, db, "SELECT DISTINCT id FROM pragma_foreign_key_list(?)", table) {
			target := query(t, db, `SELECT DISTINCT "table" FROM pragma_foreign_key_list(?) WHERE id = CAST(? AS INTEGER)`, table, id)[0]
			columns := query(t, db, `SELECT "to" FROM pragma_foreign_key_list(?) WHERE id = CAST(? AS INTEGER)`, table, id)
			carries := strings.Contains(strings.Join(columns, " "), "tenant_id")
			if owned[target] && !carries && !exempt[table+" → "+target] {
				t.Errorf("%s refers to %s by %v, without the tenant", table, target, columns)
			}
		}
	}
}

func openRaw(t *testing.T) *sql.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "portico.db")
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func dump(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	list := query(t, db, `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%'
		ORDER BY tbl_name, CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 ELSE 2 END, name`)
	return "-- What the migrations lead to. Written by go test ./migrations -update.\n\n" + strings.Join(list, ";\n\n") + ";\n"
}

func query(t *testing.T, db *sql.DB, q string, args ...any) []string {
	t.Helper()
	rows, err := db.Query(q, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
