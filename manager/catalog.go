package manager

import (
	"context"
	"io"
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/openapi"
)

// Catalog is what providers do with APIs, versions, products and plans.
type Catalog struct {
	Core
	// Fetch gets documents by URL; it is the egress guard's control client.
	Fetch *http.Client
	// DefaultUpstreamHeaderTimeout and friends live in the environment.
	Confirm Confirmations
}

// Upload is a document on its way in: a body with a file name, or a URL to
// fetch through the egress guard.
type Upload struct {
	FileName string
	Body     io.Reader // read to at most MaxDocumentBytes
	URL      string    // instead of Body
}

// MaxDocumentBytes is the largest document that can be imported.
const MaxDocumentBytes = 64 << 20

// AcceptImport makes a version of a staged import. API names an existing API
// to add a version to, or replace the draft of (when Label exists there); an
// empty API makes a new one from Name and Slug.
type AcceptImport struct {
	API       apim.ID
	Name      string
	Slug      string
	Label     string
	Upstream  string // URL
	MountPath string // "" is the default /{tenant}/{api}/{version}
	// Access is "key" (every operation needs a key) or "document" (operations
	// that the document leaves open are public).
	Access string
}

// APIQuery filters a list of APIs.
type APIQuery struct {
	Search string // in name, slug and tags
	State  apim.VersionState
	Page   apim.Page
}

// APISummary is a row of the list of APIs.
type APISummary struct {
	API      apim.API
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
	Version     apim.Version
	Document    apim.Document // of the draft; zero when there is none
	Deployments []apim.Deployment
	// URL is where it answers in the first environment, "" before a publish.
	URL string
	// Subscribers counts live subscriptions to products with this version.
	Subscribers int
	Products    []apim.Product
	Siblings    []VersionSummary // all versions of the API
}

