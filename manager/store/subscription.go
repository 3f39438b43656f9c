package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"portico/internal/apim"
)

type subscriptionRow struct {
	ID                  apim.ID `gorm:"primaryKey"`
	TenantID            apim.ID
	ApplicationTenantID apim.ID
	ApplicationID       apim.ID
	ProductID           apim.ID
	PlanID              apim.ID
	Environments        jsonOf[[]string]
	State               apim.SubscriptionState
	Stopped             bool
	Reason              string
	RequestedBy         apim.ID
	Requester           string
	Requested           int64 `gorm:"column:requested_at"`
	Note                string
	DecidedBy           apim.ID
	Decider             string
	Decided             int64 `gorm:"column:decided_at"`
	Automatic           bool
	Starts              int64 `gorm:"column:starts_at"`
	Ends                int64 `gorm:"column:ends_at"`
	Updated             int64 `gorm:"column:updated_at"`
	Lock                int64
	Suspensions         jsonOf[[]apim.Suspension]
	Limits              jsonOf[[]apim.RateLimit]
	PlanChange          jsonOf[apim.PlanChange]
	Changing            bool
	Renews              apim.ID
}

func (subscriptionRow) TableName() string { return "subscription" }

func newSubscriptionRow(s apim.Subscription) subscriptionRow {
	return subscriptionRow{
		ID: s.ID, TenantID: s.Tenant, ApplicationTenantID: s.ApplicationTenant, ApplicationID: s.Application, ProductID: s.Product,
		PlanID: s.Plan, Environments: jsonOf[[]string]{s.Environments}, State: s.State, Stopped: s.Stopped, Reason: s.Reason,
		RequestedBy: s.RequestedBy, Requester: s.Requester, Requested: micros(s.RequestedAt), Note: s.Note, DecidedBy: s.DecidedBy,
		Decider: s.Decider, Decided: micros(s.DecidedAt), Automatic: s.Automatic, Starts: micros(s.StartsAt), Ends: micros(s.EndsAt),
		Updated: micros(s.UpdatedAt), Lock: s.Lock, Suspensions: jsonOf[[]apim.Suspension]{s.Suspensions}, Limits: jsonOf[[]apim.RateLimit]{s.Limits},
		PlanChange: jsonOf[apim.PlanChange]{s.PlanChange}, Changing: s.Changing(), Renews: s.Renews,
	}
}

func (r subscriptionRow) domain() apim.Subscription {
	return apim.Subscription{
		ID: r.ID, Tenant: r.TenantID, ApplicationTenant: r.ApplicationTenantID, Application: r.ApplicationID, Product: r.ProductID,
		Plan: r.PlanID, Environments: r.Environments.V, State: r.State, Stopped: r.Stopped, Reason: r.Reason, RequestedBy: r.RequestedBy,
		Requester: r.Requester, RequestedAt: when(r.Requested), Note: r.Note, DecidedBy: r.DecidedBy, Decider: r.Decider,
		DecidedAt: when(r.Decided), Automatic: r.Automatic, StartsAt: when(r.Starts), EndsAt: when(r.Ends), UpdatedAt: when(r.Updated), Lock: r.Lock,
		Suspensions: r.Suspensions.V, Limits: r.Limits.V, PlanChange: r.PlanChange.V, Renews: r.Renews,
	}
}

// using begins a query on subscriptions of the tenant's applications, as own
// does on those to its products.
func (t Tenant) using(ctx context.Context) *gorm.DB {
	return t.in(ctx).Where(clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: "application_tenant_id"}, Value: t.id})
}

// InsertSubscription adds a subscription of one of the tenant's applications.
func (t Tenant) InsertSubscription(ctx context.Context, s apim.Subscription) error {
	row := newSubscriptionRow(s)
	return insert(t.in(ctx), "subscription", &row)
}

// UpdateSubscription writes what may change of a subscription, as its provider
// or as its consumer, whichever the tenant is.
func (t Tenant) UpdateSubscription(ctx context.Context, s *apim.Subscription) error {
	row := newSubscriptionRow(*s)
	row.Lock++
	db := t.using(ctx)
	if s.Tenant == t.id {
		db = t.own(ctx)
	}
	err := update(db.Where("id = ?", s.ID), "subscription", &row, s.Lock,
		"plan_id", "environments", "limits", "suspensions", "plan_change", "changing", "state", "stopped", "note", "decided_by", "decider", "decided_at", "starts_at", "ends_at", "updated_at")
	if err == nil {
		s.Lock++
	}
	return err
}

