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
	Sequence   uint64 // of the newest change
	Epoch      uint64
	CreatedAt  time.Time
	Lock       int64
}

// NodeState is how a gateway node looks from the manager.
type NodeState string

// The states of a node.
const (
	NodeLive        NodeState = "live"
	NodeStarting    NodeState = "starting"    // heard from, not ready yet
	NodeDraining    NodeState = "draining"    // finishing its calls
	NodeUnreachable NodeState = "unreachable" // not heard for 5 s
)

// Node is an enrolled gateway node that has not left, with what it last said.
type Node struct {
	ID          ID
	Name        string
	Environment string // slug
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
