// Package split sends a share of an API's calls to a candidate backend, and
// copies a share to a mirror. Both are destinations around others: what
// authorises a call has happened, and how a backend is called is not known
// here.
//
// The choice is one hash or one random number, and nothing where an API has
// neither. Each side is counted, by status and by the time to the answer's
// head, so that people can compare them; what is made of the comparison is the
// manager's to decide.
//
// # Why the candidate shares routes and policies
//
// A call is authorised before it is known who calls, and a rule may send
// callers by name: the choice falls after the chain. So both sides are the same
// API to everybody, and a candidate differs in its backend alone.
package split

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// Set keeps what outlives the revisions of APIs: counters, and copies under
// way. Make one with NewSet; it is safe for concurrent use.
type Set struct {
	now     func() time.Time
	log     *slog.Logger
	random  func() uint64
	ctx     context.Context // ends what is copied
	cancel  context.CancelFunc
	copying sync.WaitGroup

	mu        sync.Mutex
	byVersion map[string]*kept // guarded by mu
}

// kept is what is counted of one version.
type kept struct {
	run             string
	live, candidate *branch
	mirrorRun       string
	mirrored        *branch
	skipped         *skipped
}

// Options are what a Set works with; the zero value is the real thing.
type Options struct {
	Now    func() time.Time // nil: time.Now
	Random func() uint64    // safe for concurrent use; nil: the runtime's
	Log    *slog.Logger     // nil: nothing is logged
}

// NewSet returns a set that counts nothing yet.
func NewSet(o Options) *Set {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Uint64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Set{now: o.Now, log: o.Log, random: o.Random, byVersion: map[string]*kept{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Destinations returns what the routes of an API call, by the name of their
// upstream: what own gives, with the API's split and mirror around it. The
// entry must have passed entry/check.
func (s *Set) Destinations(api entry.API, own func(upstream string) policy.Destination) func(upstream string) policy.Destination {
	if api.Split == nil && api.Mirror == nil {
		s.Drop(api.Version)
		return own
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.byVersion[api.Version]
	if k == nil {
		k = &kept{}
		s.byVersion[api.Version] = k
	}
	k.begin(api)
	made := map[string]policy.Destination{}
	return func(upstream string) policy.Destination {
		if d := made[upstream]; d != nil {
			return d
		}
		d := own(upstream)
		if api.Split != nil {
			if candidate, is := api.Split.Candidates[upstream]; is {
				d = s.newSplitter(api, *k, d, own(candidate))
			}
		}
		if api.Mirror != nil {
			d = s.newMirror(*api.Mirror, *k, d, own(api.Mirror.Upstream))
		}
		made[upstream] = d
		return d
	}
}

// begin makes fresh counters for a run that is new.
func (k *kept) begin(api entry.API) {
	switch {
	case api.Split == nil:
		k.run, k.live, k.candidate = "", nil, nil
	case k.run != api.Split.Run || k.live == nil:
		k.run, k.live, k.candidate = api.Split.Run, &branch{}, &branch{}
	}
	switch {
	case api.Mirror == nil:
		k.mirrorRun, k.mirrored, k.skipped = "", nil, nil
	case k.mirrorRun != api.Mirror.Run || k.mirrored == nil:
		k.mirrorRun, k.mirrored, k.skipped = api.Mirror.Run, &branch{}, &skipped{}
	}
}

// Drop forgets what was counted of a version.
func (s *Set) Drop(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byVersion, version)
}

// maxReports bounds what a status holds.
const maxReports = 300

// Report says what was counted of each version, of a few hundred at most.
func (s *Set) Report() []entry.SplitReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []entry.SplitReport
	for version, k := range s.byVersion {
		if len(out) == maxReports {
			break
		}
		out = append(out, entry.SplitReport{
			Version: version, Run: k.run, Live: k.live.counts(), Candidate: k.candidate.counts(),
			MirrorRun: k.mirrorRun, Mirrored: k.mirrored.counts(), Skipped: k.skipped.counts(),
		})
	}
	return out
}

// Close ends the copies under way and waits for them. Nothing is copied after
// it.
func (s *Set) Close() {
	s.mu.Lock() // a copy that begins has seen, under it, that the set is open
	s.cancel()
	s.mu.Unlock()
	s.copying.Wait()
}