// SubscriptionTo returns a subscription to one of the tenant's products.
func (t Tenant) SubscriptionTo(ctx context.Context, id apim.ID) (apim.Subscription, error) {
	row, err := one[subscriptionRow](t.own(ctx).Where("id = ?", id), "subscription")
	return row.domain(), err
}

// SubscriptionOf returns a subscription of one of the tenant's applications.
func (t Tenant) SubscriptionOf(ctx context.Context, id apim.ID) (apim.Subscription, error) {
	row, err := one[subscriptionRow](t.using(ctx).Where("id = ?", id), "subscription")
	return row.domain(), err
}

// SubscriptionsOf returns the subscriptions of applications of the tenant,
// newest first.
func (t Tenant) SubscriptionsOf(ctx context.Context, applications []apim.ID) ([]apim.Subscription, error) {
	rows, err := many[subscriptionRow](t.using(ctx).Where("application_id IN ?", applications).Order("id DESC"), "subscriptions")
	return sliceOf(rows, subscriptionRow.domain), err
}

// SubscriptionsToProducts returns the tenant's own subscriptions to products
// of any tenant, newest first.
func (t Tenant) SubscriptionsToProducts(ctx context.Context, products []apim.ID) ([]apim.Subscription, error) {
	rows, err := many[subscriptionRow](t.using(ctx).Where("product_id IN ?", products).Order("id DESC").Limit(500), "subscriptions")
	return sliceOf(rows, subscriptionRow.domain), err
}

// LiveSubscribers counts the live subscriptions to each of the products.
func (t Tenant) LiveSubscribers(ctx context.Context, products []apim.ID) (map[apim.ID]int, error) {
	var rows []struct {
		ProductID apim.ID
		N         int
	}
	err := t.own(ctx).Model(&subscriptionRow{}).Select("product_id, count(*) AS n").
		Where("product_id IN ? AND state IN ?", products, liveStates()).Group("product_id").Find(&rows).Error
	out := map[apim.ID]int{}
	for _, r := range rows {
		out[r.ProductID] = r.N
	}
	return out, err
}

// Consumers counts the live subscriptions to a product by the tenant whose
// application has them; one whose subscriptions have all ended counts 0.
func (t Tenant) Consumers(ctx context.Context, product apim.ID) (map[apim.ID]int, error) {
	var rows []struct {
		ApplicationTenantID apim.ID
		N                   int
	}
	err := t.own(ctx).Model(&subscriptionRow{}).Select("application_tenant_id, sum(CASE WHEN state IN ? THEN 1 ELSE 0 END) AS n", liveStates()).
		Where("product_id = ?", product).Group("application_tenant_id").Find(&rows).Error
	out := map[apim.ID]int{}
	for _, r := range rows {
		out[r.ApplicationTenantID] = r.N
	}
	return out, away(err)
}

// LiveOnPlan counts the live subscriptions on a plan.
func (t Tenant) LiveOnPlan(ctx context.Context, plan apim.ID) (int, error) {
	return count[subscriptionRow](t.own(ctx).Where("plan_id = ? AND state IN ?", plan, liveStates()), "subscriptions")
}

// LiveOn returns the live subscriptions on a plan, newest first.
func (t Tenant) LiveOn(ctx context.Context, plan apim.ID) ([]apim.Subscription, error) {
	rows, err := many[subscriptionRow](t.own(ctx).Where("plan_id = ? AND state IN ?", plan, liveStates()).Order("id DESC"), "subscriptions")
	return sliceOf(rows, subscriptionRow.domain), err
}

// EverSubscribed reports whether there is or was a subscription to a product.
func (t Tenant) EverSubscribed(ctx context.Context, product apim.ID) (bool, error) {
	rows, err := many[subscriptionRow](t.own(ctx).Select("id").Where("product_id = ?", product).Limit(1), "subscriptions")
	return len(rows) > 0, err
}

