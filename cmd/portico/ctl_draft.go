package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

type ctlVersionList struct {
	ctlFlags
	API string `arg:"" name:"api" help:"Slug, id or name of the API."`
}

func versionHeading() []string {
	return []string{"VERSION", "STATE", "REVISION", "OPERATIONS", "DRAFT DIFFERS", "LIVE", "ID"}
}

func (v versionAnswer) row() []string {
	return []string{v.Label, v.State, "r" + strconv.Itoa(v.Revision), strconv.Itoa(v.Operations), yes(v.Unpublished), v.live(), v.ID}
}

// Run prints an API's versions.
func (c *ctlVersionList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.at(ctx, anAPI(), c.API)
	if err != nil {
		return err
	}
	var a struct{ Versions []json.RawMessage }
	if err := s.get(ctx, path, nil, &a); err != nil {
		return err
	}
	return printItems(s, a.Versions, versionHeading(), versionAnswer.row)
}

// draftAnswer is what the gateway would get of a version's draft.
type draftAnswer struct {
	Mounts []struct {
		Host     string
		BasePath string `json:"base_path"`
		Select   struct{ In, Name, Value string }
	}
	Upstreams []struct {
		Name             string
		URLs             []string
		ConnectTimeoutMS int64 `json:"connect_timeout_ms"`
		HeaderTimeoutMS  int64 `json:"header_timeout_ms"`
		IdleTimeoutMS    int64 `json:"idle_timeout_ms"`
		Headers          []headerAnswer
		Protocol         string
		Weights          []int
		Traffic          map[string]any
		TLS              map[string]any
	}
	Routes []struct {
		Operation, Method, Path, Summary string
		Public, Off                      bool
		Policies                         []policyAnswer
	}
	Limits   []limitAnswer
	Policies []policyAnswer
}

type headerAnswer struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type ctlVersionShow struct {
	ctlFlags
	ctlVersion
}

// Run prints a version.
func (c *ctlVersionShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	v, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/apis/%s/versions/%s", v.API.Slug, v.Label)
	if err != nil {
		return err
	}
	var d struct {
		StateReason string `json:"state_reason"`
		Subscribers int
		Draft       draftAnswer
	}
	answer, err := s.call(ctx, http.MethodGet, path, nil, nil, &d)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	s.say("%s %s (%s), %s. %d subscribers.", v.API.Slug, v.Label, v.ID, v.State, d.Subscribers)
	if d.StateReason != "" {
		s.say("Why: %s", d.StateReason)
	}
	s.say("Live: %s. The draft differs: %s.", orNone(nonEmpty(v.live())), yes(v.Unpublished))
	if v.URL != "" {
		s.say("It answers at %s", v.URL)
	}
	for _, m := range d.Draft.Mounts {
		s.say("Draft: mounted at %s%s", m.Host, m.BasePath)
		if m.Select.In != "" {
			s.say("       where a call says %s %s", strings.ReplaceAll(m.Select.In, "_", " "), strings.TrimSpace(m.Select.Name+" "+m.Select.Value))
		}
	}
	for _, u := range d.Draft.Upstreams {
		s.say("Draft: upstream %s %s", u.Name, strings.Join(u.URLs, ", "))
		if u.Protocol != "" {
			s.say("Draft: calls it by %s", u.Protocol)
		}
		for _, setting := range trafficLines(u.Traffic) {
			s.say("Draft: %s", setting)
		}
		for _, h := range u.Headers {
			s.say("Draft: sends %s: %s", h.Name, h.Value)
		}
	}
	for _, l := range d.Draft.Limits {
		s.say("Draft: limit %s", l)
	}
	if len(d.Draft.Policies) > 0 {
		s.say("Draft: policies %s", orNone(policyKinds(d.Draft.Policies)))
	}
	rows := [][]string{{"OPERATION", "METHOD", "PATH", "PUBLIC", "OFF", "POLICIES", "SUMMARY"}}
	for _, r := range d.Draft.Routes {
		rows = append(rows, []string{r.Operation, r.Method, r.Path, yes(r.Public), yes(r.Off), strings.Join(policyKinds(r.Policies), ", "), r.Summary})
	}
	return s.table(rows)
}

