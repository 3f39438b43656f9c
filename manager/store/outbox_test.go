package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
	"portico/test/postgres"
)

func item(key string, body string) entry.Item {
	k := entry.Key(key)
	return entry.Item{Key: k, Envelope: entry.Envelope{Schema: entry.Schema, Kind: k.Kind(), Body: json.RawMessage(body)}}
}

func gone(key string) entry.Item { return entry.Tombstone(entry.Key(key), entry.Position{}) }

func emit(t testing.TB, s *store.Store, items ...entry.Item) uint64 {
	t.Helper()
	var change apim.Change
	write(t, s, func(tx *store.Tx) (err error) {
		change, err = tx.System().Emit(t.Context(), "production", items, start)
		return err
	})
	return change.Sequence
}

func keysOf(items []entry.Item) string {
	var out []string
	for _, it := range items {
		k := string(it.Key)
		if it.Ended {
			k = "-" + k
		}
		out = append(out, k)
	}
	return strings.Join(out, " ")
}

func pending(t testing.TB, s *store.Store, limit int) ([]entry.Item, entry.Position) {
	t.Helper()
	items, head, err := s.Pending(t.Context(), "production", limit)
	if err != nil {
		t.Fatal(err)
	}
	return items, head
}

func mark(t testing.TB, s *store.Store, head entry.Position) {
	t.Helper()
	if err := s.MarkPublished(t.Context(), "production", head); err != nil {
		t.Fatal(err)
	}
}

func TestPendingComesInWritingOrder(t *testing.T) { postgres.Both(t, testPendingComesInWritingOrder) }

func testPendingComesInWritingOrder(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	emit(t, s, item("grant.aa", `{}`), item("api.bb", `{}`), item("terms.cc", `{}`), item("env", `{}`))
	emit(t, s, gone("terms.cc"), gone("grant.aa"), item("api.dd", `{}`))
	items, head := pending(t, s, 100)
	if got, want := keysOf(items), "env api.bb api.dd -grant.aa -terms.cc"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if want := (entry.Position{Epoch: 1, Sequence: 2}); head != want {
		t.Errorf("got head %v, want %v", head, want)
	}
	for _, it := range items {
		if it.Schema != entry.Schema || it.Kind != it.Key.Kind() || it.Epoch != 1 || it.Sequence == 0 || it.Ended != (len(it.Body) == 0) {
			t.Errorf("%s travels as %+v", it.Key, it.Envelope)
		}
	}
}

func TestUnchangedEntriesTakeNoSequence(t *testing.T) {
	postgres.Both(t, testUnchangedEntriesTakeNoSequence)
}

func testUnchangedEntriesTakeNoSequence(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	first := emit(t, s, item("env", `{"name":"x"}`))
	if again := emit(t, s, item("env", `{"name":"x"}`), gone("api.never")); again != first {
		t.Errorf("got sequence %d for what is there already, want %d", again, first)
	}
	if next := emit(t, s, item("env", `{"name":"y"}`)); next != first+1 {
		t.Errorf("got sequence %d, want %d", next, first+1)
	}
}

// A head may not claim a change whose entry was replaced by a later one that
// is not written yet.
func TestHeadNeverClaimsWhatWasReplacedLater(t *testing.T) {
	postgres.Both(t, testHeadNeverClaimsWhatWasReplacedLater)
}

func testHeadNeverClaimsWhatWasReplacedLater(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	emit(t, s, item("terms.aa", `{"v":1}`)) // 1
	emit(t, s, item("grant.bb", `{}`))      // 2
	emit(t, s, item("terms.aa", `{"v":2}`)) // 3
	items, head := pending(t, s, 1)
	if got := keysOf(items); got != "terms.aa" || head.Sequence != 1 || items[0].Sequence != 3 {
		t.Fatalf("got %s and head %d, want the terms as they are now, and head 1", got, head.Sequence)
	}
	mark(t, s, head)
	var got []string
	for range 5 {
		items, head = pending(t, s, 1)
		if len(items) == 0 {
			break
		}
		got = append(got, keysOf(items))
		mark(t, s, head)
	}
	if head.Sequence != 3 || !strings.Contains(strings.Join(got, " "), "grant.bb") {
		t.Fatalf("got %v and head %d, want the grant delivered and head 3", got, head.Sequence)
	}
}

func TestBatchesEndWhateverTheLimit(t *testing.T) { postgres.Both(t, testBatchesEndWhateverTheLimit) }

