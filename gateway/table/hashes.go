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

const hashParts = 4096 // a power of two

// hashPart is a table with open addressing. It never changes.
type hashPart struct {
	slots []hashSlot // a power of two, at most half of them in use
	used  int
}

type hashSlot struct {
	hash  [32]byte
	grant *policy.Grant // nil for a free one
}

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
	mask := len(p.slots) - 1
	for at := int(binary.LittleEndian.Uint32(hash[8:])) & mask; ; at = (at + 1) & mask {
		if s := &p.slots[at]; s.hash == *hash || s.grant == nil {
			return at
		}
	}
}

// without returns a copy that has room for one more, and not a certain hash.
func (p *hashPart) without(hash *[32]byte) *hashPart {
	size := 2
	for size < 2*(p.used+1) {
		size *= 2
	}
	next := &hashPart{slots: make([]hashSlot, size)}
	for i := range p.slots {
		if s := &p.slots[i]; s.grant != nil && s.hash != *hash {
			next.slots[next.find(&s.hash)] = *s
			next.used++
		}
	}
	return next
}

// store puts a grant in the place of what was there.
func (h *hashes) store(hash [32]byte, grant *policy.Grant) {
	part := h.part(&hash)
	old := part.Load()
	if old == nil {
		old = &hashPart{}
	}
	next := old.without(&hash)
	next.slots[next.find(&hash)] = hashSlot{hash, grant}
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
func (h *hashes) each(visit func([32]byte, *policy.Grant)) {
	for i := range h.parts {
		if p := h.parts[i].Load(); p != nil {
			for _, s := range p.slots {
				if s.grant != nil {
					visit(s.hash, s.grant)
				}
			}
		}
	}
}
