// Package table is what a node serves from: entries compiled into immutable
// handlers, and the search that finds a request's route among them.
//
// It has two levels. A mount (host, base path and version selector) leads to an
// API; within the API a matcher of its own finds the route. APIs are replaced one by one, so
// that publishing one of ten thousand costs what publishing one of ten does,
// and a request sees either the old one or the new one, whole.
//
// Everything that can fail happens while compiling, after entry/check has said
// that the entry can be served; matching cannot fail. The table does not run
// chains, know of NATS, or decide which entry is newer: the node does.
//
// # Why routes do not fall through mounts
//
// The longest base path that matches decides, and a path that its API does not
// know is not looked for in the API of a shorter one: otherwise a provider who
// removes an operation would hand its calls to somebody else.
package table

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"

	"portico/gateway/policy"
	"portico/internal/entry"
	"portico/internal/entry/check"
)

// Table leads from requests to routes. Any number of goroutines may match;
// changes are for one at a time.
type Table struct {
	seats     *shards[place, seat]
	hosts     *shards[string, int] // how many mounts name a host
	hostCount atomic.Int64
	depths    [check.MaxBaseSegments + 1]atomic.Int32 // mounts by segments of their base path
	versions  map[policy.ID]*API                      // the writer's
}

// New returns a table that serves nothing.
func New() *Table {
	seed := maphash.MakeSeed()
	return &Table{
		seats: newShards[place, seat](4096, func(p place) uint64 {
			h := maphash.String(seed, p.BasePath)
			if p.Host != "" {
				h ^= bits.RotateLeft64(maphash.String(seed, p.Host), 1)
			}
			return h
		}),
		hosts:    newShards[string, int](1024, func(s string) uint64 { return maphash.String(seed, s) }),
		versions: map[policy.ID]*API{},
	}
}

// Put makes an API live in place of the one of the same version. Its mounts
// must be free (check.Index).
func (t *Table) Put(api *API) {
	old := t.versions[api.Version]
	t.versions[api.Version] = api
	if old != nil {
		api.Stats = old.Stats
	}
	for _, m := range api.mounts {
		if !old.has(m) {
			t.count(m, +1)
		}
		at := place{m.Host, m.BasePath}
		there, _ := t.seats.load(at)
		t.seats.store(at, there.with(m.Select, api))
	}
	if old != nil {
		t.unmount(old, api)
	}
}

// Remove ends a version. It reports whether there was one.
func (t *Table) Remove(version policy.ID) bool {
	old := t.versions[version]
	if old == nil {
		return false
	}
	delete(t.versions, version)
	t.unmount(old, nil)
	return true
}

// API returns what is live for a version, nil for nothing. It is for the writer.
func (t *Table) API(version policy.ID) *API { return t.versions[version] }

// APIs visits every live API. It is for the writer.
func (t *Table) APIs(visit func(*API)) {
	for _, api := range t.versions {
		visit(api)
	}
}

// Len returns how many APIs are live. It is for the writer.
func (t *Table) Len() int { return len(t.versions) }

func (t *Table) unmount(old, next *API) {
	for _, m := range old.mounts {
		if !next.has(m) {
			at := place{m.Host, m.BasePath}
			there, _ := t.seats.load(at)
			if there = there.without(m.Select, old); there.empty() {
				t.seats.remove(at)
			} else {
				t.seats.store(at, there)
			}
			t.count(m, -1)
		}
	}
}

func (t *Table) count(m entry.Mount, by int) {
	t.depths[segments(m.BasePath)].Add(int32(by))
	if m.Host == "" {
		return
	}
	n, _ := t.hosts.load(m.Host)
	if n += by; n == 0 {
		t.hosts.remove(m.Host)
	} else {
		t.hosts.store(m.Host, n)
	}
	t.hostCount.Store(int64(t.hosts.count))
}

// find returns the seat of the longest base path that holds the path, and how
// many bytes of the path that is.
func (t *Table) find(host, path string) (seat, int) {
	m := place{}
	if t.hostCount.Load() > 0 {
		if _, named := t.hosts.load(host); named {
			m.Host = host
		}
	}
	var ends [check.MaxBaseSegments + 1]int
	depth := 0
	for i := 1; i <= len(path) && depth < check.MaxBaseSegments; i++ {
		if i == len(path) || path[i] == '/' {
			depth++
			ends[depth] = i
		}
	}
	for ; depth >= 0; depth-- {
		if t.depths[depth].Load() == 0 {
			continue
		}
		m.BasePath = path[:ends[depth]]
		if there, ok := t.seats.load(m); ok {
			return there, ends[depth]
		}
	}
	return seat{}, 0
}

func segments(basePath string) int {
	n := 0
	for i := range len(basePath) {
		if basePath[i] == '/' {
			n++
		}
	}
	return n
}
