package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
)

// routePolicies are the policies that calls of a route pass, in order, but for
// those that are off.
func (v *visit) routePolicies(d manager.VersionDetail, r apim.Route) []apim.Policy {
	all := slices.Concat(v.environment.Settings.Policies, d.Version.Runtime.Policies, r.Policies)
	return slices.DeleteFunc(all, func(p apim.Policy) bool { return p.Off })
}

// targetPath is the path by which a route's upstream is called, or what answers
// in its place.
func (v *visit) targetPath(d manager.VersionDetail, r apim.Route) string {
	path := r.Path
	for _, p := range v.routePolicies(d, r) {
		switch entry.PolicyKind(p.Kind) {
		case entry.PolicyMock:
			return "mock"
		case entry.PolicyComposition:
			return "composed"
		case entry.PolicyPath:
			var c entry.PathPolicy
			if entry.Strict(p.Config, &c) != nil {
				continue // a draft that cannot be published
			}
			path = rewritten(path, c)
		}
	}
	return basePath(d.Version.Runtime, r.Upstream) + path
}

// rewritten is what a policy makes of a path. What a pattern makes of it depends
// on the call: then it is the pattern and what takes its place.
func rewritten(path string, c entry.PathPolicy) string {
	switch {
	case c.Template != "":
		return c.Template
	case c.Prefix != "":
		rest, begins := strings.CutPrefix(path, strings.TrimSuffix(c.Prefix, "/"))
		if !begins || rest != "" && rest[0] != '/' {
			return path
		}
		return strings.TrimSuffix(c.Replacement, "/") + rest
	case c.Pattern != "":
		return c.Pattern + " → " + c.Replacement
	}
	return path
}

// basePath is the path that all addresses of an upstream have in common, "" where
// they differ.
func basePath(rt apim.Runtime, upstream string) string {
	for _, u := range rt.Upstreams {
		if u.Name != upstream {
			continue
		}
		base := ""
		for i, address := range u.URLs {
			at, err := url.Parse(address)
			if err != nil || strings.Contains(address, "${") || i > 0 && strings.TrimSuffix(at.Path, "/") != base {
				return ""
			}
			base = strings.TrimSuffix(at.Path, "/")
		}
		return base
	}
	return ""
}

// scopesAsked says which scopes policies ask of a caller's token.
func scopesAsked(policies []apim.Policy) string {
	var parts []string
	for _, p := range policies {
		if entry.PolicyKind(p.Kind) != entry.PolicyScopes {
			continue
		}
		var c entry.ScopesPolicy
		if entry.Strict(p.Config, &c) != nil {
			continue // a draft that cannot be published
		}
		parts = append(parts, c.All...)
		if len(c.Any) > 0 {
			parts = append(parts, strings.Join(c.Any, " or "))
		}
	}
	return strings.Join(parts, ", ")
}

// ownPolicies are those of a route, and which columns of its version's chain do
// not run there because of them.
func (p *routesPage) ownPolicies(r apim.Route) (out []ownPolicy) {
	for _, own := range r.Policies {
		one := ownPolicy{Title: policyTitle(own), Off: own.Off}
		stage := string(entry.PolicyKind(own.Kind).Stage())
		replaces := stage == string(entry.Identify) || entry.PolicyKind(own.Kind) == entry.PolicyComposition
		for i, s := range p.Steps {
			if p.Operation == "" && replaces && !own.Off && s.Stage == stage && !s.Inherited && (stage == string(entry.Identify) || s.Kind == own.Kind) {
				one.Overrides = "Overrides " + strconv.Itoa(i+1)
				break
			}
		}
		out = append(out, one)
	}
	return out
}
