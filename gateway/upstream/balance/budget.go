package balance

import (
	"sync"
	"time"
)

// budget keeps retries to a part of all calls, so that an upstream in trouble
// does not get more of them than when it was well. What is counted on the path
// is the choices that a group makes anyway.
type budget struct {
	mu      sync.Mutex // guards what follows; taken only by calls that failed
	start   int64
	from    int64 // calls that there were when the stretch began
	before  int64 // calls in the stretch before
	retries int64
}

// stretch is the time over which a budget is kept.
const stretch = 10 * time.Second

func (b *budget) take(now, calls int64, percent, least int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if since := now - b.start; since >= int64(stretch) || b.start == 0 {
		b.before = 0
		if b.start != 0 {
			b.before = int64(float64(calls-b.from) * float64(stretch) / float64(since))
		}
		b.start, b.from, b.retries = max(now, 1), calls, 0
	}
	calls = max(calls-b.from, b.before)
	if b.retries >= int64(least)*int64(stretch/time.Second)+calls*int64(percent)/100 {
		return false
	}
	b.retries++
	return true
}
