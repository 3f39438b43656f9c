// Package share bounds how much of what a node has one tenant may hold, so that
// none can keep the others from it.
//
// It does not let anybody wait, and does not know what its places are for. It is
// not a limit that somebody configures: those are policies.
package share

import (
	"hash/maphash"
	"sync/atomic"
)

// Places are so many places, which tenants take and give back. A quarter of them
// is for tenants that hold none; of the others a tenant may take one as long as
// it holds less than half as many as are free. So one alone gets a quarter of
// all, and who takes all that it gets leaves some for whoever comes next: to
// leave none takes as many tenants as a quarter of the places.
//
// It is safe for concurrent use, and takes no lock and no memory. What a tenant
// holds is counted in two counters that its hash picks, and is the less of them:
// for others to be taken for it, both would have to be theirs too.
type Places struct {
	seed  maphash.Seed
	most  int64
	taken atomic.Int64
	held  [counters]atomic.Int64
}

const counters = 8192

// New returns so many places, all of them free.
func New(most int) *Places { return &Places{seed: maphash.MakeSeed(), most: int64(most)} }

// Take takes a place for a tenant, which is to be given back, and reports
// whether there was one for it.
func (p *Places) Take(tenant string) bool {
	a, b := p.of(tenant)
	if !p.enough(min(a.Load(), b.Load()), p.taken.Load()) {
		return false // without a trace: who asks in vain must not be in the way of others
	}
	if p.enough(min(a.Add(1), b.Add(1))-1, p.taken.Add(1)-1) {
		return true
	}
	p.Give(tenant)
	return false
}

// Give gives back what Take took.
func (p *Places) Give(tenant string) {
	a, b := p.of(tenant)
	a.Add(-1)
	b.Add(-1)
	p.taken.Add(-1)
}

// Taken returns how many places are taken.
func (p *Places) Taken() int { return int(p.taken.Load()) }

// Full reports whether there is no place for anybody.
func (p *Places) Full() bool { return p.taken.Load() >= p.most }

func (p *Places) enough(held, taken int64) bool {
	free := p.most - taken
	return held == 0 && free > 0 || 2*held < free-p.most/4
}

// of returns a tenant's two counters.
func (p *Places) of(tenant string) (a, b *atomic.Int64) {
	h := maphash.String(p.seed, tenant)
	first := h % counters
	second := (first + 1 + h>>32%(counters-1)) % counters // another one
	return &p.held[first], &p.held[second]
}
