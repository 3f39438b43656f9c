package rest

import (
	"net/http"
	"strconv"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

type environment struct {
	ID         apim.ID              `json:"id"`
	Slug       string               `json:"slug"`
	Name       string               `json:"name"`
	Kind       apim.EnvironmentKind `json:"kind"`
	GatewayURL string               `json:"gateway_url"`
	Settings   environmentSettings  `json:"settings"`
	Sequence   uint64               `json:"sequence"`
	CreatedAt  time.Time            `json:"created_at"`
}

// environmentSettings are what an environment's nodes do where nothing else is
// said. Of a change what is left out stays.
type environmentSettings struct {
	TrustedProxies      *[]string `json:"trusted_proxies,omitempty"`
	TLSMinimum          *string   `json:"tls_minimum,omitempty"`
	UnverifiedUpstreams *bool     `json:"unverified_upstreams,omitempty"`
	MaxBodyBytes        *int64    `json:"max_body_bytes,omitempty"`
	ConnectTimeoutMS    *int      `json:"connect_timeout_ms,omitempty"`
	HeaderTimeoutMS     *int      `json:"header_timeout_ms,omitempty"`
	IdleTimeoutMS       *int      `json:"idle_timeout_ms,omitempty"`
	MaxStaleMS          *int64    `json:"max_stale_ms,omitempty"`
	RefuseStale         *bool     `json:"refuse_stale,omitempty"`
	Tracing             *bool     `json:"tracing,omitempty"`
	TracePerMillion     *int      `json:"trace_per_million,omitempty"`
	Policies            *[]policy `json:"policies,omitempty"`
}

func environmentOf(e apim.Environment) environment {
	s := e.Settings
	s.TrustedProxies = orEmpty(s.TrustedProxies)
	if s.TLSMinimum == "" {
		s.TLSMinimum = "1.2"
	}
	policies := each(s.Policies, policyOf)
	return environment{
		ID: e.ID, Slug: e.Slug, Name: e.Name, Kind: e.Kind, GatewayURL: e.GatewayURL, Sequence: e.Sequence, CreatedAt: e.CreatedAt.UTC(),
		Settings: environmentSettings{
			&s.TrustedProxies, &s.TLSMinimum, &s.UnverifiedUpstreams, &s.MaxBodyBytes, &s.ConnectTimeoutMS, &s.HeaderTimeoutMS, &s.IdleTimeoutMS, &s.MaxStaleMS, &s.RefuseStale, &s.Tracing, &s.TracePerMillion, &policies,
		},
	}
}

// on applies what was given to settings.
func (in environmentSettings) on(s apim.EnvironmentSettings) apim.EnvironmentSettings {
	assign(&s.TrustedProxies, in.TrustedProxies)
	assign(&s.TLSMinimum, in.TLSMinimum)
	assign(&s.UnverifiedUpstreams, in.UnverifiedUpstreams)
	assign(&s.MaxBodyBytes, in.MaxBodyBytes)
	assign(&s.ConnectTimeoutMS, in.ConnectTimeoutMS)
	assign(&s.HeaderTimeoutMS, in.HeaderTimeoutMS)
	assign(&s.IdleTimeoutMS, in.IdleTimeoutMS)
	assign(&s.MaxStaleMS, in.MaxStaleMS)
	assign(&s.RefuseStale, in.RefuseStale)
	assign(&s.Tracing, in.Tracing)
	assign(&s.TracePerMillion, in.TracePerMillion)
	assign(&s.Policies, policiesOf(in.Policies))
	return s
}

func assign[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func showEnvironment(r *request) error {
	env, err := r.environment()
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, env.Lock, environmentOf(env))
}

func createEnvironment(r *request) error {
	var in struct {
		Slug       string               `json:"slug"`
		Name       string               `json:"name"`
		Kind       apim.EnvironmentKind `json:"kind"`
		GatewayURL string               `json:"gateway_url"`
		Settings   environmentSettings  `json:"settings"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	env, _, err := r.Fleet.CreateEnvironment(r.ctx, r.actor, apim.Environment{
		Slug: in.Slug, Name: in.Name, Kind: in.Kind, GatewayURL: in.GatewayURL, Settings: in.Settings.on(apim.DefaultEnvironmentSettings()),
	})
	if err != nil {
		return err
	}
	r.c.Header("Location", Base+"/environments/"+env.Slug)
	return r.answer(http.StatusCreated, env.Lock, environmentOf(env))
}

func updateEnvironment(r *request) error {
	var in struct {
		Name       *string              `json:"name"`
		GatewayURL *string              `json:"gateway_url"`
		Settings   *environmentSettings `json:"settings"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	old, err := r.environment()
	if err != nil {
		return err
	}
	change := manager.EnvironmentChange{Name: in.Name, GatewayURL: in.GatewayURL, Lock: r.lock}
	if in.Settings != nil {
		settings := in.Settings.on(old.Settings)
		change.Settings = &settings
		if change.Lock == 0 {
			change.Lock = old.Lock // what was left out stays as it was read
		}
	}
	env, published, err := r.Fleet.UpdateEnvironment(r.ctx, r.actor, old.Slug, change)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, env.Lock, struct {
		environment
		outcome
	}{environmentOf(env), r.settle(published)})
}

// deleteEnvironment ends an environment that nothing is live in.
func deleteEnvironment(r *request) error {
	env, err := r.environment()
	if err != nil {
		return err
	}
	if err := r.Fleet.DeleteEnvironment(r.ctx, r.actor, env.Slug, r.lock); err != nil {
		return err
	}
	return r.gone()
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

// environment finds the path's environment.
func (r *request) environment() (apim.Environment, error) {
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
	env, err := r.environment()
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
