package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
)

// nodeTargets is how a node finds a version's targets.
type nodeTargets struct {
	Node      string            `json:"node"`
	Reachable bool              `json:"reachable"`
	Answered  bool              `json:"answered"`
	Upstreams []upstreamTargets `json:"upstreams"`
	More      int               `json:"more,omitempty"`
}

type upstreamTargets struct {
	Name    string        `json:"name"`
	Targets []targetState `json:"targets"`
}

type targetState struct {
	URL      string       `json:"url"`
	Address  string       `json:"address,omitempty"`
	Why      string       `json:"why,omitempty"`
	MedianUS int64        `json:"median_us,omitempty"`
	Calls    int          `json:"calls,omitempty"`
	Check    *targetCheck `json:"check,omitempty"`
}

type targetCheck struct {
	At        time.Time `json:"at"`
	Well      bool      `json:"well"`
	Why       string    `json:"why,omitempty"`
	TookUS    int64     `json:"took_us"`
	Connected bool      `json:"connected,omitempty"`
}

func nodeTargetsOf(n apim.NodeTargets) nodeTargets {
	return nodeTargets{Node: n.Node, Reachable: n.Reachable, Answered: n.Answered, Upstreams: each(n.Upstreams, upstreamTargetsOf), More: n.More}
}

func upstreamTargetsOf(u apim.UpstreamTargets) upstreamTargets {
	return upstreamTargets{Name: u.Name, Targets: each(u.Targets, targetStateOf)}
}

func targetStateOf(t apim.TargetState) targetState {
	out := targetState{URL: t.URL, Address: t.Address, Why: t.Why, MedianUS: t.Median.Microseconds(), Calls: t.Calls}
	if c := t.Check; !c.At.IsZero() {
		out.Check = &targetCheck{At: c.At, Well: c.Why == "", Why: c.Why, TookUS: c.Took.Microseconds(), Connected: c.Connected}
	}
	return out
}

// showTargets says how long targets take, and what was last found of them.
func showTargets(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	nodes, err := r.Catalog.Targets(r.ctx, r.actor, r.tenant.ID, id, r.c.Query("environment"))
	return r.targets(nodes, err)
}

// checkTargets has every node ask every target at once.
func checkTargets(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	if err := r.optionalBody(&struct{}{}); err != nil {
		return err
	}
	nodes, err := r.Catalog.CheckTargets(r.ctx, r.actor, r.tenant.ID, id, r.c.Param("environment"), "")
	return r.targets(nodes, err)
}

func (r *request) targets(nodes []apim.NodeTargets, err error) error {
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, struct {
		Items []nodeTargets `json:"items"`
	}{each(nodes, nodeTargetsOf)})
}
