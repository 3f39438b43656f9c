package store_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager/store"
	"portico/test/postgres"
)

// audited is a database with ten audit rows of a tenant, and a connection that
// bypasses the triggers.
func audited(t *testing.T, place postgres.Place) (*store.Store, *sql.DB, apim.ID) {
	t.Helper()
	address := place(t)
	s := openAt(t, address)
	a := tenant(t, s, "a")
	for i := range 10 {
		write(t, s, func(tx *store.Tx) error {
			return tx.System().Audit(t.Context(), apim.Audit{
				ID: id(apim.PrefixAudit), Tenant: a.ID, At: start.Add(time.Duration(i) * time.Second), Actor: apim.Actor{Name: "Ada"},
				Action: "api.change", Object: "api_x", Summary: fmt.Sprintf("change %d", i), Before: `{"n":1}`,
			})
		})
	}
	return s, postgres.SQL(t, address), a.ID
}

// withoutTriggers is how somebody with the database in their hands gets at the
// audit log.
func withoutTriggers(db *sql.DB) []string {
	if _, err := db.Exec("SELECT 1 FROM pg_class"); err == nil {
		return []string{"DROP TRIGGER audit_is_append_only ON audit"}
	}
	return []string{"DROP TRIGGER audit_is_append_only_update", "DROP TRIGGER audit_is_append_only_delete"}
}

func TestAuditChainHolds(t *testing.T) { postgres.Both(t, testAuditChainHolds) }

func testAuditChainHolds(t *testing.T, place postgres.Place) {
	s, _, a := audited(t, place)
	if n, err := s.System().VerifyAudit(t.Context(), a); err != nil || n.Rows != 10 || n.Broken != "" {
		t.Fatalf("got %+v, %v, want 10 rows that fit", n, err)
	}
}

func TestAuditRowsCannotBeChangedOrDeleted(t *testing.T) {
	postgres.Both(t, testAuditRowsCannotBeChangedOrDeleted)
}

func testAuditRowsCannotBeChangedOrDeleted(t *testing.T, place postgres.Place) {
	_, db, _ := audited(t, place)
	for _, q := range []string{"UPDATE audit SET summary = 'x' WHERE sequence = 3", "DELETE FROM audit WHERE sequence = 3"} {
		if _, err := db.Exec(q); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: got %v, want it refused", q, err)
		}
	}
}

// Whoever goes round the triggers is found out, and where.
func TestTamperedAuditIsFound(t *testing.T) { postgres.Both(t, testTamperedAuditIsFound) }

func testTamperedAuditIsFound(t *testing.T, place postgres.Place) {
	for name, c := range map[string]struct {
		tamper string
		first  int64
	}{
		"a word":          {"UPDATE audit SET summary = 'nothing happened' WHERE sequence = 4", 4},
		"a time":          {"UPDATE audit SET at = at + 1 WHERE sequence = 1", 1},
		"an actor":        {"UPDATE audit SET name = 'Eve' WHERE sequence = 10", 10},
		"what was before": {"UPDATE audit SET before = '' WHERE sequence = 6", 6},
		"a row gone":      {"DELETE FROM audit WHERE sequence = 5", 6},
		"the last gone":   {"DELETE FROM audit WHERE sequence = 10", 10},
		"a row moved":     {"UPDATE audit SET sequence = 11 WHERE sequence = 10", 11},
		"a hash":          {"UPDATE audit SET hash = 'x' WHERE sequence = 2", 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, db, a := audited(t, place)
			for _, q := range append(withoutTriggers(db), c.tamper) {
				if _, err := db.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			got, err := s.System().VerifyAudit(t.Context(), a)
			if err != nil || got.Broken == "" || got.Sequence != c.first {
				t.Errorf("got %+v, %v, want it to name row %d", got, err, c.first)
			}
		})
	}
}

func TestAuditChainsOfTenantsAreApart(t *testing.T) {
	postgres.Both(t, testAuditChainsOfTenantsAreApart)
}

func testAuditChainsOfTenantsAreApart(t *testing.T, place postgres.Place) {
	s, _, a := audited(t, place)
	b := tenant(t, s, "b")
	write(t, s, func(tx *store.Tx) error {
		return tx.System().Audit(t.Context(), apim.Audit{ID: id(apim.PrefixAudit), Tenant: b.ID, At: start, Action: "x"})
	})
	for tenant, want := range map[apim.ID]int64{a: 10, b.ID: 1, "": 0} {
		if n, err := s.System().VerifyAudit(t.Context(), tenant); err != nil || n.Rows != want || n.Broken != "" {
			t.Errorf("%q: got %+v, %v, want %d", tenant, n, err, want)
		}
	}
}

func TestSessionsAreKeptByHashAndByUse(t *testing.T) {
	postgres.Both(t, testSessionsAreKeptByHashAndByUse)
}

func testSessionsAreKeptByHashAndByUse(t *testing.T, place postgres.Place) {
	address := place(t)
	s := openAt(t, address)
	now := start
	clock := func() time.Time { return now }
	console, portal := s.Sessions("console", clock), s.Sessions("portal", clock)
	for _, data := range []string{"one", "two"} { // the second replaces the first
		if err := console.Commit("token-of-ada", []byte(data), start.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if b, ok, err := console.Find("token-of-ada"); err != nil || !ok || string(b) != "two" {
		t.Fatalf("got %q, %v, %v", b, ok, err)
	}
	for name, f := range map[string]func() ([]byte, bool, error){
		"another token": func() ([]byte, bool, error) { return console.Find("token-of-eve") },
		"another use":   func() ([]byte, bool, error) { return portal.Find("token-of-ada") },
		"when it is over": func() ([]byte, bool, error) {
			now = start.Add(time.Hour)
			defer func() { now = start }()
			return console.Find("token-of-ada")
		},
	} {
		if _, ok, err := f(); err != nil || ok {
			t.Errorf("%s: found, %v", name, err)
		}
	}
	var hash string
	if err := postgres.SQL(t, address).QueryRow("SELECT hash FROM session").Scan(&hash); err != nil || len(hash) != 64 || strings.Contains(hash, "ada") {
		t.Errorf("got %q, %v, want a hash", hash, err)
	}
	if err := s.SweepSessions(t.Context(), start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := console.Find("token-of-ada"); !ok {
		t.Error("a live session was swept")
	}
	for range 2 { // ending one that is not there is no error
		if err := console.Delete("token-of-ada"); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, _ := console.Find("token-of-ada"); ok {
		t.Error("the session outlived its end")
	}
}
