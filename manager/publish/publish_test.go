package publish_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/bus"
	"portico/internal/entry"
	"portico/manager/publish"
	"portico/test/fake"
)

func TestChangesReachNodesWithTheirHead(t *testing.T) {
	s := newStand(t)
	node := s.mirror()
	one := grant(1, "one")
	s.emit(environment(), one)
	node.until(t, "the first change", has(one.Key, body(one)))
	two := grant(1, "two")
	seq := s.emit(two)
	node.until(t, "the second change", has(two.Key, body(two)))
	s.emit(entry.Tombstone(two.Key, entry.Position{}))
	node.until(t, "the end", ended(two.Key))
	if at, ok := s.pub.WrittenAt(env, seq); !ok || time.Since(at) > patience || at.After(time.Now()) {
		t.Errorf("written at %v, %v", at, ok)
	}
	if _, ok := s.pub.WrittenAt(env, seq+100); ok {
		t.Error("what is to come was written")
	}
	if _, ok := s.pub.WrittenAt("sandbox", 1); ok {
		t.Error("what another environment has was written")
	}
}

func TestNodeNeverHearsAHeadBeforeWhatItClaims(t *testing.T) {
	s := newStand(t)
	node := s.mirror()
	var last entry.Item
	for i := range 300 {
		last = grant(i%7, fmt.Sprint("change ", i))
		s.emit(last, grant(100+i, "more"))
	}
	node.until(t, "the last change", has(last.Key, body(last)))
	node.mu.Lock()
	defer node.mu.Unlock()
	head := entry.Position{}
	for _, it := range node.order {
		switch it.Kind {
		case entry.KindHead:
			head = it.Position
		case entry.KindGrant:
			if it.Epoch == head.Epoch && it.Sequence <= head.Sequence {
				t.Fatalf("%s at %d came after head %d", it.Key, it.Sequence, head.Sequence)
			}
		}
	}
}

func TestNewBucketIsCompleteAndOfANewEpoch(t *testing.T) {
	s := newStand(t)
	s.emit(environment(), grant(1, "one"))
	node := s.mirror()
	node.until(t, "completeness", func(m *mirror) bool {
		complete, head := m.state[entry.CompleteKey], m.state[entry.HeadKey]
		return complete.Epoch == 2 && head.Epoch == 2
	})
}

func TestEnvironmentMadeLaterIsPublished(t *testing.T) {
	s := newStand(t)
	s.store.AddEnvironment("sandbox")
	s.store.Emit("sandbox", time.Now(), grant(1, "one"))
	s.pub.Nudge("sandbox")
	waitFor(t, "the sandbox's head", func() bool { _, ok := s.pub.WrittenAt("sandbox", 1); return ok })
}

// A deleted environment's bucket goes; one that is made under the same name
// begins anew, also when the old bucket was not dropped yet.
func TestDeletedEnvironmentIsDroppedFromTheBus(t *testing.T) {
	s := newStand(t)
	carried := func() error {
		return s.bus.Environment("sandbox").Snapshot(t.Context(), func(bus.Found) error { return nil })
	}
	make := func(it entry.Item) {
		t.Helper()
		s.store.AddEnvironment("sandbox")
		s.store.Emit("sandbox", time.Now(), it)
		s.pub.Nudge("sandbox")
		waitFor(t, "the sandbox's head", func() bool { _, ok := s.pub.WrittenAt("sandbox", 1); return ok })
	}
	dropped := func() bool {
		left, err := s.store.EnvironmentsToDrop(t.Context())
		return err == nil && len(left) == 0
	}
	old, later := grant(1, "old"), grant(2, "new")
	make(old)
	if err := carried(); err != nil {
		t.Fatal(err)
	}
	s.store.DeleteEnvironment("sandbox")
	s.pub.Nudge("sandbox")
	waitFor(t, "the drop", dropped)
	if err := carried(); !errors.Is(err, bus.ErrNoBucket) {
		t.Errorf("got %v, want no bucket", err)
	}
	waitFor(t, "what was known of it to go", func() bool { return s.pub.Head("sandbox") == 0 })

	make(later)
	s.stop() // no manager runs while it is deleted and made again
	s.store.DeleteEnvironment("sandbox")
	s.store.AddEnvironment("sandbox")
	third := grant(3, "third")
	s.store.Emit("sandbox", time.Now(), third)
	s.run()
	waitFor(t, "the drop", dropped)
	waitFor(t, "the new bucket", func() bool {
		keys := map[string]bool{}
		err := s.bus.Environment("sandbox").Snapshot(t.Context(), func(f bus.Found) error { keys[f.Key] = true; return nil })
		return err == nil && keys[string(third.Key)] && !keys[string(later.Key)] && !keys[string(old.Key)]
	})
}

