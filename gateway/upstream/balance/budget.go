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
	from    uint64 // choices made when the stretch began
	before  uint64 // choices made in the stretch before
	retries uint64
}

// stretch is the time over which a budget is kept.
const stretch = 10 * time.Second

func (b *budget) take(now int64, picks uint64, percent, least int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if since := now - b.start; since >= int64(stretch) || b.start == 0 {
		b.before = 0
		if b.start != 0 {
			b.before = uint64(float64(picks-b.from) * float64(stretch) / float64(since))
		}
		b.start, b.from, b.retries = max(now, 1), picks, 0
	}
	calls := max(picks-b.from, b.before)
	if b.retries >= uint64(least)*uint64(stretch/time.Second)+calls*uint64(percent)/100 {
		return false
	}
	b.retries++
	return true
}
