package rest

import (
	"strconv"
	"time"

	"portico/internal/apim"
)

// runtime is what the gateway would get of a version's draft.
type runtime struct {
	Mounts       []mount           `json:"mounts"`
	Upstreams    []upstream        `json:"upstreams"`
	Routes       []apiRoute        `json:"routes"`
	Credentials  credentialPlaces  `json:"credentials"`
	Limits       []rateLimit       `json:"limits"`
	Policies     []policy          `json:"policies"`
	MaxBodyBytes int64             `json:"max_body_bytes,omitempty"`
	Security     []securityMapping `json:"security"`
}

type mount struct {
	Host     string   `json:"host,omitempty"`
	BasePath string   `json:"base_path"`
	Select   selector `json:"select,omitzero"`
}

// selector is what a call has to say beside the path.
type selector struct {
	In    string `json:"in"`
	Name  string `json:"name,omitempty"`
	Value string `json:"value"`
}

func (m mount) domain() apim.Mount {
	return apim.Mount{Host: m.Host, BasePath: m.BasePath, Select: apim.Selector(m.Select)}
}

type upstream struct {
	Name             string           `json:"name"`
	URLs             []string         `json:"urls"`
	Weights          []int            `json:"weights,omitempty"`
	Protocol         string           `json:"protocol,omitempty"`
	ConnectTimeoutMS int              `json:"connect_timeout_ms,omitempty"`
	HeaderTimeoutMS  int              `json:"header_timeout_ms,omitempty"`
	IdleTimeoutMS    int              `json:"idle_timeout_ms,omitempty"`
	Headers          []upstreamHeader `json:"headers,omitempty"`
	TLS              upstreamTLS      `json:"tls,omitzero"`
	Traffic          traffic          `json:"traffic,omitzero"`
}

// upstreamTLS is how an upstream is spoken to over TLS.
type upstreamTLS struct {
	ServerName  string `json:"server_name,omitempty"`
	Roots       string `json:"roots,omitempty"`
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`
	Unverified  bool   `json:"unverified,omitempty"`
}

// upstreamHeader is a header that the gateway sets on calls to an upstream.
type upstreamHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// apiRoute is an operation as the gateway matches it.
type apiRoute struct {
	Operation  string      `json:"operation"`
	Method     string      `json:"method"`
	Path       string      `json:"path"`
	Predicates []predicate `json:"predicates,omitempty"`
	Summary    string      `json:"summary,omitempty"`
	Tag        string      `json:"tag,omitempty"`
	Deprecated bool        `json:"deprecated,omitempty"`
	Upstream   string      `json:"upstream,omitempty"`
	Public     bool        `json:"public"`
	Off        bool        `json:"off"`
	Policies   []policy    `json:"policies,omitempty"`
}

type predicate struct {
	In    string `json:"in"`
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

type credentialPlaces struct {
	Bearer bool   `json:"bearer"`
	Header string `json:"header"`
	Query  string `json:"query"`
}

type rateLimit struct {
	Requests int    `json:"requests"`
	PeriodMS int64  `json:"period_ms"`
	Burst    int    `json:"burst,omitempty"`
	By       string `json:"by,omitempty"`
}

type securityMapping struct {
	Scheme     string `json:"scheme"`
	Kind       string `json:"kind"`
	Operations int    `json:"operations"`
	Becomes    string `json:"becomes"`
}

func runtimeOf(rt apim.Runtime) runtime {
	return runtime{
		Mounts: each(rt.Mounts, mountOf), Upstreams: each(rt.Upstreams, upstreamOf), Routes: each(rt.Routes, apiRouteOf),
		Credentials: credentialPlaces(rt.Credentials), Limits: each(rt.Limits, rateLimitOf), Policies: each(rt.Policies, policyOf), MaxBodyBytes: rt.MaxBodyBytes,
		Security: each(rt.Security, securityMappingOf),
	}
}

func mountOf(m apim.Mount) mount {
	return mount{Host: m.Host, BasePath: m.BasePath, Select: selector(m.Select)}
}
func predicateOf(p apim.RoutePredicate) predicate              { return predicate(p) }
func securityMappingOf(m apim.SecurityMapping) securityMapping { return securityMapping(m) }

func upstreamOf(u apim.Upstream) upstream {
	return upstream{
		Name: u.Name, URLs: orEmpty(u.URLs), Weights: u.Weights, Protocol: u.Protocol, Traffic: trafficOf(u.Traffic), ConnectTimeoutMS: u.ConnectTimeoutMS, HeaderTimeoutMS: u.HeaderTimeoutMS,
		IdleTimeoutMS: u.IdleTimeoutMS, TLS: upstreamTLS(u.TLS), Headers: each(u.Headers, func(h apim.UpstreamHeader) upstreamHeader { return upstreamHeader(h) }),
	}
}

func apiRouteOf(a apim.Route) apiRoute {
	return apiRoute{
		Operation: a.Operation, Method: a.Method, Path: a.Path, Predicates: each(a.Predicates, predicateOf),
		Summary: a.Summary, Tag: a.Tag, Deprecated: a.Deprecated, Upstream: a.Upstream, Public: a.Public, Off: a.Off, Policies: each(a.Policies, policyOf),
	}
}

func rateLimitOf(l apim.RateLimit) rateLimit {
	return rateLimit{Requests: l.Requests, PeriodMS: l.Period.Milliseconds(), Burst: l.Burst, By: l.By}
}

// longestPeriodMS is the longest period of a rate limit: a leap year. Beyond
// it the conversion to time.Duration would not be safe either.
const longestPeriodMS = 366 * 24 * 60 * 60 * 1000

// rateLimits converts the limits of a request; nil stays nil.
func rateLimits(in *[]rateLimit) (*[]apim.RateLimit, error) {
	if in == nil {
		return nil, nil
	}
	var check apim.Check
	out := make([]apim.RateLimit, len(*in))
	for i, l := range *in {
		if l.PeriodMS < 1 || l.PeriodMS > longestPeriodMS {
			check.Fail("limits["+strconv.Itoa(i)+"].period_ms", "range", "is not from 1 to %d", int64(longestPeriodMS))
		}
		out[i] = apim.RateLimit{Requests: l.Requests, Period: time.Duration(l.PeriodMS) * time.Millisecond, Burst: l.Burst, By: l.By}
	}
	return &out, check.Err()
}
