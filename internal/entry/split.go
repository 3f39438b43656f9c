package entry

import (
	"math/bits"
	"time"
)

// Split sends a share of an API's calls to candidates: other backends in the
// place of its own. Routes, policies and callers stay what they are.
type Split struct {
	// Run tells one comparison from the next: counters and cookies of another
	// run do not count.
	Run string `json:"run"`
	// Candidates lead from an upstream to the one that may take its place. Both
	// are among the API's Upstreams.
	Candidates map[string]string `json:"candidates"`
	PerMille   int               `json:"per_mille"` // of the calls that no rule decides
	// Sticky keeps a caller on one side while the share stays: by "cookie",
	// "caller" (the application, else the address) or "address"; "" draws each
	// call anew.
	Sticky string      `json:"sticky,omitempty"`
	Rules  []SplitRule `json:"rules,omitempty"` // the first that holds decides
}

// SplitRule decides a call whatever the share is.
type SplitRule struct {
	In    string `json:"in"`              // "header", "cookie" or "caller"
	Name  string `json:"name,omitempty"`  // of the header or cookie
	Value string `json:"value,omitempty"` // "" asks only that the name is there
	// Callers are the uuids of applications.
	Callers   []string `json:"callers,omitempty"`
	Candidate bool     `json:"candidate"` // where the call goes; false: to the API's own
}

// Mirror copies a share of an API's calls to an upstream whose answers nobody
// gets.
type Mirror struct {
	Run      string `json:"run"`      // counters of another run do not count
	Upstream string `json:"upstream"` // among the API's Upstreams
	PerMille int    `json:"per_mille"`
	// MaxBodyBytes bounds the body of a call that is copied, and Concurrency how
	// many copies are under way at once on a node. What is beyond is not copied.
	MaxBodyBytes int64 `json:"max_body_bytes"`
	Concurrency  int   `json:"concurrency"`
	// AllMethods copies calls that change something too, not only GET, HEAD and
	// OPTIONS.
	AllMethods bool `json:"all_methods,omitempty"`
}

// SplitReport is what a node has counted of one version's split or mirror since
// its run began, or the node started.
type SplitReport struct {
	Version   string         `json:"version"` // uuid
	Run       string         `json:"run,omitempty"`
	Live      *BranchCounts  `json:"live,omitempty"`
	Candidate *BranchCounts  `json:"candidate,omitempty"`
	MirrorRun string         `json:"mirror_run,omitempty"`
	Mirrored  *BranchCounts  `json:"mirrored,omitempty"`
	Skipped   *MirrorSkipped `json:"skipped,omitempty"`
}

// BranchCounts counts the calls of one side by the first digit of their status,
// and by how long the answer's head took.
type BranchCounts struct {
	Classes [6]uint64 `json:"classes"`
	// Times counts by LatencyBucket; buckets at the end that are empty are left
	// out.
	Times []uint64 `json:"times,omitempty"`
}

// MirrorSkipped counts calls that were drawn and not copied.
type MirrorSkipped struct {
	Busy uint64 `json:"busy,omitempty"` // too many copies were under way
	Body uint64 `json:"body,omitempty"` // too large, of unknown length, or not read by the API's own upstream
}

// LatencyBuckets is how many buckets times are counted in.
const LatencyBuckets = 82

// LatencyBucket returns the bucket of a time: four to each power of two of
// microseconds, from 64 µs to 67 s.
func LatencyBucket(took time.Duration) int {
	us := uint64(max(took.Microseconds(), 0))
	if us < 64 {
		return 0
	}
	e := bits.Len64(us)
	return min((e-7)*4+int(us>>(e-3)&3)+1, LatencyBuckets-1)
}

// LatencyBound returns the time at which a bucket ends.
func LatencyBound(bucket int) time.Duration {
	if bucket <= 0 {
		return 64 * time.Microsecond
	}
	e, sub := (bucket-1)/4+7, (bucket-1)%4
	return time.Duration((5+sub)<<(e-3)) * time.Microsecond
}

// Add adds what another node counted.
func (b *BranchCounts) Add(o *BranchCounts) {
	if o == nil {
		return
	}
	for i, n := range o.Classes {
		b.Classes[i] += n
	}
	for len(b.Times) < min(len(o.Times), LatencyBuckets) {
		b.Times = append(b.Times, 0)
	}
	for i, n := range o.Times[:min(len(o.Times), LatencyBuckets)] {
		b.Times[i] += n
	}
}

// Since returns what was counted after an earlier report of the same node and
// run. A report that counts less than the earlier one is of a node that began
// anew: all of it counts.
func (b *BranchCounts) Since(earlier *BranchCounts) BranchCounts {
	out := BranchCounts{}
	out.Add(b)
	if b == nil || earlier == nil || b.Calls() < earlier.Calls() {
		return out
	}
	for i := range out.Classes {
		out.Classes[i] -= min(earlier.Classes[i], out.Classes[i])
	}
	for i := range min(len(out.Times), len(earlier.Times)) {
		out.Times[i] -= min(earlier.Times[i], out.Times[i])
	}
	return out
}

// Calls returns how many there were.
func (b *BranchCounts) Calls() (n uint64) {
	if b == nil {
		return 0
	}
	for _, c := range b.Classes {
		n += c
	}
	return n
}

// Errors returns the share of calls that the server's side failed, 0 to 1.
func (b *BranchCounts) Errors() float64 {
	calls := b.Calls()
	if calls == 0 {
		return 0
	}
	return float64(b.Classes[5]) / float64(calls)
}

// Quantile returns the time within which a share q of the calls was answered,
// to the precision of the buckets; 0 when there were none.
func (b *BranchCounts) Quantile(q float64) time.Duration {
	if b == nil {
		return 0
	}
	total := uint64(0)
	for _, n := range b.Times {
		total += n
	}
	if total == 0 {
		return 0
	}
	wanted, below := q*float64(total), 0.0
	for i, n := range b.Times {
		if n > 0 && below+float64(n) >= wanted {
			from := time.Duration(0)
			if i > 0 {
				from = LatencyBound(i - 1)
			}
			return from + time.Duration(float64(LatencyBound(i)-from)*(wanted-below)/float64(n))
		}
		below += float64(n)
	}
	return LatencyBound(len(b.Times) - 1)
}
