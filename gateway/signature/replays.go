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

	sweeping sync.Mutex // guards what follows
	swept    int64      // when all shards were, seconds since 1970
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
	s, at, k := &r.shards[sum[spotBytes]%shards], spot(sum[:spotBytes]), kept{until, owner, credential}
	out, elsewhere := s.take(r, at, k, now)
	if elsewhere {
		r.sweep(now)
		out, _ = s.take(r, at, k, now)
	}
	return out
}

// sweep forgets what is over in all shards: what an owner holds is counted over
// them all, and most of it may have been over for long. Whoever comes meanwhile
// waits for that.
func (r *Replays) sweep(now int64) {
	r.sweeping.Lock()
	defer r.sweeping.Unlock()
	if !due(r.swept, now) {
		return
	}
	r.swept = now
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		s.sweep(r, now)
		s.mu.Unlock()
	}
}

// due reports whether it is time to look again for what can be forgotten. A clock
// that was set back does not stop it.
func due(swept, now int64) bool { return now < swept || now-swept >= sweptEvery }

// take is Take in a shard. elsewhere: it was refused for what its owner holds, which
// lies in others too.
func (s *shard) take(r *Replays, at spot, k kept, now int64) (out Outcome, elsewhere bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen, s.held = map[spot]kept{}, map[[16]byte]int{}
	}
	old, known := s.seen[at]
	switch {
	case known && now <= old.until:
		return Replayed, false
	case known:
		s.forget(r, at, old)
	}
	if !s.fits(r, k) {
		if s.sweep(r, now); !s.fits(r, k) {
			return Full, false
		}
	}
	if !r.owners.Take(string(k.owner[:])) {
		if s.sweep(r, now); !r.owners.Take(string(k.owner[:])) {
			return Full, true
		}
	}
	s.seen[at] = k
	s.held[k.credential]++
	return Fresh, false
}

// fits reports whether the shard has a place for one more of a credential.
func (s *shard) fits(r *Replays, k kept) bool {
	return len(s.seen) < r.places && s.held[k.credential] < r.share
}

// sweep forgets what is over.
func (s *shard) sweep(r *Replays, now int64) {
	if !due(s.swept, now) {
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
