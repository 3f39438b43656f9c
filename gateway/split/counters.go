package split

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// branch counts the calls of one side, spread over cores. The zero value is
// ready; nil counts nothing.
type branch struct {
	shards [policy.Shards]atomic.Pointer[branchShard]
}

type branchShard struct {
	classes [6]atomic.Uint64
	times   [entry.LatencyBuckets]atomic.Uint64
}

func (b *branch) add(shard uint32, status int, took time.Duration) {
	p := &b.shards[shard%policy.Shards]
	counts := p.Load()
	if counts == nil {
		p.CompareAndSwap(nil, &branchShard{})
		counts = p.Load()
	}
	class := status / 100
	if class < 0 || class > 5 {
		class = 0
	}
	counts.classes[class].Add(1)
	counts.times[entry.LatencyBucket(took)].Add(1)
}

func (b *branch) counts() *entry.BranchCounts {
	if b == nil {
		return nil
	}
	out := &entry.BranchCounts{}
	var times [entry.LatencyBuckets]uint64
	last := 0
	for i := range b.shards {
		counts := b.shards[i].Load()
		if counts == nil {
			continue
		}
		for j := range out.Classes {
			out.Classes[j] += counts.classes[j].Load()
		}
		for j := range times {
			if times[j] += counts.times[j].Load(); times[j] > 0 {
				last = max(last, j+1)
			}
		}
	}
	out.Times = append(out.Times, times[:last]...)
	return out
}

// skipped counts calls that were drawn for a mirror and not copied.
type skipped struct{ busy, body atomic.Uint64 }

func (s *skipped) counts() *entry.MirrorSkipped {
	if s == nil {
		return nil
	}
	return &entry.MirrorSkipped{Busy: s.busy.Load(), Body: s.body.Load()}
}

// statusOf returns the status of an answer, or of what the caller will be told
// in the place of one.
func statusOf(ex *policy.Exchange, err error) int {
	if err == nil {
		return ex.Answer.Status
	}
	return statusOfError(err)
}

func statusOfError(err error) int {
	denied, broken := (*policy.Denied)(nil), (*policy.Broken)(nil)
	switch {
	case errors.As(err, &denied):
		return denied.Status
	case errors.As(err, &broken):
		return policy.StatusGone
	}
	return http.StatusInternalServerError
}
