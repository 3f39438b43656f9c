package fake_test

import (
	"testing"
	"time"

	"portico/internal/entry"
	"portico/test/fake"
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
