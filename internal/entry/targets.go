package entry

// Look asks nodes how a version's targets are.
type Look struct {
	ID      string `json:"id"`      // which the answers name
	Version string `json:"version"` // uuid
	// Check has each target asked at once, by the upstream's health check, or
	// whether it can be connected to where there is none.
	Check bool `json:"check,omitempty"`
	// Target is the one that a check is for, by its URL or by the address where it
	// was found; "" is all.
	Target string `json:"target,omitempty"`
}

// Targets is what a node says of a version's targets when it is told to look.
// Times are milliseconds since 1970 by the node's clock.
type Targets struct {
	Node        string `json:"node"`        // uuid
	Environment string `json:"environment"` // slug
	Look        string `json:"look"`        // its id
	// Upstreams holds MaxTargets targets at most; More counts the others.
	Upstreams []UpstreamTargets `json:"upstreams,omitempty"`
	More      int               `json:"more,omitempty"`
}

// MaxTargets is how many targets a node tells of at once.
const MaxTargets = 200

// UpstreamTargets are the targets of an upstream.
type UpstreamTargets struct {
	Upstream string        `json:"upstream"`
	Targets  []TargetState `json:"targets,omitempty"`
}

// TargetState is how a target is, as one node finds it.
type TargetState struct {
	URL     string `json:"url"`
	Address string `json:"address,omitempty"` // where it was found
	// Why it gets no calls; "" when it gets some.
	Why string `json:"why,omitempty"`
	// MedianUS is how many microseconds answers take to begin: the median of
	// Calls, which are some of those of the last five minutes. 0: there are none.
	MedianUS int64 `json:"median_us,omitempty"`
	Calls    int   `json:"calls,omitempty"`
	// Recent are these calls, the oldest first.
	Recent []TargetCall `json:"recent,omitempty"`
	// Checked is what the last health check found, or the one that was asked for;
	// nil: there was none.
	Checked *TargetCheck `json:"checked,omitempty"`
}

// TargetCall is a call on a target that was timed: how many seconds ago it was,
// and how many microseconds its answer took to begin.
type TargetCall [2]int64

// TargetCheck is what asking a target found.
type TargetCheck struct {
	At     int64  `json:"at"`
	TookUS int64  `json:"took_us"`
	Why    string `json:"why,omitempty"` // it is not well; "": it is
	// Connected says that only connecting was tried: there is no health check.
	Connected bool `json:"connected,omitempty"`
}
