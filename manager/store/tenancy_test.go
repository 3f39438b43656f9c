package store_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
	"portico/test/postgres"
)

// scoped is an address whose connections begin with settings, as if a mistake
// had left them: "" for a setting is not to have it.
func scoped(t *testing.T, address, scope, tenant string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("portico.scope", scope)
	q.Set("portico.tenant", tenant)
	u.RawQuery = q.Encode()
	return u.String()
}

// Every table with a tenant has row-level security that its owner cannot pass,
// and a policy: a table that somebody adds without fails here.
func TestEveryTenantTableHasRowLevelSecurity(t *testing.T) {
	db := postgres.SQL(t, postgres.Database(t))
	tables := postgres.TenantTables(t, db)
	if len(tables) < 20 {
		t.Fatalf("got %d tables with a tenant, want the schema", len(tables))
	}
	for _, table := range tables {
		var enabled, forced bool
		var policies int
		err := db.QueryRow(`SELECT relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid)
			FROM pg_class c WHERE oid = $1::regclass`, table).Scan(&enabled, &forced, &policies)
		if err != nil || !enabled || !forced || policies == 0 {
			t.Errorf("%s: row-level security on: %v, for its owner: %v, policies: %d (%v)", table, enabled, forced, policies, err)
		}
	}
}

