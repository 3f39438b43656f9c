package apim

import "time"

// Visibility says who finds a product in the catalog.
type Visibility string

// Who finds a product.
const (
	VisiblePrivate Visibility = "private" // its own tenant
	VisibleShared  Visibility = "shared"  // its own tenant, and those named in SharedWith
	VisiblePublic  Visibility = "public"  // all, also without signing in
)

// Product is what is offered in the catalog: API versions offered together.
type Product struct {
	ID          ID
	Tenant      ID
	Team        ID // that owns it; "" is nobody in particular
	Slug        string
	Name        string
	Summary     string // one sentence
	Description string // Markdown
	Visibility  Visibility
	SharedWith  []ID // tenants that find it while it is shared
	// Listed products are in the catalog; others are being prepared.
	Listed    bool
	Versions  []ID // of API versions
	CreatedAt time.Time
	UpdatedAt time.Time
	Lock      int64
}

// PlanState is a plan's place in its lifecycle.
type PlanState string

// The lifecycle of a plan.
const (
	PlanDraft      PlanState = "draft"
	PlanPublished  PlanState = "published"
	PlanDeprecated PlanState = "deprecated" // existing subscriptions work, no new ones
	PlanClosed     PlanState = "closed"     // nothing works any more
)

// Approval says who decides on a request for a plan.
type Approval string

// Who decides.
const (
	Automatic Approval = "automatic"
	Manual    Approval = "manual"
)

// Plan is the terms of a product.
type Plan struct {
	ID          ID
	Tenant      ID
	Product     ID
	Slug        string
	Name        string
	Description string
	Price       string // free text, "" is free of charge
	Approval    Approval
	Limits      []RateLimit
	Policies    []Policy // of the stage limit; they hold beside Limits, for each subscription
	// MaxKeyLife bounds the keys that are made for applications on the plan;
	// 0 is no bound. Keys of before stay as they are.
	MaxKeyLife time.Duration
	State      PlanState
	ClosesAt   time.Time // when a deprecated plan closes, or when it did; zero: no date is set
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Lock       int64
}

// Move takes the plan to another state: draft → published → deprecated →
// closed, never back, and published → closed when nobody is subscribed.
func (p *Plan) Move(to PlanState, subscribers int) error {
	order := map[PlanState]int{PlanDraft: 0, PlanPublished: 1, PlanDeprecated: 2, PlanClosed: 3}
	from, target := order[p.State], order[to]
	if _, known := order[to]; !known {
		return &Error{Kind: Invalid, Message: "no such state of a plan", Fields: []FieldError{{"state", "unknown", "use draft, published, deprecated or closed"}}}
	}
	if target == from {
		return nil
	}
	if target < from {
		return Errorf(Conflict, "plan %q is %s and does not go back to %s", p.Name, p.State, to).WithCode("plan_state")
	}
	if to == PlanClosed && p.State == PlanPublished && subscribers > 0 {
		return Errorf(Conflict, "%d subscriptions use plan %q; deprecate it first", subscribers, p.Name).WithCode("has_subscribers")
	}
	p.State = to
	return nil
}

// CloseAt sets when a deprecated plan closes and its subscriptions end. Another
// date takes the place of the one before.
func (p *Plan) CloseAt(date, now time.Time) error {
	if p.State != PlanDeprecated {
		return Errorf(Conflict, "plan %q is %s; only a deprecated plan is given a date at which it closes", p.Name, p.State).WithCode("plan_state")
	}
	if !date.After(now) {
		return &Error{Kind: Invalid, Message: "the plan cannot close in the past", Fields: []FieldError{{"closes_at", "past", "choose a time that is still to come, or leave it out to close the plan now"}}}
	}
	p.ClosesAt = date
	return nil
}

// KeepOpen takes the date back before it has come. A plan without one stays as
// it is.
func (p *Plan) KeepOpen() error {
	if p.State == PlanClosed {
		return Errorf(Conflict, "plan %q is closed, and what it gave has ended", p.Name).WithCode("plan_state")
	}
	p.ClosesAt = time.Time{}
	return nil
}

// Due reports whether the plan's date has come.
func (p Plan) Due(now time.Time) bool {
	return p.State == PlanDeprecated && !p.ClosesAt.IsZero() && !now.Before(p.ClosesAt)
}

// Takes refuses a plan that new subscriptions cannot have.
func (p Plan) Takes() error {
	if p.State != PlanPublished {
		return Errorf(Conflict, "plan %q is %s and takes no new subscriptions", p.Name, p.State).WithCode("plan_closed")
	}
	return nil
}
