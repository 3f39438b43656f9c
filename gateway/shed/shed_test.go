package shed_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"portico/gateway/shed"
)

func TestCallsAreRefusedOnlyWhenWaitingLasts(t *testing.T) {
	wait := time.Duration(0)
	s := shed.New(100*time.Millisecond, func() time.Duration { return wait })
	look := func(times int) {
		for range times {
			s.Look()
		}
	}
	look(100)
	wait = 5 * time.Second
	look(9) // a pause of less than a second is none
	wait = 0
	look(1)
	wait = 150 * time.Millisecond
	look(9)
	if s.Percent() != 0 || s.Sheds() {
		t.Fatalf("%d %% are refused before a second is over", s.Percent())
	}
	look(3)
	if p := s.Percent(); p < 10 || p > 20 {
		t.Errorf("a little over the limit: %d %% are refused, want about 15", p)
	}
	wait = 400 * time.Millisecond
	look(100)
	if s.Percent() != 90 {
		t.Errorf("far over it: %d %%, want 90: some always pass", s.Percent())
	}
	refused := 0
	for range 10_000 {
		if s.Sheds() {
			refused++
		}
	}
	if refused < 8800 || refused > 9200 {
		t.Errorf("%d of 10,000 were refused at 90 %%", refused)
	}
	wait = 0
	look(36)
	if s.Percent() != 0 {
		t.Errorf("%d %% are refused 3.6 s after it was over", s.Percent())
	}
}

func TestNoShedderRefusesNothing(t *testing.T) {
	var s *shed.Shedder
	if s.Sheds() || s.Percent() != 0 {
		t.Error("it refuses")
	}
}

func TestAskingCostsNoAllocation(t *testing.T) {
	s := shed.New(time.Millisecond, func() time.Duration { return time.Second })
	for range 30 {
		s.Look()
	}
	if n := testing.AllocsPerRun(1000, func() { s.Sheds() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// The runtime's own measure rises when there is more to do than processors can.
func TestSaturationIsSeen(t *testing.T) {
	s := shed.New(time.Millisecond, nil)
	s.Look()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 200 * runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for ctx.Err() == nil {
				for end := time.Now().Add(time.Millisecond); time.Now().Before(end); {
				}
				runtime.Gosched()
			}
		})
	}
	for end := time.Now().Add(20 * time.Second); s.Percent() == 0; s.Look() {
		if time.Now().After(end) {
			t.Error("it was not seen")
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	all.Wait()
}
