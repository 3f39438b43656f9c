package manager

import (
	"reflect"

	"portico/internal/apim"
)

// runtimeFacts are what an audit row says of a draft that was changed: of what
// differs alone, and of headers' values, which may be secrets, only a mark.
func (u *unit) runtimeFacts(v apim.Version, was, is apim.Runtime) (before, after map[string]any) {
	before, after = map[string]any{}, map[string]any{}
	differ := func(name string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			before[name], after[name] = a, b
		}
	}
	differ("mounts", was.Mounts, is.Mounts)
	differ("upstreams", u.upstreamFacts(v, was.Upstreams), u.upstreamFacts(v, is.Upstreams))
	differ("credentials", was.Credentials, is.Credentials)
	differ("limits", was.Limits, is.Limits)
	differ("policies", was.Policies, is.Policies)
	differ("max_body_bytes", was.MaxBodyBytes, is.MaxBodyBytes)
	old := map[string]apim.Route{}
	for _, r := range was.Routes {
		old[r.Operation] = r
	}
	for _, r := range is.Routes {
		o, known := old[r.Operation]
		if known && (o.Public != r.Public || o.Off != r.Off || !reflect.DeepEqual(o.Policies, r.Policies)) {
			before[r.Operation], after[r.Operation] = routeFacts(o), routeFacts(r)
		}
	}
	return before, after
}

func routeFacts(r apim.Route) map[string]any {
	out := map[string]any{"public": r.Public, "off": r.Off}
	if len(r.Policies) > 0 {
		out["policies"] = r.Policies
	}
	return out
}

func (u *unit) upstreamFacts(v apim.Version, all []apim.Upstream) []map[string]any {
	var out []map[string]any
	for _, up := range all {
		headers := map[string]string{}
		for _, h := range up.Headers {
			headers[h.Name] = u.mark(h.Value, "header\x00"+string(v.ID)+"\x00"+up.Name+"\x00"+h.Name)
		}
		out = append(out, map[string]any{
			"name": up.Name, "urls": up.URLs, "headers": headers,
			"tls": up.TLS, "timeouts_ms": []int{up.ConnectTimeoutMS, up.HeaderTimeoutMS, up.IdleTimeoutMS},
			"weights": up.Weights, "traffic": up.Traffic, "protocol": up.Protocol,
		})
	}
	return out
}

// mark is what an audit row says of a secret. A portal, which has no key to make
// marks with, says nothing.
func (u *unit) mark(text, place string) string {
	if u.core.Box == nil || text == "" {
		return ""
	}
	return u.core.Box.Mark([]byte(text), place)
}