// What a mistake in this package or an injected statement could ask, by the
// program's own role: without a scope nothing, in a tenant's its own rows.
func TestRowsAreHiddenFromOtherScopes(t *testing.T) {
	address := postgres.Database(t)
	s := openAt(t, address)
	environment(t, s, "production")
	a, b := populate(t, s, "a"), populate(t, s, "b")
	tables := postgres.TenantTables(t, postgres.SQL(t, address))
	all := func(scope, tenant string) map[string]int {
		t.Helper()
		db, rows := postgres.SQL(t, scoped(t, address, scope, tenant)), map[string]int{}
		for _, table := range tables {
			var n int
			if err := db.QueryRow(`SELECT count(*) FROM "` + table + `"`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			rows[table] = n
		}
		return rows
	}
	every, none, nobody := all("system", ""), all("", ""), all("tenant", "")
	ofA, stranger := all("tenant", string(a.tenant.ID)), all("tenant", string(id(apim.PrefixTenant)))
	catalog := all("catalog", "")
	for _, table := range tables {
		if every[table] < 2 {
			t.Errorf("%s: the test has %d rows, want one of each tenant", table, every[table])
		}
		if none[table]+nobody[table]+stranger[table] != 0 {
			t.Errorf("%s: %d rows without a scope, %d without a tenant, %d as another tenant, want none", table, none[table], nobody[table], stranger[table])
		}
		if want := every[table] / 2; ofA[table] != want && table != "audit_head" {
			t.Errorf("%s: tenant A sees %d rows, want its %d", table, ofA[table], want)
		}
	}
	for _, table := range []string{"application", "credential", "secret", "subscription", "token", "member", "audit", "blob", "product", "plan"} {
		if catalog[table] != 0 { // the products are private
			t.Errorf("%s: the catalog shows %d rows", table, catalog[table])
		}
	}
	db := postgres.SQL(t, scoped(t, address, "tenant", string(b.tenant.ID)))
	for _, q := range []string{
		"UPDATE api SET name = 'x' WHERE id = '" + string(a.api.ID) + "'",
		"DELETE FROM secret WHERE tenant_id = '" + string(a.tenant.ID) + "'",
	} {
		res, err := db.Exec(q)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := res.RowsAffected(); n != 0 {
			t.Errorf("%s: changed %d rows of another tenant", q, n)
		}
	}
	for _, q := range []string{
		"UPDATE api SET tenant_id = '" + string(a.tenant.ID) + "'",
		"INSERT INTO mount VALUES ('h', '/', '" + string(a.tenant.ID) + "', '" + string(a.version.ID) + "')",
	} {
		if _, err := db.Exec(q); err == nil || !strings.Contains(err.Error(), "row-level security") {
			t.Errorf("%s: got %v, want it refused", q, err)
		}
	}
}

// A role that row-level security does not bind is refused, by name and with
// what to do.
func TestUnboundRoleIsRefused(t *testing.T) {
	s, err := store.Open(t.Context(), postgres.Unbound(postgres.Database(t)))
	if err == nil {
		_ = s.Close()
		t.Fatal("a superuser's database was opened")
	}
	if !strings.Contains(err.Error(), "row-level security") || !strings.Contains(err.Error(), "CREATE ROLE") {
		t.Errorf("got %v, want it to say why and what to do", err)
	}
}

func TestDatabaseThatCannotBeReachedIsAnError(t *testing.T) {
	for _, address := range []string{
		"postgres://portico:hidden@127.0.0.1:1/portico?connect_timeout=2",
		"postgres://portico:hidden@/portico?host=/no/such/folder",
		"postgres://portico:hidden@[::1/portico",
		"postgresql://portico:hidden@127.0.0.1:port/portico",
	} {
		s, err := store.Open(t.Context(), address)
		if err == nil {
			_ = s.Close()
			t.Fatalf("%s was opened", address)
		}
		if strings.Contains(err.Error(), "hidden") {
			t.Errorf("the password is in %q", err)
		}
	}
}

// Two managers' use cases read, decide and write without missing what the
// other did: nothing is lost, no lock is stale, no sequence is taken twice.
func TestManagersWriteInTurn(t *testing.T) { postgres.Both(t, testManagersWriteInTurn) }

func testManagersWriteInTurn(t *testing.T, place postgres.Place) {
	const each = 20
	address, ctx := place(t), t.Context()
	managers := []*store.Store{openAt(t, address), openAt(t, address)}
	environment(t, managers[0], "production")
	ada := apim.Person{ID: id(apim.PrefixPerson), Email: "ada@example.org", Name: "0", Lock: 1}
	write(t, managers[0], func(tx *store.Tx) error { return tx.System().InsertPerson(ctx, ada, "") })
	var wg sync.WaitGroup
	for i, s := range managers {
		for n := range each {
			wg.Go(func() {
				err := s.Write(ctx, func(tx *store.Tx) error {
					p, err := tx.System().Person(ctx, ada.ID)
					if err != nil {
						return err
					}
					var count int
					if _, err := fmt.Sscan(p.Name, &count); err != nil {
						return err
					}
					p.Name = fmt.Sprint(count + 1)
					if err := tx.System().UpdatePerson(ctx, &p); err != nil {
						return err
					}
					if _, err := tx.System().Emit(ctx, "production", []entry.Item{item(fmt.Sprintf("api.%d%d", i, n), `{}`)}, start); err != nil {
						return err
					}
					return tx.System().Audit(ctx, apim.Audit{ID: id(apim.PrefixAudit), At: start, Action: "x"})
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	sys := managers[0].System()
	if p, err := sys.Person(ctx, ada.ID); err != nil || p.Name != fmt.Sprint(2*each) || p.Lock != 2*each+1 {
		t.Errorf("got %q at lock %d, %v, want %d changes", p.Name, p.Lock, err, 2*each)
	}
	if env, err := sys.Environment(ctx, "production"); err != nil || env.Sequence != 2*each {
		t.Errorf("got sequence %d, %v, want %d", env.Sequence, err, 2*each)
	}
	if n, err := sys.VerifyAudit(ctx, ""); err != nil || n.Rows != 2*each || n.Broken != "" {
		t.Errorf("got %+v audit rows, %v, want %d", n, err, 2*each)
	}
}

// A server that goes away is said to be away, and is used again once it is
// back, without a restart.
func TestLostConnectionsAreUnavailableAndReplaced(t *testing.T) {
	address := postgres.Database(t)
	s := openAt(t, address)
	a := tenant(t, s, "a")
	admin := postgres.SQL(t, postgres.Unbound(address))
	cut := func() {
		t.Helper()
		if _, err := admin.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		if err := tx.System().InsertTenant(t.Context(), apim.Tenant{ID: id(apim.PrefixTenant), Slug: "b", Name: "B"}); err != nil {
			return err
		}
		cut()
		return second(tx.System().Tenant(t.Context(), "a"))
	})
	if apim.KindOf(err) != apim.Unavailable {
		t.Errorf("got %v, want the database to be unavailable", err)
	}
	err = s.Write(t.Context(), func(tx *store.Tx) error {
		if err := tx.System().InsertTenant(t.Context(), apim.Tenant{ID: id(apim.PrefixTenant), Slug: "b", Name: "B"}); err != nil {
			return err
		}
		cut()
		return nil
	})
	if apim.KindOf(err) != apim.Unavailable || !strings.Contains(err.Error(), "look whether") {
		t.Errorf("got %v, want it to say that the outcome is not known", err)
	}
	if _, err := s.Tenant(a.ID).API(t.Context(), "none"); apim.KindOf(err) != apim.NotFound && apim.KindOf(err) != apim.Unavailable {
		t.Errorf("got %v of a connection that was cut", err)
	}
	tenant(t, s, "b") // neither of the two above is there
}
