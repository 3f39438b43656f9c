package supply_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"portico/gateway/policy"
	"portico/gateway/supply"
)

// errAway is what fake things fail with.
var errAway = errors.New("away")

// number is a thing that is got: how often that was tried.
type number struct {
	supply.Turn
	fetch func(ctx context.Context, tries int64) error // before the number is in place
	tries atomic.Int64
	got   atomic.Int64
	due   atomic.Bool
}

// Due implements supply.Source.
func (n *number) Due(_ time.Time, failing bool) bool { return n.due.Load() || failing }

// Get implements supply.Source.
func (n *number) Get(ctx context.Context, _ time.Time) error {
	tries := n.tries.Add(1)
	if n.fetch != nil {
		if err := n.fetch(ctx, tries); err != nil {
			return err
		}
	}
	n.got.Store(tries)
	n.due.Store(false)
	return nil
}

type store = supply.Store[int, number, *number]

// serve runs a store in a bubble, whose time is fake, until the test there ends.
func serve(t *testing.T, options supply.Options[*number], test func(*testing.T, *store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		options.Now = time.Now
		s := supply.NewStore[int, number](options)
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		test(t, s)
		stop()
		running.Wait()
	})
}

func usual() supply.Options[*number] {
	return supply.Options[*number]{Log: slog.New(slog.DiscardHandler), Most: 10, AtATime: 8, OfTenant: 2}
}

func (n *number) wait(every time.Duration) error {
	return n.Wait(context.Background(), every, time.Hour)
}

func thing(t *testing.T, s *store, tenant byte, key int, fetch func(context.Context, int64) error) *number {
	t.Helper()
	n, _ := s.Thing(policy.ID{tenant}, key, func() *number { return &number{fetch: fetch} })
	return n
}

// TestWhoWaitsFindsWhatWasGot has what is got put in place as late as can be: one
// who is told before that finds nothing, or what was there before.
func TestWhoWaitsFindsWhatWasGot(t *testing.T) {
	serve(t, usual(), func(t *testing.T, s *store) {
		answer := make(chan struct{})
		n := thing(t, s, 1, 1, func(context.Context, int64) error {
			<-answer
			time.Sleep(time.Second) // between the answer and the place
			return nil
		})
		for round := range int64(3) {
			var told atomic.Int64
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if err := n.wait(0); err != nil {
						t.Error(err)
					}
					told.Add(1)
					if got := n.got.Load(); got != round+1 {
						t.Errorf("round %d: told, and found %d", round, got)
					}
				})
			}
			synctest.Wait()
			answer <- struct{}{}
			synctest.Wait()
			if told.Load() != 0 {
				t.Error("told before it is in place")
			}
			all.Wait()
			if tries := n.tries.Load(); tries != round+1 {
				t.Errorf("round %d: got %d times for all who wait", round, tries)
			}
		}
	})
}

