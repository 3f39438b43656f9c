package cache

import (
	"context"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	shardCount   = 16
	maxVariants  = 16  // of one key
	keyBytes     = 256 // what a key takes beside its text
	refreshes    = 64  // that run at once
	refreshLimit = time.Minute
)

// Store keeps answers by key. A key is a text that begins with that of its
// address: all keys of an address can be forgotten at once. It is safe for
// concurrent use.
type Store struct {
	max    int64
	total  atomic.Int64 // bytes of what is stored, and of what is reserved
	turn   atomic.Uint32
	seed   maphash.Seed
	shards [shardCount]shard

	ctx     context.Context // of refreshes; ends with Close
	cancel  context.CancelFunc
	places  chan struct{}
	running sync.WaitGroup
}

// shard holds the keys of some addresses.
type shard struct {
	mu        sync.RWMutex // guards what follows
	keys      map[string]*resource
	addresses map[string]*resource // the first of a list
	ring      resource             // its next is the newest, its prev the oldest
	hand      *resource            // where the search for what to evict goes on; nil: at the oldest
	flights   map[string]*Flight
	alone     map[*Flight]struct{}
}

// resource is what is stored by one key.
type resource struct {
	key      string
	address  string    // the beginning of key
	variants []*Answer // newest first; the slice is replaced, not changed
	pass     int64     // until when answers are known not to be stored
	bytes    int64
	used     atomic.Bool

	prev, next    *resource // of the ring
	before, after *resource // of the address
}

// New returns a store of at most max bytes.
func New(limit int64) *Store {
	s := &Store{max: limit, seed: maphash.MakeSeed(), places: make(chan struct{}, refreshes)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for i := range s.shards {
		h := &s.shards[i]
		h.keys, h.addresses, h.flights, h.alone = map[string]*resource{}, map[string]*resource{}, map[string]*Flight{}, map[*Flight]struct{}{}
		h.ring.prev, h.ring.next = &h.ring, &h.ring
	}
	return s
}

// Close ends the refreshes under way, and returns when they have ended. No new
// ones begin.
func (s *Store) Close() {
	s.cancel()
	for range cap(s.places) { // who holds a place is gone, and nobody gets one any more
		s.places <- struct{}{}
	}
	s.running.Wait()
}

// Refresh runs in the background, unless too many do, and reports whether it
// will. It is given a context that ends when the time of a refresh is over.
func (s *Store) Refresh(run func(ctx context.Context)) bool {
	if s.ctx.Err() != nil {
		return false
	}
	select {
	case s.places <- struct{}{}:
	default:
		return false
	}
	s.running.Go(func() {
		defer func() { <-s.places }()
		ctx, cancel := context.WithTimeout(s.ctx, refreshLimit)
		defer cancel()
		run(ctx)
	})
	return true
}

// Max returns how many bytes the store may take.
func (s *Store) Max() int64 { return s.max }

// Bytes returns how many bytes are stored or reserved.
func (s *Store) Bytes() int64 { return s.total.Load() }

func (s *Store) shard(address string) *shard {
	return &s.shards[maphash.String(s.seed, address)%shardCount]
}

// Get returns what is stored by a key, newest first, and until when its answers
// are known not to be stored. The first address bytes of key are its address. The
// slice must not be changed.
func (s *Store) Get(key string, address int) (variants []*Answer, pass int64) {
	h := s.shard(key[:address])
	h.mu.RLock()
	if r := h.keys[key]; r != nil {
		variants, pass = r.variants, r.pass
		if !r.used.Load() {
			r.used.Store(true)
		}
	}
	h.mu.RUnlock()
	return variants, pass
}

// Reserve takes bytes for an answer that is coming in, making room for them. It
// fails where half of the store is taken so already; give what it takes back
// with Release.
func (s *Store) Reserve(bytes int64) bool {
	if bytes > s.max/2 {
		return false
	}
	s.total.Add(bytes)
	if s.room() {
		return true
	}
	s.total.Add(-bytes)
	return false
}

// Release gives back what Reserve took.
func (s *Store) Release(bytes int64) { s.total.Add(-bytes) }

// room evicts until what is stored fits, and reports whether it does.
func (s *Store) room() bool {
	for empty := 0; s.total.Load() > s.max; {
		if s.shards[s.turn.Add(1)%shardCount].evict(s) {
			empty = 0
		} else if empty++; empty > 2*shardCount {
			return false
		}
	}
	return true
}

// evict removes a key that was not used since it was looked at last, and reports
// whether there was one.
func (h *shard) evict(s *Store) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.hand
	if at == nil || at == &h.ring {
		at = h.ring.prev
	}
	for first := at; at.used.Swap(false); {
		if at = at.prev; at == &h.ring {
			at = h.ring.prev
		}
		if at == first { // all were used since: another shard may hold what was not
			return false
		}
	}
	if at == &h.ring {
		return false
	}
	h.hand = at.prev
	h.remove(s, at)
	return true
}