type ctlVersionSet struct {
	ctlFlags
	ctlVersion
	Mount    *string  `placeholder:"PATH" help:"Base path on the gateway."`
	Host     *string  `help:"With --mount: only for this host."`
	Place    []string `sep:"none" placeholder:"PATH[ ASK]" help:"All places where it answers, each with how a call asks for it: '/acme/orders header X-Version: 2', '… query v=2', '… media type application/vnd.acme.v2+json', '… media type parameter version=2'. Give it again for more."`
	Upstream []string `placeholder:"URL" help:"All addresses of the backend; $${NAME} is a value of the environment. Give it again for more."`
	Weight   []int    `placeholder:"N" help:"Share of each address, in the order of --upstream; give it as often."`
	Traffic  []string `sep:"none" placeholder:"KEY=VALUE" help:"How calls are spread and what becomes of those that fail, like balance.algorithm=ewma, health.kind=http, retry.on=connect,503; an empty value is the default. Others stay. Give it again for more."`
	Header   []string `sep:"none" placeholder:"NAME=VALUE" help:"A header that the gateway sets for the backend; others stay. $${NAME} in it is a value of the environment. Give it again for more."`
	NoHeader []string `placeholder:"NAME" help:"Set this header no more. Give it again for more."`
	Protocol *string  `placeholder:"PROTOCOL" help:"How the backend is called: http1 (the default), http2 (by TLS), h2c (without), or auto (what TLS gives). gRPC wants one of the last three."`
	ctlUpstreamTLS
	ConnectTimeout *time.Duration `placeholder:"5s" help:"To the backend: name, connection and TLS; 0 is the environment's."`
	HeaderTimeout  *time.Duration `placeholder:"30s" help:"Until its answer begins; 0 is the environment's."`
	IdleTimeout    *time.Duration `placeholder:"1m" help:"Between two parts of its answer; 0 is the environment's."`
	Bearer         *bool          `negatable:"" help:"Take keys as Authorization: Bearer, or not."`
	KeyHeader      *string        `placeholder:"NAME" help:"Take keys in this header; empty is none."`
	KeyQuery       *string        `placeholder:"NAME" help:"Take keys in this query parameter; empty is none."`
	Limit          []string       `placeholder:"N/PERIOD[/BURST][@BY]" help:"All rate limits of the version itself, like 600/1m or 60/1s/100@address. BY is what is counted apart: caller (default), address or api. Give it again for more."`
	NoLimits       bool           `help:"Take its rate limits away."`
	MaxBodyBytes   *int64         `placeholder:"BYTES" help:"Longest body of a request; 0 is the environment's."`
	Public         []string       `placeholder:"OPERATION" help:"Callable without a key. Give it again for more."`
	Private        []string       `placeholder:"OPERATION" help:"Needs a key. Give it again for more."`
	Off            []string       `placeholder:"OPERATION" help:"Documented, not served. Give it again for more."`
	On             []string       `placeholder:"OPERATION" help:"Served. Give it again for more."`
}

// Run changes a version's draft.
func (c *ctlVersionSet) Run(ctx context.Context, io *ctlIO) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	v, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/versions/%s", v.ID)
	if err != nil {
		return err
	}
	if err := c.merge(ctx, s, path, body); err != nil {
		return err
	}
	if len(body) == 0 {
		return usagef("nothing to change; give --upstream, --mount, --place, --header, --limit, --public or another setting")
	}
	answer, err := s.call(ctx, http.MethodPatch, path+"/draft", nil, body, &v)
	if err != nil {
		return err
	}
	return s.done(answer, "Changed the draft of %s %s; it is live after: portico publish %s %s", v.API.Slug, v.Label, v.API.Slug, v.Label)
}

