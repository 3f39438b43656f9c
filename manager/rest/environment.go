package rest

import (
	"net/http"
	"strconv"
	"time"

	"portico/internal/apim"
)

type environment struct {
	ID         apim.ID              `json:"id"`
	Slug       string               `json:"slug"`
	Name       string               `json:"name"`
	Kind       apim.EnvironmentKind `json:"kind"`
	GatewayURL string               `json:"gateway_url"`
	Sequence   uint64               `json:"sequence"`
	CreatedAt  time.Time            `json:"created_at"`
}

func environmentOf(e apim.Environment) environment {
	return environment{
		ID: e.ID, Slug: e.Slug, Name: e.Name, Kind: e.Kind,
		GatewayURL: e.GatewayURL, Sequence: e.Sequence, CreatedAt: e.CreatedAt.UTC(),
	}
}

// change is a position in an environment.
type change struct {
	Environment string `json:"environment"`
	Sequence    uint64 `json:"sequence"`
}

// applied is what the nodes confirm of a change.
type applied struct {
	change
	Nodes  []nodeApplied `json:"nodes"`
	Done   bool          `json:"done"`
	TookMS *int64        `json:"took_ms,omitempty"`
}

type nodeApplied struct {
	Name      string `json:"name"`
	State     string `json:"state"`
	AppliedMS *int64 `json:"applied_ms,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

func appliedOf(a apim.Applied) *applied {
	return &applied{
		change: change{Environment: a.Environment, Sequence: a.Sequence}, Done: a.Done, TookMS: knownMS(a.TookMS),
		Nodes: each(a.Nodes, func(n apim.NodeApplied) nodeApplied {
			return nodeApplied{Name: n.Name, State: n.State, AppliedMS: knownMS(n.AppliedMS), Reason: n.Reason}
		}),
	}
}

// knownMS leaves out a time that is not known.
func knownMS(ms int64) *int64 {
	if ms < 0 {
		return nil
	}
	return &ms
}

func listEnvironments(r *request) error {
	all, err := r.Fleet.Environments(r.ctx, r.actor)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, list[environment]{Items: each(all, environmentOf)})
}

// environmentBySlug finds the path's environment.
func environmentBySlug(r *request) (apim.Environment, error) {
	all, err := r.Fleet.Environments(r.ctx, r.actor)
	if err != nil {
		return apim.Environment{}, err
	}
	for _, e := range all {
		if e.Slug == r.c.Param("environment") {
			return e, nil
		}
	}
	return apim.Environment{}, apim.Errorf(apim.NotFound, "there is no environment %q", r.c.Param("environment"))
}

func showChange(r *request) error {
	env, err := environmentBySlug(r)
	if err != nil {
		return err
	}
	sequence, err := strconv.ParseUint(r.c.Param("sequence"), 10, 63)
	if err != nil || sequence < 1 || sequence > env.Sequence {
		return apim.Errorf(apim.NotFound, "environment %s has no change %q; the newest is %d", env.Slug, r.c.Param("sequence"), env.Sequence)
	}
	c := apim.Change{Environment: env.Slug, Sequence: sequence}
	if r.timeout > 0 {
		return r.answer(http.StatusOK, 0, r.settle(c).Applied)
	}
	now, err := r.Fleet.Applied(r.ctx, r.actor, c)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, appliedOf(now))
}
