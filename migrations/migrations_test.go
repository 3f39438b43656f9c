package migrations_test

import (
	"database/sql"
	"errors"
	"flag"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"portico/manager/store"
	"portico/migrations"
	"portico/test/postgres"
)

var update = flag.Bool("update", false, "rewrite the dumps of the schema")

// dialects are what is asked of both.
func dialects() []struct {
	name, file, dumped string
	place              postgres.Place
	dump               func(t *testing.T, db *sql.DB) string
	references         string
} {
	return []struct {
		name, file, dumped string
		place              postgres.Place
		dump               func(t *testing.T, db *sql.DB) string
		references         string
	}{
		{"sqlite", "sqlite_schema.sql", migrations.SQLiteSchema, postgres.File, dumpSQLite, `
			SELECT m.name || ' → ' || f."table" || ' (' || group_concat(f."to", ' ') || ')' FROM sqlite_schema m, pragma_foreign_key_list(m.name) f
			WHERE m.type = 'table' GROUP BY m.name, f.id, f."table"`},
		{"postgres", "postgres_schema.sql", migrations.PostgresSchema, postgres.Database, dumpPostgres, `
			SELECT c.conrelid::regclass || ' → ' || c.confrelid::regclass || ' (' || string_agg(a.attname, ' ') || ')'
			FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = ANY (c.confkey)
			WHERE c.contype = 'f' GROUP BY c.oid, c.conrelid, c.confrelid`},
	}
}

// The dump is what reviewers read: it has to be what the steps lead to.
func TestDumpIsWhatTheMigrationsMake(t *testing.T) {
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			address := d.place(t)
			open(t, address)
			got := "-- What the migrations lead to. Written by go test ./migrations -update.\n\n" + d.dump(t, postgres.SQL(t, address))
			if *update {
				if err := os.WriteFile(d.file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != d.dumped {
				t.Fatalf("%s is not what the migrations make; run go test ./migrations -update and read the difference\ngot:\n%s", d.file, got)
			}
		})
	}
}

// Opening a database twice migrates it once.
func TestMigrationsRunOnce(t *testing.T) {
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			address, before := d.place(t), ""
			for range 2 {
				open(t, address)
				after := d.dump(t, postgres.SQL(t, address))
				if before != "" && before != after {
					t.Fatal("the second start changed the schema")
				}
				before = after
			}
		})
	}
}

// Managers that start at once do not trip over each other.
func TestManagersMayStartAtOnce(t *testing.T) {
	address := postgres.Empty(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			s, err := store.Open(t.Context(), address)
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(s.Ping(t.Context()), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	steps, err := fs.Glob(migrations.Files, "postgres/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if taken := query(t, postgres.SQL(t, address), "SELECT version_id::text FROM goose_db_version WHERE version_id > 0"); len(taken) != len(steps) {
		t.Errorf("got steps %v taken, want each of %d once", taken, len(steps))
	}
}

// A step is taken in both dialects or in none, and what they lead to has the
// same tables with the same columns.
func TestDialectsHaveTheSameTables(t *testing.T) {
	var steps, columns [2][]string
	for i, d := range dialects() {
		found, err := fs.Glob(migrations.Files, d.name+"/*.sql")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			steps[i] = append(steps[i], strings.TrimPrefix(name, d.name))
		}
		address := d.place(t)
		open(t, address)
		db := postgres.SQL(t, address)
		columns[i] = query(t, db, []string{
			`SELECT m.name || '.' || c.name || CASE WHEN c."notnull" OR c.pk > 0 THEN '' ELSE ' NULL' END FROM sqlite_schema m, pragma_table_info(m.name) c
				WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'goose_%'`,
			`SELECT table_name || '.' || column_name || CASE WHEN is_nullable = 'NO' THEN '' ELSE ' NULL' END FROM information_schema.columns
				WHERE table_schema = 'public' AND table_name NOT LIKE 'goose_%'`,
		}[i])
		slices.Sort(columns[i])
	}
	if !slices.Equal(steps[0], steps[1]) {
		t.Errorf("the dialects have different steps\nsqlite:   %v\npostgres: %v", steps[0], steps[1])
	}
	for i, dialect := range []string{"sqlite", "postgres"} {
		for _, c := range columns[i] {
			if !slices.Contains(columns[1-i], c) {
				t.Errorf("only %s has %s", dialect, c)
			}
		}
	}
}

// What belongs to a tenant refers to what belongs to a tenant by both columns,
// so that no row can point across tenants.
func TestReferencesCarryTheTenant(t *testing.T) {
	// (version_id, revision) lies beside (tenant_id, version_id), which holds the tenant.
	exempt := []string{"deployment → revision"}
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			address := d.place(t)
			open(t, address)
			db := postgres.SQL(t, address)
			owned := postgres.TenantTables(t, db)
			references := query(t, db, d.references)
			if len(owned) < 20 || len(references) < 20 {
				t.Fatalf("got %d tables with a tenant and %d references, want the schema", len(owned), len(references))
			}
			for _, r := range references {
				tables, columns, _ := strings.Cut(r, " (")
				from, to, _ := strings.Cut(tables, " → ")
				if slices.Contains(owned, from) && slices.Contains(owned, to) && !strings.Contains(columns, "tenant_id") && !slices.Contains(exempt, tables) {
					t.Errorf("%s without the tenant", r)
				}
			}
		})
	}
}

