package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager/store"
	"portico/test/postgres"
)

// piece is n calls of a version by an application, one each minute.
func piece(f full, spool string, from, to int64, status int) apim.UsagePiece {
	p := apim.UsagePiece{Environment: "production", Node: "node", Spool: spool, Segment: 1, From: from, To: to}
	for i := from; i < to; i++ {
		took := make([]int64, apim.UsageBuckets)
		took[i%apim.UsageBuckets]++
		p.Lines = append(p.Lines, apim.Usage{
			Minute: start.Truncate(time.Minute).Add(time.Duration(i%3) * time.Minute), Version: f.version.ID, Operation: "list", Application: f.application.ID,
			Status: status, Calls: 1, BytesIn: 2, BytesOut: 3, TookUS: 4, UpstreamUS: 5, Took: took,
		})
	}
	return p
}

// total adds up what was counted of a status.
func total(t *testing.T, s *store.Store, status int) (out apim.Usage) {
	t.Helper()
	for cursor := ""; ; {
		page, err := s.System().Usage(t.Context(), apim.UsageFilter{Status: status}, apim.Page{Limit: 2, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Items {
			out.Calls, out.BytesIn, out.BytesOut, out.TookUS, out.UpstreamUS = out.Calls+u.Calls, out.BytesIn+u.BytesIn, out.BytesOut+u.BytesOut, out.TookUS+u.TookUS, out.UpstreamUS+u.UpstreamUS
		}
		if cursor = page.NextCursor; cursor == "" {
			return out
		}
	}
}

func count(t *testing.T, s *store.Store, p apim.UsagePiece, want bool) {
	t.Helper()
	if fresh, err := s.CountUsage(t.Context(), []apim.UsagePiece{p}, start); err != nil || fresh[0] != want {
		t.Fatalf("%s from %d to %d: counted %v, %v, want %v", p.Spool, p.From, p.To, fresh, err, want)
	}
}

func TestPieceOfUsageThatComesTwiceCountsOnce(t *testing.T) {
	postgres.Both(t, testPieceOfUsageThatComesTwiceCountsOnce)
}

func testPieceOfUsageThatComesTwiceCountsOnce(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	f := populate(t, s, "a")
	first, second := piece(f, "x", 0, 10, 201), piece(f, "x", 10, 20, 201)
	count(t, s, first, true)
	count(t, s, first, false)
	count(t, s, second, true)
	count(t, s, first, false)  // from before, late
	count(t, s, second, false) // and again
	count(t, s, piece(f, "y", 0, 10, 201), true)
	if got, want := total(t, s, 201), (apim.Usage{Calls: 30, BytesIn: 60, BytesOut: 90, TookUS: 120, UpstreamUS: 150}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// Pieces that come together: two of one segment, one of them twice, and one from before.
	fresh, err := s.CountUsage(t.Context(), []apim.UsagePiece{piece(f, "w", 10, 20, 205), second, piece(f, "w", 0, 10, 205), piece(f, "w", 10, 20, 205)}, start)
	if err != nil || fmt.Sprint(fresh) != "[true false true false]" && fmt.Sprint(fresh) != "[false false true true]" {
		t.Errorf("got %v, %v, want the two of w counted once", fresh, err)
	}
	if got := total(t, s, 205); got.Calls != 20 || got.TookUS != 80 {
		t.Errorf("got %+v, want 20 calls", got)
	}
	if _, err := s.CountUsage(t.Context(), []apim.UsagePiece{piece(f, "z", 0, 10, 201), piece(f, "x", 15, 25, 201)}, start); apim.KindOf(err) != apim.Invalid {
		t.Errorf("a piece that overlaps: got %v", err)
	}
	count(t, s, piece(f, "z", 0, 10, 201), true) // what came with it was not counted
	spoiled := piece(f, "v", 0, 10, 201)
	spoiled.Lines[3].Operation = "a\x00b"
	if _, err := s.CountUsage(t.Context(), []apim.UsagePiece{spoiled}, start); apim.KindOf(err) != apim.Invalid {
		t.Errorf("an operation with NUL: got %v", err)
	}
}

// Two managers that get the same piece, or pieces of the same minutes, at once.
func TestManagersCountUsageAtOnceWithoutLosingAny(t *testing.T) {
	postgres.Both(t, testManagersCountUsageAtOnceWithoutLosingAny)
}

func testManagersCountUsageAtOnceWithoutLosingAny(t *testing.T, place postgres.Place) {
	address := place(t)
	managers := []*store.Store{openAt(t, address), openAt(t, address)}
	environment(t, managers[0], "production")
	f := populate(t, managers[0], "a")
	var all sync.WaitGroup
	for i, s := range managers {
		for n := range 20 {
			all.Go(func() {
				pieces := []apim.UsagePiece{piece(f, fmt.Sprint("spool ", n), 0, 30, 202), piece(f, fmt.Sprint("spool ", (n+1)%20), 0, 30, 202)}
				if i == 1 {
					slices.Reverse(pieces)
				}
				if _, err := s.CountUsage(t.Context(), pieces, start); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if got := total(t, managers[0], 202); got.Calls != 600 {
		t.Errorf("got %d calls, want 600", got.Calls)
	}
}

func TestUsageIsForgottenInSmallBatches(t *testing.T) {
	postgres.Both(t, testUsageIsForgottenInSmallBatches)
}

func testUsageIsForgottenInSmallBatches(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	f := populate(t, s, "a")
	count(t, s, piece(f, "x", 0, 10, 203), true) // in three minutes
	n, err := s.SweepUsage(t.Context(), start.Truncate(time.Minute).Add(2*time.Minute), 1)
	if err != nil || n == 0 || n > 2 {
		t.Fatalf("got %d rows, %v", n, err)
	}
	for n > 0 {
		if n, err = s.SweepUsage(t.Context(), start.Truncate(time.Minute).Add(2*time.Minute), 1); err != nil {
			t.Fatal(err)
		}
	}
	left, err := s.System().Usage(t.Context(), apim.UsageFilter{}, apim.Page{})
	if err != nil || len(left.Items) != 1 || !left.Items[0].Minute.Equal(start.Truncate(time.Minute).Add(2*time.Minute)) {
		t.Errorf("got %+v, %v, want the third minute", left.Items, err)
	}
}

// Each side of a call finds it, and nobody else.
func TestUsageIsOfItsProviderAndItsConsumer(t *testing.T) {
	postgres.Both(t, testUsageIsOfItsProviderAndItsConsumer)
}

func testUsageIsOfItsProviderAndItsConsumer(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	a, b, c := populate(t, s, "a"), populate(t, s, "b"), populate(t, s, "c")
	p := piece(a, "x", 0, 1, 204)
	p.Lines[0].Application = b.application.ID // b calls a
	count(t, s, p, true)
	everywhere := apim.Reach{All: true}
	f := apim.UsageFilter{Status: 204}
	for _, step := range []struct {
		name string
		n    int
		list func() (apim.List[apim.Usage], error)
	}{
		{"offered by a", 1, func() (apim.List[apim.Usage], error) {
			return s.Tenant(a.tenant.ID).OfferedUsage(t.Context(), everywhere, f, apim.Page{})
		}},
		{"used by a", 0, func() (apim.List[apim.Usage], error) {
			return s.Tenant(a.tenant.ID).UsedUsage(t.Context(), everywhere, f, apim.Page{})
		}},
		{"used by b", 1, func() (apim.List[apim.Usage], error) {
			return s.Tenant(b.tenant.ID).UsedUsage(t.Context(), everywhere, f, apim.Page{})
		}},
		{"offered by b", 0, func() (apim.List[apim.Usage], error) {
			return s.Tenant(b.tenant.ID).OfferedUsage(t.Context(), everywhere, f, apim.Page{})
		}},
		{"offered by c", 0, func() (apim.List[apim.Usage], error) {
			return s.Tenant(c.tenant.ID).OfferedUsage(t.Context(), everywhere, f, apim.Page{})
		}},
		{"offered by a's team", 1, func() (apim.List[apim.Usage], error) {
			return s.Tenant(a.tenant.ID).OfferedUsage(t.Context(), apim.Reach{In: []apim.ID{a.team.ID}}, f, apim.Page{})
		}},
		{"offered by another team of a", 0, func() (apim.List[apim.Usage], error) {
			return s.Tenant(a.tenant.ID).OfferedUsage(t.Context(), apim.Reach{In: []apim.ID{b.team.ID}}, f, apim.Page{})
		}},
		{"used by b's application", 1, func() (apim.List[apim.Usage], error) {
			return s.Tenant(b.tenant.ID).UsedUsage(t.Context(), apim.Reach{In: []apim.ID{b.application.ID}}, f, apim.Page{})
		}},
	} {
		if got, err := step.list(); err != nil || len(got.Items) != step.n {
			t.Errorf("%s: got %d lines, %v, want %d", step.name, len(got.Items), err, step.n)
		}
	}
}

func TestUsageIsAddedUpByOperation(t *testing.T) { postgres.Both(t, testUsageIsAddedUpByOperation) }

func testUsageIsAddedUpByOperation(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	a, b := populate(t, s, "a"), populate(t, s, "b")
	p := piece(a, "x", 0, 26, 200) // of three minutes
	p.Lines[0].Operation, p.Lines[1].Operation, p.Lines[2].Status = "get", "get", 500
	count(t, s, p, true)
	count(t, s, piece(b, "y", 0, 5, 200), true)
	minute := start.Truncate(time.Minute)
	f := apim.UsageFilter{Environment: "production", Version: a.version.ID, From: minute}
	sums := func(f apim.UsageFilter) map[string]apim.Usage {
		t.Helper()
		list, err := s.Tenant(a.tenant.ID).OperationUsage(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]apim.Usage{}
		for _, u := range list {
			out[u.Operation] = u
		}
		return out
	}
	got := sums(f)
	if one := got["get"]; one.Calls != 2 || one.TookUS != 8 || fmt.Sprint(one.Took) != "[1 1 0 0 0 0 0 0 0 0 0 0 0]" {
		t.Errorf("got %+v", one)
	}
	if one := got["list"]; one.Calls != 24 || one.Took[2] != 2 || !one.Minute.IsZero() || one.Status != 0 {
		t.Errorf("got %+v, want calls of all minutes and statuses together", one)
	}
	f.From = minute.Add(2 * time.Minute)
	if got = sums(f); got["list"].Calls != 8 || got["get"].Calls != 0 {
		t.Errorf("got %+v, want the third minute alone", got)
	}
	for name, other := range map[string]apim.UsageFilter{"another environment": {Environment: "sandbox", Version: a.version.ID}, "another's version": {Environment: "production", Version: b.version.ID}} {
		if got = sums(other); len(got) != 0 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
