package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager/store"
	"portico/test/postgres"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 123456000, time.UTC)

func open(t testing.TB, place postgres.Place) *store.Store {
	t.Helper()
	return openAt(t, place(t))
}

func openAt(t testing.TB, address string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func write(t testing.TB, s *store.Store, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func id(prefix string) apim.ID { return apim.NewID(prefix, start) }

func tenant(t testing.TB, s *store.Store, slug string) apim.Tenant {
	t.Helper()
	out := apim.Tenant{ID: id(apim.PrefixTenant), Slug: slug, Name: "Tenant " + slug, CreatedAt: start, Lock: 1}
	write(t, s, func(tx *store.Tx) error { return tx.System().InsertTenant(t.Context(), out) })
	return out
}

func environment(t testing.TB, s *store.Store, slug string) apim.Environment {
	t.Helper()
	out := apim.Environment{ID: id(apim.PrefixEnvironment), Slug: slug, Name: slug, Kind: apim.Production, GatewayURL: "http://gw.example", Epoch: 1, CreatedAt: start, Lock: 1}
	write(t, s, func(tx *store.Tx) error { return tx.System().InsertEnvironment(t.Context(), out) })
	return out
}

func TestFailedTransactionLeavesNothing(t *testing.T) {
	postgres.Both(t, testFailedTransactionLeavesNothing)
}

func testFailedTransactionLeavesNothing(t *testing.T, place postgres.Place) {
	s := open(t, place)
	boom := errors.New("boom")
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		if err := tx.System().InsertTenant(t.Context(), apim.Tenant{ID: id(apim.PrefixTenant), Slug: "a", Name: "A"}); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v, want the function's error", err)
	}
	if _, err := s.System().Tenant(t.Context(), "a"); apim.KindOf(err) != apim.NotFound {
		t.Fatalf("got %v, want no tenant", err)
	}
}

func TestPanicRollsBackAndLeavesTheDatabaseUsable(t *testing.T) {
	postgres.Both(t, testPanicRollsBackAndLeavesTheDatabaseUsable)
}

func testPanicRollsBackAndLeavesTheDatabaseUsable(t *testing.T, place postgres.Place) {
	s := open(t, place)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = s.Write(t.Context(), func(tx *store.Tx) error {
			if err := tx.System().InsertTenant(t.Context(), apim.Tenant{ID: id(apim.PrefixTenant), Slug: "a", Name: "A"}); err != nil {
				return err
			}
			panic("boom")
		})
	}()
	tenant(t, s, "a")
}

func TestScopesOutsideATransactionCannotWrite(t *testing.T) {
	postgres.Both(t, testScopesOutsideATransactionCannotWrite)
}

func testScopesOutsideATransactionCannotWrite(t *testing.T, place postgres.Place) {
	s := open(t, place)
	err := s.System().InsertTenant(t.Context(), apim.Tenant{ID: id(apim.PrefixTenant), Slug: "a", Name: "A"})
	if err == nil || !strings.Contains(err.Error(), "readonly") && !strings.Contains(err.Error(), "outside a transaction") {
		t.Fatalf("got %v, want a refusal of the read-only pool", err)
	}
	err = s.Read(t.Context(), func(tx *store.Tx) error {
		return tx.System().InsertTenant(t.Context(), apim.Tenant{ID: id(apim.PrefixTenant), Slug: "a", Name: "A"})
	})
	if err == nil {
		t.Fatal("a transaction that only reads has written")
	}
}

func TestEndedContextEndsTheWait(t *testing.T) { postgres.Both(t, testEndedContextEndsTheWait) }

