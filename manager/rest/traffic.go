package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
)

// traffic is how calls are spread over an upstream's addresses. It is named and
// nested as apim.Traffic is, which says what the fields mean.
type traffic struct {
	Balance     balance     `json:"balance,omitzero"`
	Health      healthCheck `json:"health,omitzero"`
	Ejection    ejection    `json:"ejection,omitzero"`
	Breaker     breaker     `json:"breaker,omitzero"`
	Concurrency concurrency `json:"concurrency,omitzero"`
	Retry       retry       `json:"retry,omitzero"`
	Discovery   discovery   `json:"discovery,omitzero"`

	TotalTimeoutMS int `json:"total_timeout_ms,omitempty"`
}

type balance struct {
	Algorithm    string `json:"algorithm,omitempty"`
	HashBy       string `json:"hash_by,omitempty"`
	BoundPercent int    `json:"bound_percent,omitempty"`
	SlowStartMS  int    `json:"slow_start_ms,omitempty"`
	PanicPercent int    `json:"panic_percent,omitempty"`
}

type healthCheck struct {
	Kind       string `json:"kind,omitempty"`
	Method     string `json:"method,omitempty"`
	Path       string `json:"path,omitempty"`
	Status     string `json:"status,omitempty"`
	Body       string `json:"body,omitempty"`
	Service    string `json:"service,omitempty"`
	IntervalMS int    `json:"interval_ms,omitempty"`
	TimeoutMS  int    `json:"timeout_ms,omitempty"`
	Healthy    int    `json:"healthy,omitempty"`
	Unhealthy  int    `json:"unhealthy,omitempty"`
}

type ejection struct {
	Off         bool `json:"off,omitempty"`
	Failures    int  `json:"failures,omitempty"`
	Any5xx      bool `json:"any_5xx,omitempty"`
	ForMS       int  `json:"for_ms,omitempty"`
	LongestMS   int  `json:"longest_ms,omitempty"`
	MostPercent int  `json:"most_percent,omitempty"`
}

type breaker struct {
	ErrorPercent int `json:"error_percent,omitempty"`
	WindowMS     int `json:"window_ms,omitempty"`
	MinRequests  int `json:"min_requests,omitempty"`
	OpenMS       int `json:"open_ms,omitempty"`
	Probes       int `json:"probes,omitempty"`
}

type concurrency struct {
	MaxRequests    int `json:"max_requests,omitempty"`
	Queue          int `json:"queue,omitempty"`
	QueueMS        int `json:"queue_ms,omitempty"`
	MaxConnections int `json:"max_connections,omitempty"`
}

type retry struct {
	Off           bool     `json:"off,omitempty"`
	Attempts      int      `json:"attempts,omitempty"`
	On            []string `json:"on,omitempty"`
	TryTimeoutMS  int      `json:"try_timeout_ms,omitempty"`
	BudgetPercent int      `json:"budget_percent,omitempty"`
	BudgetMin     int      `json:"budget_min,omitempty"`
}

type discovery struct {
	Kind       string `json:"kind,omitempty"`
	Service    string `json:"service,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
	Port       string `json:"port,omitempty"`
	Tag        string `json:"tag,omitempty"`
	Datacenter string `json:"datacenter,omitempty"`
}

func trafficOf(t apim.Traffic) traffic {
	return traffic{
		Balance: balance(t.Balance), Health: healthCheck(t.Health), Ejection: ejection(t.Ejection), Breaker: breaker(t.Breaker),
		Concurrency: concurrency(t.Concurrency), Retry: retry(t.Retry), Discovery: discovery(t.Discovery), TotalTimeoutMS: t.TotalTimeoutMS,
	}
}

// domain is what trafficOf undoes.
func (t traffic) domain() apim.Traffic {
	return apim.Traffic{
		Balance: apim.Balance(t.Balance), Health: apim.HealthCheck(t.Health), Ejection: apim.Ejection(t.Ejection), Breaker: apim.Breaker(t.Breaker),
		Concurrency: apim.Concurrency(t.Concurrency), Retry: apim.Retry(t.Retry), Discovery: apim.Discovery(t.Discovery), TotalTimeoutMS: t.TotalTimeoutMS,
	}
}

// nodeUpstreams is how a node finds a version's upstreams.
type nodeUpstreams struct {
	Node      string           `json:"node"`
	Reachable bool             `json:"reachable"`
	HeardAt   time.Time        `json:"heard_at,omitzero"`
	Upstreams []upstreamHealth `json:"upstreams"`
	Partial   bool             `json:"partial,omitempty"`
}

type upstreamHealth struct {
	Name    string         `json:"name"`
	Targets int            `json:"targets"`
	Unfit   int            `json:"unfit"`
	Panic   bool           `json:"panic"`
	Open    bool           `json:"open"`
	Source  string         `json:"source,omitempty"`
	Found   []string       `json:"found,omitempty"`
	Worst   []targetHealth `json:"worst,omitempty"`
}

type targetHealth struct {
	URL     string    `json:"url"`
	Address string    `json:"address,omitempty"`
	Why     string    `json:"why"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"`
}

func nodeUpstreamsOf(n apim.NodeUpstreams) nodeUpstreams {
	return nodeUpstreams{Node: n.Node, Reachable: n.Reachable, HeardAt: n.HeardAt, Upstreams: each(n.Upstreams, upstreamHealthOf), Partial: n.Partial}
}

func upstreamHealthOf(u apim.UpstreamHealth) upstreamHealth {
	out := upstreamHealth{Name: u.Name, Targets: u.Targets, Unfit: u.Unfit, Panic: u.Panic, Open: u.Open, Source: u.Source, Found: u.Found}
	for _, t := range u.Worst {
		out.Worst = append(out.Worst, targetHealth{URL: t.URL, Address: t.Address, Why: t.Why, Since: t.Since, Until: t.Until})
	}
	return out
}

func showUpstreams(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	found, err := r.Catalog.Upstreams(r.ctx, r.actor, r.tenant.ID, id, r.c.Query("environment"))
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, struct {
		Items []nodeUpstreams `json:"items"`
	}{each(found.Nodes, nodeUpstreamsOf)})
}
