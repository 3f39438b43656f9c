package signature

import (
	"crypto/sha256"
	"sync"
)

// Replays remembers what may be taken once only. It is bounded: what does not fit
// is not taken at all, and no credential gets more than its share. It is safe for
// concurrent use.
type Replays struct {
	shards [shards]shard
	places int // of each shard
	share  int // of each, for one credential
}

const (
	shards     = 64
	shareOf    = 4  // a credential gets one part in so many
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
	until      int64 // seconds since 1970
	credential [16]byte
}

// NewReplays returns one that remembers about so many.
func NewReplays(places int) *Replays {
	each := max(places/shards, shareOf)
	return &Replays{places: each, share: each / shareOf}
}

// Outcome is what Replays says of something.
type Outcome int

// The outcomes.
const (
	Fresh Outcome = iota
	Replayed
	Full // there is no room to remember it
)

// Take takes a nonce of a credential, which is not taken again until after a
// time. Times are seconds since 1970.
func (r *Replays) Take(credential [16]byte, keyID, nonce string, now, until int64) Outcome {
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
		s.forget(at, old)
	}
	if s.full(r, credential) {
		s.sweep(now)
		if s.full(r, credential) {
			return Full
		}
	}
	s.seen[at] = kept{until, credential}
	s.held[credential]++
	return Fresh
}

func (s *shard) full(r *Replays, credential [16]byte) bool {
	return len(s.seen) >= r.places || s.held[credential] >= r.share
}

// sweep forgets what is over.
func (s *shard) sweep(now int64) {
	if now >= s.swept && now-s.swept < sweptEvery { // a clock that was set back does not stop it
		return
	}
	s.swept = now
	for at, k := range s.seen {
		if now > k.until {
			s.forget(at, k)
		}
	}
}

func (s *shard) forget(at spot, k kept) {
	delete(s.seen, at)
	if s.held[k.credential]--; s.held[k.credential] <= 0 {
		delete(s.held, k.credential)
	}
}