func testEndedContextEndsTheWait(t *testing.T, place postgres.Place) {
	s := open(t, place)
	entered, leave := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.Write(context.Background(), func(*store.Tx) error {
			close(entered)
			<-leave
			return nil
		})
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Write(ctx, func(*store.Tx) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error while another writes", err)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// What a committed transaction wrote is there for whoever opens the file next,
// though nobody closed it: that is what a kill of the process leaves.
func TestCommittedWorkSurvivesWithoutClosing(t *testing.T) {
	postgres.Both(t, testCommittedWorkSurvivesWithoutClosing)
}

func testCommittedWorkSurvivesWithoutClosing(t *testing.T, place postgres.Place) {
	address := place(t)
	a := tenant(t, openAt(t, address), "a")
	if got, err := openAt(t, address).System().Tenant(t.Context(), "a"); err != nil || got != a {
		t.Fatalf("got %+v, %v, want %+v", got, err, a)
	}
}

func TestStaleLockIsRefused(t *testing.T) { postgres.Both(t, testStaleLockIsRefused) }

func testStaleLockIsRefused(t *testing.T, place postgres.Place) {
	s := open(t, place)
	a := tenant(t, s, "a")
	api := apim.API{ID: id(apim.PrefixAPI), Tenant: a.ID, Slug: "orders", Name: "Orders", Lock: 1}
	write(t, s, func(tx *store.Tx) error { return tx.Tenant(a.ID).InsertAPI(t.Context(), api) })
	first, second := api, api
	write(t, s, func(tx *store.Tx) error {
		first.Name = "First"
		return tx.Tenant(a.ID).UpdateAPI(t.Context(), &first)
	})
	if first.Lock != 2 {
		t.Errorf("got lock %d, want 2", first.Lock)
	}
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		second.Name = "Second"
		return tx.Tenant(a.ID).UpdateAPI(t.Context(), &second)
	})
	if apim.KindOf(err) != apim.Conflict {
		t.Fatalf("got %v, want a conflict", err)
	}
	if got, err := s.Tenant(a.ID).API(t.Context(), "orders"); err != nil || got.Name != "First" {
		t.Fatalf("got %q, %v, want the first change", got.Name, err)
	}
}

func TestDuplicateIsAConflictAndNotAnInternalError(t *testing.T) {
	postgres.Both(t, testDuplicateIsAConflictAndNotAnInternalError)
}

func testDuplicateIsAConflictAndNotAnInternalError(t *testing.T, place postgres.Place) {
	s := open(t, place)
	tenant(t, s, "a")
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		return tx.System().InsertTenant(t.Context(), apim.Tenant{ID: id(apim.PrefixTenant), Slug: "a", Name: "Another"})
	})
	if apim.KindOf(err) != apim.Conflict {
		t.Fatalf("got %v, want a conflict", err)
	}
}

func TestListsComeInPagesWithoutGapsOrRepeats(t *testing.T) {
	postgres.Both(t, testListsComeInPagesWithoutGapsOrRepeats)
}

