package manager

import (
	"time"

	"portico/internal/apim"
)

// Access is what consumers do with applications, subscriptions and keys, and
// what providers decide about them.
type Access struct {
	Core
	// Prover checks tokens that applications show; nil: none can be.
	Prover Prover
}

// ApplicationInput makes or changes an application. On change nil fields stay.
type ApplicationInput struct {
	Slug              string // on making only; "" is made from the name
	Name, Description *string
	Team              *apim.ID // that is to own it; "" is nobody in particular
	Lock              int64
}

// ApplicationDetail is an application with what its page shows.
type ApplicationDetail struct {
	Application   apim.Application
	Owner         string // name of the team that owns it, "" for none
	Subscriptions []SubscriptionView
	Credentials   []apim.Credential
	KeyLimits     []KeyLimit // of one application, not in lists
}

// SubscriptionView is a subscription with the names of what it ties together,
// as one side may see them. A provider's view holds of the other tenant only
// its name and what passed between the two.
type SubscriptionView struct {
	Subscription apim.Subscription
	Application  string // name
	Consumer     string // name of the application's tenant
	Provider     string // name of the provider's tenant
	ProviderSlug string
	Product      apim.Product
	Plan         apim.Plan
	NextPlan     apim.Plan // that it is to change to; the zero value for none
	APIs         []string  // "Orders v1"
	CanDecide    bool      // the reader may approve or reject it
	CanUndo      bool      // until UndoUntil
	UndoUntil    time.Time
	// History is what was decided before between these two tenants, newest
	// first; only in Subscription, not in lists.
	History []HistoryLine
	// LongKeys counts the application's keys that live longer than the plan
	// allows, for the provider alone; only in Subscription.
	LongKeys int
}

// HistoryLine is an event between a provider and a consumer's tenant.
type HistoryLine struct {
	At   time.Time
	Text string // "Orders, Trial approved by Ada"
	By   string
}

// RequestAccess asks for a plan.
type RequestAccess struct {
	Application  apim.ID
	Plan         apim.ID
	Reason       string   // needed when a person approves
	Environments []string // "" or none: all
	// Renews is an ended subscription of the application to the same product,
	// which this request follows; "" is none.
	Renews apim.ID
}

// Decision is what an approver says.
type Decision struct {
	Note string
	// Terms, where given, are granted otherwise than the plan says.
	Terms *apim.SubscriptionTerms
}

// Decided is the outcome of one of several decisions.
type Decided struct {
	Subscription apim.ID
	Change       apim.Change
	Err          error // nil: it was decided so
}

// KeyChange changes a key. nil fields stay.
type KeyChange struct {
	Name                 *string
	Addresses, Referrers *[]string
	Lock                 int64
}

// InboxQuery filters the requests to a provider's products.
type InboxQuery struct {
	Tab         string                 // "waiting" (default), "answered", "automatic", "all"
	State       apim.SubscriptionState // "" is any
	Product     string                 // id or slug; "" is any
	Application string                 // id, or slug of one of the tenant's own; "" is any
	Page        apim.Page
}

// NewKey asks for a credential: an API key, where it says no other kind.
type NewKey struct {
	Kind        apim.CredentialKind // "" is a key
	Name        string
	Environment string // slug; "" is the first
	ExpiresAt   time.Time

	Issuer, Subject string // jwt: whose tokens, and what their claim says
	User            string // basic: the user name; "" is one that is made
	Certificate     string // certificate: itself in PEM, or its SHA-256 in hex
	// Proof shows that what is registered is the application's: ProofText signed
	// with a certificate's key, in base64; a token that the issuer gave to the
	// client. Operators may vouch for it, and leave it out.
	Proof string

	Addresses, Referrers []string // that it may be used from; none: any
}

// MintedKey is a new credential with its secret, which is shown this once.
type MintedKey struct {
	Credential apim.Credential
	Key        string // the key, the password, or what calls are signed with; "" where nothing is secret
	Change     apim.Change
}
