package table

import "portico/gateway/policy"

// Grants holds every credential of an environment by the SHA-256 of its secret.
// It is read without a lock; changes are for one goroutine at a time.
type Grants struct {
	byHash hashes
	ended  int
	seen   chan *policy.Grant
}

// keptSeen is how many used grants may wait to be told; more are told when they
// are used again.
const keptSeen = 8192

// NewGrants returns an empty set.
func NewGrants() *Grants {
	return &Grants{seen: make(chan *policy.Grant, keptSeen)}
}

// Grant implements policy.Grants.
func (g *Grants) Grant(hash *[32]byte) *policy.Grant {
	if grant := g.byHash.load(hash); grant != nil && !grant.Ended {
		return grant
	}
	return nil
}

// Seek asks for memory that Likely reads, some time later.
func (g *Grants) Seek(hash *[32]byte) { g.byHash.seek(hash) }

// Likely returns the grant that Grant probably returns some time later, and asks for
// the memory that it then reads. It may have ended, or be another's: whoever admits
// callers by what it returns lets strangers in.
func (g *Grants) Likely(hash *[32]byte) *policy.Grant { return g.byHash.likely(hash) }

// Saw implements policy.Grants.
func (g *Grants) Saw(grant *policy.Grant) {
	select {
	case g.seen <- grant:
	default:
	}
}

// Seen returns the grants that were used since the last call, of at most limit.
func (g *Grants) Seen(limit int) []*policy.Grant {
	var out []*policy.Grant
	for len(out) < limit {
		select {
		case grant := <-g.seen:
			out = append(out, grant)
		default:
			return out
		}
	}
	return out
}

// Last returns what is known of a hash, tombstones included. It is for the
// writer.
func (g *Grants) Last(hash [32]byte) *policy.Grant {
	return g.byHash.load(&hash)
}

// Put stores a grant or its tombstone under its hash.
func (g *Grants) Put(grant *policy.Grant) {
	if old := g.Last(grant.Hash); old != nil && old.Ended {
		g.ended--
	}
	if grant.Ended {
		g.ended++
	}
	g.byHash.store(grant)
}

// Forget drops what is known of a hash.
func (g *Grants) Forget(hash [32]byte) {
	if old := g.Last(hash); old != nil && old.Ended {
		g.ended--
	}
	g.byHash.remove(hash)
}

// Each visits everything, tombstones included. It is for the writer, which may
// not change the set meanwhile.
func (g *Grants) Each(visit func(*policy.Grant)) { g.byHash.each(visit) }

// Len returns how many grants admit somebody. It is for the writer.
func (g *Grants) Len() int { return g.byHash.count - g.ended }