func testListsComeInPagesWithoutGapsOrRepeats(t *testing.T, place postgres.Place) {
	s := open(t, place)
	a := tenant(t, s, "a")
	names := []string{"Zeta", "alpha", "Alpha", "beta", "Ähre", "alpha", "gamma"}
	write(t, s, func(tx *store.Tx) error {
		for _, n := range names {
			api := apim.API{ID: id(apim.PrefixAPI), Tenant: a.ID, Slug: strings.ToLower(string(id("x"))[2:]), Name: n, Lock: 1}
			if err := tx.Tenant(a.ID).InsertAPI(t.Context(), api); err != nil {
				return err
			}
		}
		return nil
	})
	seen, last, cursor := map[apim.ID]bool{}, "", ""
	for pages := 0; ; pages++ {
		page, err := s.Tenant(a.ID).APIs(t.Context(), apim.Reach{All: true}, "", "", "", "", apim.Page{Limit: 2, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, api := range page.Items {
			if seen[api.ID] || strings.ToLower(api.Name) < last {
				t.Fatalf("%s after %q, or twice", api.Name, last)
			}
			seen[api.ID], last = true, strings.ToLower(api.Name)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
		if pages > len(names) {
			t.Fatal("the list does not end")
		}
	}
	if len(seen) != len(names) {
		t.Fatalf("got %d APIs, want %d", len(seen), len(names))
	}
}

func TestForeignCursorIsRefused(t *testing.T) { postgres.Both(t, testForeignCursorIsRefused) }

func testForeignCursorIsRefused(t *testing.T, place postgres.Place) {
	s := open(t, place)
	a := tenant(t, s, "a")
	for _, cursor := range []string{"x", "bm90IGpzb24", "W10", "W251bGwsbnVsbF0", "WzEsMiwzXQ", "WzEuNSwieCJd", strings.Repeat("A", 10_000), "WzEsMl0", "WyJ4IiwyXQ"} {
		_, err := s.Tenant(a.ID).APIs(t.Context(), apim.Reach{All: true}, "", "", "", "", apim.Page{Cursor: cursor})
		var refused *apim.Error
		if !errors.As(err, &refused) || refused.Kind != apim.Invalid || refused.Fields[0].Field != "cursor" {
			t.Errorf("%.20s: got %v, want a refusal that names the cursor", cursor, err)
		}
	}
}

func TestSearchTakesWildcardsLiterally(t *testing.T) {
	postgres.Both(t, testSearchTakesWildcardsLiterally)
}

func testSearchTakesWildcardsLiterally(t *testing.T, place postgres.Place) {
	s := open(t, place)
	a := tenant(t, s, "a")
	write(t, s, func(tx *store.Tx) error {
		for _, n := range []string{"100% orders", "Orders", `back\slash`, "under_score"} {
			api := apim.API{ID: id(apim.PrefixAPI), Tenant: a.ID, Slug: string(id("s"))[2:], Name: n, Lock: 1}
			if err := tx.Tenant(a.ID).InsertAPI(t.Context(), api); err != nil {
				return err
			}
		}
		return nil
	})
	for search, want := range map[string]int{"%": 1, "_": 1, `\`: 1, "ORDERS": 2, "'; --": 0, "": 4} {
		page, err := s.Tenant(a.ID).APIs(t.Context(), apim.Reach{All: true}, search, "", "", "", apim.Page{})
		if err != nil || len(page.Items) != want {
			t.Errorf("search %q: got %d, %v, want %d", search, len(page.Items), err, want)
		}
	}
}

// One dialect would keep these and the other would not, so neither does.
func TestTextThatIsNoTextIsRefused(t *testing.T) {
	postgres.Both(t, testTextThatIsNoTextIsRefused)
}

func testTextThatIsNoTextIsRefused(t *testing.T, place postgres.Place) {
	s := open(t, place)
	a := tenant(t, s, "a")
	ctx := t.Context()
	insert := func(api apim.API) func(tx *store.Tx) error {
		api.ID, api.Tenant, api.Slug, api.Lock = id(apim.PrefixAPI), a.ID, "a", 1
		return func(tx *store.Tx) error { return tx.Tenant(a.ID).InsertAPI(ctx, api) }
	}
	for name, try := range map[string]func(tx *store.Tx) error{
		"a name with NUL":     insert(apim.API{Name: "a\x00b"}),
		"a name not in UTF-8": insert(apim.API{Name: "a\xffb"}),
		"NUL in a list":       insert(apim.API{Tags: []string{"\x00"}}),
		"a search with NUL": func(tx *store.Tx) error {
			return second(tx.Tenant(a.ID).APIs(ctx, apim.Reach{All: true}, "\x00", "", "", "", apim.Page{}))
		},
		"a reference with NUL":  func(tx *store.Tx) error { return second(tx.Tenant(a.ID).API(ctx, "a\x00")) },
		"a reference not UTF-8": func(tx *store.Tx) error { return second(tx.Tenant(a.ID).API(ctx, "\xff")) },
	} {
		if err := s.Write(ctx, try); apim.KindOf(err) != apim.Invalid {
			t.Errorf("%s: got %v, want it refused as invalid", name, err)
		}
	}
	tags := []string{`\u0000`, `\\u0000`} // only look like it
	write(t, s, insert(apim.API{Name: "a", Tags: tags}))
	if got, err := s.Tenant(a.ID).API(ctx, "a"); err != nil || !slices.Equal(got.Tags, tags) {
		t.Errorf("got %q, %v, want %q", got.Tags, err, tags)
	}
}
