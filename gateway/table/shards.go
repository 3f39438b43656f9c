package table

import (
	"slices"
	"sync/atomic"
)

// shards is a map that is read without a lock and changed by replacing the
// small part that changes, so that one change costs the same however much is in
// it. A part has few keys, which lie together behind their hashes: to look one up
// takes one hash and, as a rule, one comparison. One goroutine writes at a time.
type shards[K comparable, V any] struct {
	hash  func(K) uint64
	parts []atomic.Pointer[[]held[K, V]]
	count int
}

// held is a key with what it leads to.
type held[K comparable, V any] struct {
	hash  uint64
	key   K
	value V
}

// newShards wants a power of two. A part is looked through, so that there are to be
// about as many as keys.
func newShards[K comparable, V any](parts int, hash func(K) uint64) *shards[K, V] {
	return &shards[K, V]{hash: hash, parts: make([]atomic.Pointer[[]held[K, V]], parts)}
}

func (s *shards[K, V]) load(k K) (v V, ok bool) {
	hash := s.hash(k)
	part := s.parts[int(hash)&(len(s.parts)-1)].Load()
	if part == nil {
		return v, false
	}
	for i := range *part {
		if one := &(*part)[i]; one.hash == hash && one.key == k {
			return one.value, true
		}
	}
	return v, false
}

// copyOf returns a key's part, a copy of what is in it to be changed, and where the
// key is in that; where it is not, it is one behind, without a value.
func (s *shards[K, V]) copyOf(k K) (part *atomic.Pointer[[]held[K, V]], all []held[K, V], at int, known bool) {
	hash := s.hash(k)
	part = &s.parts[int(hash)&(len(s.parts)-1)]
	if have := part.Load(); have != nil {
		all = append(make([]held[K, V], 0, len(*have)+1), *have...)
	}
	if at = slices.IndexFunc(all, func(one held[K, V]) bool { return one.key == k }); at >= 0 {
		return part, all, at, true
	}
	return part, append(all, held[K, V]{hash: hash, key: k}), len(all), false
}

func (s *shards[K, V]) store(k K, v V) {
	part, all, at, known := s.copyOf(k)
	if !known {
		s.count++
	}
	all[at].value = v
	part.Store(&all)
}

func (s *shards[K, V]) remove(k K) {
	part, all, at, known := s.copyOf(k)
	if !known {
		return
	}
	s.count--
	if all = slices.Delete(all, at, at+1); len(all) == 0 {
		part.Store(nil)
		return
	}
	part.Store(&all)
}

// each visits everything. It is for the writer.
func (s *shards[K, V]) each(visit func(K, V)) {
	for i := range s.parts {
		if part := s.parts[i].Load(); part != nil {
			for _, one := range *part {
				visit(one.key, one.value)
			}
		}
	}
}