// body is what can be said without knowing the draft.
func (c *ctlVersionSet) body() (map[string]any, error) {
	body := map[string]any{}
	switch {
	case len(c.Place) > 0 && (c.Mount != nil || c.Host != nil):
		return nil, usagef("--place and --mount do not go together")
	case len(c.Place) > 0:
		mounts := []map[string]any{}
		for _, text := range c.Place {
			mount, err := placeOf(text)
			if err != nil {
				return nil, err
			}
			mounts = append(mounts, mount)
		}
		body["mounts"] = mounts
	case c.Mount != nil:
		mount := map[string]any{"base_path": *c.Mount}
		put(mount, "host", c.Host)
		body["mount"] = mount
	case c.Host != nil:
		return nil, usagef("--host needs --mount")
	}
	if len(c.Upstream) > 0 {
		body["upstream_urls"] = c.Upstream
	}
	if len(c.Weight) > 0 {
		body["upstream_weights"] = c.Weight
	}
	put(body, "upstream_protocol", c.Protocol)
	put(body, "max_body_bytes", c.MaxBodyBytes)
	if err := c.limits(body); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		field, yesFlag, noFlag string
		yes, no                []string
	}{{"public", "public", "private", c.Public, c.Private}, {"off", "off", "on", c.Off, c.On}} {
		flags := map[string]bool{}
		for _, operation := range f.yes {
			flags[operation] = true
		}
		for _, operation := range f.no {
			if flags[operation] {
				return nil, usagef("%s is both --%s and --%s", operation, f.yesFlag, f.noFlag)
			}
			flags[operation] = false
		}
		if len(flags) > 0 {
			body[f.field] = flags
		}
	}
	return body, nil
}

// placeOf reads a path with how a call asks for the version there.
func placeOf(text string) (map[string]any, error) {
	at, ask, _ := strings.Cut(strings.TrimSpace(text), " ")
	i := strings.IndexByte(at, '/')
	if i < 0 {
		return nil, usagef("--place %s: its path does not begin with a slash", text)
	}
	mount := map[string]any{"base_path": at[i:]}
	if i > 0 {
		mount["host"] = at[:i]
	}
	if ask = strings.TrimSpace(ask); ask == "" {
		return mount, nil
	}
	for _, way := range []struct{ prefix, in, sep string }{
		{"header ", "header", ":"}, {"query ", "query", "="}, {"media type parameter ", "media_type", "="}, {"media type ", "media_type", ""},
	} {
		rest, ok := strings.CutPrefix(ask, way.prefix)
		if !ok {
			continue
		}
		if way.sep == "" {
			mount["select"] = map[string]string{"in": way.in, "value": strings.TrimSpace(rest)}
			return mount, nil
		}
		if name, value, ok := strings.Cut(rest, way.sep); ok {
			mount["select"] = map[string]string{"in": way.in, "name": strings.TrimSpace(name), "value": strings.TrimSpace(value)}
			return mount, nil
		}
	}
	return nil, usagef("--place %s cannot be read; after the path write header NAME: VALUE, query NAME=VALUE, media type TYPE, or media type parameter NAME=VALUE", text)
}

// limits sets the limits of the version itself, each with what it counts apart.
func (c *ctlVersionSet) limits(body map[string]any) error {
	texts, bys := make([]string, len(c.Limit)), make([]string, len(c.Limit))
	for i, text := range c.Limit {
		var given bool
		if texts[i], bys[i], given = strings.Cut(text, "@"); !given {
			bys[i] = "caller"
		}
	}
	if err := putLimits(body, texts, c.NoLimits); err != nil {
		return err
	}
	if limits, ok := body["limits"].([]map[string]any); ok {
		for i, limit := range limits {
			limit["by"] = bys[i]
		}
	}
	return nil
}