func testBatchesEndWhateverTheLimit(t *testing.T, place postgres.Place) {
	for _, limit := range []int{0, 1, 2, 3, 7, 100} {
		s := open(t, place)
		environment(t, s, "production")
		for i := range 20 {
			emit(t, s, item(fmt.Sprintf("api.%d", i%6), fmt.Sprintf(`{"i":%d}`, i)))
		}
		delivered := map[entry.Key]string{}
		for rounds := 0; ; rounds++ {
			items, head := pending(t, s, limit)
			for _, it := range items {
				delivered[it.Key] = string(it.Body)
			}
			mark(t, s, head)
			if len(items) == 0 {
				if head.Sequence != 20 {
					t.Errorf("limit %d: got head %d, want 20", limit, head.Sequence)
				}
				break
			}
			if rounds > 40 {
				t.Fatalf("limit %d: batches do not end", limit)
			}
		}
		if len(delivered) != 6 || delivered["api.1"] != `{"i":19}` {
			t.Errorf("limit %d: got %v, want the newest of each", limit, delivered)
		}
	}
}

// A change that arrives between reading a batch and marking it is delivered.
func TestChangeDuringDeliveryIsDelivered(t *testing.T) {
	postgres.Both(t, testChangeDuringDeliveryIsDelivered)
}

func testChangeDuringDeliveryIsDelivered(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	emit(t, s, item("env", `{"v":1}`))
	_, head := pending(t, s, 10)
	emit(t, s, item("env", `{"v":2}`))
	mark(t, s, head)
	items, head := pending(t, s, 10)
	if len(items) != 1 || string(items[0].Body) != `{"v":2}` || head.Sequence != 2 {
		t.Fatalf("got %v and head %d, want the newer one", items, head.Sequence)
	}
}

func TestMarkNeverGoesBackNorAhead(t *testing.T) { postgres.Both(t, testMarkNeverGoesBackNorAhead) }

func testMarkNeverGoesBackNorAhead(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	emit(t, s, item("env", `{"v":1}`))
	emit(t, s, item("env", `{"v":2}`))
	mark(t, s, entry.Position{Epoch: 1, Sequence: 2})
	mark(t, s, entry.Position{Epoch: 1, Sequence: 1})
	mark(t, s, entry.Position{Epoch: 9, Sequence: 99})
	mark(t, s, entry.Position{Epoch: 1, Sequence: 99})
	emit(t, s, item("env", `{"v":3}`))
	if items, _ := pending(t, s, 10); len(items) != 1 || items[0].Sequence != 3 {
		t.Fatalf("got %v, want the third change alone", items)
	}
}

func TestReissuedEntriesOutrankWhatWasSeen(t *testing.T) {
	postgres.Both(t, testReissuedEntriesOutrankWhatWasSeen)
}

func testReissuedEntriesOutrankWhatWasSeen(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	emit(t, s, item("env", `{}`), item("api.aa", `{}`))
	_, head := pending(t, s, 10)
	mark(t, s, head)
	above := entry.Position{Epoch: 1, Sequence: 500}
	if err := s.Reissue(t.Context(), "production", above, []entry.Key{"api.aa"}, []entry.Key{"api.ff"}); err != nil {
		t.Fatal(err)
	}
	items, head := pending(t, s, 10)
	if got := keysOf(items); got != "api.aa -api.ff" {
		t.Fatalf("got %s, want the entry and a tombstone for the stranger", got)
	}
	for _, it := range items {
		if !it.After(above) {
			t.Errorf("%s at %v does not outrank %v", it.Key, it.Position, above)
		}
	}
	mark(t, s, head)
	if got := emit(t, s, item("env", `{"v":2}`)); got != 502 {
		t.Errorf("got sequence %d after it, want 502", got)
	}
}

func TestForeignEpochStartsANewOne(t *testing.T) { postgres.Both(t, testForeignEpochStartsANewOne) }

func testForeignEpochStartsANewOne(t *testing.T, place postgres.Place) {
	for _, above := range []entry.Position{{Epoch: 7, Sequence: 3}, {Epoch: 1, Sequence: 1<<63 + 1}} {
		s := open(t, place)
		environment(t, s, "production")
		emit(t, s, item("env", `{}`), item("api.aa", `{}`))
		_, head := pending(t, s, 10)
		mark(t, s, head)
		if err := s.Reissue(t.Context(), "production", above, []entry.Key{"api.aa"}, nil); err != nil {
			t.Fatal(err)
		}
		items, head := pending(t, s, 10)
		if len(items) != 2 {
			t.Fatalf("above %v: got %s, want everything", above, keysOf(items))
		}
		for _, it := range items {
			if !it.After(above) {
				t.Errorf("%s at %v does not outrank %v", it.Key, it.Position, above)
			}
		}
		if !head.After(above) {
			t.Errorf("head %v does not outrank %v", head, above)
		}
	}
}

