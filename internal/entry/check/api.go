package check

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/template"
)

// What one API may hold. They bound a node's memory and time, not anybody's
// business: the largest public document known has 22,361 operations.
const (
	MaxRoutes    = 50_000
	MaxMounts    = 64
	MaxUpstreams = 1_000
	MaxTargets   = 1_000
	MaxPolicies  = 100
	MaxBodyBytes = 1 << 40
	MaxTimeoutMS = 24 * 60 * 60 * 1000
	MaxConnectMS = 60 * 1000 // no connection comes about that takes longer
)

// API checks one version's entry alone. Whether its mounts are free is for an
// Index to say.
func API(a entry.API) []Problem {
	p := problems{key: entry.Key("api." + a.Version)}
	p.uuid("version", a.Version)
	p.uuid("api", a.API)
	p.uuid("tenant", a.Tenant)
	if a.Name == "" || len(a.Name) > 300 {
		p.add("name", "want 1 to 300 bytes, got %d", len(a.Name))
	}
	if a.Revision < 1 {
		p.add("revision", "want 1 or more, got %d", a.Revision)
	}
	p.between("max_body_bytes", a.MaxBodyBytes, 0, MaxBodyBytes)
	p.between("deprecated_at", a.DeprecatedAt, 0, maxUnix)
	p.between("sunset_at", a.SunsetAt, 0, maxUnix)
	if a.SuccessorURL != "" {
		p.webURL("successor_url", a.SuccessorURL)
	}
	p.mounts(a.Mounts)
	known := p.upstreams(a.Upstreams)
	identifies := p.policies("policies", a.Policies)
	named := map[string]bool{}
	for _, u := range a.Upstreams {
		named[u.Name] = true
	}
	p.composed("policies", a.Policies, named)
	p.proves("policies", a.Policies, named)
	for i, r := range a.Routes {
		p.composed(fmt.Sprintf("routes[%d].policies", i), r.Policies, named)
		p.proves(fmt.Sprintf("routes[%d].policies", i), r.Policies, named)
	}
	p.routes(a, known, identifies)
	p.contracts(a)
	p.split(a, known)
	p.mirror(a.Mirror, known)
	return p.list
}

func (p *problems) mounts(mounts []entry.Mount) {
	if len(mounts) == 0 || len(mounts) > MaxMounts {
		p.add("mounts", "want 1 to %d, got %d", MaxMounts, len(mounts))
	}
	seen := map[entry.Mount]bool{}
	for i, m := range mounts {
		p.addErr(fmt.Sprintf("mounts[%d].host", i), Host(m.Host))
		p.addErr(fmt.Sprintf("mounts[%d].base_path", i), BasePath(m.BasePath))
		p.addErr(fmt.Sprintf("mounts[%d].select", i), Selector(m.Select))
		if m.Default && m.Select != (entry.Selector{}) {
			p.add(fmt.Sprintf("mounts[%d].default", i), "is set, but the mount selects")
		}
		m = folded(m)
		if seen[m] {
			p.add(fmt.Sprintf("mounts[%d]", i), "stands there twice")
		}
		seen[m] = true
	}
}

// maxHeaders is the most headers that an upstream may set.
const maxHeaders = 32

// headers checks what the gateway is to set on every call to an upstream.
func (p *problems) headers(field string, headers []entry.UpstreamHeader) {
	if len(headers) > maxHeaders {
		p.add(field, "want at most %d, got %d", maxHeaders, len(headers))
	}
	seen := map[string]bool{}
	for i, h := range headers {
		at := fmt.Sprintf("%s[%d]", field, i)
		name := strings.ToLower(h.Name)
		switch {
		case !isToken(h.Name):
			p.add(at+".name", "%q is not the name of a header", h.Name)
		case seen[name]:
			p.add(at+".name", "%s stands there twice", h.Name)
		case reservedHeader(name):
			p.add(at+".name", "%s is the gateway's own and cannot be set", h.Name)
		}
		seen[name] = true
		if (h.Value != "") == (h.Sealed != nil) {
			p.add(at, "want a value or a sealed one")
		}
		if strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			p.add(at+".value", "holds a control character")
		}
		if h.Sealed != nil {
			if _, err := base64.StdEncoding.DecodeString(h.Sealed.Box); err != nil || h.Sealed.Key == 0 {
				p.add(at+".sealed", "is not a sealed value")
			}
		}
	}
}

