package postgres

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portico/manager/store"
	"portico/migrations"
)

// Place makes an empty database for a test and returns its address, as
// store.Open takes it. It goes when the test ends.
type Place func(t testing.TB) string

// Both runs a test on SQLite and on PostgreSQL.
func Both(t *testing.T, run func(t *testing.T, place Place)) {
	t.Run("sqlite", func(t *testing.T) { run(t, File) })
	t.Run("postgres", func(t *testing.T) { run(t, Database) })
}

// File is the Place of SQLite.
func File(t testing.TB) string { return filepath.Join(t.TempDir(), "portico.db") }

// role is whom tests connect as: row-level security holds for it.
const role = "portico_test"

// server is where tests' databases are: one for the process, or for all.
var server = sync.OnceValues(func() (*cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	c := &cluster{url: os.Getenv("TEST_DATABASE_URL")}
	if c.url == "" {
		own, err := Start(ctx)
		if err != nil {
			return nil, err
		}
		c.own, c.url = own, own.URL // ends with the process
	}
	return c, c.prepare(ctx)
})

// cluster is a server with the template of tests' databases.
type cluster struct {
	own      *Server // nil when it is somebody else's
	url      string
	template string
}

// Database is the Place of PostgreSQL.
func Database(t testing.TB) string {
	t.Helper()
	c, err := server()
	if err != nil {
		t.Fatal(err)
	}
	return c.database(t, c.template)
}

// Empty is Database without the schema, before the first start.
func Empty(t testing.TB) string {
	t.Helper()
	c, err := server()
	if err != nil {
		t.Fatal(err)
	}
	return c.database(t, "template0")
}

func (c *cluster) database(t testing.TB, template string) string {
	t.Helper()
	name := "portico_test_" + strings.ToLower(rand.Text()[:16])
	if err := c.admin(context.Background(), func(ctx context.Context, conn *pgx.Conn) error { return c.copyOf(ctx, conn, template, name) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := c.admin(context.Background(), func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	return c.address(name)
}

// SQL opens a test's database beside the store, in the system's scope when the
// address says no other.
func SQL(t testing.TB, address string) *sql.DB {
	t.Helper()
	driver := "sqlite"
	if u, err := url.Parse(address); err == nil && u.Scheme == "postgres" {
		driver = "pgx"
		q := u.Query()
		if !q.Has("portico.scope") {
			q.Set("portico.scope", "system")
		}
		u.RawQuery = q.Encode()
		address = u.String()
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// TenantTables lists the tables of a test's database that have a tenant_id, by
// name.
func TenantTables(t testing.TB, db *sql.DB) []string {
	t.Helper()
	var out []string
	query := "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'tenant_id' ORDER BY 1"
	if _, err := db.Exec("SELECT 1 FROM pg_class"); err != nil {
		query = `SELECT m.name FROM sqlite_schema m WHERE m.type = 'table'
			AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) c WHERE c.name = 'tenant_id') ORDER BY 1`
	}
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// address is the URL of one of the server's databases, as the tests' role.
func (c *cluster) address(database string) string {
	u, err := url.Parse(c.url)
	if err != nil {
		return c.url // prepare has refused it
	}
	u.Path = "/" + database
	q := u.Query()
	q.Set("role", role)
	u.RawQuery = q.Encode()
	return u.String()
}

// Unbound is a test's address as the server's superuser, who goes round
// row-level security.
func Unbound(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	q.Del("role")
	u.RawQuery = q.Encode()
	return u.String()
}

// admin runs fn on a connection of its own, so that none is left open.
func (c *cluster) admin(ctx context.Context, fn func(ctx context.Context, conn *pgx.Conn) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		return fmt.Errorf("connect to the tests' PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	return fn(ctx, conn)
}

// prepare makes the role and the template, once for a server and a schema,
// however many processes ask at once.
func (c *cluster) prepare(ctx context.Context) error {
	if _, err := url.Parse(c.url); err != nil {
		return fmt.Errorf("TEST_DATABASE_URL is not a URL")
	}
	hash, err := schema()
	if err != nil {
		return err
	}
	c.template = "portico_template_" + hash
	return c.admin(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		const lock = 0x706f7274746573
		if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(lock)); err != nil {
			return err
		}
		var super, there, known bool
		err := conn.QueryRow(ctx, `SELECT rolsuper, EXISTS (SELECT 1 FROM pg_database WHERE datname = $1),
			EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $2) FROM pg_roles WHERE rolname = current_user`, c.template, role).Scan(&super, &there, &known)
		switch {
		case err != nil || there:
			return err
		case !super:
			return errors.New("the role in TEST_DATABASE_URL is no superuser: it makes databases and a role without rights for the tests")
		}
		if !known {
			if _, err := conn.Exec(ctx, "CREATE ROLE "+role+" NOSUPERUSER NOBYPASSRLS"); err != nil {
				return err
			}
		}
		building := c.template + "_new"
		for _, q := range []string{"DROP DATABASE IF EXISTS " + building, "CREATE DATABASE " + building + " TEMPLATE template0 ENCODING 'UTF8' OWNER " + role} {
			if _, err := conn.Exec(ctx, q); err != nil {
				return err
			}
		}
		s, err := store.Open(ctx, c.address(building))
		if err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
		return unused(ctx, func() error {
			_, err := conn.Exec(ctx, "ALTER DATABASE "+building+" RENAME TO "+c.template)
			return err
		})
	})
}

func (c *cluster) copyOf(ctx context.Context, conn *pgx.Conn, template, name string) error {
	return unused(ctx, func() error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template+" OWNER "+role)
		return err
	})
}

// unused repeats what needs a database without connections: the server notices
// the end of one a little later.
func unused(ctx context.Context, do func() error) error {
	for {
		err := do()
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "55006" { // object_in_use
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// schema returns a hash of the migrations.
func schema() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(migrations.Files, "postgres", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(migrations.Files, path)
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", path, len(raw), raw)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)[:6]), err
}