func TestChangesQueueWhileTheBusIsAway(t *testing.T) {
	s := newStand(t)
	node := s.mirror()
	s.emit(environment(), grant(1, "one"))
	node.until(t, "the first change", has(grant(1, "").Key, body(grant(1, "one"))))
	for round := range 3 {
		s.srv.Stop()
		var last entry.Item
		for i := range 50 {
			last = grant(i, fmt.Sprint("away ", round, i))
			s.emit(last)
		}
		if err := s.srv.Start(); err != nil {
			t.Fatal(err)
		}
		node.until(t, "what queued", has(last.Key, body(last)))
	}
}

func TestServerStoppedAmidPublishingLosesNothing(t *testing.T) {
	s := newStand(t)
	node := s.mirror()
	var last entry.Item
	var faults sync.WaitGroup
	defer faults.Wait()
	for round := range 4 {
		faults.Go(func() {
			s.srv.Stop()
			if err := s.srv.Start(); err != nil {
				t.Error(err)
			}
		})
		for i := range 200 {
			last = grant(i, fmt.Sprint("round ", round, " change ", i))
			s.emit(last)
		}
		node.until(t, "the last change", has(last.Key, body(last)))
	}
	for i := range 200 {
		it := grant(i, fmt.Sprint("round 3 change ", i))
		node.until(t, "every change", has(it.Key, body(it)))
	}
}

func TestChangesWaitWhileTheDatabaseIsAway(t *testing.T) {
	s := newStand(t)
	node := s.mirror()
	s.store.Fail(errors.New("the database is away"))
	it := grant(1, "one")
	s.emit(it)
	waitFor(t, "a word about it", func() bool { return strings.Contains(s.log.String(), "the database is away") })
	s.store.Fail(nil)
	node.until(t, "the change", has(it.Key, body(it)))
}

func TestBucketThatWasDeletedIsRebuilt(t *testing.T) {
	s := newStand(t)
	node := s.mirror()
	one, gone := grant(1, "one"), grant(2, "two")
	s.emit(environment(), one, gone)
	s.emit(entry.Tombstone(gone.Key, entry.Position{}))
	node.until(t, "the changes", ended(gone.Key))
	before := node.state[entry.HeadKey].Position
	if err := s.hand().DeleteKeyValue(t.Context(), entry.Bucket(env)); err != nil {
		t.Fatal(err)
	}
	late := grant(3, "three")
	s.emit(late)
	for _, n := range []*mirror{node, s.mirror()} {
		n.until(t, "the rebuilt bucket", func(m *mirror) bool {
			return m.state[entry.CompleteKey].Epoch == before.Epoch+1 && has(late.Key, body(late))(m) && has(one.Key, body(one))(m) && ended(gone.Key)(m)
		})
		n.mu.Lock()
		complete := slices.IndexFunc(n.order, func(it entry.Item) bool { return it.Kind == entry.KindComplete && it.Epoch == before.Epoch+1 })
		for i, it := range n.order {
			if it.Epoch > before.Epoch && it.Kind == entry.KindHead && i < complete {
				t.Error("a head of the new epoch came before the bucket was complete")
			}
		}
		n.mu.Unlock()
	}
}

func TestBucketThatWasEmptiedByHandIsFilledAgain(t *testing.T) {
	s := newStand(t)
	node := s.mirror()
	one := grant(1, "one")
	s.emit(environment(), one)
	node.until(t, "the change", has(one.Key, body(one)))
	stream, err := s.hand().Stream(t.Context(), "KV_"+entry.Bucket(env))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mirror().until(t, "the refilled bucket", has(one.Key, body(one)))
}

