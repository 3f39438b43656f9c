package table

import (
	"maps"
	"sync/atomic"
)

// shards is a map that is read without a lock and changed by replacing the
// small part that changes, so that one change costs the same however much is in
// it. One goroutine writes at a time.
type shards[K comparable, V any] struct {
	hash  func(K) uint32
	parts []atomic.Pointer[map[K]V]
	count int
}

// newShards wants a power of two.
func newShards[K comparable, V any](parts int, hash func(K) uint32) *shards[K, V] {
	return &shards[K, V]{hash: hash, parts: make([]atomic.Pointer[map[K]V], parts)}
}

func (s *shards[K, V]) part(k K) *atomic.Pointer[map[K]V] {
	return &s.parts[int(s.hash(k))&(len(s.parts)-1)]
}

func (s *shards[K, V]) load(k K) (v V, ok bool) {
	if m := s.part(k).Load(); m != nil {
		v, ok = (*m)[k]
	}
	return v, ok
}

func (s *shards[K, V]) store(k K, v V) {
	part := s.part(k)
	next := map[K]V{}
	if m := part.Load(); m != nil {
		next = maps.Clone(*m)
	}
	before := len(next)
	next[k] = v
	s.count += len(next) - before
	part.Store(&next)
}

func (s *shards[K, V]) remove(k K) {
	part := s.part(k)
	m := part.Load()
	if m == nil {
		return
	}
	if _, ok := (*m)[k]; !ok {
		return
	}
	s.count--
	if len(*m) == 1 {
		part.Store(nil)
		return
	}
	next := maps.Clone(*m)
	delete(next, k)
	part.Store(&next)
}

// each visits everything. It is for the writer.
func (s *shards[K, V]) each(visit func(K, V)) {
	for i := range s.parts {
		if m := s.parts[i].Load(); m != nil {
			for k, v := range *m {
				visit(k, v)
			}
		}
	}
}