func TestNewEpochMakesEverythingPending(t *testing.T) {
	postgres.Both(t, testNewEpochMakesEverythingPending)
}

func testNewEpochMakesEverythingPending(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	emit(t, s, item("env", `{}`))
	emit(t, s, item("api.aa", `{}`))
	_, head := pending(t, s, 10)
	mark(t, s, head)
	at, err := s.NewEpoch(t.Context(), "production")
	if err != nil || at != (entry.Position{Epoch: 2, Sequence: 2}) {
		t.Fatalf("got %v, %v, want epoch 2 at the newest sequence", at, err)
	}
	items, head := pending(t, s, 10)
	if keysOf(items) != "env api.aa" || head != at || items[0].Epoch != 2 {
		t.Fatalf("got %s with head %v, want everything at epoch 2", keysOf(items), head)
	}
	mark(t, s, entry.Position{Epoch: 1, Sequence: 2}) // of the bucket that is gone
	if items, _ := pending(t, s, 10); len(items) != 2 {
		t.Fatal("a mark of the old epoch was believed")
	}
}

func TestTombstonesAreSweptWhenDeliveredAndOld(t *testing.T) {
	postgres.Both(t, testTombstonesAreSweptWhenDeliveredAndOld)
}

func testTombstonesAreSweptWhenDeliveredAndOld(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	emit(t, s, item("api.aa", `{}`), item("env", `{}`))
	emit(t, s, gone("api.aa"))
	late := start.Add(time.Hour)
	if n, err := s.SweepTombstones(t.Context(), "production", late); err != nil || n != 0 {
		t.Fatalf("got %d, %v: a tombstone was forgotten before it was delivered", n, err)
	}
	_, head := pending(t, s, 10)
	mark(t, s, head)
	if n, err := s.SweepTombstones(t.Context(), "production", start); err != nil || n != 0 {
		t.Fatalf("got %d, %v: a young tombstone was forgotten", n, err)
	}
	if n, err := s.SweepTombstones(t.Context(), "production", late); err != nil || n != 1 {
		t.Fatalf("got %d, %v, want one", n, err)
	}
	var left []entry.Key
	err := s.Desired(t.Context(), "production", func(k entry.Key, _ entry.Position, _ bool) error {
		left = append(left, k)
		return nil
	})
	if err != nil || !slices.Equal(left, []entry.Key{"env"}) {
		t.Fatalf("got %v, %v, want env alone", left, err)
	}
}

func TestDesiredStreamsEverythingAndStopsWhenTold(t *testing.T) {
	postgres.Both(t, testDesiredStreamsEverythingAndStopsWhenTold)
}

func testDesiredStreamsEverythingAndStopsWhenTold(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	const n = 4500
	items := make([]entry.Item, n)
	for i := range items {
		items[i] = item(fmt.Sprintf("api.%06d", i), `{}`)
	}
	emit(t, s, items...)
	seen := map[entry.Key]bool{}
	err := s.Desired(t.Context(), "production", func(k entry.Key, at entry.Position, ended bool) error {
		if seen[k] || ended || at != (entry.Position{Epoch: 1, Sequence: 1}) {
			return fmt.Errorf("%s at %v, ended %v", k, at, ended)
		}
		seen[k] = true
		return nil
	})
	if err != nil || len(seen) != n {
		t.Fatalf("got %d, %v, want %d", len(seen), err, n)
	}
	stop := fmt.Errorf("enough")
	if err := s.Desired(t.Context(), "production", func(entry.Key, entry.Position, bool) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("got %v, want the caller's error", err)
	}
}

// Sequences are taken under the environment's row lock: none is given twice
// and none is skipped, and a transaction that fails gives its own back.
func TestSequencesAreTakenOneByOne(t *testing.T) { postgres.Both(t, testSequencesAreTakenOneByOne) }

func testSequencesAreTakenOneByOne(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	var mu sync.Mutex
	taken := map[uint64]bool{}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			err := s.Write(t.Context(), func(tx *store.Tx) error {
				change, err := tx.System().Emit(t.Context(), "production", []entry.Item{item(fmt.Sprintf("api.%d", i), `{}`)}, start)
				if err != nil {
					return err
				}
				if i%4 == 0 {
					return fmt.Errorf("changed its mind")
				}
				mu.Lock()
				defer mu.Unlock()
				if taken[change.Sequence] {
					t.Errorf("sequence %d was given twice", change.Sequence)
				}
				taken[change.Sequence] = true
				return nil
			})
			if err != nil && i%4 != 0 {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for n := uint64(1); n <= 30; n++ {
		if !taken[n] {
			t.Errorf("sequence %d was skipped", n)
		}
	}
}