// reservedHeader reports whether a header, in lower case, belongs to the
// connection or is rebuilt by the gateway.
func reservedHeader(name string) bool {
	switch name {
	case "host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade", "content-length",
		"expect", "forwarded", "x-real-ip", "x-request-id":
		return true
	}
	return strings.HasPrefix(name, "x-forwarded-") || strings.HasPrefix(name, "x-portico-")
}

func (p *problems) upstreams(upstreams []entry.Upstream) map[string]bool {
	if len(upstreams) > MaxUpstreams {
		p.add("upstreams", "want at most %d, got %d", MaxUpstreams, len(upstreams))
	}
	known := make(map[string]bool, len(upstreams))
	for i, u := range upstreams {
		at := fmt.Sprintf("upstreams[%d]", i)
		switch {
		case u.Name == "":
			p.add(at+".name", "is empty")
		case known[u.Name]:
			p.add(at+".name", "%q stands there twice", u.Name)
		}
		known[u.Name] = true
		if len(u.Targets) == 0 || len(u.Targets) > MaxTargets {
			p.add(at+".targets", "want 1 to %d, got %d", MaxTargets, len(u.Targets))
		}
		for j, t := range u.Targets {
			p.addErr(fmt.Sprintf("%s.targets[%d].url", at, j), TargetURL(t.URL))
			p.addErr(fmt.Sprintf("%s.targets[%d].url", at, j), ProtocolFits(u.Protocol, t.URL))
		}
		p.addErr(at+".protocol", Protocol(u.Protocol))
		p.headers(at+".headers", u.Headers)
		p.traffic(at, u)
		p.upstreamTLS(at+".tls", u.TLS)
		p.between(at+".connect_timeout_ms", int64(u.ConnectTimeoutMS), 0, MaxConnectMS)
		p.between(at+".header_timeout_ms", int64(u.HeaderTimeoutMS), 0, MaxTimeoutMS)
		p.between(at+".idle_timeout_ms", int64(u.IdleTimeoutMS), 0, MaxTimeoutMS)
	}
	return known
}

// upstreamTLS checks how an upstream is spoken to over TLS.
func (p *problems) upstreamTLS(at string, t *entry.UpstreamTLS) {
	if t == nil {
		return
	}
	p.addErr(at+".server_name", Host(t.ServerName))
	if t.Roots != "" {
		_, err := Certificates(t.Roots, MaxRoots)
		p.addErr(at+".roots", err)
	}
	if t.Certificate != "" {
		_, err := Certificates(t.Certificate, MaxChain)
		p.addErr(at+".certificate", err)
	}
	switch {
	case (t.Certificate != "") != (t.Key != nil):
		p.add(at+".key", "want a certificate and its key, or neither")
	case t.Key != nil:
		if _, err := base64.StdEncoding.DecodeString(t.Key.Box); err != nil || t.Key.Key == 0 {
			p.add(at+".key", "is not a sealed value")
		}
	}
	if t.Unverified && (t.Roots != "" || t.ServerName != "") {
		p.add(at+".unverified", "takes any certificate, so authorities and a server name mean nothing beside it")
	}
}

func (p *problems) routes(a entry.API, upstreams map[string]bool, apiIdentifies bool) {
	if len(a.Routes) > MaxRoutes { // none is an API whose document has webhooks alone
		p.add("routes", "want at most %d, got %d", MaxRoutes, len(a.Routes))
	}
	operations := make(map[string]bool, len(a.Routes))
	paths := make([]template.Path, len(a.Routes))
	for i, r := range a.Routes {
		at := fmt.Sprintf("routes[%d]", i)
		switch {
		case r.Operation == "":
			p.add(at+".operation", "is empty")
		case operations[r.Operation]:
			p.add(at+".operation", "%q stands there twice", r.Operation)
		}
		operations[r.Operation] = true
		if !isToken(r.Method) || strings.ToUpper(r.Method) != r.Method || r.Method == "CONNECT" {
			p.add(at+".method", "%q is not a method in upper case that can be forwarded", r.Method)
		}
		path, err := template.Parse(r.Path)
		p.addErr(at+".path", err)
		paths[i] = path
		if !upstreams[r.Upstream] {
			p.add(at+".upstream", "%q is not one of the API's upstreams", r.Upstream)
		}
		if r.UpstreamPath != "" {
			p.upstreamPath(at+".upstream_path", r.UpstreamPath, path)
		}
		p.predicates(at, r.Predicates)
		identifies := p.policies(at+".policies", r.Policies)
		p.pathTemplates(at+".policies", r.Policies, path)
		p.pathTemplates("policies", a.Policies, path)
		switch {
		case r.Public && identifies:
			p.add(at+".public", "is set, but the route has an identify policy of its own")
		case r.Public && needsCaller(r.Policies):
			p.add(at+".public", "is set, but the route has a policy that asks for the scopes of its caller")
		case !r.Public && !identifies && !apiIdentifies:
			p.add(at, "has no identify policy and does not say that it is public")
		}
	}
	p.unusualMethods(a.Routes)
	p.overlaps(a.Routes, paths)
}

