package policy

import (
	"crypto/sha256"
	"unsafe"

	"portico/gateway/prefetch"
)

// ahead is how far the way from a call's key to its grant was gone before its route
// was known. It decides nothing.
//
// Why: a slot, a grant and the state of its limit are in memory that no cache holds
// where there are many keys, and each is found by way of the one before. While the
// route is looked for they can come.
type ahead struct {
	key    string // "" for none
	hash   [32]byte
	likely *Grant // its grant, or another one
}

// HashAhead hashes the call's API key where one stands in a usual place, and returns
// its SHA-256; nil where none does.
func (ex *Exchange) HashAhead() *[32]byte {
	for _, f := range ex.Header.Fields() {
		switch len(f.Name) {
		case len("X-API-Key"):
			if foldEqual(f.Name, "X-API-Key") {
				return ex.hashAhead(f.Value)
			}
		case len("Authorization"):
			if foldEqual(f.Name, "Authorization") {
				if key, ok := bearer(f.Value); ok {
					return ex.hashAhead(key)
				}
			}
		}
	}
	return nil
}

func (ex *Exchange) hashAhead(key string) *[32]byte {
	if !shapedLikeKey(key) {
		return nil
	}
	ex.ahead.key, ex.ahead.hash = key, sha256.Sum256(bytesOf(key))
	return &ex.ahead.hash
}

// LikelyGrant says which grant's key it probably is, nil for nobody's, so that what
// that one needs can be asked for.
func (ex *Exchange) LikelyGrant(grant *Grant) { ex.ahead.likely = grant }

// hashed returns the SHA-256 of a key, nil of what cannot be one.
func (ex *Exchange) hashed(key string) *[32]byte {
	if key != "" && key == ex.ahead.key {
		return &ex.ahead.hash
	}
	return ex.hashAhead(key)
}

// Ahead asks for the memory that Grant's caller reads of it first.
func (g *Grant) Ahead() { prefetch.Memory(unsafe.Pointer(g), grantRead) }

// grantRead is how many bytes of a grant a call reads.
const grantRead = 128

// ahead asks for the memory in which the first limit of a subscription's plan counts.
func (m *Limiter) ahead(sub *Subscription) {
	if sub.Terms == nil || sub.limits > 0 {
		return
	}
	if terms := sub.Terms.Load(); terms != nil && len(terms.limits) > 0 && terms.limits[0].slice == 0 {
		m.rates.ahead(m.key(terms.limits[0].id, sub.ID[:]))
	}
}

// ahead asks for the memory in which a key's cell is looked for first.
func (m *cells[T]) ahead(key uint64) {
	prefetch.Memory(unsafe.Pointer(&m.sets[key&m.mask]), unsafe.Sizeof(m.sets[0]))
}
