package entry

// Status is what a node says of itself, every second and on change. Times are
// milliseconds since 1970 by the node's clock.
type Status struct {
	Node        string       `json:"node"` // uuid
	Name        string       `json:"name"`
	Environment string       `json:"environment"` // slug
	Build       string       `json:"build"`       // version of the program
	Schema      int          `json:"schema"`
	Kinds       []PolicyKind `json:"kinds"`

	// Applied is the last head up to which every entry was applied or refused.
	Applied Position  `json:"applied"`
	Refused []Refusal `json:"refused,omitempty"`
	APIs    int       `json:"apis"`
	Grants  int       `json:"grants"`
	// Splits is what was counted of traffic splits and mirrors.
	Splits []SplitReport `json:"splits,omitempty"`

	// Upstreams are those where something is amiss or whose targets are found,
	// MaxUpstreamHealth at most; MoreUpstreams counts the others.
	Upstreams     []UpstreamHealth `json:"upstreams,omitempty"`
	MoreUpstreams int              `json:"more_upstreams,omitempty"`

	StartedAt int64 `json:"started_at"`
	SentAt    int64 `json:"sent_at"`
	Ready     bool  `json:"ready"`
	Draining  bool  `json:"draining,omitempty"`
	// Left says that this is the node's last word: it has drained and ends. It
	// counts again from its next status on.
	Left bool `json:"left,omitempty"`
	// FromDisk says that the node serves a copy from its disk and has not yet
	// heard from the bus.
	FromDisk bool `json:"from_disk,omitempty"`
}

// Refusal is an entry that a node could not serve. It keeps the last good one
// for that key alone.
type Refusal struct {
	Key    Key      `json:"key"`
	At     Position `json:"at"`
	Reason string   `json:"reason"`
}

// What a status holds of upstreams at most.
const (
	MaxUpstreamHealth = 100
	MaxTargetHealth   = 10 // of one upstream
)

// UpstreamHealth is how an upstream is, as one node sees it.
type UpstreamHealth struct {
	Version  string         `json:"version"` // uuid
	Upstream string         `json:"upstream"`
	Targets  int            `json:"targets"`
	Unfit    int            `json:"unfit,omitempty"`  // of them that get no calls
	Panic    bool           `json:"panic,omitempty"`  // so many are unfit that all get calls
	Open     bool           `json:"open,omitempty"`   // the breaker lets nobody through
	Source   string         `json:"source,omitempty"` // why targets cannot be looked for
	Found    []string       `json:"found,omitempty"`  // addresses, where they are looked for; MaxTargetHealth at most
	Worst    []TargetHealth `json:"worst,omitempty"`  // of the unfit, MaxTargetHealth at most
}

// TargetHealth is a target that gets no calls. Until is 0 where only a check
// can tell.
type TargetHealth struct {
	URL     string `json:"url"`
	Address string `json:"address,omitempty"` // where it was found
	Why     string `json:"why"`
	Since   int64  `json:"since"`
	Until   int64  `json:"until,omitempty"`
}

// Command is what a node is told, beside its configuration.
type Command struct {
	Do CommandKind `json:"do"`
	// Purge says what PurgeCache is to forget.
	Purge *Purge `json:"purge,omitempty"`
	// Look says whose targets LookAtTargets is about.
	Look *Look `json:"look,omitempty"`
}

// Purge says which answers that a version's cache has stored are to be forgotten:
// those with a tag, those of a path, or, with neither, all.
type Purge struct {
	Version string `json:"version"`        // uuid
	Tag     string `json:"tag,omitempty"`  // as in Cache-Tag
	Path    string `json:"path,omitempty"` // as callers write it, without a query
}

// CommandKind is what a command asks for.
type CommandKind string

// The commands of schema 1.
const (
	// Drain makes a node not ready, so that load balancers move on, and each of
	// its answers the last of its connection. It goes on serving what comes.
	Drain CommandKind = "drain"
	// Resume takes a drain back.
	Resume CommandKind = "resume"
	// Leave ends the node's process: it was removed, and no bus will let it in.
	Leave CommandKind = "leave"
	// PurgeCache makes a node forget answers that it has stored.
	PurgeCache CommandKind = "purge_cache"
	// LookAtTargets makes a node say how a version's targets are: a Targets.
	LookAtTargets CommandKind = "look_at_targets"
)