func TestRestartFindsNothingToRepair(t *testing.T) {
	s := newStand(t)
	node := s.mirror()
	one := grant(1, "one")
	seq := s.emit(environment(), one)
	node.until(t, "the change", has(one.Key, body(one)))
	s.stop()
	heard := len(node.order)
	s.run()
	two := grant(2, "two")
	s.emit(two)
	node.until(t, "the next change", has(two.Key, body(two)))
	node.mu.Lock()
	defer node.mu.Unlock()
	if got := len(node.order) - heard; got != 2 { // the entry and its head
		t.Errorf("the node heard %d entries after the restart, want 2", got)
	}
	if node.state[entry.HeadKey].Epoch != 2 || strings.Contains(s.log.String(), "drifted") {
		t.Errorf("it repaired something: epoch %d\n%s", node.state[entry.HeadKey].Epoch, s.log)
	}
	if _, ok := s.pub.WrittenAt(env, seq); ok {
		t.Error("a restarted publisher says when its predecessor wrote")
	}
}

func TestHandsInTheBucketAreCorrected(t *testing.T) {
	key := string(grant(1, "").Key)
	foreign := string(grant(66, "").Key)
	for _, c := range []struct{ name, key, value string }{
		{"newer by sequence", key, `{"schema":1,"epoch":2,"sequence":900,"kind":"grant","body":{"name":"forged"}}`},
		{"newer by epoch", key, `{"schema":1,"epoch":9,"sequence":1,"kind":"grant","body":{"name":"forged"}}`},
		{"newer by far", key, `{"schema":1,"epoch":2,"sequence":9007199254740991,"kind":"grant","body":{"name":"forged"}}`},
		{"the same position", key, `{"schema":1,"epoch":2,"sequence":1,"kind":"grant","body":{"name":"forged"}}`},
		{"older", key, `{"schema":1,"epoch":1,"sequence":1,"kind":"grant","body":{"name":"forged"}}`},
		{"a tombstone", key, `{"schema":1,"epoch":2,"sequence":900,"kind":"grant","ended":true}`},
		{"garbage", key, `garbage`},
		{"another schema", key, `{"schema":7,"epoch":2,"sequence":900,"kind":"grant","body":{}}`},
		{"a missing body", key, `{"schema":1,"epoch":2,"sequence":900,"kind":"grant","digest":"` + strings.Repeat("a", 64) + `"}`},
		{"a foreign entry", foreign, `{"schema":1,"epoch":2,"sequence":900,"kind":"grant","body":{"name":"forged"}}`},
		{"foreign garbage", foreign, `garbage`},
		{"a foreign tombstone", foreign, `{"schema":1,"epoch":2,"sequence":900,"kind":"grant","ended":true}`},
		{"a key that is none", "no.key.of.ours", `x`},
		{"a key that is a pattern", "grant.*", `x`},
		{"a head of the future", "head", `{"schema":1,"epoch":2,"sequence":900,"kind":"head"}`},
		{"a head of a later epoch", "head", `{"schema":1,"epoch":8,"sequence":1,"kind":"head"}`},
		{"a head that is garbage", "head", `garbage`},
		{"a later completeness", "complete", `{"schema":1,"epoch":8,"sequence":1,"kind":"complete"}`},
		{"a position beyond numbers", key, `{"schema":1,"epoch":18446744073709551615,"sequence":18446744073709551615,"kind":"grant","body":{}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStand(t)
			node := s.mirror()
			s.emit(environment(), grant(1, "one"), grant(2, "two"))
			node.until(t, "the truth", has(grant(2, "").Key, body(grant(2, "two"))))
			s.byHand(c.key, c.value)
			after := grant(3, "after")
			s.emit(after)
			late := s.mirror()
			for _, n := range []*mirror{node, late} {
				n.until(t, "the truth again", func(m *mirror) bool {
					for _, it := range []entry.Item{grant(1, "one"), grant(2, "two"), after} {
						if !has(it.Key, body(it))(m) {
							return false
						}
					}
					forged, there := m.state[entry.Key(foreign)]
					wrong := slices.ContainsFunc([]entry.Key{entry.Key(c.key)}, func(k entry.Key) bool { return m.bad[k] })
					return (!there || forged.Ended) && !wrong
				})
			}
			waitFor(t, "a clean bucket", func() bool {
				for raw, f := range s.inBucket() {
					if _, err := entry.ParseKey(raw); (err != nil || f.Err != nil) && !f.Removed {
						return false
					}
				}
				return true
			})
			waitFor(t, "the true head", func() bool {
				_, truth, err := s.store.Pending(t.Context(), env, 1)
				node.mu.Lock()
				defer node.mu.Unlock()
				return err == nil && node.state[entry.HeadKey].Position == truth && node.state[entry.CompleteKey].Epoch == truth.Epoch
			})
		})
	}
}

func TestDatabaseRestoredFromABackupIsTheTruth(t *testing.T) {
	s := newStand(t)
	node := s.mirror()
	s.emit(environment(), grant(1, "old"))
	for i := range 20 {
		s.emit(grant(1, fmt.Sprint("lost ", i)), grant(2, "lost"))
	}
	node.until(t, "the changes that will be lost", has(grant(1, "").Key, body(grant(1, "lost 19"))))
	s.stop()
	s.store = new(fake.EntryStore) // as it was after the first change
	s.store.AddEnvironment(env)
	s.store.Emit(env, s.clock.now(), environment(), grant(1, "old"))
	s.run()
	for _, n := range []*mirror{node, s.mirror()} {
		n.until(t, "what the backup held", has(grant(1, "").Key, body(grant(1, "old"))))
		n.until(t, "the end of what it did not hold", ended(grant(2, "").Key))
	}
	next := grant(3, "next")
	s.emit(next)
	node.until(t, "the next change", has(next.Key, body(next)))
}

func TestKeyDeletedByHandComesBack(t *testing.T) {
	s := newStand(t)
	one := grant(1, "one")
	s.emit(environment(), one)
	node := s.mirror()
	node.until(t, "the change", has(one.Key, body(one)))
	kv, err := s.hand().KeyValue(t.Context(), entry.Bucket(env))
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Purge(t.Context(), string(one.Key)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the key to be back", func() bool { f, ok := s.inBucket()[string(one.Key)]; return ok && f.Err == nil })
	s.mirror().until(t, "a new node to have it", has(one.Key, body(one)))
}

func TestOldTombstonesAreSwept(t *testing.T) {
	s := newStand(t)
	one := grant(1, "one")
	s.emit(environment(), one)
	s.emit(entry.Tombstone(one.Key, entry.Position{}))
	node := s.mirror()
	node.until(t, "the end", ended(one.Key))
	s.clock.jump(31 * 24 * time.Hour)
	waitFor(t, "the tombstone to leave the database", func() bool {
		items, err := s.store.LoadEntries(t.Context(), env, []entry.Key{one.Key})
		return err == nil && len(items) == 0
	})
	s.clock.jump(time.Hour)
	waitFor(t, "the tombstone to leave the bucket", func() bool { _, ok := s.inBucket()[string(one.Key)]; return !ok })
	if it := node.state[one.Key]; !it.Ended {
		t.Error("the node has it again")
	}
}

func TestTwoPublishersDoNotOutrunEachOther(t *testing.T) {
	s := newStand(t)
	other := publish.New(publish.Options{Store: s.store, Bus: s.connect(), Look: 20 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = other.Run(ctx) }()
	defer func() { cancel(); <-done }()
	node := s.mirror()
	var last entry.Item
	for i := range 100 {
		last = grant(i%5, fmt.Sprint("change ", i))
		s.emit(last)
		other.Nudge(env)
	}
	node.until(t, "the last change", has(last.Key, body(last)))
	for i := 95; i < 100; i++ {
		it := grant(i%5, fmt.Sprint("change ", i))
		node.until(t, "every change", has(it.Key, body(it)))
	}
}

func TestNudgeNeverBlocks(t *testing.T) {
	s := newStand(t)
	s.srv.Stop()
	begin := time.Now()
	for range 100_000 {
		s.pub.Nudge(env)
		s.pub.Nudge("unknown")
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("took %s", took)
	}
}

// BenchmarkNudgeToWatch measures from the nudge to a node's apply of the head.
func BenchmarkNudgeToWatch(b *testing.B) {
	s := newStand(b)
	heard := make(chan time.Time, 1024)
	far := s.connect()
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = far.Environment(env).Watch(ctx, func(items []entry.Item, _ bool) error {
			at := time.Now()
			for _, it := range items {
				if it.Kind == entry.KindHead {
					heard <- at
				}
			}
			return nil
		})
	}()
	defer func() { cancel(); <-done }()
	s.emit(environment())
	<-heard
	waitFor(b, "rest", func() bool {
		_, ok := s.pub.WrittenAt(env, 1)
		return ok && len(heard) == 0
	})
	var took []time.Duration
	n := 0
	for b.Loop() {
		n++
		s.store.Emit(env, time.Now(), grant(1, fmt.Sprint(n)))
		begin := time.Now()
		s.pub.Nudge(env)
		took = append(took, (<-heard).Sub(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
