package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

type ctlEnvironments struct {
	List   ctlEnvironmentList   `cmd:"" default:"withargs" help:"List environments."`
	Show   ctlEnvironmentShow   `cmd:"" help:"Show an environment and its settings."`
	Create ctlEnvironmentCreate `cmd:"" help:"Make an environment."`
	Set    ctlEnvironmentSet    `cmd:"" help:"Change an environment's name, address or settings."`
	Delete ctlEnvironmentDelete `cmd:"" help:"Delete an environment in which nothing is live and to which no node belongs."`
	Change ctlEnvironmentChange `cmd:"" help:"Show on which nodes a change is in force."`
}

type environmentAnswer struct {
	ID, Slug, Name, Kind string
	GatewayURL           string `json:"gateway_url"`
	Sequence             uint64
	Settings             struct {
		TrustedProxies      []string `json:"trusted_proxies"`
		TLSMinimum          string   `json:"tls_minimum"`
		UnverifiedUpstreams bool     `json:"unverified_upstreams"`
		MaxBodyBytes        int64    `json:"max_body_bytes"`
		ConnectTimeoutMS    int64    `json:"connect_timeout_ms"`
		HeaderTimeoutMS     int64    `json:"header_timeout_ms"`
		IdleTimeoutMS       int64    `json:"idle_timeout_ms"`
		MaxStaleMS          int64    `json:"max_stale_ms"`
		RefuseStale         bool     `json:"refuse_stale"`
		Tracing             bool     `json:"tracing"`
		TracePerMillion     int      `json:"trace_per_million"`
		Policies            []policyAnswer
	}
}

// environment finds an environment by slug, id or name.
func (s *session) environment(ctx context.Context, called string) (environmentAnswer, error) {
	all, err := s.environments(ctx)
	if err != nil {
		return environmentAnswer{}, err
	}
	var byName []environmentAnswer
	slugs := []string{}
	for _, e := range all {
		if e.Slug == called || e.ID == called {
			return e, nil
		}
		if strings.EqualFold(e.Name, called) {
			byName = append(byName, e)
		}
		slugs = append(slugs, e.Slug)
	}
	switch len(byName) {
	case 0:
		return environmentAnswer{}, s.unknown("there is no environment %q; there is %s", called, few(slugs))
	case 1:
		return byName[0], nil
	}
	return environmentAnswer{}, usagef("%d environments are called %q; say which by its slug: %s", len(byName), called, few(slugs))
}

type ctlEnvironmentList struct{ ctlFlags }

// Run prints the environments.
func (c *ctlEnvironmentList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	var all struct{ Items []json.RawMessage }
	if err := s.get(ctx, "/environments", nil, &all); err != nil {
		return err
	}
	return printItems(s, all.Items, []string{"ENVIRONMENT", "NAME", "KIND", "GATEWAY", "NEWEST", "ID"}, func(e environmentAnswer) []string {
		return []string{e.Slug, e.Name, e.Kind, e.GatewayURL, fmt.Sprintf("#%d", e.Sequence), e.ID}
	})
}

type ctlEnvironmentShow struct {
	ctlFlags
	Environment string `arg:"" help:"Slug, id or name."`
}

// Run prints an environment.
func (c *ctlEnvironmentShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodGet, escaped("/environments/%s", e.Slug), nil, nil, &e)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	s.say("%s (%s, %s), %s, at %s. Newest change #%d.", e.Name, e.Slug, e.ID, e.Kind, e.GatewayURL, e.Sequence)
	stale := "serves on, and says so in its health"
	if e.Settings.RefuseStale {
		stale = "refuses calls"
	}
	traces := "passed on as they come"
	if e.Settings.Tracing {
		traces = fmt.Sprintf("taken part in, %d of a million calls sampled", e.Settings.TracePerMillion)
	}
	span := func(ms int64) string {
		if ms == 0 {
			return ""
		}
		return short(time.Duration(ms) * time.Millisecond)
	}
	rows := [][]string{
		{"SETTING", "VALUE"},
		{"Trusted proxies", strings.Join(e.Settings.TrustedProxies, ", ")},
		{"Oldest TLS", e.Settings.TLSMinimum},
		{"Unverified upstreams", yes(e.Settings.UnverifiedUpstreams)},
		{"Longest body of a request", fmt.Sprintf("%d bytes", e.Settings.MaxBodyBytes)},
		{"To connect to an upstream", span(e.Settings.ConnectTimeoutMS)},
		{"Until its answer begins", span(e.Settings.HeaderTimeoutMS)},
		{"Between two parts of an answer", span(e.Settings.IdleTimeoutMS)},
		{"A node is stale after", span(e.Settings.MaxStaleMS)},
		{"A stale node", stale},
		{"Callers' traces", traces},
		{"Policies", orNone(policyKinds(e.Settings.Policies))},
	}
	return s.table(rows)
}

// ctlSettings are what an environment's nodes do where nothing else is said.
type ctlSettings struct {
	TrustedProxy        []string       `placeholder:"NETWORK" help:"A network whose word on the client's address is taken, like 10.0.0.0/8. Give it again for more."`
	NoTrustedProxies    bool           `help:"Take nobody's word on the client's address."`
	TLSMinimum          *string        `name:"tls-minimum" placeholder:"1.2" help:"Oldest TLS that clients may use: 1.2 or 1.3."`
	UnverifiedUpstreams *bool          `negatable:"" help:"APIs may say that an upstream's certificate is not verified: anybody may then answer for it."`
	MaxBodyBytes        *int64         `placeholder:"BYTES" help:"Longest body of a request."`
	ConnectTimeout      *time.Duration `placeholder:"5s" help:"To an upstream: name, connection and TLS."`
	HeaderTimeout       *time.Duration `placeholder:"30s" help:"Until an upstream's answer begins."`
	IdleTimeout         *time.Duration `placeholder:"1m" help:"Between two parts of an answer."`
	MaxStale            *time.Duration `placeholder:"24h" help:"How long a node may serve without hearing from the bus."`
	RefuseStale         *bool          `negatable:"" help:"Past that it refuses calls, or serves on and says so in its health."`
	Tracing             *bool          `negatable:"" help:"Take part in callers' traces (W3C trace context), or pass them on as they come."`
	TracePerMillion     *int           `placeholder:"10000" help:"How many calls of a million are sampled, where no trusted proxy has decided."`
}

