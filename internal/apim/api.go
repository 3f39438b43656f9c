package apim

import (
	"encoding/json"
	"strings"
	"time"
)

// API is a named HTTP interface owned by a tenant.
type API struct {
	ID          ID
	Tenant      ID
	Team        ID // that owns it; "" is nobody in particular
	Slug        string
	Name        string
	Description string // Markdown
	Contact     string
	Tags        []string
	// DefaultVersion takes the calls that ask for no version where several share
	// an address: a label, DefaultNewest, DefaultOldest, or "" for none.
	DefaultVersion string
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Lock           int64
}

// Defaults that follow what is live.
const (
	DefaultNewest = "newest"
	DefaultOldest = "oldest"
)

// VersionState is a version's place in its lifecycle.
type VersionState string

// The lifecycle of a version.
const (
	Draft      VersionState = "draft"
	Published  VersionState = "published"
	Deprecated VersionState = "deprecated"
	Retired    VersionState = "retired"
)

// Version is a line of an API that consumers see.
type Version struct {
	ID     ID
	Tenant ID
	API    ID
	Label  string // "v1"
	State  VersionState

	Document ID      // of the draft; "" when there is none
	Runtime  Runtime // the draft's
	// Unpublished says that the draft differs from the newest revision.
	Unpublished bool
	Revision    int // newest number; 0 before the first publish

	DeprecatedAt time.Time
	SunsetAt     time.Time
	StateReason  string // of deprecation or retirement, shown to consumers
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Lock         int64
}

// Publish makes the draft the next revision. It returns that revision's number.
func (v *Version) Publish() (int, error) {
	if v.State == Retired {
		return 0, Errorf(Conflict, "version %s is retired; make a new version to publish again", v.Label).WithCode("version_retired")
	}
	if len(v.Runtime.Routes) == 0 && v.Document == "" { // a document may hold webhooks alone
		return 0, Errorf(Conflict, "version %s has no operation to publish; import a document first", v.Label).WithCode("no_operations")
	}
	if v.State == Draft {
		v.State = Published
	}
	v.Revision++
	v.Unpublished = false
	return v.Revision, nil
}

// RollBack checks that an earlier revision may be made live again.
func (v *Version) RollBack(number int) error {
	switch {
	case v.State == Retired:
		return Errorf(Conflict, "version %s is retired; nothing of it can be made live", v.Label).WithCode("version_retired")
	case v.State == Draft:
		return Errorf(Conflict, "version %s has never been published", v.Label).WithCode("not_published")
	case number < 1 || number > v.Revision:
		return Errorf(NotFound, "version %s has no revision r%d", v.Label, number)
	}
	return nil
}

// Deprecate says that consumers should leave. A zero sunset names no date.
func (v *Version) Deprecate(at, sunset time.Time, reason string) error {
	if v.State != Published && v.State != Deprecated {
		return Errorf(Conflict, "version %s is %s; only a published version can be deprecated", v.Label, v.State).WithCode("not_published")
	}
	if !sunset.IsZero() && sunset.Before(at) {
		return &Error{Kind: Invalid, Message: "the sunset is over already", Fields: []FieldError{{"sunset_at", "past", "choose a date after today"}}}
	}
	if v.State == Published {
		v.DeprecatedAt = at
	}
	v.State, v.SunsetAt, v.StateReason = Deprecated, sunset, reason
	return nil
}

// Retire ends a version for good. A published one goes straight only when
// nobody is subscribed, else with a reason.
func (v *Version) Retire(subscribers int, reason string) error {
	switch v.State {
	case Draft:
		return Errorf(Conflict, "version %s was never published; delete it instead", v.Label).WithCode("not_published")
	case Retired:
		return Errorf(Conflict, "version %s is retired already", v.Label).WithCode("version_retired")
	case Published:
		if subscribers > 0 && reason == "" {
			return Errorf(Conflict, "%d subscriptions still use version %s; deprecate it first, or retire it with a reason they will see", subscribers, v.Label).WithCode("has_subscribers")
		}
	}
	v.State, v.StateReason = Retired, reason
	return nil
}

// Revision is an immutable, numbered copy of a version's draft.
type Revision struct {
	ID        ID
	Tenant    ID
	Version   ID
	Number    int
	Document  ID
	Runtime   Runtime
	Note      string
	By        string // name of who published
	CreatedAt time.Time
}

// Deployment says which revision of a version is live in an environment.
type Deployment struct {
	Version     ID
	Environment string // slug
	Revision    int
	Sequence    uint64
	At          time.Time
}