func TestWhoWaitsWaitsNoLongerThanTheyWould(t *testing.T) {
	serve(t, usual(), func(t *testing.T, s *store) {
		n := thing(t, s, 1, 1, func(ctx context.Context, _ int64) error { <-ctx.Done(); return ctx.Err() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := n.Wait(ctx, 0, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller that goes: got %v", err)
		}
		if err := n.Wait(t.Context(), 0, time.Second); !errors.Is(err, supply.ErrLate) {
			t.Errorf("one without patience: got %v", err)
		}
		if tries := n.tries.Load(); tries != 1 {
			t.Errorf("tried %d times", tries)
		}
	})
}

func TestWhatWasGotAMomentAgoIsNotGotAgain(t *testing.T) {
	serve(t, usual(), func(t *testing.T, s *store) {
		n := thing(t, s, 1, 1, nil)
		if n.Recent(time.Hour) {
			t.Error("it was got before it was wanted")
		}
		if err := n.wait(5 * time.Second); err != nil {
			t.Error(err)
		}
		time.Sleep(4 * time.Second)
		if err := n.wait(5 * time.Second); !errors.Is(err, supply.ErrRecent) || !n.Recent(5*time.Second) {
			t.Errorf("after 4 s: got %v", err)
		}
		time.Sleep(time.Second)
		if err := n.wait(5 * time.Second); err != nil || n.got.Load() != 2 {
			t.Errorf("after 5 s: got %v, %d", err, n.got.Load())
		}
	})
}

func TestFailuresAreFollowedByLongerAndLongerPauses(t *testing.T) {
	var told []time.Duration
	options := usual()
	options.Told = func(_ *number, err error, pause time.Duration) {
		if (err == nil) != (pause == 0) {
			t.Errorf("told %v and %v", err, pause)
		}
		told = append(told, pause)
	}
	serve(t, options, func(t *testing.T, s *store) {
		var back atomic.Bool
		n := thing(t, s, 1, 1, func(context.Context, int64) error {
			if !back.Load() {
				return errAway
			}
			return nil
		})
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			tries := n.tries.Load()
			if err := n.wait(0); tries == 0 && err != nil {
				t.Error(err)
			}
			for n.tries.Load() == tries { // a pause ends, and it is tried again because that has failed
				time.Sleep(10 * time.Millisecond)
			}
			synctest.Wait()
			if pause, why := n.Failed(); !errors.Is(why, errAway) || pause.Round(time.Second) != want*time.Second {
				t.Errorf("got %v because of %v, want %d s", pause, why, want)
			}
			n.Ask() // which does not break it
			paused := (*supply.Paused)(nil)
			if err := n.wait(0); !errors.As(err, &paused) || !errors.Is(err, errAway) || paused.For.Round(time.Second) != want*time.Second {
				t.Errorf("got %v, want a pause of %d s", err, want)
			}
		}
		back.Store(true)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if pause, why := n.Failed(); pause != 0 || why != nil || n.got.Load() != 9 {
			t.Errorf("when it is back: got %v, %v, %d", pause, why, n.got.Load())
		}
	})
	if len(told) != 9 || told[0] != time.Second || told[7] != time.Minute || told[8] != 0 {
		t.Errorf("told of %v", told)
	}
}

// TestWhatPanicsHasFailed has an answer on which its reader panics: the node goes on,
// and all that waits.
func TestWhatPanicsHasFailed(t *testing.T) {
	var log strings.Builder
	var told []error
	options := usual()
	options.Log = slog.New(slog.NewTextHandler(&log, nil))
	options.Told = func(_ *number, err error, _ time.Duration) { told = append(told, err) }
	serve(t, options, func(t *testing.T, s *store) {
		n := thing(t, s, 1, 1, func(_ context.Context, tries int64) error {
			if tries == 1 {
				panic("hostile")
			}
			return nil
		})
		if err := n.wait(0); err != nil {
			t.Error(err)
		}
		if pause, why := n.Failed(); pause <= 0 || why == nil || n.got.Load() != 0 {
			t.Errorf("after a panic: got %v, %v, %d", pause, why, n.got.Load())
		}
		time.Sleep(3 * time.Second)
		if got := n.got.Load(); got != 2 {
			t.Errorf("after its pause: got %d", got)
		}
	})
	if len(told) != 2 || told[0] == nil || told[1] != nil || !strings.Contains(log.String(), "panic=hostile") || !strings.Contains(log.String(), "supply_test") {
		t.Errorf("told %v, and the log says %s", told, log.String())
	}
}

func TestWhatIsUrgentBreaksThePause(t *testing.T) {
	options := usual()
	options.Urgent = true
	serve(t, options, func(t *testing.T, s *store) {
		n := thing(t, s, 1, 1, func(_ context.Context, tries int64) error {
			if tries < 4 {
				return errAway
			}
			return nil
		})
		for tries := range int64(4) {
			if err := n.wait(0); err != nil || n.tries.Load() != tries+1 {
				t.Errorf("got %v after %d tries", err, n.tries.Load())
			}
		}
	})
}

func TestWhoAsksWhileOneIsGotIsServedByThatOne(t *testing.T) {
	serve(t, usual(), func(t *testing.T, s *store) {
		n := thing(t, s, 1, 1, func(context.Context, int64) error { time.Sleep(time.Second); return nil })
		n.Ask()
		synctest.Wait()
		for range 10 {
			n.Ask()
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		if got := n.got.Load(); got != 1 {
			t.Errorf("got %d times", got)
		}
		n.due.Store(true) // and found out by looking
		time.Sleep(3 * time.Second)
		if got := n.got.Load(); got != 2 {
			t.Errorf("got %d times when it was due", got)
		}
	})
}

func TestSlowThingsOfOneTenantHoldUpNoOthers(t *testing.T) {
	serve(t, usual(), func(t *testing.T, s *store) {
		var under, most atomic.Int64
		slow := func(context.Context, int64) error {
			if n := under.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(10 * time.Second)
			under.Add(-1)
			return errAway
		}
		var held []*number
		for key := range 10 {
			held = append(held, thing(t, s, 1, key, slow), thing(t, s, 2, key, slow))
		}
		for _, n := range held {
			n.Ask()
		}
		synctest.Wait()
		if most.Load() != 4 {
			t.Errorf("two tenants have %d at a time, want 2 each", most.Load())
		}
		began := time.Now()
		if err := thing(t, s, 3, 1, nil).wait(0); err != nil || time.Since(began) > 0 {
			t.Errorf("another tenant: got %v after %v", err, time.Since(began))
		}
		runtime.KeepAlive(held)
	})
}

// TestWhatIsOutComesInOnceThereIsRoom is what a publish of many APIs does: the new
// ones are made while the garbage collector has not been at the old ones.
func TestWhatIsOutComesInOnceThereIsRoom(t *testing.T) {
	s := supply.NewStore[int, number](supply.Options[*number]{Now: time.Now, Log: slog.New(slog.DiscardHandler), Most: 10, AtATime: 8, OfTenant: 2})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	defer running.Wait()
	defer stop()
	var before, after []*number
	for key := range 8 {
		before = append(before, thing(t, s, 1, key, nil))
	}
	for key := range 8 {
		after = append(after, thing(t, s, 1, 100+key, nil))
	}
	for i, n := range after {
		if err := n.wait(0); (i >= 2) != errors.Is(err, supply.ErrBarred) {
			t.Errorf("%d beside those before: got %v", i, err)
		}
	}
	if err := thing(t, s, 2, 100, nil).wait(0); err != nil {
		t.Errorf("another tenant's: got %v", err)
	}
	runtime.KeepAlive(before)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		runtime.GC()
		if after[7].wait(0) == nil && after[2].wait(0) == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("what is held no more makes no room")
		}
	}
	runtime.KeepAlive(after)
}

