package bus_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"portico/internal/bus"
	"portico/internal/entry"
)

func TestPutNeedsASnapshotFirst(t *testing.T) {
	_, b := start(t)
	env := b.Environment("production")
	if _, err := env.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := env.Put(t.Context(), []entry.Item{grant(t, 1, 1, 1)}); !errors.Is(err, bus.ErrNoSnapshot) {
		t.Errorf("got %v, want %v", err, bus.ErrNoSnapshot)
	}
}

func TestSnapshotOfNoBucketSaysSo(t *testing.T) {
	_, b := start(t)
	err := b.Environment("production").Snapshot(t.Context(), func(bus.Found) error { return nil })
	if !errors.Is(err, bus.ErrNoBucket) {
		t.Errorf("got %v, want %v", err, bus.ErrNoBucket)
	}
}

func TestSnapshotFindsWhatWasPut(t *testing.T) {
	_, b := start(t)
	env := prepared(t, b, "production")
	items := []entry.Item{
		grant(t, 1, 4, 10), grant(t, 2, 5, 300<<10),
		entry.Tombstone(grant(t, 3, 1, 1).Key, entry.Position{Epoch: 1, Sequence: 6}),
		entry.Mark(entry.HeadKey, entry.Position{Epoch: 1, Sequence: 6}),
	}
	put(t, env, items...)
	found := snapshot(t, env)
	if len(found) != len(items) {
		t.Fatalf("got %d, want %d", len(found), len(items))
	}
	for i, f := range found {
		sum, err := bus.SumOf(items[i])
		if err != nil {
			t.Fatal(err)
		}
		want := bus.Found{Key: string(items[i].Key), At: items[i].Position, Ended: items[i].Ended, Sum: sum}
		if f != want {
			t.Errorf("got %+v, want %+v", f, want)
		}
	}
}

func TestSecondPublisherIsNoticedAndNothingOfThePutIsWritten(t *testing.T) {
	srv, b := start(t)
	one := prepared(t, b, "production")
	two := prepared(t, connect(t, srv), "production")
	put(t, one, grant(t, 1, 1, 10))
	if untouched, err := two.Untouched(t.Context()); untouched || err != nil {
		t.Errorf("got untouched %v, %v", untouched, err)
	}
	var items []entry.Item
	for i := range 1500 {
		items = append(items, grant(t, 10+i, 2, 10))
	}
	if err := two.Put(t.Context(), items); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("got %v, want %v", err, bus.ErrConflict)
	}
	if err := two.Put(t.Context(), items); !errors.Is(err, bus.ErrNoSnapshot) {
		t.Errorf("after a conflict: got %v, want %v", err, bus.ErrNoSnapshot)
	}
	if got := len(snapshot(t, two)); got != 1 {
		t.Errorf("got %d entries in the bucket, want 1", got)
	}
	put(t, two, items...)
}

func TestRemovalNeverTakesWhatCameMeanwhile(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	put(t, env, grant(t, 1, 1, 10))
	key, later := string(grant(t, 1, 1, 1).Key), grant(t, 1, 2, 20)
	other := prepared(t, connect(t, srv), "production")
	put(t, other, later)
	if err := env.Remove(t.Context(), []string{key}); err == nil {
		t.Error("it removed what it does not know")
	}
	n := watching(t, connect(t, srv).Environment("production"))
	n.until(t, "the later entry", hears(later))
}

func TestTwoWritersOnOneConnectionAreNotTakenForOne(t *testing.T) {
	_, b := start(t)
	one := prepared(t, b, "production")
	put(t, one, grant(t, 1, 1, 10))
	two := prepared(t, b, "production")
	put(t, two, grant(t, 2, 2, 10)) // the first message of each
	if got := len(snapshot(t, two)); got != 2 {
		t.Errorf("got %d entries, want 2", got)
	}
}

