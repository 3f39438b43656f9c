package manager_test

import (
	"fmt"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/manager/store"
	"portico/test/postgres"
)

// filledWorld is a market among n other APIs of the shop, each published, in a
// product with a plan, and with a key that is subscribed to it.
func filledWorld(b *testing.B, place postgres.Place, n int) *market {
	b.Helper()
	address := ""
	m := newMarket(b, func(t testing.TB) string {
		address = place(t)
		return address
	})
	ctx := b.Context()
	rt := m.offer.version.Runtime
	for from := 0; from < n; from += 500 {
		err := m.store.Write(ctx, func(tx *store.Tx) error {
			t := tx.Tenant(m.shop.ID)
			for i := from; i < min(from+500, n); i++ {
				now := m.clock()
				a := apim.API{ID: apim.NewID(apim.PrefixAPI, now), Tenant: m.shop.ID, Slug: fmt.Sprintf("api-%d", i), Name: fmt.Sprintf("API %d", i), Lock: 1}
				v := apim.Version{ID: apim.NewID(apim.PrefixVersion, now), Tenant: m.shop.ID, API: a.ID, Label: "v1", State: apim.Published, Revision: 1, Document: m.offer.version.Document, Lock: 1, Runtime: rt}
				v.Runtime.Mounts = []apim.Mount{{BasePath: fmt.Sprintf("/shop/api-%d/v1", i)}}
				r := apim.Revision{ID: apim.NewID(apim.PrefixRevision, now), Tenant: m.shop.ID, Version: v.ID, Number: 1, Runtime: v.Runtime}
				key, err := entry.APIKey(v.ID.UUID())
				if err != nil {
					return err
				}
				it, err := entry.Encode(key, entry.Position{}, entry.API{Version: v.ID.UUID()})
				if err != nil {
					return err
				}
				for _, step := range []func() error{
					func() error { return t.InsertAPI(ctx, a) },
					func() error { return t.InsertVersion(ctx, v) },
					func() error { return t.InsertRevision(ctx, r) },
					func() error { return t.SetMounts(ctx, v.ID, v.Runtime.Mounts) },
					func() error { return t.SetOperations(ctx, v.ID, v.Runtime.Routes) },
					func() error {
						return t.Deploy(ctx, apim.Deployment{Version: v.ID, Environment: "production", Revision: 1, Sequence: 1, At: now})
					},
					func() error { _, err := tx.System().Emit(ctx, "production", []entry.Item{it}, now); return err },
				} {
					if err := step(); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if _, err := postgres.SQL(b, address).Exec("ANALYZE"); err != nil { // as a database that has stood for a while
		b.Fatal(err)
	}
	_, head, err := m.store.Pending(ctx, "production", 1<<30)
	if err != nil {
		b.Fatal(err)
	}
	if err := m.store.MarkPublished(ctx, "production", head); err != nil {
		b.Fatal(err)
	}
	return m
}

// scales are the sizes and dialects that what is measured must not depend on.
func scales(b *testing.B, run func(b *testing.B, place postgres.Place, n int)) {
	for name, place := range map[string]postgres.Place{"sqlite": postgres.File, "postgres": postgres.Database} {
		for _, n := range []int{10, 10_000} {
			b.Run(fmt.Sprintf("%s, among %d APIs", name, n), func(b *testing.B) { run(b, place, n) })
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	scales(b, func(b *testing.B, place postgres.Place, n int) {
		m := filledWorld(b, place, n)
		ctx, v := b.Context(), m.offer.version
		b.ResetTimer()
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			ms := i + 1
			if _, err := m.catalog.UpdateDraft(ctx, m.provider, m.shop.ID, v.ID, manager.DraftChange{Timeouts: &manager.UpstreamTimeouts{HeaderMS: ms}}); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			if _, err := m.catalog.Publish(ctx, m.provider, m.shop.ID, v.ID, "production", ""); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkApprove(b *testing.B) {
	scales(b, func(b *testing.B, place postgres.Place, n int) {
		m := filledWorld(b, place, n)
		ctx := b.Context()
		m.key()
		s := m.pending()
		b.ResetTimer()
		for b.Loop() {
			if _, _, err := m.access.Approve(ctx, m.approver, m.shop.ID, s.ID, manager.Decision{}); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			m.pass(time.Second)
			if _, _, err := m.access.UndoApproval(ctx, m.approver, m.shop.ID, s.ID); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
}

func BenchmarkListAPIs(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkLists(b, postgres.File) })
	b.Run("postgres", func(b *testing.B) { benchmarkLists(b, postgres.Database) })
}

func benchmarkLists(b *testing.B, place postgres.Place) {
	m := filledWorld(b, place, 10_000)
	for name, q := range map[string]manager.APIQuery{
		"first page": {}, "page of 200": {Page: apim.Page{Limit: 200}}, "search": {Search: "99"}, "search nothing": {Search: "nothing"}, "state": {State: apim.Deprecated},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := m.catalog.APIs(b.Context(), m.provider, m.shop.ID, q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("pending", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := m.store.Pending(b.Context(), "production", 100); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("catalog search", func(b *testing.B) {
		for b.Loop() {
			if _, err := m.catalog.Offers(b.Context(), apim.Actor{}, "", manager.OfferQuery{Search: "nothing"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
