package token

import (
	"encoding/binary"
	"sync/atomic"

	"portico/internal/entry/keyset"
)

// Verified is a token that was found good, by the policy Policy and the keys
// Keys: it is good for no other. Or, where Refused is set, one that was found not
// to be.
type Verified struct {
	Hash    [32]byte // SHA-256 of its text
	Policy  [16]byte
	Refused *Refusal    // nil of a good one
	Keys    *keyset.Set // nil where its issuer was asked
	Until   int64       // seconds since 1970; not good from then on
	Claims  *Claims
	Scopes  []string
	Name    string   // of the claim that names the application
	Grant   [32]byte // the hash that it is registered by
	// Certificate is the SHA-256 of the client certificate that it is bound to; nil
	// for none.
	Certificate *[32]byte
}

// Table keeps tokens that were verified, so that they need not be again. Its
// number of places is fixed when it is made, and what takes too much memory is
// not kept: it is bounded whatever issuers write. Reading takes no lock and
// allocates nothing.
type Table struct {
	mask uint64
	sets [][ways]atomic.Pointer[Verified]
}

const (
	ways    = 4
	maxCost = 16 << 10 // of claims that are kept, in bytes
)

// NewTable returns a table with room for at least so many tokens.
func NewTable(tokens int) *Table {
	sets := 1
	for sets*ways < tokens {
		sets *= 2
	}
	return &Table{mask: uint64(sets - 1), sets: make([][ways]atomic.Pointer[Verified], sets)}
}

// Find returns what is known of a token under a policy; nil for nothing. Whether
// it is still in time, and its keys still the issuer's, is the caller's to ask.
func (t *Table) Find(hash *[32]byte, policy *[16]byte) *Verified {
	if t == nil {
		return nil
	}
	set := t.set(hash, policy)
	for i := range set {
		if v := set[i].Load(); v != nil && v.Hash == *hash && v.Policy == *policy {
			return v
		}
	}
	return nil
}

// Keep remembers a token, in the place of the one of its set that ends first.
func (t *Table) Keep(v *Verified) {
	if t == nil || v.Claims != nil && v.Claims.cost > maxCost {
		return
	}
	set := t.set(&v.Hash, &v.Policy)
	place, until := 0, int64(-1)
	for i := range set {
		old := set[i].Load()
		if old == nil || old.Hash == v.Hash && old.Policy == v.Policy {
			place = i
			break
		}
		if until < 0 || old.Until < until {
			place, until = i, old.Until
		}
	}
	set[place].Store(v)
}

func (t *Table) set(hash *[32]byte, policy *[16]byte) *[ways]atomic.Pointer[Verified] {
	h := binary.LittleEndian.Uint64(hash[:]) ^ binary.LittleEndian.Uint64(policy[:])
	return &t.sets[h&t.mask]
}
