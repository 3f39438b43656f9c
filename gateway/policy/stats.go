package policy

import (
	"sync/atomic"
	"unsafe"

	"portico/gateway/prefetch"
)

// Stats counts an API's requests by the first digit of their status. The zero
// value is ready; it survives the API's revisions.
type Stats struct {
	shards [Shards]atomic.Pointer[statsShard]
}

type statsShard struct {
	classes [6]atomic.Uint64
	_       [16]byte // to a cache line
}

// Ahead asks for the memory that Add will want in a moment.
func (s *Stats) Ahead(shard uint32) {
	if counts := s.shards[shard%Shards].Load(); counts != nil {
		prefetch.Memory(unsafe.Pointer(counts), unsafe.Sizeof(*counts))
	}
}

// Add counts one answer.
func (s *Stats) Add(shard uint32, status int) {
	p := &s.shards[shard%Shards]
	counts := p.Load()
	if counts == nil {
		p.CompareAndSwap(nil, &statsShard{})
		counts = p.Load()
	}
	class := status / 100
	if class < 0 || class > 5 {
		class = 0
	}
	counts.classes[class].Add(1)
}

// Count returns how many answers had a status of the class: 2 for 200 to 299.
func (s *Stats) Count(class int) uint64 {
	var n uint64
	for i := range s.shards {
		if counts := s.shards[i].Load(); counts != nil {
			n += counts.classes[class].Load()
		}
	}
	return n
}
