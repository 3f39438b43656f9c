package lane

import (
	"log/slog"
	"testing"
	"time"
)

// TestResetsCannotBeSavedUp resets streams that have ended, no more often than is
// free, and then has calls cut off by the server: those are bounded as ever.
func TestResetsCannotBeSavedUp(t *testing.T) {
	l := New(nil, Times{}, slog.New(slog.DiscardHandler))
	c := newHTTP2Conn(nil, l)
	for n := range int(time.Hour/time.Second) * resetsPerSecond {
		l.now.Add(int64(time.Second / resetsPerSecond))
		if !c.frame(frameReset, 0) {
			t.Fatalf("reset %d is one too many", n)
		}
	}
	calls := 0
	for ; c.frame(frameHeaders, flagEnd|flagHeadIn); calls++ {
		if calls > 2*maxResets {
			t.Fatalf("%d calls were cut off, and the connection goes on", calls)
		}
		c.cutOff()
	}
	if calls < maxResets {
		t.Errorf("the connection ended after %d calls that were cut off", calls)
	}
}
