package apim

import "time"

// EnvironmentKind decides which keys an environment takes.
type EnvironmentKind string

// The kinds of environment: live keys go to the first, test keys to the second.
const (
	Production EnvironmentKind = "production"
	Sandbox    EnvironmentKind = "sandbox"
)

// Environment is a named set of gateway nodes that get the same configuration.
type Environment struct {
	ID         ID
	Slug       string
	Name       string
	Kind       EnvironmentKind
	GatewayURL string // as consumers write it, without a slash at the end
	// AddressChosen says that an operator chose the gateway URL: it does not
	// follow the listener of the process any more.
	AddressChosen bool
	Settings      EnvironmentSettings
	Sequence      uint64 // of the newest change
	Epoch         uint64
	CreatedAt     time.Time
	Lock          int64
}

// EnvironmentSettings are what an environment's nodes do where nothing else is
// said. Times are milliseconds.
type EnvironmentSettings struct {
	TrustedProxies []string `json:"trusted_proxies,omitempty"` // networks, whose word on the client's address is taken
	TLSMinimum     string   `json:"tls_minimum,omitempty"`     // the oldest that clients may use: "1.2" or "1.3"; "": 1.2
	// UnverifiedUpstreams lets APIs say that an upstream's certificate is not
	// verified.
	UnverifiedUpstreams bool  `json:"unverified_upstreams,omitempty"`
	MaxBodyBytes        int64 `json:"max_body_bytes"`
	ConnectTimeoutMS    int   `json:"connect_timeout_ms"`
	HeaderTimeoutMS     int   `json:"header_timeout_ms"`
	IdleTimeoutMS       int   `json:"idle_timeout_ms"`
	// MaxStaleMS is how long a node may serve without hearing from the bus
	// before it alarms, or, with RefuseStale, refuses calls.
	MaxStaleMS  int64 `json:"max_stale_ms"`
	RefuseStale bool  `json:"refuse_stale,omitempty"`
	// Tracing makes nodes a part of callers' traces (W3C trace context), and
	// TracePerMillion is how many calls of a million are sampled, of those for
	// which no trusted proxy has decided.
	Tracing         bool `json:"tracing,omitempty"`
	TracePerMillion int  `json:"trace_per_million,omitempty"`
	// Policies are for every call, before those of its API within their stage.
	Policies []Policy `json:"policies,omitempty"`
}

// DefaultEnvironmentSettings returns what an environment starts with.
func DefaultEnvironmentSettings() EnvironmentSettings {
	return EnvironmentSettings{
		MaxBodyBytes: 10 << 20, ConnectTimeoutMS: 5_000, HeaderTimeoutMS: 30_000,
		IdleTimeoutMS: 60_000, MaxStaleMS: 60_000,
	}
}

// EnvironmentValue is a tenant's named value in one environment. Upstreams refer
// to it as ${name}.
type EnvironmentValue struct {
	Tenant      ID
	Environment string // slug
	Name        string
	Value       string // "" of a secret one
	Secret      bool
	Sealed      []byte // of a secret one, with the installation's key
	UpdatedBy   string
	UpdatedAt   time.Time
}

// NodeState is how a gateway node looks from the manager.
type NodeState string

// The states of a node.
const (
	NodeLive        NodeState = "live"
	NodeStarting    NodeState = "starting"    // heard from, not ready yet
	NodeDraining    NodeState = "draining"    // finishing its calls
	NodeUnreachable NodeState = "unreachable" // not heard for 5 s
	NodeLeft        NodeState = "left"        // said that it ends; it counts again when it is back
)

// Node is an enrolled gateway node, with what it last said.
type Node struct {
	ID          ID
	Name        string
	Environment string // slug
	UserKey     string // public, of its user on the bus; "" for the node of serve
	BoxKey      string // public, to seal for it; "" for none
	EnrolledAt  time.Time
	LeftAt      time.Time // zero: it counts
	State       NodeState
	Build       string
	Applied     uint64 // sequence
	Behind      uint64 // sequences it has not applied yet
	AppliedMS   int64  // from writing the newest change to hearing that it is applied; -1 unknown
	Refused     []NodeRefusal
	APIs        int
	Grants      int
	FromDisk    bool
	StartedAt   time.Time
	HeardAt     time.Time
}

// Enrolment is a one-time token for a gateway node to come.
type Enrolment struct {
	ID          ID
	Environment string // slug
	Name        string // of the node; "" lets it choose
	CreatedBy   string
	CreatedAt   time.Time
	ExpiresAt   time.Time
	UsedAt      time.Time // zero: still good
	Node        ID        // that used it
	UserKey     string    // of that node
}

// Use gives the enrolment to a node. The node that has it may ask again, since
// its answer may have been lost; nobody else may.
func (e *Enrolment) Use(node ID, userKey string, at time.Time) error {
	switch {
	case !at.Before(e.ExpiresAt):
		return Errorf(Forbidden, "the enrolment token ended at %s; ask for a new one", e.ExpiresAt.UTC().Format("15:04 on 2 January 2006")).WithCode("enrolment_expired")
	case !e.UsedAt.IsZero() && e.UserKey != userKey:
		return Errorf(Forbidden, "the enrolment token was used already, at %s; every node needs one of its own", e.UsedAt.UTC().Format("15:04 on 2 January 2006")).WithCode("enrolment_used")
	}
	if e.UsedAt.IsZero() {
		e.UsedAt, e.Node, e.UserKey = at, node, userKey
	}
	return nil
}

// NodeRefusal is an entry that a node could not serve, and why.
type NodeRefusal struct {
	Key    string
	Reason string
}

// Change is what a use case published: its position in an environment.
type Change struct {
	Environment string // slug
	Sequence    uint64
}

// Applied is what the nodes confirm of a change: "live on n of n, m ms".
type Applied struct {
	Change
	Nodes []NodeApplied
	// Done says that every enrolled node has confirmed.
	Done bool
	// TookMS is the manager's own time from writing the entry to the last
	// confirmation; -1 until Done.
	TookMS int64
}

// NodeApplied is one node's part in Applied.
type NodeApplied struct {
	Name      string
	State     string // "applied", "refused", "waiting", "unreachable"
	AppliedMS int64  // -1 unless applied or refused
	Reason    string // of a refusal
}

// Live counts the nodes that have applied the change.
func (a Applied) Live() int {
	n := 0
	for _, node := range a.Nodes {
		if node.State == "applied" {
			n++
		}
	}
	return n
}
