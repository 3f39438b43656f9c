package entry

// Terms is what a plan gives to whoever subscribes to it.
type Terms struct {
	Plan   string      `json:"plan"` // uuid, as in the key
	Name   string      `json:"name"` // for errors: "Orders, Trial"
	APIs   []TermsAPI  `json:"apis"`
	Limits []RateLimit `json:"limits"` // each holds; the tightest is reported

	// Policies are of the stage limit. Whatever they count by, each subscription
	// counts for itself.
	Policies []Policy `json:"policies,omitempty"`
}

// TermsAPI is an API version in a plan. No operations are all of them.
type TermsAPI struct {
	Version    string   `json:"version"` // uuid
	Operations []string `json:"operations,omitempty"`
}

// Grant is what the holder of one secret may call. Its key is the secret's
// SHA-256, or as TokenHash, BasicHash, CertificateHash and SignatureHash say. A
// credential with two secrets has two grants.
type Grant struct {
	Credential    string         `json:"credential"`  // uuid
	Application   string         `json:"application"` // uuid
	Name          string         `json:"name"`        // the application's, for usage and explain
	Tenant        string         `json:"tenant"`      // uuid of the consumer's tenant
	ExpiresAt     int64          `json:"expires_at,omitempty"`
	Addresses     []string       `json:"addresses,omitempty"` // networks that it may be used from; none: any
	Referrers     []string       `json:"referrers,omitempty"` // hosts of pages that may use it, "*.example.com" too; none: any
	Secret        *Sealed        `json:"secret,omitempty"`    // that calls are signed with, where the key is of its id; nil: none
	Subscriptions []Subscription `json:"subscriptions"`
}

// SubscriptionState is what a subscription's state means to a node.
type SubscriptionState string

// The states that travel. Others are not published: nothing is granted.
const (
	Active    SubscriptionState = "active"
	Pending   SubscriptionState = "pending"
	Suspended SubscriptionState = "suspended"
	Stopped   SubscriptionState = "stopped" // active, but its application has stopped it
	Expired   SubscriptionState = "expired"
)

// Subscription ties a grant to the terms of a plan. Times are seconds since
// 1970; 0 is no bound. Outside [StartsAt, EndsAt) it admits nothing.
type Subscription struct {
	ID       string            `json:"id"`    // uuid
	Terms    string            `json:"terms"` // uuid of the plan
	State    SubscriptionState `json:"state"`
	StartsAt int64             `json:"starts_at,omitempty"`
	EndsAt   int64             `json:"ends_at,omitempty"`
	Limits   []RateLimit       `json:"limits,omitempty"` // its own, instead of the plan's; the plan's Policies hold beside them
}

// Seen says which secrets a node has taken lately.
type Seen struct {
	Node        string `json:"node"`
	Environment string `json:"environment"`
	Uses        []Use  `json:"uses"` // at most MaxUses
}

// MaxUses bounds one Seen.
const MaxUses = 1000

// Use is the newest call with a secret, to within some seconds.
type Use struct {
	Hash    string `json:"hash"` // as in the grant's key
	At      int64  `json:"at"`   // seconds since 1970, by the node's clock
	Address string `json:"address"`
}
