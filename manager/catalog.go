package manager

import (
	"io"
	"net/http"
	"sync"
	"time"

	"portico/internal/apim"
)

// Catalog is what providers do with APIs, versions, products and plans.
type Catalog struct {
	Core
	// Fetch gets documents by URL; it is the egress guard's control client.
	Fetch *http.Client
	// DefaultUpstreamHeaderTimeout and friends live in the environment.
	Confirm Confirmations
	Health  UpstreamHealths // nil: no node is heard
	// Ways tells the ways of calls, and Try calls gateways; nil in a portal.
	Ways Explanations
	Try  *http.Client
	// Counts knows how the sides of a split do; nil where no node is heard.
	Counts Counts
	// Purges tells nodes to forget stored answers; nil where there are none.
	Purges CachePurges

	wakeOnce sync.Once
	wake     chan struct{} // to the loader

	incoming incoming // documents
}

// Upload is a document on its way in: a body with a file name, the files of a
// folder, or a URL to fetch through the egress guard. A body may be a zip of
// several files; what a URL leads to is fetched as well.
type Upload struct {
	FileName string
	Body     io.Reader // read to at most MaxDocumentBytes
	URL      string    // instead of Body
	// Folder, instead of Body, yields files with their paths, and io.EOF when
	// there are no more.
	Folder func() (path string, body io.Reader, err error)
	// Root is the file that the document begins in, where there are several. ""
	// is found: the only one that is an OpenAPI document.
	Root string
}

// MaxDocumentBytes is the largest document that can be imported, all files of
// it together.
const MaxDocumentBytes = 64 << 20

// AcceptImport makes a version of a staged import. API names an existing API
// to add a version to, or replace the draft of (when Label exists there); an
// empty API makes a new one from Name and Slug.
type AcceptImport struct {
	API       apim.ID
	Name      string
	Slug      string
	Label     string
	Upstream  string // URL; "" is what was edited, else what the document says
	MountPath string // "" is the default /{tenant}/{api}/{version}
	// Team is to own a new API. "" is nobody in particular, or, for who may make
	// APIs in one team alone, that one.
	Team apim.ID
	// TakeNew settles conflicts with a draft that is replaced for the document:
	// the IDs of ImportChanges.Conflicts. The others are settled for the draft.
	TakeNew []string
	// Access is "key" (every operation needs a key) or "document" (operations
	// that the document leaves open are public); "" is what was chosen for the
	// draft that is replaced, else "key".
	Access string
}

// APIQuery filters a list of APIs.
type APIQuery struct {
	Search string // in name, slug and tags
	State  apim.VersionState
	Live   string  // slug of an environment in which a version of them is
	Team   apim.ID // that owns them, by id or slug; apim.NoTeam: no team
	Page   apim.Page
}

// APISummary is a row of the list of APIs.
type APISummary struct {
	API      apim.API
	Owner    string           // name of the team that owns it, "" for none
	Versions []VersionSummary // newest first
}

// VersionSummary is a version without its runtime.
type VersionSummary struct {
	ID          apim.ID
	Label       string
	State       apim.VersionState
	Revision    int
	Unpublished bool
	Operations  int
	Score       int // lint, -1 until loaded
	Live        []apim.Deployment
}

// VersionDetail is everything about a version that its page shows.
type VersionDetail struct {
	API         apim.API
	Owner       string // name of the team that owns the API, "" for none
	Version     apim.Version
	Document    apim.Document // of the draft; zero when there is none
	Deployments []apim.Deployment
	// URL is where it answers in the first environment, "" before a publish.
	URL string
	// Subscribers counts live subscriptions to products with this version.
	Subscribers int
	Products    []apim.Product
	Siblings    []VersionSummary // all versions of the API
	// Changes are what the draft has and its newest revision has not; none before
	// the first.
	Changes []Unpublished
}

// DraftChange changes a version's draft. Nil fields stay.
type DraftChange struct {
	Mount        *apim.Mount // in the place of all
	Mounts       *[]apim.Mount
	UpstreamURLs *[]string              // of the upstream "main"; ${name} is a value of the environment
	Headers      *[]apim.UpstreamHeader // of it
	Timeouts     *UpstreamTimeouts
	Protocol     *string           // of it: "" or "http1", "http2", "h2c", "auto"
	TLS          *apim.UpstreamTLS // of it, whole
	Weights      *[]int            // of the addresses, by place; none: all the same
	Traffic      *apim.Traffic     // of it, whole
	Credentials  *apim.CredentialPlaces
	Limits       *[]apim.RateLimit
	Policies     *[]apim.Policy // of the version, in order
	// RoutePolicies are those of the named operations; others keep theirs.
	RoutePolicies map[string][]apim.Policy
	MaxBodyBytes  *int64
	// Public and Off set these flags of the named operations; others keep theirs.
	Public map[string]bool
	Off    map[string]bool
	Lock   int64
}

// UpstreamTimeouts are an upstream's times in milliseconds; 0 is the default.
type UpstreamTimeouts struct{ ConnectMS, HeaderMS, IdleMS int }

// PublishResult is a revision and where it was published.
type PublishResult struct {
	Version  apim.Version
	Revision apim.Revision
	Change   apim.Change
}

// APIChange changes what an API says of itself. Nil fields stay.
type APIChange struct {
	Name, Description, Contact *string
	Tags                       *[]string
	Team                       *apim.ID // that is to own it; "" is nobody in particular
	DefaultVersion             *string
	Lock                       int64
}

// Offer is a product as the catalog shows it to a reader.
type Offer struct {
	Product  apim.Product
	Provider apim.Tenant // only what is public of it: slug and name
	Plans    []apim.Plan // published and deprecated ones
	Versions []OfferedVersion
	// Mine are the reader's own subscriptions to it.
	Mine []SubscriptionView
}

// OfferedVersion is a version as the catalog shows it.
type OfferedVersion struct {
	API         apim.API
	Version     apim.ID
	Label       string
	State       apim.VersionState
	StateReason string
	SunsetAt    time.Time
	Revision    int
	Document    apim.Document
	Operations  int
	URL         string        // base URL on the gateway of the first of Places
	Asks        apim.Selector // what a call says beside it; zero: nothing
	Ways        []OfferedWay  // all addresses, of the first of Places
	Places      []OfferedPlace
	Credentials apim.CredentialPlaces
	Takes       []OfferedCredential // by which callers are identified, in the order in which they are tried
	Siblings    []string            // labels of the API's other visible versions, newest first
}

// OfferedCredential is a way in which a version identifies its callers.
type OfferedCredential struct {
	Kind     apim.CredentialKind
	Issuer   string // of tokens
	Claim    string // of tokens, that names the application
	In, Name string // where a token stands: bearer, header or cookie
	Form     string // of a signature: message or simple
}

// OfferedPlace is an environment in which a version can be called.
type OfferedPlace struct {
	Environment, Name string // slug and name
	Kind              apim.EnvironmentKind
	URL               string        // base URL on its gateway
	Asks              apim.Selector // what a call says beside it; zero: nothing
	Ways              []OfferedWay  // all addresses, the one above first
}

// OfferedWay is an address of a version, and what a call says beside it.
type OfferedWay struct {
	URL  string
	Asks apim.Selector
}

// OfferQuery filters the catalog.
type OfferQuery struct {
	Search string // products, APIs, operations (summary, path)
	Page   apim.Page
}

// OperationLine is a line of the operation navigation, or a search hit.
type OperationLine struct {
	Operation, Slug, Method, Path, Summary, Tag string
	Deprecated, Public                          bool
}
