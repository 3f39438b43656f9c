package signature

import (
	"crypto/sha256"
	"sync"

	"portico/gateway/share"
)

// Replays remembers what may be taken once only. It is bounded: what does not fit
// is not taken at all, and no owner of credentials, and none of its credentials,
// gets more than its share. It is safe for concurrent use.
type Replays struct {
	shards [shards]shard
	places int // of each shard
	share  int // of each, for one credential
	owners *share.Places
}

const (
	shards     = 64
	shareOf    = 8  // a credential gets one part in so many
	sweptEvery = 1  // seconds between two looks for what can be forgotten
	spotBytes  = 16 // of a hash, enough that nobody finds two of one
)

type spot [spotBytes]byte

type shard struct {
	mu    sync.Mutex
	seen  map[spot]kept
	held  map[[16]byte]int // of each credential
	swept int64            // seconds since 1970
}

type kept struct {
	until             int64 // seconds since 1970
	owner, credential [16]byte
}

// NewReplays returns one that remembers about so many.
func NewReplays(places int) *Replays {
	each := max(places/shards, shareOf)
	return &Replays{places: each, share: each / shareOf, owners: share.New(each * shards)}
}

// Outcome is what Replays says of something.
type Outcome int

// The outcomes.
const (
	Fresh Outcome = iota
	Replayed
	Full // there is no room to remember it
)

// Take takes a nonce of an owner's credential, which is not taken again until after
// a time. Times are seconds since 1970.
func (r *Replays) Take(owner, credential [16]byte, keyID, nonce string, now, until int64) Outcome {
	sum := sha256.Sum256([]byte(keyID + "\n" + nonce))
	at := spot(sum[:spotBytes])
	s := &r.shards[sum[spotBytes]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen, s.held = map[spot]kept{}, map[[16]byte]int{}
	}
	old, known := s.seen[at]
	switch {
	case known && now <= old.until:
		return Replayed
	case known:
		s.forget(r, at, old)
	}
	if !s.place(r, owner, credential) {
		s.sweep(r, now)
		if !s.place(r, owner, credential) {
			return Full
		}
	}
	s.seen[at] = kept{until, owner, credential}
	s.held[credential]++
	return Fresh
}

// place takes a place for one more of a credential, and reports whether there was
// one.
func (s *shard) place(r *Replays, owner, credential [16]byte) bool {
	return len(s.seen) < r.places && s.held[credential] < r.share && r.owners.Take(string(owner[:]))
}

// sweep forgets what is over.
func (s *shard) sweep(r *Replays, now int64) {
	if now >= s.swept && now-s.swept < sweptEvery { // a clock that was set back does not stop it
		return
	}
	s.swept = now
	for at, k := range s.seen {
		if now > k.until {
			s.forget(r, at, k)
		}
	}
}

func (s *shard) forget(r *Replays, at spot, k kept) {
	delete(s.seen, at)
	r.owners.Give(string(k.owner[:]))
	if s.held[k.credential]--; s.held[k.credential] <= 0 {
		delete(s.held, k.credential)
	}
}