// Runtime is what the gateway needs of a version: all but the document.
type Runtime struct {
	Mounts       []Mount           `json:"mounts"`
	Upstreams    []Upstream        `json:"upstreams"`
	Routes       []Route           `json:"routes"`
	Credentials  CredentialPlaces  `json:"credentials"`
	Limits       []RateLimit       `json:"limits,omitempty"` // of the API itself, beside the plans'
	Policies     []Policy          `json:"policies,omitempty"`
	MaxBodyBytes int64             `json:"max_body_bytes,omitempty"`
	Security     []SecurityMapping `json:"security,omitempty"`
}

// Mount is where a version is found on the gateway. Versions of an API may share
// host and path where Select tells them apart.
type Mount struct {
	Host     string   `json:"host,omitempty"`
	BasePath string   `json:"base_path"`
	Select   Selector `json:"select,omitzero"`
}

// Selector is what a call has to say beside the path. The zero value is
// nothing.
type Selector struct {
	In    string `json:"in"`             // "header", "query" or "media_type"
	Name  string `json:"name,omitempty"` // "" of a media type: Value is the type itself
	Value string `json:"value"`
}

// Key is a mount's selector as it is compared with others, "" for none: names
// of headers and media types do not know case.
func (m Mount) Key() string {
	s := m.Select
	if s.In != "query" {
		s.Name = strings.ToLower(s.Name)
	}
	if s.In == "media_type" && s.Name == "" {
		s.Value = strings.ToLower(s.Value)
	}
	if s == (Selector{}) {
		return ""
	}
	return s.In + "|" + s.Name + "|" + s.Value
}

// String says what a call has to send: "header X-Version: 2", "" for nothing.
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
	return ""
}

// Upstream is a backend. Times are milliseconds; 0 is the environment's.
type Upstream struct {
	Name             string   `json:"name"`
	URLs             []string `json:"urls"`
	Weights          []int    `json:"weights,omitempty"`  // of URLs, by place; none: all the same
	Protocol         string   `json:"protocol,omitempty"` // "http1" (the default), "http2", "h2c" or "auto"
	ConnectTimeoutMS int      `json:"connect_timeout_ms,omitempty"`
	HeaderTimeoutMS  int      `json:"header_timeout_ms,omitempty"`
	IdleTimeoutMS    int      `json:"idle_timeout_ms,omitempty"`
	// Headers are sent with every call: what the backend asks of Portico.
	Headers []UpstreamHeader `json:"headers,omitempty"`
	Traffic Traffic          `json:"traffic,omitzero"`
	TLS     UpstreamTLS      `json:"tls,omitzero"`
}

// UpstreamTLS is how an upstream's https addresses are spoken to. Each text may
// refer to values of the environment, ${name}.
type UpstreamTLS struct {
	ServerName  string `json:"server_name,omitempty"` // that its certificate is for; "": the address's host
	Roots       string `json:"roots,omitempty"`       // PEM, the authorities that sign it; "": the system's
	Certificate string `json:"certificate,omitempty"` // PEM, what the gateway shows
	Key         string `json:"key,omitempty"`         // of it: ${name} of a secret value
	Unverified  bool   `json:"unverified,omitempty"`  // takes any certificate, where the environment allows that
}

// UpstreamHeader is a header that the gateway sets. Value and an upstream's URLs
// may refer to values of the environment, ${name}; secrets stand in these alone.
type UpstreamHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Route is one operation as the gateway is to match it.
type Route struct {
	Operation  string           `json:"operation"`      // operation id, unique in the version
	Slug       string           `json:"slug,omitempty"` // the operation id as a part of a URL, unique as well
	Method     string           `json:"method"`
	Path       string           `json:"path"`
	Predicates []RoutePredicate `json:"predicates,omitempty"`
	Summary    string           `json:"summary,omitempty"`
	Tag        string           `json:"tag,omitempty"` // first tag, for grouping
	Deprecated bool             `json:"deprecated,omitempty"`
	Upstream   string           `json:"upstream"`
	Public     bool             `json:"public,omitempty"` // callable without a credential
	Off        bool             `json:"off,omitempty"`    // documented, not served
	Policies   []Policy         `json:"policies,omitempty"`
}

// Policy is a step of the gateway's chain as somebody has set it, at an
// environment, a version or an operation. What its configuration may say is the
// kind's own business (package entry); here it is kept as it was written.
type Policy struct {
	Kind   string          `json:"kind"`
	Config json.RawMessage `json:"config"`        // an object
	Off    bool            `json:"off,omitempty"` // kept, and not in force
}