// MaxUnusualMethods is how many methods beyond the usual ones an API may use.
const MaxUnusualMethods = 50

func (p *problems) unusualMethods(routes []entry.Route) {
	seen := map[string]bool{}
	for _, r := range routes {
		switch r.Method {
		case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE":
		default:
			seen[r.Method] = true
		}
	}
	if len(seen) > MaxUnusualMethods {
		p.add("routes", "want at most %d unusual methods, got %d", MaxUnusualMethods, len(seen))
	}
}

// upstreamPath accepts a template over the route's own parameters.
func (p *problems) upstreamPath(field, source string, route template.Path) {
	up, err := template.Parse(source)
	if err != nil {
		p.addErr(field, err)
		return
	}
	for _, name := range up.Names {
		found := false
		for _, have := range route.Names {
			found = found || have == name
		}
		if !found {
			p.add(field, "parameter %q is not one of the route's", name)
		}
	}
}

func (p *problems) predicates(at string, predicates []entry.Predicate) {
	if len(predicates) > 16 {
		p.add(at+".predicates", "want at most 16, got %d", len(predicates))
	}
	for i, q := range predicates {
		field := fmt.Sprintf("%s.predicates[%d]", at, i)
		switch q.In {
		case "header":
			if !isToken(q.Name) {
				p.add(field+".name", "%q is not a header's name", q.Name)
			}
		case "query":
			if q.Name == "" {
				p.add(field+".name", "is empty")
			}
		default:
			p.add(field+".in", "want \"query\" or \"header\", got %q", q.In)
		}
		if strings.ContainsAny(q.Value, "\x00\r\n") {
			p.add(field+".value", "holds a control character")
		}
	}
}

// Protocol says what is wrong with the protocol of an upstream.
func Protocol(protocol string) error {
	switch protocol {
	case "", "http1", "http2", "h2c", "auto":
		return nil
	}
	return fmt.Errorf("want http1, http2, h2c or auto, got %q", protocol)
}

// ProtocolFits says why an upstream's address cannot be called by its protocol.
func ProtocolFits(protocol, target string) error {
	scheme, _, _ := strings.Cut(target, "://")
	switch {
	case protocol == "http2" && scheme == "http":
		return fmt.Errorf("protocol http2 wants https; without TLS it is h2c")
	case protocol == "h2c" && scheme == "https":
		return fmt.Errorf("protocol h2c wants http; by TLS it is http2")
	}
	return nil
}

// TargetURL says what is wrong with an upstream's address.
func TargetURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fmt.Errorf("not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("want http or https, got scheme %q", u.Scheme)
	case u.Opaque != "" || u.Hostname() == "":
		return fmt.Errorf("has no host")
	case u.User != nil:
		return fmt.Errorf("must not hold a user name or password")
	case u.RawQuery != "" || u.ForceQuery:
		return fmt.Errorf("must not hold a query")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return fmt.Errorf("must not hold a fragment")
	case strings.HasSuffix(u.Path, "/"):
		return fmt.Errorf("its path must not end with a slash")
	case strings.ContainsAny(u.Path, "{}\\"):
		return fmt.Errorf("its path holds a character that is not allowed")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n := parsePort(port); n < 1 {
			return fmt.Errorf("port %q is not between 1 and 65535", port)
		}
	}
	for _, segment := range strings.Split(u.Path, "/") {
		if segment == "." || segment == ".." {
			return fmt.Errorf("dot segments are not allowed")
		}
	}
	return nil
}

func parsePort(s string) int {
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return 0
		}
	}
	return n
}
