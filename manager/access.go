package manager

import (
	"context"
	"errors"
	"time"

	"portico/internal/apim"
)

var errUnbuilt = errors.New("not built yet")

// Access is what consumers do with applications, subscriptions and keys, and
// what providers decide about them.
type Access struct {
	Core
}

// ApplicationInput makes or changes an application. On change nil fields stay.
type ApplicationInput struct {
	Slug              string // on making only; "" is made from the name
	Name, Description *string
	Lock              int64
}

// ApplicationDetail is an application with what its page shows.
type ApplicationDetail struct {
	Application   apim.Application
	Subscriptions []SubscriptionView
	Credentials   []apim.Credential
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
	APIs         []string // "Orders v1"
	CanDecide    bool     // the reader may approve or reject it
	CanUndo      bool     // until UndoUntil
	UndoUntil    time.Time
	// History is what was decided before between these two tenants, newest
	// first; only in Subscription, not in lists.
	History []HistoryLine
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
}

// InboxQuery filters the requests to a provider's products.
type InboxQuery struct {
	Tab  string // "waiting" (default), "answered", "automatic", "all"
	Page apim.Page
}

// NewKey asks for an API key.
type NewKey struct {
	Name        string
	Environment string // slug; "" is the first
	ExpiresAt   time.Time
}

// MintedKey is a new credential with its key, which is shown this once.
type MintedKey struct {
	Credential apim.Credential
	Key        string
	Change     apim.Change
}

// CreateApplication makes an application of the tenant.
func (a *Access) CreateApplication(ctx context.Context, actor apim.Actor, tenant apim.ID, in ApplicationInput) (apim.Application, error) {
	return apim.Application{}, errUnbuilt
}

// UpdateApplication changes an application.
func (a *Access) UpdateApplication(ctx context.Context, actor apim.Actor, tenant, id apim.ID, in ApplicationInput) (apim.Application, apim.Change, error) {
	return apim.Application{}, apim.Change{}, errUnbuilt
}

// DeleteApplication cancels its subscriptions, revokes its keys and removes it.
func (a *Access) DeleteApplication(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Change, error) {
	return apim.Change{}, errUnbuilt
}

// Applications lists the tenant's applications, by name.
func (a *Access) Applications(ctx context.Context, actor apim.Actor, tenant apim.ID, page apim.Page) (apim.List[ApplicationDetail], error) {
	return apim.List[ApplicationDetail]{}, errUnbuilt
}

// Application returns an application of the tenant by id or slug.
func (a *Access) Application(ctx context.Context, actor apim.Actor, tenant apim.ID, ref string) (ApplicationDetail, error) {
	return ApplicationDetail{}, errUnbuilt
}

// Request asks for a plan on behalf of an application of the tenant. It is
// active at once where the plan approves automatically.
func (a *Access) Request(ctx context.Context, actor apim.Actor, tenant apim.ID, in RequestAccess) (apim.Subscription, apim.Change, error) {
	return apim.Subscription{}, apim.Change{}, errUnbuilt
}

// Approve decides on a request to one of the tenant's products. The same
// decision twice is one decision.
func (a *Access) Approve(ctx context.Context, actor apim.Actor, tenant, id apim.ID, note string) (apim.Subscription, apim.Change, error) {
	return apim.Subscription{}, apim.Change{}, errUnbuilt
}

// Reject turns a request down, with a reason that the requester sees.
func (a *Access) Reject(ctx context.Context, actor apim.Actor, tenant, id apim.ID, reason string) (apim.Subscription, apim.Change, error) {
	return apim.Subscription{}, apim.Change{}, errUnbuilt
}

// UndoApproval takes an approval back within apim.UndoFor.
func (a *Access) UndoApproval(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Subscription, apim.Change, error) {
	return apim.Subscription{}, apim.Change{}, errUnbuilt
}

// Withdraw takes back the tenant's own request.
func (a *Access) Withdraw(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Subscription, apim.Change, error) {
	return apim.Subscription{}, apim.Change{}, errUnbuilt
}

// Cancel ends a subscription for good, for either of its two tenants.
func (a *Access) Cancel(ctx context.Context, actor apim.Actor, tenant, id apim.ID, note string) (apim.Subscription, apim.Change, error) {
	return apim.Subscription{}, apim.Change{}, errUnbuilt
}

// Suspend stops a subscription to one of the tenant's products.
func (a *Access) Suspend(ctx context.Context, actor apim.Actor, tenant, id apim.ID, reason string) (apim.Subscription, apim.Change, error) {
	return apim.Subscription{}, apim.Change{}, errUnbuilt
}

// Resume lets a suspended subscription work again.
func (a *Access) Resume(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Subscription, apim.Change, error) {
	return apim.Subscription{}, apim.Change{}, errUnbuilt
}

// SetStopped is the consumer's own switch on a subscription.
func (a *Access) SetStopped(ctx context.Context, actor apim.Actor, tenant, id apim.ID, stopped bool) (apim.Subscription, apim.Change, error) {
	return apim.Subscription{}, apim.Change{}, errUnbuilt
}

// Inbox lists requests to the tenant's products: waiting ones oldest first,
// answered ones newest first.
func (a *Access) Inbox(ctx context.Context, actor apim.Actor, tenant apim.ID, q InboxQuery) (apim.List[SubscriptionView], error) {
	return apim.List[SubscriptionView]{}, errUnbuilt
}

// Waiting counts the requests in the inbox.
func (a *Access) Waiting(ctx context.Context, actor apim.Actor, tenant apim.ID) (int, error) {
	return 0, errUnbuilt
}

// Subscription returns a subscription as the tenant, provider or consumer, may
// see it.
func (a *Access) Subscription(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (SubscriptionView, error) {
	return SubscriptionView{}, errUnbuilt
}

// CreateKey mints an API key for an application of the tenant.
func (a *Access) CreateKey(ctx context.Context, actor apim.Actor, tenant, application apim.ID, in NewKey) (MintedKey, error) {
	return MintedKey{}, errUnbuilt
}

// RevokeKey ends a key for good. Revoking twice is one revocation.
func (a *Access) RevokeKey(ctx context.Context, actor apim.Actor, tenant, credential apim.ID) (apim.Credential, apim.Change, error) {
	return apim.Credential{}, apim.Change{}, errUnbuilt
}

// RunExpiry ends subscriptions whose time is over, until ctx ends.
func (a *Access) RunExpiry(ctx context.Context) error { return errUnbuilt }
