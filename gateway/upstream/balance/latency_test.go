package balance_test

import (
	"testing"
	"time"

	"portico/gateway/upstream/balance"
)

func TestLatencyIsTheMedianOfSomeCallsOfTheLastMinutes(t *testing.T) {
	e := balance.NewEndpoint("a", nil)
	if median, calls := e.Latency(second); median != 0 || calls != 0 {
		t.Errorf("got %s of %d calls before any", median, calls)
	}
	timed := 0
	for ms := range int64(20_000) { // a thousand calls a second, for 20 s
		now := second + ms*second/1000
		if !e.Wants(now) {
			continue
		}
		timed++
		took := 40 * time.Millisecond
		if timed == 3 { // one that hangs is not what calls are like
			took = time.Minute
		}
		e.Took(now, took)
	}
	if timed != 10 {
		t.Errorf("got %d of 20,000 calls timed, want one every two seconds", timed)
	}
	if median, calls := e.Latency(21 * second); median != 40*time.Millisecond || calls != 10 {
		t.Errorf("got %s of %d calls, want 40ms of 10", median, calls)
	}
	for range 100 { // never more than it has room for
		e.Took(22*second, 3*time.Millisecond)
	}
	if median, calls := e.Latency(22 * second); median != 3*time.Millisecond || calls != 32 {
		t.Errorf("got %s of %d calls, want 3ms of 32", median, calls)
	}
	if median, calls := e.Latency(400 * second); median != 0 || calls != 0 {
		t.Errorf("got %s of %d calls, want what was long ago forgotten", median, calls)
	}
}
