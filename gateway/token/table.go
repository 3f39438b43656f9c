package token

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"weak"

	"portico/internal/entry/keyset"
)

// Verified is a token that was found good, by the policy Policy and the keys
// Keys: it is good for no other. Or, where Refused is set, one that was found not
// to be.
type Verified struct {
	Hash    [32]byte // SHA-256 of its text
	Policy  [16]byte
	Refused *Refusal // nil of a good one
	// Keys are none where its issuer was asked. They are not held: a table keeps
	// more tokens than an issuer has keys in its time.
	Keys   weak.Pointer[keyset.Set]
	Until  int64 // seconds since 1970; not good from then on
	Claims *Claims
	Scopes []string
	Name   string   // of the claim that names the application
	Grant  [32]byte // the hash that it is registered by
	// Certificate is the SHA-256 of the client certificate that it is bound to; nil
	// for none.
	Certificate *[32]byte
}

// Table keeps tokens that were verified, so that they need not be again. Its
// number of places is fixed when it is made, four of them share the memory that a
// large token takes, and what takes more is not kept: it is bounded whatever
// issuers write. Reading takes no lock and allocates nothing.
type Table struct {
	mask uint64
	sets [][ways]atomic.Pointer[Verified]
}

const (
	ways    = 4
	maxCost = 16 << 10 // of the claims that a set keeps, in bytes
)

// Tables are a table for each tenant, as long as somebody holds it: no tenant's
// tokens push out another's.
type Tables struct {
	tokens int

	mu       sync.Mutex
	byTenant map[[16]byte]weak.Pointer[Table] // guarded by mu
}

// NewTables returns tables with room for at least so many tokens each.
func NewTables(tokens int) *Tables {
	return &Tables{tokens: tokens, byTenant: map[[16]byte]weak.Pointer[Table]{}}
}

// Of returns a tenant's table; nil of none.
func (t *Tables) Of(tenant [16]byte) *Table {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.byTenant[tenant].Value(); known != nil {
		return known
	}
	for id, table := range t.byTenant {
		if table.Value() == nil {
			delete(t.byTenant, id)
		}
	}
	made := NewTable(t.tokens)
	t.byTenant[tenant] = weak.Make(made)
	return made
}

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

// Keep remembers a token, in the place of the one of its set that ends first, and
// of those that take the memory it needs.
func (t *Table) Keep(v *Verified) {
	if t == nil || v.cost() > maxCost {
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
	room := maxCost - v.cost()
	for i := range set {
		if old := set[i].Load(); old != nil && i != place {
			if cost := old.cost(); cost <= room {
				room -= cost
			} else {
				set[i].CompareAndSwap(old, nil)
			}
		}
	}
}

// Forget takes what is known of a token under a policy away.
func (t *Table) Forget(hash *[32]byte, policy *[16]byte) {
	if t == nil {
		return
	}
	set := t.set(hash, policy)
	for i := range set {
		if v := set[i].Load(); v != nil && v.Hash == *hash && v.Policy == *policy {
			set[i].CompareAndSwap(v, nil)
		}
	}
}

// cost is the memory that a token takes, roughly, in bytes.
func (v *Verified) cost() int {
	if v.Claims == nil {
		return 0
	}
	return v.Claims.cost
}

func (t *Table) set(hash *[32]byte, policy *[16]byte) *[ways]atomic.Pointer[Verified] {
	h := binary.LittleEndian.Uint64(hash[:]) ^ binary.LittleEndian.Uint64(policy[:])
	return &t.sets[h&t.mask]
}