// RoutePredicate is a condition beside the path; In is "query" or "header".
type RoutePredicate struct {
	In    string `json:"in"`
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// CredentialPlaces says where callers may present an API key. The zero value
// is nowhere, and only public routes can then be called.
type CredentialPlaces struct {
	Bearer bool   `json:"bearer,omitempty"`
	Header string `json:"header,omitempty"`
	Query  string `json:"query,omitempty"`
}

// DefaultCredentialPlaces returns all three, with the usual names.
func DefaultCredentialPlaces() CredentialPlaces {
	return CredentialPlaces{Bearer: true, Header: "X-API-Key", Query: "api_key"}
}

// SecurityMapping is one row of the table that shows what the document asks of
// callers and what Portico makes of it.
type SecurityMapping struct {
	Scheme     string `json:"scheme"`     // name in the document
	Kind       string `json:"kind"`       // "API key in header X-Key", "OAuth 2.0", …
	Operations int    `json:"operations"` // that ask for it
	Becomes    string `json:"becomes"`    // "key" or "public"
}

// RateLimit is a number of calls in a period, and how many at once.
type RateLimit struct {
	Requests int           `json:"requests"`
	Period   time.Duration `json:"period"` // nanoseconds in the database
	Burst    int           `json:"burst,omitempty"`
	By       string        `json:"by,omitempty"` // API limits only: "caller", "address", "api"
}

// Document is an OpenAPI document as it was imported.
type Document struct {
	ID         ID
	Tenant     ID
	Digest     string // SHA-256 of the bytes, lower-case hex
	Bytes      int64
	Format     string // "json" or "yaml"
	Spec       string // "3.0.3"
	Title      string
	Version    string // the document's own
	Source     string // file name or URL, without credentials
	Operations int
	State      LoadState
	Stage      string // what the loader does now
	Done       int    // of Total, for the progress bar
	Total      int
	Score      int // lint, 0 to 100; -1 until loaded
	Passed     int // lint rules that found nothing
	Findings   int
	CreatedAt  time.Time
}

// SpecName is the specification that a document follows: "OpenAPI 3.1.0",
// "Swagger 2.0".
func (d Document) SpecName() string {
	if strings.HasPrefix(d.Spec, "2") {
		return "Swagger " + d.Spec
	}
	return "OpenAPI " + d.Spec
}

// LoadState is how far the second phase of an import has come.
type LoadState string

// The second phase of an import.
const (
	LoadWaiting LoadState = "waiting"
	Loading     LoadState = "loading"
	Loaded      LoadState = "loaded"
	LoadFailed  LoadState = "failed" // a finding says why; the routes work all the same
)

// Finding is something to know about a document.
type Finding struct {
	Code     string `json:"code"`     // "path/no-slash", "lint/operation-summary"
	Severity string `json:"severity"` // "error", "warning", "info"
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"` // how to fix it
	File     string `json:"file,omitempty"` // where the document has several
	Pointer  string `json:"pointer,omitempty"`
	Line     int    `json:"line,omitempty"`
}

// Import is a staged upload: scanned, shown, and kept for 24 hours until an
// API is made of it.
type Import struct {
	ID        ID
	Tenant    ID
	Document  Document
	Servers   []ImportServer
	Routes    []Route    // as they would be made
	Upstreams []Upstream // of operations with servers of their own
	Security  []SecurityMapping
	Findings  []Finding
	Proposed  ImportProposal
	Files     []string // where the document has several, the one it begins in first
	CreatedAt time.Time
	ExpiresAt time.Time
}

// ImportServer is an upstream that the document offers.
type ImportServer struct {
	URL         string
	Template    string // as written, when it has variables
	Description string
	Usable      bool // an absolute http or https address
}

// ImportProposal is how an import fills its form.
type ImportProposal struct {
	Name        string
	Slug        string
	Label       string
	Description string // the document's own, Markdown
	Upstream    string // "" when the document gives none
	Mount       Mount
}

// Served counts the routes that are not off.
func (r Runtime) Served() int {
	n := 0
	for _, route := range r.Routes {
		if !route.Off {
			n++
		}
	}
	return n
}

// URL returns where a mount is found under an environment's gateway URL, or
// under its own host with the scheme of that.
func (m Mount) URL(gateway string) string {
	if m.Host == "" {
		return gateway + m.BasePath
	}
	scheme, _, _ := strings.Cut(gateway, "://")
	return scheme + "://" + m.Host + m.BasePath
}