// LiveTo returns the live subscriptions to a product.
func (t Tenant) LiveTo(ctx context.Context, product apim.ID) ([]apim.Subscription, error) {
	rows, err := many[subscriptionRow](t.own(ctx).Where("product_id = ? AND state IN ?", product, liveStates()), "subscriptions")
	return sliceOf(rows, subscriptionRow.domain), err
}

// Inbox is a part of the requests to a tenant's products.
type Inbox int

// The parts of the inbox.
const (
	InboxWaiting   Inbox = iota // oldest first
	InboxAnswered               // by a person; newest first
	InboxAutomatic              // by the plan itself; newest first
	InboxAll                    // newest first
)

// RequestFilter narrows the requests to a tenant's products. The zero value is
// what waits.
type RequestFilter struct {
	Part        Inbox
	State       apim.SubscriptionState // "" is any
	Product     string                 // id or slug; "" is any
	Application string                 // id, or slug of one of the tenant's own; "" is any
}

// narrow applies the filter, but for its part.
func (f RequestFilter) narrow(db *gorm.DB, tenant apim.ID) *gorm.DB {
	if f.State != "" {
		db = db.Where("state = ?", f.State)
	}
	if f.Product != "" {
		db = db.Where("product_id IN (SELECT p.id FROM product p WHERE p.tenant_id = ? AND (p.id = ? OR p.slug = ?))", tenant, f.Product, f.Product)
	}
	if f.Application != "" {
		db = db.Where("(application_id = ? OR application_id IN (SELECT a.id FROM application a WHERE a.tenant_id = ? AND a.slug = ?))",
			f.Application, tenant, f.Application)
	}
	return db
}

// reached narrows a query on subscriptions to the tenant's products to those
// that a reach covers: by the product, the team that owns it, or an API in it.
func (t Tenant) reached(db *gorm.DB, reach apim.Reach) *gorm.DB {
	if reach.All {
		return db
	}
	return db.Where(`product_id IN (SELECT p.id FROM product p WHERE p.tenant_id = ? AND (p.id IN ? OR p.team_id IN ? OR p.id IN (
		SELECT pv.product_id FROM product_version pv JOIN version v ON v.tenant_id = pv.tenant_id AND v.id = pv.version_id
		WHERE pv.tenant_id = ? AND v.api_id IN ?)))`,
		t.id, reach.Places(apim.PrefixProduct), reach.Places(apim.PrefixTeam), t.id, reach.Places(apim.PrefixAPI))
}

// Requests returns a page of the requests to the tenant's products, as far as a
// reach goes.
func (t Tenant) Requests(ctx context.Context, reach apim.Reach, f RequestFilter, page apim.Page) (apim.List[apim.Subscription], error) {
	db, o := f.narrow(t.reached(t.own(ctx), reach), t.id), order{"subscription", "requested_at", "id", f.Part != InboxWaiting}
	switch f.Part {
	case InboxWaiting:
		db = db.Where("(state = ? OR changing)", apim.Pending)
	case InboxAnswered:
		db = db.Where("state <> ? AND NOT automatic AND decided_at > 0", apim.Pending)
		o.by = "decided_at"
	case InboxAutomatic:
		db = db.Where("automatic")
	}
	rows, next, err := paged(db, "requests", page, o, func(r subscriptionRow) (any, any) {
		if f.Part == InboxAnswered {
			return r.Decided, r.ID
		}
		return r.Requested, r.ID
	})
	return apim.List[apim.Subscription]{Items: sliceOf(rows, subscriptionRow.domain), NextCursor: next}, err
}

// WaitingRequests counts the requests that wait for a decision, as far as a
// reach goes.
func (t Tenant) WaitingRequests(ctx context.Context, reach apim.Reach) (int, error) {
	// Two counts, since SQLite uses an index for neither side of such an OR.
	pending, err := count[subscriptionRow](t.reached(t.own(ctx), reach).Where("state = ?", apim.Pending), "requests")
	if err != nil {
		return 0, err
	}
	changing, err := count[subscriptionRow](t.reached(t.own(ctx), reach).Where("changing AND state <> ?", apim.Pending), "requests")
	return pending + changing, err
}

