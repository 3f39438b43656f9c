package table

import (
	"encoding/binary"
	"sync/atomic"

	"portico/gateway/policy"
)

// hashes finds grants by a SHA-256 like a shards, in fewer steps through cold
// memory than a map takes: with many keys those are most of what a lookup costs.
// The bits of a hash are as good as those of any other function of it.
type hashes struct {
	parts [hashParts]atomic.Pointer[hashPart]
	count int
}

const hashParts = 2048 // a power of two

// hashPart is a table with open addressing. It never changes.
type hashPart struct {
	slots []hashSlot // a power of two, at most half of them in use
	used  int
}

// hashSlot is a quarter of a cache line. The rest of a hash is its grant's.
type hashSlot struct {
	some  uint64        // of the hash
	grant *policy.Grant // nil for a free one
}

func someOf(hash *[32]byte) uint64 { return binary.LittleEndian.Uint64(hash[8:]) }

func (h *hashes) part(hash *[32]byte) *atomic.Pointer[hashPart] {
	return &h.parts[binary.LittleEndian.Uint32(hash[:])%hashParts]
}

// load returns nil for what is not there.
func (h *hashes) load(hash *[32]byte) *policy.Grant {
	if p := h.part(hash).Load(); p != nil {
		return p.slots[p.find(hash)].grant
	}
	return nil
}

// find returns the place of a hash, or the free one where it would be.
func (p *hashPart) find(hash *[32]byte) int {
	mask, some := len(p.slots)-1, someOf(hash)
	for at := int(some>>32) & mask; ; at = (at + 1) & mask {
		if s := &p.slots[at]; s.grant == nil || s.some == some && s.grant.Hash == *hash {
			return at
		}
	}
}

// free returns the place for a hash that is not there.
func (p *hashPart) free(some uint64) int {
	at := int(some>>32) & (len(p.slots) - 1)
	for p.slots[at].grant != nil {
		at = (at + 1) & (len(p.slots) - 1)
	}
	return at
}

// without returns a copy that has room for one more, and not a certain hash.
func (p *hashPart) without(hash *[32]byte) *hashPart {
	size := 2
	for size < 2*(p.used+1) {
		size *= 2
	}
	next := &hashPart{slots: make([]hashSlot, size)}
	for i := range p.slots {
		if s := &p.slots[i]; s.grant != nil && (s.some != someOf(hash) || s.grant.Hash != *hash) {
			next.slots[next.free(s.some)] = *s
			next.used++
		}
	}
	return next
}

// store puts a grant in the place of what was there under its hash.
func (h *hashes) store(grant *policy.Grant) {
	hash := &grant.Hash
	part := h.part(hash)
	old := part.Load()
	if old == nil {
		old = &hashPart{}
	}
	next := old.without(hash)
	next.slots[next.free(someOf(hash))] = hashSlot{someOf(hash), grant}
	next.used++
	h.count += next.used - old.used
	part.Store(next)
}

func (h *hashes) remove(hash [32]byte) {
	part := h.part(&hash)
	old := part.Load()
	if old == nil || old.slots[old.find(&hash)].grant == nil {
		return
	}
	h.count--
	if old.used == 1 {
		part.Store(nil)
		return
	}
	part.Store(old.without(&hash))
}

// each visits everything. It is for the writer.
func (h *hashes) each(visit func(*policy.Grant)) {
	for i := range h.parts {
		if p := h.parts[i].Load(); p != nil {
			for _, s := range p.slots {
				if s.grant != nil {
					visit(s.grant)
				}
			}
		}
	}
}
