package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

type versionSummary struct {
	ID          apim.ID           `json:"id"`
	Label       string            `json:"label"`
	State       apim.VersionState `json:"state"`
	Revision    int               `json:"revision"`
	Unpublished bool              `json:"unpublished"`
	Operations  int               `json:"operations"`
	Score       *int              `json:"score,omitempty"`
	Live        []deployment      `json:"live"`
}

func versionSummaryOf(v manager.VersionSummary) versionSummary {
	return versionSummary{
		ID: v.ID, Label: v.Label, State: v.State, Revision: v.Revision, Unpublished: v.Unpublished,
		Operations: v.Operations, Score: scoreOf(v.Score), Live: each(v.Live, deploymentOf),
	}
}

type deployment struct {
	Environment string    `json:"environment"`
	Revision    int       `json:"revision"`
	Sequence    uint64    `json:"sequence"`
	At          time.Time `json:"at"`
}

func deploymentOf(d apim.Deployment) deployment {
	return deployment{Environment: d.Environment, Revision: d.Revision, Sequence: d.Sequence, At: d.At.UTC()}
}

type version struct {
	ID           apim.ID           `json:"id"`
	API          reference         `json:"api"`
	Label        string            `json:"label"`
	State        apim.VersionState `json:"state"`
	StateReason  string            `json:"state_reason,omitempty"`
	Revision     int               `json:"revision"`
	Unpublished  bool              `json:"unpublished"`
	DeprecatedAt time.Time         `json:"deprecated_at,omitzero"`
	SunsetAt     time.Time         `json:"sunset_at,omitzero"`
	Document     *document         `json:"document,omitempty"`
	Draft        runtime           `json:"draft"`
	Live         []deployment      `json:"live"`
	URL          string            `json:"url,omitempty"`
	Subscribers  int               `json:"subscribers"`
	Products     []reference       `json:"products"`
	CreatedAt    time.Time         `json:"created_at"`
	UpdatedAt    time.Time         `json:"updated_at"`
	outcome
}

func versionOf(d manager.VersionDetail) version {
	v := d.Version
	out := version{
		ID: v.ID, API: apiReference(d.API), Label: v.Label, State: v.State, StateReason: v.StateReason,
		Revision: v.Revision, Unpublished: v.Unpublished, DeprecatedAt: v.DeprecatedAt.UTC(), SunsetAt: v.SunsetAt.UTC(),
		Draft: runtimeOf(v.Runtime), Live: each(d.Deployments, deploymentOf), URL: d.URL, Subscribers: d.Subscribers,
		Products: each(d.Products, productReference), CreatedAt: v.CreatedAt.UTC(), UpdatedAt: v.UpdatedAt.UTC(),
	}
	if d.Document.ID != "" {
		doc := documentOf(d.Document)
		out.Document = &doc
	}
	return out
}

// answerVersion answers with a version as it is now.
func answerVersion(r *request, status int, id apim.ID, o outcome) error {
	v, err := r.Catalog.Version(r.ctx, r.actor, r.tenant.ID, id)
	if err != nil {
		return err
	}
	out := versionOf(v)
	out.outcome = o
	if status == http.StatusCreated {
		return r.made("/versions/"+string(id), v.Version.Lock, out)
	}
	return r.answer(status, v.Version.Lock, out)
}

func showVersion(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	return answerVersion(r, http.StatusOK, id, outcome{})
}

func showVersionByLabel(r *request) error {
	a, err := r.Catalog.API(r.ctx, r.actor, r.tenant.ID, r.c.Param("api"))
	if err != nil {
		return err
	}
	v, err := r.Catalog.VersionByLabel(r.ctx, r.actor, r.tenant.ID, a.API.Slug, r.c.Param("label"))
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, v.Version.Lock, versionOf(v))
}