// Between returns the newest subscriptions between the tenant as provider and
// a consumer's tenant, as far as a reach goes.
func (t Tenant) Between(ctx context.Context, consumer apim.ID, reach apim.Reach, limit int) ([]apim.Subscription, error) {
	rows, err := many[subscriptionRow](t.reached(t.own(ctx), reach).Where("application_tenant_id = ?", consumer).Order("id DESC").Limit(limit), "subscriptions")
	return sliceOf(rows, subscriptionRow.domain), err
}

// LiveOverlap is a live subscription of an application that has one of the
// versions asked about.
type LiveOverlap struct {
	Subscription apim.Subscription
	Version      apim.ID
}

// Overlaps returns the live subscriptions of applications to products, but
// one, that have any of the versions. The products may be any tenant's.
func (s System) Overlaps(ctx context.Context, applications, versions []apim.ID, but apim.ID) ([]LiveOverlap, error) {
	if len(applications) == 0 || len(versions) == 0 {
		return nil, nil
	}
	rows, err := many[subscriptionRow](s.in(ctx).Where(`application_id IN ? AND state IN ? AND product_id <> ?
		AND EXISTS (SELECT 1 FROM product_version pv WHERE pv.product_id = subscription.product_id AND pv.version_id IN ?)`,
		applications, liveStates(), but, versions).Order("id"), "subscriptions")
	if err != nil {
		return nil, err
	}
	var out []LiveOverlap
	for _, r := range rows {
		shared, err := many[productVersionRow](s.in(ctx).Where("product_id = ? AND version_id IN ?", r.ProductID, versions).Order("position").Limit(1), "products")
		if err != nil {
			return nil, err
		}
		for _, v := range shared {
			out = append(out, LiveOverlap{r.domain(), v.VersionID})
		}
	}
	return out, nil
}

// Naming returns the live subscriptions that name an environment, in what they
// cover or where they are suspended.
func (s System) Naming(ctx context.Context, environment string) ([]apim.Subscription, error) {
	rows, err := many[subscriptionRow](s.in(ctx).Where(`(CAST(environments AS TEXT) LIKE ? ESCAPE '\' OR CAST(suspensions AS TEXT) LIKE ? ESCAPE '\') AND state IN ?`,
		like(`"`+environment+`"`), like(`"`+environment+`"`), liveStates()).Order("id"), "subscriptions")
	return sliceOf(rows, subscriptionRow.domain), err
}

// ToExpire returns subscriptions whose end has come, at most limit.
func (s System) ToExpire(ctx context.Context, now time.Time, limit int) ([]apim.Subscription, error) {
	rows, err := many[subscriptionRow](s.in(ctx).Where("ends_at > 0 AND ends_at <= ? AND state IN ('active', 'suspended')", micros(now)).
		Order("ends_at").Limit(limit), "subscriptions")
	return sliceOf(rows, subscriptionRow.domain), err
}

// OnClosedPlans returns live subscriptions on a plan that is closed, at most limit;
// none when there is no such plan. The plan is looked for first, by one probe for
// each that is closed: of a single question PostgreSQL makes a walk through all
// subscriptions, in the hope of meeting one soon.
func (s System) OnClosedPlans(ctx context.Context, limit int) ([]apim.Subscription, error) {
	var plans []apim.ID
	err := s.in(ctx).Model(&planRow{}).Where("state = 'closed' AND EXISTS (SELECT 1 FROM subscription s WHERE s.plan_id = plan.id AND s.state IN ('pending', 'active', 'suspended'))").
		Limit(1).Pluck("id", &plans).Error
	if err != nil {
		return nil, fmt.Errorf("look for closed plans: %w", away(err))
	}
	if len(plans) == 0 {
		return nil, nil
	}
	rows, err := many[subscriptionRow](s.in(ctx).Where("plan_id = ? AND state IN ('pending', 'active', 'suspended')", plans[0]).Limit(limit), "subscriptions")
	return sliceOf(rows, subscriptionRow.domain), err
}

func liveStates() []apim.SubscriptionState {
	return []apim.SubscriptionState{apim.Pending, apim.Active, apim.Suspended}
}
