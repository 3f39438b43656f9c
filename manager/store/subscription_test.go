package store_test

import (
	"database/sql"
	"testing"
	"time"

	"portico/test/postgres"
)

// TestClosedPlansAreLookedForWithoutReadingSubscriptions: managers ask for what
// lives on closed plans every second. Among many subscriptions on open plans that
// must not read them.
func TestClosedPlansAreLookedForWithoutReadingSubscriptions(t *testing.T) {
	address := postgres.Database(t)
	s := openAt(t, address)
	environment(t, s, "production")
	f := populate(t, s, "acme")
	db := postgres.SQL(t, postgres.Unbound(address))
	const many, asks = 3000, 20
	for _, q := range []string{
		"UPDATE plan SET state = 'published'",
		"UPDATE subscription SET state = 'active'",
		"INSERT INTO subscription SELECT (jsonb_populate_record(s, jsonb_build_object('id', s.id || n))).* FROM subscription s, generate_series(1, $1::int) n WHERE s.id = $2",
		"ANALYZE plan, subscription",
	} {
		var args []any
		if q[0] == 'I' {
			args = []any{many, f.subscription.ID}
		}
		if _, err := db.Exec(q, args...); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	plans, before := reads(t, db)
	for range asks {
		if live, err := s.System().OnClosedPlans(t.Context(), 100); err != nil || len(live) > 0 {
			t.Fatalf("got %d subscriptions, %v; want none", len(live), err)
		}
	}
	// A session counts what it has read a moment later.
	after := before
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var asked int64
		if asked, after = reads(t, db); asked >= plans+asks {
			break
		}
		if time.Now().After(end) {
			t.Fatal("PostgreSQL did not count the looks at plans")
		}
		if _, err := s.System().OnClosedPlans(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
	}
	if n := after - before; n > asks {
		t.Errorf("%d subscriptions were read", n)
	}
	if _, err := db.Exec("UPDATE plan SET state = 'closed'"); err != nil {
		t.Fatal(err)
	}
	if live, err := s.System().OnClosedPlans(t.Context(), 100); err != nil || len(live) != 100 {
		t.Errorf("got %d subscriptions, %v; want as many as were asked for", len(live), err)
	}
}

// reads returns how often plans were looked at, and how many subscriptions were read.
func reads(t *testing.T, db *sql.DB) (plans, subscriptions int64) {
	t.Helper()
	err := db.QueryRow(`SELECT
		(SELECT seq_scan + idx_scan FROM pg_stat_user_tables WHERE relname = 'plan'),
		(SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'subscription')`).Scan(&plans, &subscriptions)
	if err != nil {
		t.Fatal(err)
	}
	return plans, subscriptions
}
