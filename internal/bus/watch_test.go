package bus_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"portico/internal/bus"
	"portico/internal/entry"
)

func TestWatcherHearsWhatIsThereAndThenEveryChange(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	put(t, env, grant(t, 1, 1, 10), grant(t, 2, 1, 10))
	n := watching(t, connect(t, srv).Environment("production"))
	n.until(t, "what is there", caughtUp)
	if got := n.calls[0]; len(got.items) != 0 || got.caughtUp {
		t.Errorf("the first call was %+v, want no items and not caught up", got)
	}
	if got := n.heard(); len(got) != 2 {
		t.Errorf("got %d entries, want 2", len(got))
	}
	later := grant(t, 1, 2, 20)
	put(t, env, later)
	n.until(t, "the change", hears(later))
	end := entry.Tombstone(later.Key, entry.Position{Epoch: 1, Sequence: 3})
	put(t, env, end)
	n.until(t, "the end", hears(end))
}

func TestWatcherOfAnEmptyBucketIsCaughtUp(t *testing.T) {
	_, b := start(t)
	n := watching(t, prepared(t, b, "production"))
	n.until(t, "being caught up", caughtUp)
}

func TestWatcherWaitsForABucketThatIsNotThereYet(t *testing.T) {
	_, b := start(t)
	n := watching(t, b.Environment("production"))
	env := prepared(t, b, "production")
	it := grant(t, 1, 1, 10)
	put(t, env, it)
	n.until(t, "the entry", hears(it))
}

func TestEntriesArriveInTheOrderOfWriting(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	n := watching(t, connect(t, srv).Environment("production"))
	n.until(t, "being caught up", caughtUp)
	const entries = 3000 // several windows of acknowledgements
	var items []entry.Item
	for i := range entries {
		items = append(items, grant(t, i, uint64(i+1), 10))
	}
	head := entry.Mark(entry.HeadKey, entry.Position{Epoch: 1, Sequence: entries})
	put(t, env, append(items, head)...)
	n.until(t, "the head", hears(head))
	got := n.heard()
	if len(got) != entries+1 {
		t.Fatalf("got %d entries, want %d", len(got), entries+1)
	}
	for i, it := range got[:entries] {
		if it.Sequence != uint64(i+1) {
			t.Fatalf("place %d: got sequence %d", i, it.Sequence)
		}
	}
}

func TestNewWatcherGetsTenThousandEntries(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	const entries = 10_000
	var items []entry.Item
	for i := range entries {
		items = append(items, grant(t, i, uint64(i+1), 300))
	}
	put(t, env, items...)
	begin := time.Now()
	n := watching(t, connect(t, srv).Environment("production"))
	n.until(t, "being caught up", caughtUp)
	t.Logf("%d entries replayed in %s", entries, time.Since(begin))
	got := n.heard()
	if len(got) != entries {
		t.Fatalf("got %d entries, want %d", len(got), entries)
	}
	for i, it := range got {
		if !same(it, items[i]) {
			t.Fatalf("place %d: got %s", i, it.Key)
		}
	}
}

func TestBodiesOfEverySizeArriveWhole(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	var items []entry.Item
	for i, size := range []int{0, 1, 255 << 10, 256 << 10, 257 << 10, 1 << 20, 5 << 20} {
		items = append(items, grant(t, i, 1, size))
	}
	live := watching(t, connect(t, srv).Environment("production"))
	live.until(t, "being caught up", caughtUp)
	put(t, env, items...)
	late := watching(t, connect(t, srv).Environment("production"))
	for _, it := range items {
		live.until(t, "a body on the living watcher", hears(it))
		late.until(t, "a body on the late watcher", hears(it))
	}
}

func TestWatcherRecoversFromTheLossOfTheServer(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	first := grant(t, 1, 1, 10)
	put(t, env, first)
	far := connect(t, srv)
	n := watching(t, far.Environment("production"))
	n.until(t, "the first entry", hears(first))
	for round := range 3 {
		srv.Stop()
		waitFor(t, "the loss to be noticed", func() bool { _, ok := far.Connected(); return !ok })
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		next := grant(t, 2, uint64(round+2), 10)
		waitFor(t, "the publisher's connection", func() bool { _, ok := b.Connected(); return ok })
		snapshot(t, env)
		put(t, env, next)
		n.until(t, "an entry after the restart", hears(next))
	}
	if !hears(first)(n.calls) {
		t.Error("the first entry is gone")
	}
}

func TestWatcherFollowsABucketThatWasDeletedAndRebuilt(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	for i := range 20 { // so that numbers of the old bucket are above the new one's
		put(t, env, grant(t, i, uint64(i+1), 10))
	}
	n := watching(t, connect(t, srv).Environment("production"))
	n.until(t, "being caught up", caughtUp)
	if err := raw(t, srv).DeleteKeyValue(t.Context(), entry.Bucket("production")); err != nil {
		t.Fatal(err)
	}
	if untouched, err := env.Untouched(t.Context()); untouched || err != nil {
		t.Errorf("got untouched %v, %v", untouched, err)
	}
	if err := env.Put(t.Context(), []entry.Item{grant(t, 1, 50, 10)}); !errors.Is(err, bus.ErrNoBucket) {
		t.Errorf("put without a bucket: got %v, want %v", err, bus.ErrNoBucket)
	}
	env = prepared(t, b, "production")
	rebuilt := grant(t, 1, 50, 10)
	put(t, env, rebuilt)
	n.until(t, "the rebuilt entry", hears(rebuilt))
}

