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
// It is safe for concurrent use, and takes no lock and no memory. Tenants are
// told apart by a hash: that one shares its part with another is rare, and costs
// these two alone.
type Places struct {
	seed  maphash.Seed
	most  int64
	taken atomic.Int64
	held  [tenants]atomic.Int64 // by the hash of the tenant
}

const tenants = 4096

// New returns so many places, all of them free.
func New(most int) *Places { return &Places{seed: maphash.MakeSeed(), most: int64(most)} }

// Take takes a place for a tenant, which is to be given back, and reports
// whether there was one for it.
func (p *Places) Take(tenant string) bool {
	held := p.of(tenant)
	if !p.enough(held.Load(), p.taken.Load()) {
		return false // without a trace: who asks in vain must not be in the way of others
	}
	if p.enough(held.Add(1)-1, p.taken.Add(1)-1) {
		return true
	}
	p.Give(tenant)
	return false
}

// Give gives back what Take took.
func (p *Places) Give(tenant string) {
	p.of(tenant).Add(-1)
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

func (p *Places) of(tenant string) *atomic.Int64 {
	return &p.held[maphash.String(p.seed, tenant)%tenants]
}
