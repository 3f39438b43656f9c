package fake_test

import (
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/publish"
	"portico/manager/store"
	"portico/test/fake"
	"portico/test/postgres"
)

var (
	_ publish.Store = (*fake.EntryStore)(nil)
	_ publish.Store = (*store.Store)(nil)
)

func TestEntryStoreDoesWhatPublishingNeeds(t *testing.T) {
	fake.EntryStoreCases(t, func(*testing.T) (fake.DesiredState, fake.Emit) {
		s := new(fake.EntryStore)
		s.AddEnvironment("production")
		s.AddEnvironment("sandbox")
		return s, func(_ *testing.T, at time.Time, items ...entry.Item) uint64 {
			return s.Emit("production", at, items...)
		}
	})
}

func TestDatabaseDoesWhatPublishingNeeds(t *testing.T) {
	postgres.Both(t, testDatabaseDoesWhatPublishingNeeds)
}

func testDatabaseDoesWhatPublishingNeeds(t *testing.T, place postgres.Place) {
	fake.EntryStoreCases(t, func(t *testing.T) (fake.DesiredState, fake.Emit) {
		s, err := store.Open(t.Context(), place(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		write := func(t *testing.T, do func(store.System) error) {
			t.Helper()
			if err := s.Write(t.Context(), func(tx *store.Tx) error { return do(tx.System()) }); err != nil {
				t.Fatal(err)
			}
		}
		for _, slug := range []string{"production", "sandbox"} {
			write(t, func(sys store.System) error {
				return sys.InsertEnvironment(t.Context(), apim.Environment{
					ID: apim.NewID(apim.PrefixEnvironment, time.Now()), Slug: slug, Name: slug, Kind: apim.Production, Epoch: 1, CreatedAt: time.Now(),
				})
			})
		}
		return s, func(t *testing.T, at time.Time, items ...entry.Item) (sequence uint64) {
			t.Helper()
			write(t, func(sys store.System) error {
				change, err := sys.Emit(t.Context(), "production", items, at)
				sequence = change.Sequence
				return err
			})
			return sequence
		}
	})
}
