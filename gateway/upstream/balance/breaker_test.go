package balance_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"portico/gateway/upstream/balance"
)

func TestBreakerOpensTriesAndCloses(t *testing.T) {
	ctx := context.Background()
	p := newPool(balance.Settings{Breaker: balance.BreakerSettings{
		ErrorPercent: 50, Window: 10 * time.Second, MinRequests: 10, Open: 5 * time.Second, Probes: 2,
	}}, 1)
	e := p.list[0]
	call := func(now int64, o balance.Outcome) error {
		_, err := p.Enter(ctx, now, 0)
		if err == nil {
			p.Done(e, now, o, 0)
			p.Leave()
		}
		return err
	}
	now := 100 * second
	for range 9 { // all fail, but they are few
		if err := call(now, balance.Failed); err != nil {
			t.Fatal(err)
		}
	}
	now += 11 * second // and forgotten
	for range 6 {
		_ = call(now, balance.Answered)
	}
	for range 5 {
		if err := call(now, balance.Unavailable); err != nil {
			t.Fatalf("under half: %v", err)
		}
	}
	_ = call(now, balance.Late)
	after, err := p.Enter(ctx, now+second, 0)
	if !errors.Is(err, balance.ErrOpen) || after != 4*time.Second || !p.Health(now+second).Open {
		t.Fatalf("half failed: %v, after %v", err, after)
	}
	now += 5 * second // half open: as many as probes
	for range 2 {
		if _, err := p.Enter(ctx, now, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Enter(ctx, now, 0); !errors.Is(err, balance.ErrOpen) {
		t.Errorf("one more than probes: %v", err)
	}
	p.Done(e, now, balance.Answered, 0)
	p.Done(e, now, balance.Failed, 0)
	if _, err := p.Enter(ctx, now+second, 0); !errors.Is(err, balance.ErrOpen) {
		t.Errorf("a probe failed: %v", err)
	}
	now += 6 * second
	_ = call(now, balance.Answered)
	_ = call(now, balance.Answered)
	for range 20 {
		if err := call(now, balance.Answered); err != nil {
			t.Fatalf("the probes did well: %v", err)
		}
	}
	// Probes whose callers left do not keep it half open for ever.
	for range 20 {
		_ = call(now, balance.Failed)
	}
	now += 40 * second
	for range 2 {
		if err := call(now, balance.Abandoned); err != nil {
			t.Fatal(err)
		}
	}
	if err := call(now+6*second, balance.Answered); err != nil {
		t.Errorf("after lost probes: %v", err)
	}
}

// TestBreakerForgetsWhatWasBeforeItOpened opens and closes one in the first
// moments of a process, when its window reaches back to before the start.
func TestBreakerForgetsWhatWasBeforeItOpened(t *testing.T) {
	p := newPool(balance.Settings{Breaker: balance.BreakerSettings{
		ErrorPercent: 50, Window: 10 * time.Second, MinRequests: 4, Open: time.Second, Probes: 1,
	}}, 1)
	call := func(now int64, o balance.Outcome) error {
		_, err := p.Enter(context.Background(), now, 0)
		if err == nil {
			p.Done(p.list[0], now, o, 0)
			p.Leave()
		}
		return err
	}
	for range 4 {
		if err := call(1, balance.Unavailable); err != nil {
			t.Fatal(err)
		}
	}
	if err := call(2, balance.Answered); !errors.Is(err, balance.ErrOpen) {
		t.Fatalf("after four failures: %v", err)
	}
	if err := call(2*second, balance.Answered); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := call(2*second, balance.Unavailable); err != nil {
			t.Errorf("failure %d after it closed: %v", i, err)
		}
	}
}