// merge adds what changes a part of a setting that is sent whole.
func (c *ctlVersionSet) merge(ctx context.Context, s *session, path string, body map[string]any) error {
	times := []struct {
		flag, field string
		span        *time.Duration
	}{{"connect-timeout", "connect_timeout_ms", c.ConnectTimeout}, {"header-timeout", "header_timeout_ms", c.HeaderTimeout}, {"idle-timeout", "idle_timeout_ms", c.IdleTimeout}}
	headers, places := len(c.Header)+len(c.NoHeader) > 0, c.Bearer != nil || c.KeyHeader != nil || c.KeyQuery != nil
	timed := c.ConnectTimeout != nil || c.HeaderTimeout != nil || c.IdleTimeout != nil
	if !headers && !places && !timed && len(c.Traffic) == 0 && !c.changes() {
		return nil
	}
	var now struct {
		Draft struct {
			draftAnswer
			Credentials map[string]any
		}
	}
	if err := s.get(ctx, path, nil, &now); err != nil {
		return err
	}
	s.match = s.tag // what somebody else changes meanwhile is not undone
	if places {
		body["credentials"] = now.Draft.Credentials
		put(now.Draft.Credentials, "bearer", c.Bearer)
		put(now.Draft.Credentials, "header", c.KeyHeader)
		put(now.Draft.Credentials, "query", c.KeyQuery)
	}
	if !headers && !timed && len(c.Traffic) == 0 && !c.changes() {
		return nil
	}
	if len(now.Draft.Upstreams) == 0 {
		return fmt.Errorf("the version has no upstream yet; give --upstream first")
	}
	main := now.Draft.Upstreams[0]
	if len(c.Traffic) > 0 {
		traffic, err := mergeTraffic(main.Traffic, c.Traffic)
		if err != nil {
			return err
		}
		body["traffic"] = traffic
	}
	if c.changes() {
		merged, err := c.ctlUpstreamTLS.merge(main.TLS)
		if err != nil {
			return err
		}
		body["upstream_tls"] = merged
	}
	if timed {
		spans := map[string]any{"connect_timeout_ms": main.ConnectTimeoutMS, "header_timeout_ms": main.HeaderTimeoutMS, "idle_timeout_ms": main.IdleTimeoutMS}
		for _, t := range times {
			if t.span == nil {
				continue
			}
			ms, err := milliseconds(t.flag, *t.span)
			if err != nil {
				return err
			}
			spans[t.field] = ms
		}
		body["timeouts"] = spans
	}
	if !headers {
		return nil
	}
	all := append([]headerAnswer{}, main.Headers...)
	drop := func(name string) {
		all = slices.DeleteFunc(all, func(h headerAnswer) bool { return strings.EqualFold(h.Name, name) })
	}
	for _, name := range c.NoHeader {
		drop(name)
	}
	for _, text := range c.Header {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return usagef("--header %q is not NAME=VALUE", text)
		}
		drop(name)
		all = append(all, headerAnswer{name, value})
	}
	body["upstream_headers"] = all
	return nil
}

type ctlVersionRevision struct {
	ctlFlags
	ctlVersion
}

type revisionAnswer struct {
	Number    int
	Note, By  string
	CreatedAt time.Time `json:"created_at"`
}

// Run prints a version's revisions.
func (c *ctlVersionRevision) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	v, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/versions/%s/revisions", v.ID)
	if err != nil {
		return err
	}
	return list(ctx, s, path, nil, []string{"REVISION", "PUBLISHED", "BY", "LIVE IN", "NOTE"}, func(r revisionAnswer) []string {
		places := []string{}
		for _, d := range v.Live {
			if d.Revision == r.Number {
				places = append(places, d.Environment)
			}
		}
		return []string{"r" + strconv.Itoa(r.Number), when(r.CreatedAt), r.By, strings.Join(places, ", "), r.Note}
	})
}

type ctlVersionFinding struct {
	ctlFlags
	ctlVersion
}

type findingAnswer struct {
	Code, Severity, Message, Hint string
	Line                          int
}

// Run prints what was found in a version's document.
func (c *ctlVersionFinding) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	v, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/versions/%s/findings", v.ID)
	if err != nil {
		return err
	}
	return list(ctx, s, path, nil, []string{"SEVERITY", "LINE", "WHAT", "HOW TO FIX IT", "CODE"}, func(f findingAnswer) []string {
		line := ""
		if f.Line > 0 {
			line = strconv.Itoa(f.Line)
		}
		return []string{f.Severity, line, f.Message, f.Hint, f.Code}
	})
}

type ctlVersionDocument struct {
	ctlFlags
	ctlVersion
	Out string `placeholder:"FILE" help:"Write to this file. Default: standard output."`
}

// Run prints the document, byte for byte.
func (c *ctlVersionDocument) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	v, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/versions/%s/document", v.ID)
	if err != nil {
		return err
	}
	document, err := s.call(ctx, http.MethodGet, path, nil, nil, nil)
	if err != nil {
		return err
	}
	if c.Out != "" {
		return os.WriteFile(c.Out, document, 0o600)
	}
	_, err = io.Out.Write(document)
	return err
}
