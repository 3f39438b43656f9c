package entry

import (
	"encoding/json"
	"strings"
)

// API is one version's live revision, ready to be compiled into a table.
type API struct {
	Version  string `json:"version"`  // uuid of the version, as in the key
	API      string `json:"api"`      // uuid of the API it belongs to
	Tenant   string `json:"tenant"`   // uuid of the tenant that offers it
	Name     string `json:"name"`     // "demo/orders v1", for logs and errors; it begins with the tenant's slug
	Revision int    `json:"revision"` // r7 is 7

	Mounts    []Mount    `json:"mounts"`
	Upstreams []Upstream `json:"upstreams"`
	Routes    []Route    `json:"routes"`
	Policies  []Policy   `json:"policies"` // for every route, before its own

	// Schemas are what the schemas of the routes' contracts refer to: an object
	// by name. They stand here once, however many routes share them.
	Schemas json.RawMessage `json:"schemas,omitempty"`

	MaxBodyBytes int64 `json:"max_body_bytes,omitempty"` // 0: the environment's default

	// Deprecation and sunset are announced to callers (RFC 9745, RFC 8594);
	// seconds since 1970, 0 when there is none.
	DeprecatedAt int64  `json:"deprecated_at,omitempty"`
	SunsetAt     int64  `json:"sunset_at,omitempty"`
	SuccessorURL string `json:"successor_url,omitempty"`

	Split  *Split  `json:"split,omitempty"`  // nil: every call goes to its route's upstream
	Mirror *Mirror `json:"mirror,omitempty"` // nil: no call is copied
}

// TenantSlug is how operators write the tenant that offers the API.
func (a API) TenantSlug() string {
	slug, _, _ := strings.Cut(a.Name, "/")
	return slug
}

// Mount is where an API is found. An empty Host is any host that no other
// mount names. BasePath begins with a slash, ends without one, and is matched
// by whole segments; "" mounts at the root.
//
// Versions that share a host and base path are told apart by Select. The mount
// of the place that selects nothing is its default: it takes the calls that ask
// for no version. Where there is none, these are refused.
type Mount struct {
	Host     string   `json:"host,omitempty"`
	BasePath string   `json:"base_path"`
	Select   Selector `json:"select,omitzero"`
	// Default says that the API's setting made this version the place's default.
	// Another version of the same API may take it over before this one has let
	// go of it, so that no call falls in between.
	Default bool `json:"default,omitempty"`
}

// Selector says how a call asks for a version beside the path. The zero value
// selects nothing.
type Selector struct {
	// In is "header", "query" or "media_type": a type in Accept or Content-Type.
	In string `json:"in"`
	// Name is the header's, the query parameter's, or that of a media type's
	// parameter; "" of a media type: Value is the type itself.
	Name string `json:"name,omitempty"`
	// Value is what the call must say there: "2", "application/vnd.acme.v2+json".
	Value string `json:"value"`
}

// Folded returns the selector as calls are compared with it: names of headers
// and media types do not know case.
func (s Selector) Folded() Selector {
	switch s.In {
	case "header":
		s.Name = strings.ToLower(s.Name)
	case "media_type":
		if s.Name == "" {
			s.Value = strings.ToLower(s.Value)
		}
		s.Name = strings.ToLower(s.Name)
	}
	return s
}

// String says what a call has to send: "header X-Version: 2".
func (s Selector) String() string {
	switch {
	case s.In == "header":
		return "header " + s.Name + ": " + s.Value
	case s.In == "query":
		return "query " + s.Name + "=" + s.Value
	case s.In == "media_type" && s.Name == "":
		return "media type " + s.Value
	case s.In == "media_type":
		return "media type parameter " + s.Name + "=" + s.Value
	}
	return "path alone"
}

