package table

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"portico/gateway/policy"
	"portico/gateway/prefetch"
)

// hashes finds grants by a SHA-256 in two steps through cold memory, a slot and the
// grant: with many keys those are most of what a lookup costs. The bits of a hash
// are as good as those of any other function of it. It is read without a lock; one
// goroutine writes at a time.
//
// Why one table with open addressing, and not small parts that are replaced as in
// shards: what leads to a part is one more step. A change is one store here too,
// and whoever reads sees a slot before it or after it: a slot that has had a grant
// keeps its bits of a hash until the table is made anew, by then elsewhere.
type hashes struct {
	slots atomic.Pointer[[]hashSlot] // a power of two, at most half of them in use; nil for none
	used  int                        // slots, those of what has gone too
	count int
	gone  policy.Grant // what stands where a grant has gone; no hash is its
}

// hashSlot is a quarter of a cache line. The rest of a hash is its grant's.
type hashSlot struct {
	some  uint64                       // of the hash; written before the first grant is
	grant atomic.Pointer[policy.Grant] // nil for a free one
}

func someOf(hash *[32]byte) uint64 { return binary.LittleEndian.Uint64(hash[8:]) }

// load returns nil for what is not there.
func (h *hashes) load(hash *[32]byte) *policy.Grant {
	slots := h.slots.Load()
	if slots == nil {
		return nil
	}
	_, grant := find(*slots, hash)
	return grant
}

// seek asks for the memory of the first step of load.
func (h *hashes) seek(hash *[32]byte) {
	if slots := h.slots.Load(); slots != nil {
		first := &(*slots)[binary.LittleEndian.Uint32(hash[:])&uint32(len(*slots)-1)]
		prefetch.Memory(unsafe.Pointer(first), unsafe.Sizeof(*first))
	}
}

// likely takes the first step of load, and asks for the memory of the second. What
// it returns may be another hash's grant.
func (h *hashes) likely(hash *[32]byte) *policy.Grant {
	slots := h.slots.Load()
	if slots == nil {
		return nil
	}
	mask, some := uint32(len(*slots)-1), someOf(hash)
	for at := binary.LittleEndian.Uint32(hash[:]) & mask; ; at = (at + 1) & mask {
		s := &(*slots)[at]
		if grant := s.grant.Load(); grant == nil || s.some == some {
			if grant != nil {
				grant.Ahead()
			}
			return grant
		}
	}
}

// find returns the slot of a hash and its grant, or the free one where it would be.
func find(slots []hashSlot, hash *[32]byte) (*hashSlot, *policy.Grant) {
	mask, some := uint32(len(slots)-1), someOf(hash)
	for at := binary.LittleEndian.Uint32(hash[:]) & mask; ; at = (at + 1) & mask {
		s := &slots[at]
		if grant := s.grant.Load(); grant == nil || s.some == some && grant.Hash == *hash {
			return s, grant
		}
	}
}

// put puts a grant in the place of what was there under its hash, and reports
// whether there was something.
func put(slots []hashSlot, grant *policy.Grant) bool {
	s, old := find(slots, &grant.Hash)
	if old == nil {
		s.some = someOf(&grant.Hash)
	}
	s.grant.Store(grant)
	return old != nil
}

// store puts a grant in the place of what was there under its hash.
func (h *hashes) store(grant *policy.Grant) {
	if slots := h.slots.Load(); slots == nil || h.used == len(*slots)/2 {
		h.renew()
	}
	if !put(*h.slots.Load(), grant) {
		h.used++
		h.count++
	}
}

// renew makes the table anew, without what has gone and with room for a quarter
// more than there is.
func (h *hashes) renew() {
	size := 16
	for size <= 2*(h.count+h.count/4) {
		size *= 2
	}
	next := make([]hashSlot, size)
	h.each(func(grant *policy.Grant) { put(next, grant) })
	h.used = h.count
	h.slots.Store(&next)
}

func (h *hashes) remove(hash [32]byte) {
	slots := h.slots.Load()
	if slots == nil {
		return
	}
	if s, grant := find(*slots, &hash); grant != nil {
		s.grant.Store(&h.gone)
		h.count--
	}
}

// each visits everything. It is for the writer.
func (h *hashes) each(visit func(*policy.Grant)) {
	slots := h.slots.Load()
	if slots == nil {
		return
	}
	for i := range *slots {
		if grant := (*slots)[i].grant.Load(); grant != nil && grant != &h.gone {
			visit(grant)
		}
	}
}