func (c ctlSettings) body() (map[string]any, error) {
	out := map[string]any{}
	if err := putList(out, "trusted_proxies", c.TrustedProxy, "trusted-proxy", "no-trusted-proxies", c.NoTrustedProxies); err != nil {
		return nil, err
	}
	put(out, "tls_minimum", c.TLSMinimum)
	put(out, "unverified_upstreams", c.UnverifiedUpstreams)
	put(out, "max_body_bytes", c.MaxBodyBytes)
	put(out, "refuse_stale", c.RefuseStale)
	put(out, "tracing", c.Tracing)
	put(out, "trace_per_million", c.TracePerMillion)
	for _, t := range []struct {
		flag, field string
		span        *time.Duration
	}{
		{"connect-timeout", "connect_timeout_ms", c.ConnectTimeout},
		{"header-timeout", "header_timeout_ms", c.HeaderTimeout},
		{"idle-timeout", "idle_timeout_ms", c.IdleTimeout},
		{"max-stale", "max_stale_ms", c.MaxStale},
	} {
		if t.span == nil {
			continue
		}
		ms, err := milliseconds(t.flag, *t.span)
		if err != nil {
			return nil, err
		}
		out[t.field] = ms
	}
	return out, nil
}

type ctlEnvironmentCreate struct {
	ctlFlags
	ctlSettings
	Slug       string `arg:"" help:"Slug."`
	Kind       string `required:"" enum:"production,sandbox" help:"Which keys it takes: production takes live keys, sandbox test keys. It stays so."`
	GatewayURL string `name:"gateway-url" required:"" placeholder:"URL" help:"Where its calls go, as consumers write it."`
	Name       string `help:"Name. Default: the slug."`
}

// Run makes an environment.
func (c *ctlEnvironmentCreate) Run(ctx context.Context, io *ctlIO) error {
	settings, err := c.ctlSettings.body()
	if err != nil {
		return err
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	body := map[string]any{"slug": c.Slug, "kind": c.Kind, "gateway_url": c.GatewayURL}
	putText(body, "name", c.Name)
	if len(settings) > 0 {
		body["settings"] = settings
	}
	var e environmentAnswer
	answer, err := s.call(ctx, http.MethodPost, "/environments", nil, body, &e)
	if err != nil {
		return err
	}
	return s.done(answer, "Made environment %s (%s), %s. Let a node in with: portico nodes enrol --environment %s", e.Slug, e.ID, e.Kind, e.Slug)
}

type ctlEnvironmentSet struct {
	ctlFlags
	ctlWait
	ctlSettings
	Environment string  `arg:"" help:"Slug, id or name."`
	Name        *string `help:"New name."`
	GatewayURL  *string `name:"gateway-url" placeholder:"URL" help:"Where its calls go, as consumers write it."`
}

// Run changes an environment.
func (c *ctlEnvironmentSet) Run(ctx context.Context, io *ctlIO) error {
	settings, err := c.ctlSettings.body()
	if err != nil {
		return err
	}
	body := map[string]any{}
	put(body, "name", c.Name)
	put(body, "gateway_url", c.GatewayURL)
	if len(settings) > 0 {
		body["settings"] = settings
	}
	if len(body) == 0 {
		return usagef("nothing to change; give --name, --gateway-url or a setting, such as --max-stale")
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodPatch, escaped("/environments/%s", e.Slug), c.query(), body, &e)
	if err != nil {
		return err
	}
	return s.done(answer, "Changed environment %s.", e.Slug)
}

type ctlEnvironmentChange struct {
	ctlFlags
	ctlWait
	Environment string `arg:"" help:"Slug, id or name."`
	Sequence    uint64 `arg:"" help:"Number of the change, without its #."`
}

// Run prints which nodes have applied a change.
func (c *ctlEnvironmentChange) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodGet, escaped("/environments/%s/changes/%s", e.Slug, c.Sequence), c.query(), nil, nil)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	var said confirmation
	if err := json.Unmarshal(fmt.Appendf(nil, `{"applied":%s}`, answer), &said); err != nil {
		return fmt.Errorf("read change: %w", err)
	}
	s.say("%s #%d: %s", e.Slug, c.Sequence, said)
	return nil
}

type ctlEnvironmentDelete struct {
	ctlFlags
	Environment string `arg:"" help:"Slug, id or name."`
	Yes         bool   `help:"Do not ask first."`
}

// Run deletes an environment.
func (c *ctlEnvironmentDelete) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return err
	}
	if err := s.confirm(c.Yes, "Delete environment %s, with the values and keys in it?", e.Slug); err != nil {
		return err
	}
	if _, err := s.call(ctx, http.MethodDelete, escaped("/environments/%s", e.Slug), nil, nil, nil); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.Out, map[string]string{"environment": e.Slug})
	}
	s.say("Environment %s is deleted.", e.Slug)
	return nil
}