func open(t *testing.T, address string) {
	t.Helper()
	s, err := store.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func dumpSQLite(t *testing.T, db *sql.DB) string {
	t.Helper()
	list := query(t, db, `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%'
		ORDER BY tbl_name, CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 ELSE 2 END, name`)
	return strings.Join(list, ";\n\n") + ";\n"
}

// dumpPostgres writes what the system catalogs say, in a form that no version
// of pg_dump decides.
func dumpPostgres(t *testing.T, db *sql.DB) string {
	t.Helper()
	return strings.Join(query(t, db, `
		WITH tables AS (
			SELECT c.oid, c.relname AS name, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c
			WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE 'goose_%'
		), lines AS (
			SELECT 0 AS kind, p.proname::text AS name, '' AS part, pg_get_functiondef(p.oid) AS line FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
			UNION ALL
			SELECT 1, t.name, '', 'CREATE TABLE ' || t.name || E' (\n' || (
				SELECT string_agg('  ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
					|| CASE WHEN a.attcollation <> 0 THEN ' COLLATE ' || (SELECT '"' || collname || '"' FROM pg_collation WHERE oid = a.attcollation) ELSE '' END
					|| CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END, E',\n' ORDER BY a.attnum)
				FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped)
				|| coalesce((SELECT string_agg(E',\n  ' || pg_get_constraintdef(c.oid), '' ORDER BY c.contype = 'f', c.contype <> 'p', c.conname)
					FROM pg_constraint c WHERE c.conrelid = t.oid AND c.contype IN ('p', 'u', 'f', 'c')), '')
				|| E'\n);' FROM tables t
			UNION ALL
			SELECT 1, t.name, 'a ' || i.relname, pg_get_indexdef(i.oid) || ';' FROM tables t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
			WHERE NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.oid AND c.contype IN ('p', 'u'))
			UNION ALL
			SELECT 1, t.name, 'b ' || g.tgname, pg_get_triggerdef(g.oid) || ';' FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
			UNION ALL
			SELECT 1, t.name, 'c', 'ALTER TABLE ' || t.name || ' ENABLE ROW LEVEL SECURITY' || CASE WHEN t.relforcerowsecurity THEN ', FORCE ROW LEVEL SECURITY' ELSE '' END || ';'
			FROM tables t WHERE t.relrowsecurity
			UNION ALL
			SELECT 1, t.name, 'd ' || p.policyname, 'CREATE POLICY ' || p.policyname || ' ON ' || t.name || ' AS ' || p.permissive || ' FOR ' || p.cmd
				|| coalesce(E'\n  USING ' || p.qual, '') || coalesce(E'\n  WITH CHECK ' || p.with_check, '') || ';'
			FROM tables t JOIN pg_policies p ON p.schemaname = 'public' AND p.tablename = t.name
		)
		SELECT rtrim(line, E'\n') FROM lines ORDER BY kind, name COLLATE "C", part COLLATE "C"`), "\n\n") + "\n"
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