func TestHeldThingsAreATenantsAndAreForgottenWithTheirHolders(t *testing.T) {
	h := supply.NewHeld[string, int](2)
	get := func(tenant byte, key string) (*int, bool) {
		return h.Get(policy.ID{tenant}, key, func() *int { return new(int) })
	}
	a, in := get(1, "a")
	if same, _ := get(1, "a"); same != a || !in {
		t.Error("the same key has another thing while one holds it")
	}
	if other, in := get(2, "a"); other == a || !in {
		t.Error("two tenants share a thing")
	}
	b, _ := get(1, "b")
	c, in := get(1, "c")
	if in || h.In(policy.ID{1}, "c") || h.In(policy.ID{1}, "nothing") {
		t.Error("one more than there may be is in")
	}
	runtime.KeepAlive(a)
	for end := time.Now().Add(10 * time.Second); !h.In(policy.ID{1}, "c"); runtime.GC() {
		if time.Now().After(end) {
			t.Fatal("what nobody holds makes no room")
		}
	}
	d, in := get(1, "d")
	if in {
		t.Error("a place was taken twice")
	}
	seen := map[*int]bool{}
	h.Each(func(tenant policy.ID, thing *int) { seen[thing] = tenant == policy.ID{1} })
	if !seen[b] || !seen[c] || seen[d] {
		t.Errorf("each: got %v", seen)
	}
	runtime.KeepAlive(d)
}
