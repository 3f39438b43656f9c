package cache

import (
	"context"
	"strings"
	"sync/atomic"
	"time"
)

// Flight is one fetch of an answer that others may wait for.
type Flight struct {
	store   *Store
	key     string
	address int
	done    chan struct{}
	waiting atomic.Int32
	ended   atomic.Bool
	spoiled atomic.Bool // its answer must not be stored: it may be older than a purge
}

// Join returns the flight of a key. leads reports whether it is the caller's own:
// who leads must call End.
func (s *Store) Join(key string, address int) (f *Flight, leads bool) {
	h := s.shard(key[:address])
	h.mu.Lock()
	defer h.mu.Unlock()
	if f = h.flights[key]; f != nil {
		f.waiting.Add(1)
		return f, false
	}
	f = &Flight{store: s, key: strings.Clone(key), address: address, done: make(chan struct{})}
	h.flights[f.key] = f
	return f, true
}

// Alone returns a flight of a key that nobody waits for. The caller must call
// End.
func (s *Store) Alone(key string, address int) *Flight {
	f := &Flight{store: s, key: strings.Clone(key), address: address, done: make(chan struct{})}
	h := s.shard(key[:address])
	h.mu.Lock()
	defer h.mu.Unlock()
	h.alone[f] = struct{}{}
	return f
}

// spoil keeps what is under way from being stored, where its key begins so. mu
// is held.
func (h *shard) spoil(prefix string) {
	for key, f := range h.flights {
		if strings.HasPrefix(key, prefix) {
			f.spoiled.Store(true)
		}
	}
	for f := range h.alone {
		if strings.HasPrefix(f.key, prefix) {
			f.spoiled.Store(true)
		}
	}
}

// Wait returns when the flight has ended, the time is over, or ctx ends.
func (f *Flight) Wait(ctx context.Context, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Key returns the key that the flight is for, in memory of its own.
func (f *Flight) Key() (key string, address int) { return f.key, f.address }

// Spoiled reports whether something was forgotten, since the flight began, that
// its answer may be older than.
func (f *Flight) Spoiled() bool { return f.spoiled.Load() }

// Waiting returns how many have waited.
func (f *Flight) Waiting() int { return int(f.waiting.Load()) }

// End lets those go on who wait. It may be called more than once.
func (f *Flight) End() {
	if f.ended.Swap(true) {
		return
	}
	h := f.store.shard(f.key[:f.address])
	h.mu.Lock()
	if h.flights[f.key] == f {
		delete(h.flights, f.key)
	}
	delete(h.alone, f)
	h.mu.Unlock()
	close(f.done)
}
