package balance_test

import (
	"testing"
	"time"

	"portico/gateway/upstream/balance"
)

func TestLatencyIsTheMedianOfSomeCallsOfTheLastMinutes(t *testing.T) {
	e := balance.NewEndpoint("a", nil)
	if median, calls := e.Latency(second); median != 0 || len(calls) != 0 {
		t.Errorf("got %s of %d calls before any", median, len(calls))
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
	if median, calls := e.Latency(21 * second); median != 40*time.Millisecond || len(calls) != 10 {
		t.Errorf("got %s of %d calls, want 40ms of 10", median, len(calls))
	}
	if _, calls := e.Latency(21 * second); calls[0].Ago != 20*time.Second || calls[9].Ago != 2*time.Second || calls[2].Took != time.Minute {
		t.Errorf("got %+v, want them in the order in which they came", calls)
	}
	for range 100 { // never more than it has room for
		e.Took(22*second, 3*time.Millisecond)
	}
	if median, calls := e.Latency(22 * second); median != 3*time.Millisecond || len(calls) != 32 {
		t.Errorf("got %s of %d calls, want 3ms of 32", median, len(calls))
	}
	if median, calls := e.Latency(400 * second); median != 0 || len(calls) != 0 {
		t.Errorf("got %s of %d calls, want what was long ago forgotten", median, len(calls))
	}
}
