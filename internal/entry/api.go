package entry

// API is one version's live revision, ready to be compiled into a table.
type API struct {
	Version  string `json:"version"`  // uuid of the version, as in the key
	API      string `json:"api"`      // uuid of the API it belongs to
	Tenant   string `json:"tenant"`   // uuid of the tenant that offers it
	Name     string `json:"name"`     // "demo/orders v1", for logs and errors
	Revision int    `json:"revision"` // r7 is 7

	Mounts    []Mount    `json:"mounts"`
	Upstreams []Upstream `json:"upstreams"`
	Routes    []Route    `json:"routes"`
	Policies  []Policy   `json:"policies"` // for every route, before its own

	MaxBodyBytes int64 `json:"max_body_bytes,omitempty"` // 0: the environment's default

	// Deprecation and sunset are announced to callers (RFC 9745, RFC 8594);
	// seconds since 1970, 0 when there is none.
	DeprecatedAt int64  `json:"deprecated_at,omitempty"`
	SunsetAt     int64  `json:"sunset_at,omitempty"`
	SuccessorURL string `json:"successor_url,omitempty"`
}

// Mount is where an API is found. An empty Host is any host that no other
// mount names. BasePath begins with a slash, ends without one, and is matched
// by whole segments; "" mounts at the root.
type Mount struct {
	Host     string `json:"host,omitempty"`
	BasePath string `json:"base_path"`
}

// Upstream is a backend of an API. Times are milliseconds; 0 is the default
// of the environment.
type Upstream struct {
	Name             string   `json:"name"` // referred to by routes
	Targets          []Target `json:"targets"`
	ConnectTimeoutMS int      `json:"connect_timeout_ms,omitempty"`
	HeaderTimeoutMS  int      `json:"header_timeout_ms,omitempty"` // until the answer's head
	IdleTimeoutMS    int      `json:"idle_timeout_ms,omitempty"`   // between two reads of the answer's body
	// Headers are set on every call, in the place of the caller's.
	Headers []UpstreamHeader `json:"headers,omitempty"`
	Traffic Traffic          `json:"traffic,omitzero"`
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
}

// Predicate is a condition beside the path. In is "query" or "header"; an
// empty Value asks only that the name is present.
type Predicate struct {
	In    string `json:"in"`
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}