func updateDraft(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	var in struct {
		Mount    *mount            `json:"mount"`
		Mounts   *[]mount          `json:"mounts"`
		Upstream *[]string         `json:"upstream_urls"`
		Headers  *[]upstreamHeader `json:"upstream_headers"`
		TLS      *upstreamTLS      `json:"upstream_tls"`
		Timeouts *struct {
			ConnectMS int `json:"connect_timeout_ms"`
			HeaderMS  int `json:"header_timeout_ms"`
			IdleMS    int `json:"idle_timeout_ms"`
		} `json:"timeouts"`
		Protocol     *string           `json:"upstream_protocol"`
		Weights      *[]int            `json:"upstream_weights"`
		Traffic      *traffic          `json:"traffic"`
		Credentials  *credentialPlaces `json:"credentials"`
		Limits       *[]rateLimit      `json:"limits"`
		Policies     *[]policy         `json:"policies"`
		MaxBodyBytes *int64            `json:"max_body_bytes"`
		Public       map[string]bool   `json:"public"`
		Off          map[string]bool   `json:"off"`

		RoutePolicies map[string][]policy `json:"route_policies"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	limits, err := rateLimits(in.Limits)
	if err != nil {
		return err
	}
	change := manager.DraftChange{
		UpstreamURLs: in.Upstream, Protocol: in.Protocol, TLS: (*apim.UpstreamTLS)(in.TLS), Credentials: (*apim.CredentialPlaces)(in.Credentials),
		Limits: limits, Policies: policiesOf(in.Policies), MaxBodyBytes: in.MaxBodyBytes, Public: in.Public, Off: in.Off, Lock: r.lock,
	}
	if in.Mount != nil {
		m := in.Mount.domain()
		change.Mount = &m
	}
	if in.Mounts != nil {
		mounts := each(*in.Mounts, mount.domain)
		change.Mounts = &mounts
	}
	if in.Headers != nil {
		headers := each(*in.Headers, func(h upstreamHeader) apim.UpstreamHeader { return apim.UpstreamHeader(h) })
		change.Headers = &headers
	}
	for operation, list := range in.RoutePolicies {
		if change.RoutePolicies == nil {
			change.RoutePolicies = map[string][]apim.Policy{}
		}
		change.RoutePolicies[operation] = *policiesOf(&list)
	}
	change.Weights = in.Weights
	if in.Traffic != nil {
		traffic := in.Traffic.domain()
		change.Traffic = &traffic
	}
	if t := in.Timeouts; t != nil {
		change.Timeouts = &manager.UpstreamTimeouts{ConnectMS: t.ConnectMS, HeaderMS: t.HeaderMS, IdleMS: t.IdleMS}
	}
	if _, err := r.Catalog.UpdateDraft(r.ctx, r.actor, r.tenant.ID, id, change); err != nil {
		return err
	}
	return answerVersion(r, http.StatusOK, id, outcome{})
}

func deprecate(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	var in struct {
		SunsetAt time.Time `json:"sunset_at"`
		Reason   string    `json:"reason"`
	}
	if err := r.optionalBody(&in); err != nil {
		return err
	}
	_, change, err := r.Catalog.Deprecate(r.ctx, r.actor, r.tenant.ID, id, in.SunsetAt, in.Reason)
	if err != nil {
		return err
	}
	return answerVersion(r, http.StatusOK, id, r.settle(change))
}

func retire(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	var in struct {
		Reason string `json:"reason"`
	}
	if err := r.optionalBody(&in); err != nil {
		return err
	}
	_, change, err := r.Catalog.Retire(r.ctx, r.actor, r.tenant.ID, id, in.Reason)
	if err != nil {
		return err
	}
	return answerVersion(r, http.StatusOK, id, r.settle(change))
}

// takeOff ends what is live of a version in one environment.
func takeOff(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	var in struct {
		Environment string `json:"environment"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	_, change, err := r.Catalog.TakeOff(r.ctx, r.actor, r.tenant.ID, id, in.Environment)
	if err != nil {
		return err
	}
	return answerVersion(r, http.StatusOK, id, r.settle(change))
}