func TestGarbageIsPassedOnToBeRefused(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	js := raw(t, srv)
	n := watching(t, connect(t, srv).Environment("production"))
	n.until(t, "being caught up", caughtUp)
	key := string(grant(t, 1, 1, 1).Key)
	for _, c := range []struct{ name, key, value, reason string }{
		{"no JSON", key, "garbage", "invalid character"},
		{"empty", key, "", "EOF"},
		{"unknown field", key, `{"schema":1,"epoch":1,"sequence":5,"kind":"grant","colour":"red"}`, `unknown field "colour"`},
		{"newer schema", key, `{"schema":2,"epoch":1,"sequence":5,"kind":"grant"}`, "schema 2"},
		{"other kind", key, `{"schema":1,"epoch":1,"sequence":5,"kind":"api","body":{}}`, `kind "api"`},
		{"no position of ours", key, `{"schema":1,"epoch":18446744073709551615,"sequence":5,"kind":"grant","body":{}}`, "out of range"},
		{"no digest", key, `{"schema":1,"epoch":1,"sequence":5,"kind":"grant","digest":"../../etc"}`, "digest"},
		{"missing body", key, `{"schema":1,"epoch":1,"sequence":5,"kind":"grant","digest":"` + strings.Repeat("a", 64) + `"}`, "object store"},
		{"unknown kind", "secret.1", `{"schema":1,"epoch":1,"sequence":5,"kind":"secret","body":{}}`, "unknown kind"},
		{"deep key", "api.a.b.c", `{}`, "digits"},
		{"strange key", "api/Ü=?", `{}`, "unknown kind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			byHand(t, js, "production", c.key, c.value)
			var reason string
			n.until(t, "the refusal", func(calls []call) bool {
				all := allItems(calls)
				if len(all) == 0 || string(all[len(all)-1].Key) != c.key || string(all[len(all)-1].Body) != c.value {
					return false
				}
				if err := bus.Refusal(all[len(all)-1]); err != nil {
					reason = err.Error()
				}
				return all[len(all)-1].Kind == ""
			})
			if !strings.Contains(reason, c.reason) {
				t.Errorf("got reason %q, want %q in it", reason, c.reason)
			}
		})
	}
	good := grant(t, 7, 9, 10)
	snapshot(t, env)
	put(t, env, good)
	n.until(t, "an entry after the garbage", hears(good))
	if err := bus.Refusal(good); err != nil {
		t.Errorf("a good entry is refused: %v", err)
	}
}

func TestDeletionByHandEndsNothing(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	it, other := grant(t, 1, 1, 10), grant(t, 2, 2, 10)
	put(t, env, it)
	n := watching(t, connect(t, srv).Environment("production"))
	n.until(t, "the entry", hears(it))
	kv, err := raw(t, srv).KeyValue(t.Context(), entry.Bucket("production"))
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Delete(t.Context(), string(it.Key)); err != nil {
		t.Fatal(err)
	}
	found := snapshot(t, env)
	if len(found) != 1 || found[0].Err == nil {
		t.Errorf("got %+v, want the deleted key with an error", found)
	}
	put(t, env, other)
	n.until(t, "the entry after it", hears(other))
	for _, got := range n.heard() {
		if got.Ended {
			t.Errorf("%s came as ended", got.Key)
		}
	}
}

func TestErrorOfApplyEndsTheWatch(t *testing.T) {
	_, b := start(t)
	env := prepared(t, b, "production")
	enough := errors.New("enough")
	err := env.Watch(t.Context(), func([]entry.Item, bool) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
}

func TestWatchEndsWithItsContextWhileTheServerIsAway(t *testing.T) {
	srv, b := start(t)
	srv.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := b.Environment("production").Watch(ctx, func([]entry.Item, bool) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// waitFor waits for what has no event of its own.
func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-tick.C
	}
}

// The library may be left without a request at the server, and the server may
// hold a consumer back: in both nothing comes, and nothing says so.
func TestWatcherOfAConsumerThatStandsStillBeginsAnew(t *testing.T) {
	srv, b := start(t)
	env := prepared(t, b, "production")
	n := watching(t, connect(t, srv).Environment("production"))
	n.until(t, "being caught up", caughtUp)
	js, stream := raw(t, srv), "KV_"+entry.Bucket("production")
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for name := range s.ConsumerNames(t.Context()).Name() {
		if _, err := js.PauseConsumer(t.Context(), stream, name, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		held++
	}
	if held == 0 {
		t.Fatal("nobody follows the bucket")
	}
	it := grant(t, 1, 1, 10)
	put(t, env, it)
	n.until(t, "the entry", hears(it))
}