// DraftChange changes a version's draft. Nil fields stay.
type DraftChange struct {
	Mount        *apim.Mount
	UpstreamURLs *[]string // of the upstream "main"
	Timeouts     *UpstreamTimeouts
	Credentials  *apim.CredentialPlaces
	Limits       *[]apim.RateLimit
	MaxBodyBytes *int64
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

// StageImport takes a document in and scans it. The result is kept for 24 h.
func (c *Catalog) StageImport(ctx context.Context, actor apim.Actor, tenant apim.ID, up Upload) (apim.Import, error) {
	return apim.Import{}, errUnbuilt
}

// StagedImport returns a staged import of the tenant.
func (c *Catalog) StagedImport(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Import, error) {
	return apim.Import{}, errUnbuilt
}

// AcceptImport makes a draft version, and its API where it is new, of a staged
// import, and starts the second phase. A second accept of the same import
// returns the version that the first one made.
func (c *Catalog) AcceptImport(ctx context.Context, actor apim.Actor, tenant, id apim.ID, in AcceptImport) (apim.Version, error) {
	return apim.Version{}, errUnbuilt
}

// APIs lists the tenant's APIs, by name.
func (c *Catalog) APIs(ctx context.Context, actor apim.Actor, tenant apim.ID, q APIQuery) (apim.List[APISummary], error) {
	return apim.List[APISummary]{}, errUnbuilt
}

// API returns an API of the tenant by id or slug.
func (c *Catalog) API(ctx context.Context, actor apim.Actor, tenant apim.ID, ref string) (APISummary, error) {
	return APISummary{}, errUnbuilt
}

// APIChange changes what an API says of itself. Nil fields stay.
type APIChange struct {
	Name, Description, Contact *string
	Tags                       *[]string
	Lock                       int64
}

// UpdateAPI changes an API.
func (c *Catalog) UpdateAPI(ctx context.Context, actor apim.Actor, tenant, id apim.ID, in APIChange) (apim.API, error) {
	return apim.API{}, errUnbuilt
}

// DeleteAPI removes an API none of whose versions is live or in a product.
func (c *Catalog) DeleteAPI(ctx context.Context, actor apim.Actor, tenant, id apim.ID) error {
	return errUnbuilt
}

// Version returns a version of the tenant.
func (c *Catalog) Version(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (VersionDetail, error) {
	return VersionDetail{}, errUnbuilt
}

// VersionByLabel returns a version by its API's slug and its label.
func (c *Catalog) VersionByLabel(ctx context.Context, actor apim.Actor, tenant apim.ID, api, label string) (VersionDetail, error) {
	return VersionDetail{}, errUnbuilt
}

// UpdateDraft changes a version's draft; nothing of it is live before Publish.
func (c *Catalog) UpdateDraft(ctx context.Context, actor apim.Actor, tenant, version apim.ID, in DraftChange) (apim.Version, error) {
	return apim.Version{}, errUnbuilt
}

// Publish makes the draft the next revision and deploys it. A draft that the
// nodes could not serve is refused with everything that is wrong.
func (c *Catalog) Publish(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environment, note string) (PublishResult, error) {
	return PublishResult{}, errUnbuilt
}

// RollBack deploys an earlier revision again.
func (c *Catalog) RollBack(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environment string, number int) (PublishResult, error) {
	return PublishResult{}, errUnbuilt
}

// Deprecate says that consumers should leave; a zero sunset names no date.
func (c *Catalog) Deprecate(ctx context.Context, actor apim.Actor, tenant, version apim.ID, sunset time.Time, reason string) (apim.Version, apim.Change, error) {
	return apim.Version{}, apim.Change{}, errUnbuilt
}

// Retire takes a version off every environment for good.
func (c *Catalog) Retire(ctx context.Context, actor apim.Actor, tenant, version apim.ID, reason string) (apim.Version, apim.Change, error) {
	return apim.Version{}, apim.Change{}, errUnbuilt
}

// Revisions lists a version's revisions, newest first, without their runtime.
func (c *Catalog) Revisions(ctx context.Context, actor apim.Actor, tenant, version apim.ID, page apim.Page) (apim.List[apim.Revision], error) {
	return apim.List[apim.Revision]{}, errUnbuilt
}

// Findings lists what the scan and the lint found in a document, errors first.
func (c *Catalog) Findings(ctx context.Context, actor apim.Actor, tenant, document apim.ID, page apim.Page) (apim.List[apim.Finding], error) {
	return apim.List[apim.Finding]{}, errUnbuilt
}

// DocumentBytes returns a document of the tenant as it was imported.
func (c *Catalog) DocumentBytes(ctx context.Context, actor apim.Actor, tenant, document apim.ID) (apim.Document, []byte, error) {
	return apim.Document{}, nil, errUnbuilt
}

// RunLoader does the second phase of imports, one document at a time, until
// ctx ends. What a killed process left half done is done again.
func (c *Catalog) RunLoader(ctx context.Context) error { return errUnbuilt }

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
	URL         string // base URL on the gateway
	Credentials apim.CredentialPlaces
	Siblings    []string // labels of the API's other visible versions, newest first
}

// OfferQuery filters the catalog.
type OfferQuery struct {
	Search string // products, APIs, operations (summary, path)
	Page   apim.Page
}

// OperationLine is a line of the operation navigation, or a search hit.
type OperationLine struct {
	Operation, Method, Path, Summary, Tag string
	Deprecated, Public                    bool
}

// Offers lists the listed products that the reader may see. actor may be
// anonymous, tenant empty.
func (c *Catalog) Offers(ctx context.Context, actor apim.Actor, tenant apim.ID, q OfferQuery) (apim.List[Offer], error) {
	return apim.List[Offer]{}, errUnbuilt
}

// Offer returns one visible product by the slugs of its tenant and itself.
func (c *Catalog) Offer(ctx context.Context, actor apim.Actor, tenant apim.ID, provider, product string) (Offer, error) {
	return Offer{}, errUnbuilt
}

// OfferedVersion returns a visible version: of a listed product that the
// reader may see, and published or deprecated.
func (c *Catalog) OfferedVersion(ctx context.Context, actor apim.Actor, tenant apim.ID, provider, api, label string) (OfferedVersion, []Offer, error) {
	return OfferedVersion{}, nil, errUnbuilt
}

// OfferedOperations lists the operations of a visible version in the order of
// its document.
func (c *Catalog) OfferedOperations(ctx context.Context, actor apim.Actor, tenant apim.ID, version apim.ID) ([]OperationLine, error) {
	return nil, errUnbuilt
}

// OfferedReference returns the reference page of one operation of a visible
// version. Until the second phase has reached it the page holds what the scan
// found, and Partial is true.
func (c *Catalog) OfferedReference(ctx context.Context, actor apim.Actor, tenant, version apim.ID, operation string) (ref openapi.Reference, partial bool, err error) {
	return openapi.Reference{}, false, errUnbuilt
}

// OfferedDocument returns the document of a visible version's live revision.
func (c *Catalog) OfferedDocument(ctx context.Context, actor apim.Actor, tenant, version apim.ID) (apim.Document, []byte, error) {
	return apim.Document{}, nil, errUnbuilt
}