// remove forgets a key. mu is held.
func (h *shard) remove(s *Store, r *resource) {
	if h.hand == r {
		h.hand = r.prev
	}
	r.prev.next, r.next.prev = r.next, r.prev
	if r.before != nil {
		r.before.after = r.after
	} else if r.after != nil {
		h.addresses[r.address] = r.after
	} else {
		delete(h.addresses, r.address)
	}
	if r.after != nil {
		r.after.before = r.before
	}
	delete(h.keys, r.key)
	s.total.Add(-r.bytes)
}

// resource returns the one of a key, a new one if there is none. mu is held.
func (h *shard) resource(key string, address int) (r *resource, fresh bool) {
	if r = h.keys[key]; r != nil {
		return r, false
	}
	r = &resource{key: string(append([]byte(nil), key...))}
	r.address = r.key[:address]
	h.keys[r.key] = r
	r.next, r.prev = h.ring.next, &h.ring
	r.next.prev, r.prev.next = r, r
	if first := h.addresses[r.address]; first != nil {
		r.after, first.before = first, r
	}
	h.addresses[r.address] = r
	return r, true
}

// Put stores an answer by a key, in the place of those that the same requests
// would get. Its body's bytes were reserved, and are the store's from now on. One
// that does not fit is not stored.
func (s *Store) Put(key string, address int, a *Answer, reserved int64) {
	more := a.Bytes() + int64(len(key)) + keyBytes - reserved
	s.total.Add(more)
	if !s.room() {
		s.total.Add(-more - reserved)
		return
	}
	h := s.shard(key[:address])
	h.mu.Lock()
	r, _ := h.resource(key, address)
	r.pass = 0
	s.total.Add(-more - reserved) // what is stored is counted below
	list := append(make([]*Answer, 0, min(len(r.variants)+1, maxVariants)), a)
	bytes := a.Bytes()
	for _, old := range r.variants {
		if len(list) == maxVariants || sameVary(old.Vary, a.Vary) || bytes+old.Bytes() > s.max/4 {
			continue
		}
		list = append(list, old)
		bytes += old.Bytes()
	}
	h.set(s, r, list, bytes)
	h.mu.Unlock()
	s.room()
}

// set replaces what a key holds. mu is held.
func (h *shard) set(s *Store, r *resource, list []*Answer, bytes int64) {
	bytes += int64(len(r.key)) + keyBytes
	s.total.Add(bytes - r.bytes)
	r.variants, r.bytes = list, bytes
}

// Drop forgets one answer of a key.
func (s *Store) Drop(key string, address int, a *Answer) {
	h := s.shard(key[:address])
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.keys[key]
	if r == nil {
		return
	}
	var list []*Answer
	bytes := int64(0)
	for _, old := range r.variants {
		if old != a {
			list = append(list, old)
			bytes += old.Bytes()
		}
	}
	if list == nil {
		h.remove(s, r)
		return
	}
	h.set(s, r, list, bytes)
}

// Pass remembers until when answers by a key are known not to be stored, so that
// nobody waits for one.
func (s *Store) Pass(key string, address int, until int64) {
	h := s.shard(key[:address])
	h.mu.Lock()
	r, fresh := h.resource(key, address)
	r.pass = until
	if fresh {
		h.set(s, r, nil, 0)
	}
	h.mu.Unlock()
	s.room()
}

// Forget removes everything of an address, and returns how many answers that
// were.
func (s *Store) Forget(address string) (answers int) {
	h := s.shard(address)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spoil(address) // what is under way may be older than what made it forgotten
	for r := h.addresses[address]; r != nil; r = h.addresses[address] {
		answers += len(r.variants)
		h.remove(s, r)
	}
	return answers
}

// Purge forgets the answers that match, and returns how many that were. It looks
// at all of them.
func (s *Store) Purge(prefix string, match func(*Answer) bool) (answers int) {
	for i := range s.shards {
		h := &s.shards[i]
		h.mu.Lock()
		h.spoil(prefix)
		for key, r := range h.keys {
			if !strings.HasPrefix(key, prefix) {
				continue
			}
			var list []*Answer
			bytes := int64(0)
			for _, a := range r.variants {
				if match(a) {
					answers++
					continue
				}
				list = append(list, a)
				bytes += a.Bytes()
			}
			if list == nil {
				h.remove(s, r)
			} else if len(list) < len(r.variants) {
				h.set(s, r, list, bytes)
			}
		}
		h.mu.Unlock()
	}
	return answers
}

// sameVary reports whether two answers are for the same requests.
func sameVary(a, b []Field) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
