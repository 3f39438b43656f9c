package publish

import (
	"sort"
	"sync"
	"time"
)

// keepHeads is how many heads of an environment are remembered.
const keepHeads = 4096

// heads remembers when the newest heads were written.
type heads struct {
	mu            sync.Mutex // guards byEnvironment
	byEnvironment map[string][]head
}

// head is one of an environment's heads; they are kept in ascending order.
type head struct {
	sequence uint64
	written  time.Time // zero: by an earlier process
}

// note says that a head is being written now. When the same was tried before,
// the newest time counts.
func (h *heads) note(environment string, sequence uint64, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.byEnvironment[environment]
	for len(all) > 0 && all[len(all)-1].sequence >= sequence {
		all = all[:len(all)-1]
	}
	all = append(all, head{sequence, now})
	if len(all) > keepHeads {
		all = append(all[:0], all[len(all)-keepHeads/2:]...)
	}
	h.byEnvironment[environment] = all
}

// at returns when the first head that includes a sequence was written. What was
// included in the oldest one that is remembered may have been so in an older
// one, and is not known.
func (h *heads) at(environment string, sequence uint64) (time.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.byEnvironment[environment]
	i := sort.Search(len(all), func(i int) bool { return all[i].sequence >= sequence })
	if i == len(all) || i == 0 && all[0].sequence != sequence || all[i].written.IsZero() {
		return time.Time{}, false
	}
	return all[i].written, true
}

// newest returns the newest head that was written, 0 when none is known.
func (h *heads) newest(environment string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if all := h.byEnvironment[environment]; len(all) > 0 {
		return all[len(all)-1].sequence
	}
	return 0
}

// forget drops what is known of an environment's heads.
func (h *heads) forget(environment string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.byEnvironment, environment)
}
