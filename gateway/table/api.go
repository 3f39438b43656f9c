package table

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
	"portico/internal/entry/template"
)

// API is one version's live revision, compiled. It never changes, but for its
// counters.
type API struct {
	Version  policy.ID
	API      policy.ID // it belongs to
	Tenant   policy.ID // that offers it
	Name     string
	Revision int
	At       entry.Position
	Stats    *policy.Stats

	// Announced is what every answer says of the version's life: Deprecation
	// (RFC 9745), Sunset (RFC 8594) and the successor's Link.
	Announced []policy.Field

	mounts    []entry.Mount
	matcher   matcher
	unmatched *policy.Chain // nil for none
}

// Route is what a request is served by.
type Route struct {
	Scope       policy.Scope
	Chain       *policy.Chain
	Destination policy.Destination

	path       template.Path
	wholes     uint64         // which of the path's segments are parameters, where none is anything but that or text; 0: look at them
	upstream   *template.Path // nil: as the caller wrote it, below the mount
	method     string
	predicates []entry.Predicate
}

// Compile makes an API ready to serve. The entry must have passed entry/check.
// destination gives what a route calls, by the name of its upstream.
func Compile(a entry.API, at entry.Position, tools policy.Tools, destination func(upstream string) policy.Destination) *API {
	out := &API{
		Name: a.Name, Revision: a.Revision, At: at, Stats: &policy.Stats{}, mounts: slices.Clone(a.Mounts),
		Announced: announced(a),
	}
	scope := policy.Scope{Name: a.Name, Revision: a.Revision, MaxBodyBytes: a.MaxBodyBytes}
	scope.Version, _ = policy.ParseID(a.Version)
	scope.API, _ = policy.ParseID(a.API)
	scope.Tenant, _ = policy.ParseID(a.Tenant)
	out.Version, out.API, out.Tenant = scope.Version, scope.API, scope.Tenant
	tools.Destination = destination
	chains := policy.NewCompiler(a, tools)
	routes := make([]Route, len(a.Routes))
	for i, r := range a.Routes {
		path, _ := template.Parse(r.Path)
		routes[i] = Route{
			Scope: scope, Chain: chains.Route(r), Destination: destination(r.Upstream),
			path: path, wholes: wholes(path), method: r.Method, predicates: r.Predicates,
		}
		routes[i].Scope.Operation, routes[i].Scope.Path = r.Operation, path.Source
		if r.UpstreamPath != "" {
			if up, err := template.Parse(r.UpstreamPath); err == nil {
				routes[i].upstream = &up
			}
		}
	}
	vary := choosing(a.Routes, routes)
	for i, r := range a.Routes {
		routes[i].Scope.Vary = strings.Join(append(vary[i], policy.CredentialHeaders(a, r)...), ", ")
	}
	out.matcher, out.unmatched = newMatcher(routes), chains.Unmatched()
	return out
}

// wholes returns a bit for each segment that is a parameter, 0 where there is more
// to say of them.
func wholes(path template.Path) (bits uint64) {
	for i, seg := range path.Segments {
		switch {
		case i == 64, seg.Kind != template.Whole && seg.Kind != template.Literal:
			return 0
		case seg.Kind == template.Whole:
			bits |= 1 << i
		}
	}
	return bits
}

// choosing returns for each route the headers that choose among those of its path
// and method.
func choosing(entries []entry.Route, routes []Route) [][]string {
	out, together := make([][]string, len(entries)), map[string][]int{}
	some := false
	for i, r := range entries {
		place := r.Method + " " + routes[i].path.Shape()
		together[place] = append(together[place], i)
		some = some || len(r.Predicates) > 0
	}
	if !some {
		return out
	}
	for _, list := range together {
		var names []string
		for _, i := range list {
			for _, p := range entries[i].Predicates {
				if p.In == "header" && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, p.Name) }) {
					names = append(names, p.Name)
				}
			}
		}
		for _, i := range list {
			out[i] = slices.Clone(names)
		}
	}
	return out
}

func announced(a entry.API) (fields []policy.Field) {
	if a.DeprecatedAt != 0 {
		fields = append(fields, policy.Field{Name: "Deprecation", Value: "@" + strconv.FormatInt(a.DeprecatedAt, 10)})
	}
	if a.SunsetAt != 0 {
		fields = append(fields, policy.Field{Name: "Sunset", Value: time.Unix(a.SunsetAt, 0).UTC().Format(http.TimeFormat)})
	}
	if a.SuccessorURL != "" {
		fields = append(fields, policy.Field{Name: "Link", Value: "<" + a.SuccessorURL + `>; rel="successor-version"`})
	}
	return fields
}

func (a *API) has(m entry.Mount) bool {
	return a != nil && slices.ContainsFunc(a.mounts, func(own entry.Mount) bool {
		return own.Host == m.Host && own.BasePath == m.BasePath && own.Select.Folded() == m.Select.Folded()
	})
}