func TestUntouchedTellsEveryHand(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	put(t, env, grant(t, 1, 1, 10), grant(t, 2, 1, 10))
	put(t, env, grant(t, 1, 2, 10))
	js := raw(t, srv)
	stream, err := js.Stream(t.Context(), "KV_"+entry.Bucket("production"))
	if err != nil {
		t.Fatal(err)
	}
	untouched := func(want bool, after string) {
		t.Helper()
		got, err := env.Untouched(t.Context())
		if err != nil || got != want {
			t.Errorf("after %s: got untouched %v, %v, want %v", after, got, err, want)
		}
		snapshot(t, env)
	}
	untouched(true, "puts of its own")
	byHand(t, js, "production", "x", "y")
	untouched(false, "a put by hand")
	for range 2 {
		if err := env.Remove(t.Context(), []string{"x"}); err != nil {
			t.Fatal(err)
		}
		untouched(true, "a removal of its own")
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	untouched(false, "a purge by hand")
}

func TestRemovedKeysLeaveNoTraceAndWatchersHearOfThoseThatAreNone(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	swept, kept := grant(t, 1, 1, 10), grant(t, 2, 1, 10)
	put(t, env, swept, kept)
	byHand(t, raw(t, srv), "production", "no.key.of.ours", "x")
	n := watching(t, connect(t, srv).Environment("production"))
	n.until(t, "the garbage", isItem("no.key.of.ours"))
	snapshot(t, env)
	if err := env.Remove(t.Context(), []string{string(swept.Key), "no.key.of.ours"}); err != nil {
		t.Fatal(err)
	}
	n.until(t, "the end of the garbage", func(calls []call) bool {
		for _, it := range allItems(calls) {
			if it.Key == "no.key.of.ours" && it.Ended && it.Kind == "" {
				return true
			}
		}
		return false
	})
	for _, it := range n.heard() {
		if it.Ended && it.Key != "no.key.of.ours" {
			t.Errorf("%s came as ended", it.Key)
		}
	}
	for _, f := range snapshot(t, env) {
		if f.Removed != (f.Key == "no.key.of.ours") || f.Removed != (f.Err != nil) {
			t.Errorf("got %+v", f)
		}
	}
	if err := env.Remove(t.Context(), []string{"no.key.of.ours", "never.was"}); err != nil {
		t.Fatal(err)
	}
	if found := snapshot(t, env); len(found) != 1 || found[0].Key != string(kept.Key) {
		t.Errorf("got %+v, want %s alone", found, kept.Key)
	}
}

func TestRemovingAKeyThatLooksLikeAPatternRemovesItAlone(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	put(t, env, grant(t, 1, 1, 10))
	js := raw(t, srv)
	patterns := []string{"*", ">", "grant.*", "grant.>"}
	for _, key := range patterns {
		byHand(t, js, "production", key, "x")
	}
	if got := len(snapshot(t, env)); got != 1+len(patterns) {
		t.Errorf("got %d entries, want %d", got, 1+len(patterns))
	}
	for range 2 { // first a marker, then nothing
		if err := env.Remove(t.Context(), patterns); err != nil {
			t.Fatal(err)
		}
	}
	if found := snapshot(t, env); len(found) != 1 || found[0].Err != nil {
		t.Errorf("got %+v, want the grant alone", found)
	}
}

func TestBodiesThatNobodyNamesAreSwept(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	old, now := grant(t, 1, 1, 300<<10), grant(t, 1, 2, 301<<10)
	put(t, env, old)
	put(t, env, now)
	for _, c := range []struct {
		before time.Time
		want   int
	}{{time.Now().Add(-time.Hour), 0}, {time.Now().Add(time.Hour), 1}, {time.Now().Add(time.Hour), 0}} {
		if got, err := env.SweepBodies(t.Context(), c.before); err != nil || got != c.want {
			t.Errorf("got %d, %v, want %d", got, err, c.want)
		}
	}
	n := watching(t, connect(t, srv).Environment("production"))
	n.until(t, "the body that is named", hears(now))
}

func TestMissingBodyIsFound(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	put(t, env, grant(t, 1, 1, 300<<10))
	if err := raw(t, srv).DeleteObjectStore(t.Context(), entry.Objects("production")); err != nil {
		t.Fatal(err)
	}
	if found := snapshot(t, env); len(found) != 1 || found[0].Err == nil || found[0].At.Sequence != 1 {
		t.Errorf("got %+v, want an error at sequence 1", found)
	}
}

func TestWhatIsNoEntryIsNotPut(t *testing.T) {
	_, b := start(t)
	env := prepared(t, b, "production")
	huge := grant(t, 1, 1, 65<<20)
	for _, it := range []entry.Item{{Key: "x"}, {Key: "grant.*"}, huge} {
		if err := env.Put(t.Context(), []entry.Item{it}); err == nil {
			t.Errorf("%.20s was put", it.Key)
		}
	}
	put(t, env, grant(t, 1, 1, 10)) // and the snapshot still holds
}

func TestPutFailsAtOnceWhileTheServerIsAway(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	srv.Stop()
	waitFor(t, "the loss", func() bool { _, ok := b.Connected(); return !ok })
	begin := time.Now()
	err := env.Put(t.Context(), []entry.Item{grant(t, 1, 1, 10)})
	if err == nil || time.Since(begin) > 2*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begin))
	}
	if err != nil && strings.Contains(err.Error(), "conflict") {
		t.Errorf("got %v", err)
	}
}
