package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
)

type node struct {
	ID          apim.ID        `json:"id"`
	Name        string         `json:"name"`
	Environment string         `json:"environment"`
	State       apim.NodeState `json:"state"`
	Build       string         `json:"build"`
	Applied     uint64         `json:"applied"`
	Behind      uint64         `json:"behind"`
	AppliedMS   *int64         `json:"applied_ms,omitempty"`
	Refused     []nodeRefusal  `json:"refused"`
	APIs        int            `json:"apis"`
	Grants      int            `json:"grants"`
	FromDisk    bool           `json:"from_disk"`
	EnrolledAt  time.Time      `json:"enrolled_at"`
	StartedAt   time.Time      `json:"started_at,omitzero"`
	HeardAt     time.Time      `json:"heard_at,omitzero"`
}

// nodeRefusal is an entry that a node could not serve.
type nodeRefusal struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

func nodeOf(n apim.Node) node {
	return node{
		ID: n.ID, Name: n.Name, Environment: n.Environment, State: n.State, Build: n.Build,
		Applied: n.Applied, Behind: n.Behind, AppliedMS: knownMS(n.AppliedMS),
		Refused: each(n.Refused, func(f apim.NodeRefusal) nodeRefusal { return nodeRefusal(f) }),
		APIs:    n.APIs, Grants: n.Grants, FromDisk: n.FromDisk, EnrolledAt: n.EnrolledAt.UTC(), StartedAt: n.StartedAt.UTC(), HeardAt: n.HeardAt.UTC(),
	}
}

func listNodes(r *request) error {
	env, err := r.environment()
	if err != nil {
		return err
	}
	nodes, err := r.Fleet.Nodes(r.ctx, r.actor, env.Slug)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, list[node]{Items: each(nodes, nodeOf)})
}

func drainNode(r *request) error { return commandNode(r, false) }

func resumeNode(r *request) error { return commandNode(r, true) }

// commandNode tells a node to drain or to take calls again. What came of it is
// said by the node's state.
func commandNode(r *request, resume bool) error {
	if err := r.optionalBody(&struct{}{}); err != nil {
		return err
	}
	if err := r.Fleet.Drain(r.ctx, r.actor, r.c.Param("environment"), r.c.Param("node"), resume); err != nil {
		return err
	}
	r.c.Status(http.StatusAccepted)
	return nil
}

func removeNode(r *request) error {
	if err := r.Fleet.RemoveNode(r.ctx, r.actor, r.c.Param("environment"), r.c.Param("node")); err != nil {
		return err
	}
	return r.gone()
}
