package policy

import (
	"sync"
	"sync/atomic"
)

// Shards is over how many places counters are spread. A power of two.
const Shards = 8

// Pool lends exchanges. The zero value is ready for use.
type Pool struct {
	pool sync.Pool
	made atomic.Uint32
}

// Take returns an empty exchange. One processor tends to get the same ones
// again, which is what makes Shard spread counters over cores.
func (p *Pool) Take() *Exchange {
	if ex, ok := p.pool.Get().(*Exchange); ok {
		return ex
	}
	return &Exchange{Shard: p.made.Add(1) % Shards, pooled: true, scratch: make([]byte, 0, 512)}
}

// Give takes an exchange back. The caller must not use it any more.
func (p *Pool) Give(ex *Exchange) {
	ex.Release() // of a call that panicked
	ex.Reset()
	p.pool.Put(ex)
}