// Upstream is a backend of an API. Times are milliseconds; 0 is the default
// of the environment.
type Upstream struct {
	Name    string   `json:"name"` // referred to by routes
	Targets []Target `json:"targets"`
	// Protocol is how it is called: "http1" (the default), "http2" by TLS, "h2c"
	// without, or "auto", which is what TLS gives.
	Protocol         string `json:"protocol,omitempty"`
	ConnectTimeoutMS int    `json:"connect_timeout_ms,omitempty"`
	HeaderTimeoutMS  int    `json:"header_timeout_ms,omitempty"` // until the answer's head
	IdleTimeoutMS    int    `json:"idle_timeout_ms,omitempty"`   // between two reads of the answer's body
	// Headers are set on every call, in the place of the caller's.
	Headers []UpstreamHeader `json:"headers,omitempty"`
	Traffic Traffic          `json:"traffic,omitzero"`
	TLS     *UpstreamTLS     `json:"tls,omitempty"` // nil: the system's authorities, no certificate of ours
}

// UpstreamTLS is how the targets that are https are spoken to.
type UpstreamTLS struct {
	ServerName string `json:"server_name,omitempty"` // that their certificate is for; "": the target's host
	Roots      string `json:"roots,omitempty"`       // PEM, the authorities that sign it; "": the system's
	// Certificate is what the gateway shows, PEM, and Key its private key, PKCS #8
	// in DER. Both or neither.
	Certificate string  `json:"certificate,omitempty"`
	Key         *Sealed `json:"key,omitempty"`
	// Unverified takes any certificate of theirs, and so anybody for them.
	Unverified bool `json:"unverified,omitempty"`

	// Opened is Key once a node has opened it; it never travels.
	Opened []byte `json:"-"`
}

// UpstreamKeyInfo names what the key of an upstream's TLS is sealed as, so that
// it opens as nothing else. version is a uuid.
func UpstreamKeyInfo(version, upstream string) string {
	return "upstream_key|" + version + "|" + upstream
}

// UpstreamHeader is a header that the gateway sets: a Value in clear, or one
// that is Sealed with the environment's key.
type UpstreamHeader struct {
	Name   string  `json:"name"`
	Value  string  `json:"value,omitempty"`
	Sealed *Sealed `json:"sealed,omitempty"`
}

// Sealed is a secret inside an entry.
type Sealed struct {
	Key uint64 `json:"key"` // number of the environment's key
	Box string `json:"box"` // base64
}

// HeaderInfo names what a header of an upstream is sealed as, so that it opens
// as nothing else. version is a uuid.
func HeaderInfo(version, upstream, header string) string {
	return "header|" + version + "|" + upstream + "|" + header
}

// Target is one address of an upstream: scheme, host, optional port and an
// optional path prefix without trailing slash. Weight is its share beside the
// others; 0 is 1.
type Target struct {
	URL    string `json:"url"`
	Weight int    `json:"weight,omitempty"`
}

// Route is one operation as the gateway matches it. Path is a template under
// the mount: segments of literals and {parameters}, which may share a segment
// (/compare/{a}...{b}). A trailing {name...} matches the rest of the path.
type Route struct {
	Operation  string      `json:"operation"` // unique within the API
	Method     string      `json:"method"`    // upper case
	Path       string      `json:"path"`
	Predicates []Predicate `json:"predicates,omitempty"` // all must hold

	Upstream     string `json:"upstream"`
	UpstreamPath string `json:"upstream_path,omitempty"` // template over the same parameters; "" is Path

	// Public routes have no identify step and say so; a route without one
	// that does not say so is refused.
	Public   bool     `json:"public,omitempty"`
	Policies []Policy `json:"policies,omitempty"` // after the API's, within their stage

	// Contract is what the document says of the operation; nil where no policy
	// asks.
	Contract *Contract `json:"contract,omitempty"`
}

// Predicate is a condition beside the path. In is "query" or "header"; an
// empty Value asks only that the name is present.
type Predicate struct {
	In    string `json:"in"`
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}
