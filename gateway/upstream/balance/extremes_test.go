package balance_test

import (
	"testing"
	"time"

	"portico/gateway/upstream/balance"
)

// TestEndpointThatRestsWhileAnotherGroupTakesItComesBack has both groups wait for
// the end of its rest, whichever of them is first to see it.
func TestEndpointThatRestsWhileAnotherGroupTakesItComesBack(t *testing.T) {
	ejects := balance.Settings{Ejection: balance.Ejection{Failures: 1, Base: 10 * time.Second, MaxPercent: 50}}
	old := newPool(ejects, 1, 1)
	old.fail(0, 1, second, balance.Unreachable)
	old.Retire()
	next := &pool{Group: balance.NewGroup(ejects, nil), list: old.list}
	next.Set(2*second, old.members)
	if got := next.spread(t, 2*second, 10, nil); got[0] != 0 {
		t.Fatalf("while it rests: %v", got)
	}
	// Calls that are under way on the old one end, badly.
	old.fail(1, 1, 3*second, balance.Broken)
	if got := next.spread(t, 3*second, 10, nil); got[1] != 10 {
		t.Fatalf("after a call of the old group: %v", got)
	}
	// They may still be tried again there.
	if e, err := old.PickAgain(3*second, 0, old.list[:1]); err != nil || e != old.list[1] {
		t.Errorf("the old group has %v and %v for another try", e, err)
	}
	old.SetHealth(old.list[1], 3*second, "check: late")
	old.Settle(12 * second)
	next.Settle(12 * second)
	if got := next.spread(t, 12*second, 10, nil); got[0] != 5 {
		t.Errorf("after its rest: %v", got)
	}
}

// TestFailingForLongIsForgivenToo fails more calls in a row than a number has room
// to double for.
func TestFailingForLongIsForgivenToo(t *testing.T) {
	p := newPool(balance.Settings{Algorithm: balance.EWMA}, 1, 1)
	p.Done(p.list[1], 0, balance.Answered, 10*time.Millisecond)
	for i := range int64(3000) {
		p.Done(p.list[0], i*second/100, balance.Unavailable, time.Millisecond)
	}
	at := int64(0)
	for ; at < 300; at++ {
		now := (30 + at) * second
		p.Done(p.list[1], now, balance.Answered, 10*time.Millisecond)
		if got := p.spread(t, now, 100, nil); got[0] > 0 {
			break
		}
	}
	if at < 5 || at > 120 {
		t.Errorf("it is called again after %d seconds", at)
	}
}

func TestLastFitEndpointIsNotEjected(t *testing.T) {
	p := newPool(balance.Settings{Ejection: balance.Ejection{Failures: 1, Base: 10 * time.Second, MaxPercent: 100}}, 1, 1, 1)
	p.SetHealth(p.list[0], second, "check: late")
	p.SetHealth(p.list[1], second, "check: late")
	p.fail(2, 5, second, balance.Unavailable)
	if got := p.spread(t, second, 30, nil); got[2] != 30 {
		t.Errorf("the others are known to be dead, and calls go %v", got)
	}
}
