package apim

import (
	"slices"
	"strings"
	"time"
)

// SubscriptionState is where a subscription stands.
type SubscriptionState string

// The states of a subscription.
const (
	Pending   SubscriptionState = "pending"
	Active    SubscriptionState = "active"
	Rejected  SubscriptionState = "rejected"
	Suspended SubscriptionState = "suspended"
	Expired   SubscriptionState = "expired"
	Cancelled SubscriptionState = "cancelled"
)

// UndoFor is how long the approver who decided may take an approval back.
const UndoFor = 10 * time.Second

// Subscription is an application's right to use a product under a plan. It has
// two tenants: the provider's, which offers, and the application's, which uses.
type Subscription struct {
	ID                ID
	Tenant            ID // the provider's
	ApplicationTenant ID // the consumer's
	Application       ID
	Product           ID
	Plan              ID
	Environments      []string // slugs that it covers
	State             SubscriptionState
	// Stopped is the consumer's own switch, apart from the provider's state.
	Stopped bool

	Reason      string // of the request
	RequestedBy ID
	Requester   string // name
	RequestedAt time.Time

	Note      string // of the decision, suspension or cancellation; the requester sees it
	DecidedBy ID     // person or token; "" when no person did
	Decider   string // name
	DecidedAt time.Time
	Automatic bool // the plan approves by itself

	StartsAt  time.Time   // zero: at once
	EndsAt    time.Time   // zero: never
	Limits    []RateLimit // its own, instead of the plan's; none: the plan's. The plan's Policies hold anyway
	UpdatedAt time.Time

	Suspensions []Suspension // in single environments; the state stays
	PlanChange  PlanChange   // asked for and not decided; the zero value is none
	Renews      ID           // the ended one that this one follows
	Lock        int64
}

// Suspension stops a subscription in one environment.
type Suspension struct {
	Environment string    `json:"environment"` // slug
	Reason      string    `json:"reason"`      // the application's people see it
	By          string    `json:"by"`          // name
	At          time.Time `json:"at"`
}

// PlanChange is a plan that an active subscription is to have. Until it is
// decided the old one holds.
type PlanChange struct {
	Plan        ID        `json:"plan,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	RequestedBy ID        `json:"requested_by,omitempty"`
	Requester   string    `json:"requester,omitempty"` // name
	At          time.Time `json:"at,omitzero"`
}

// SubscriptionTerms are what a provider may grant otherwise than the plan says.
type SubscriptionTerms struct {
	StartsAt time.Time   // zero: at once
	EndsAt   time.Time   // zero: never
	Limits   []RateLimit // instead of the plan's, beside its policies; none: the plan's
}

// Changing reports whether a change of plan waits for a decision.
func (s Subscription) Changing() bool { return s.PlanChange.Plan != "" }

// Waiting reports whether somebody has to decide something.
func (s Subscription) Waiting() bool { return s.State == Pending || s.Changing() }

// Live reports whether the subscription can still lead to calls.
func (s Subscription) Live() bool {
	return s.State == Pending || s.State == Active || s.State == Suspended
}

// Approve lets the application in, or gives it the plan that it asked to change
// to.
func (s *Subscription) Approve(by ID, name, note string, at time.Time) error {
	if s.State == Active && s.Changing() {
		s.Plan, s.PlanChange, s.Limits, s.Note, s.UpdatedAt = s.PlanChange.Plan, PlanChange{}, nil, note, at
		return nil
	}
	if err := s.decidable("approved"); err != nil {
		return err
	}
	s.State, s.DecidedBy, s.Decider, s.DecidedAt, s.Note = Active, by, name, at, note
	return nil
}

// Reject turns the request down, or the change of plan, with which the old plan
// stays. The reason is mandatory: the requester sees it.
func (s *Subscription) Reject(by ID, name, reason string, at time.Time) error {
	changing := s.State == Active && s.Changing()
	if err := s.decidable("rejected"); err != nil && !changing {
		return err
	}
	if strings.TrimSpace(reason) == "" {
		return needsReason("the requester sees why, and what would have let the request through")
	}
	if changing {
		s.PlanChange, s.Note, s.UpdatedAt = PlanChange{}, reason, at
		return nil
	}
	s.State, s.DecidedBy, s.Decider, s.DecidedAt, s.Note = Rejected, by, name, at, reason
	return nil
}

// Undo takes an approval back to pending, for who decided, within UndoFor.
func (s *Subscription) Undo(by ID, at time.Time) error {
	switch {
	case s.State != Active:
		return s.refuse("cannot go back to pending")
	case s.DecidedBy == "" || s.DecidedBy != by:
		return Errorf(Conflict, "only %s, who approved, can undo it", orSomebody(s.Decider)).WithCode("not_yours")
	case at.Sub(s.DecidedAt) > UndoFor:
		return Errorf(Conflict, "approved more than %d seconds ago; suspend or cancel the subscription instead", int(UndoFor.Seconds())).WithCode("too_late")
	}
	s.State, s.DecidedBy, s.Decider, s.DecidedAt, s.Note = Pending, "", "", time.Time{}, ""
	return nil
}

// SetTerms makes what was granted differ from the plan, from now on.
func (s *Subscription) SetTerms(t SubscriptionTerms, at time.Time) error {
	if !s.Live() {
		return s.refuse("has no terms that could change")
	}
	if !t.EndsAt.IsZero() && (!t.EndsAt.After(at) || !t.EndsAt.After(t.StartsAt)) {
		return &Error{Kind: Invalid, Message: "the terms cannot hold", Fields: []FieldError{{"ends_at", "past", "choose an end after now and after the start"}}}
	}
	s.StartsAt, s.EndsAt, s.Limits, s.UpdatedAt = t.StartsAt, t.EndsAt, t.Limits, at
	return nil
}

// AskForPlan asks for another plan of the product. The old one holds until that
// is decided.
func (s *Subscription) AskForPlan(c PlanChange) error {
	switch {
	case s.State != Active:
		return s.refuse("cannot change plans")
	case s.Plan == c.Plan:
		return Errorf(Conflict, "the subscription has that plan already").WithCode("same_plan")
	case s.Changing():
		return Errorf(Conflict, "a change of plan waits for a decision already; withdraw that first").WithCode("already_changing")
	}
	s.PlanChange, s.UpdatedAt = c, c.At
	return nil
}

// Withdraw takes the consumer's own request out of the approvers' inbox: that
// for a change of plan, where one waits, and then the old plan stays.
func (s *Subscription) Withdraw(at time.Time) error {
	if s.State == Active && s.Changing() {
		s.PlanChange, s.UpdatedAt = PlanChange{}, at
		return nil
	}
	if s.State != Pending {
		return s.refuse("is not waiting any more")
	}
	s.State, s.DecidedAt, s.Note = Cancelled, at, "withdrawn by the requester"
	return nil
}

// Cancel ends a subscription for good. Every node refuses its keys from the
// acknowledgement on; calls already past the policy chain finish.
func (s *Subscription) Cancel(note string, at time.Time) error {
	if !s.Live() {
		return s.refuse("cannot be cancelled")
	}
	s.State, s.DecidedAt, s.Note, s.PlanChange = Cancelled, at, note, PlanChange{}
	return nil
}

// Suspend stops an active subscription until it is resumed. The reason is
// mandatory.
func (s *Subscription) Suspend(reason string, at time.Time) error {
	if s.State != Active {
		return s.refuse("cannot be suspended")
	}
	if strings.TrimSpace(reason) == "" {
		return needsReason("the application's people see why it was suspended")
	}
	s.State, s.Note, s.UpdatedAt = Suspended, reason, at
	return nil
}

// Resume lets a suspended subscription work again.
func (s *Subscription) Resume(at time.Time) error {
	if s.State != Suspended {
		return s.refuse("cannot be resumed")
	}
	s.State, s.Note, s.UpdatedAt = Active, "", at
	return nil
}

// SuspendIn stops an active subscription in one environment alone. The reason
// is mandatory.
func (s *Subscription) SuspendIn(environment, reason, by string, at time.Time) error {
	switch {
	case s.State != Active:
		return s.refuse("cannot be suspended in one environment")
	case !s.Covers(environment):
		return Errorf(Conflict, "the subscription is not for %s", environment).WithCode("not_covered")
	case s.SuspendedIn(environment):
		return Errorf(Conflict, "the subscription is suspended in %s already", environment).WithCode("subscription_state")
	case strings.TrimSpace(reason) == "":
		return needsReason("the application's people see why it was suspended")
	}
	s.Suspensions = append(slices.Clone(s.Suspensions), Suspension{Environment: environment, Reason: reason, By: by, At: at})
	s.UpdatedAt = at
	return nil
}

// ResumeIn lets a subscription work again in one environment.
func (s *Subscription) ResumeIn(environment string, at time.Time) error {
	if !s.SuspendedIn(environment) {
		return Errorf(Conflict, "the subscription is not suspended in %s", environment).WithCode("subscription_state")
	}
	s.Suspensions = slices.DeleteFunc(slices.Clone(s.Suspensions), func(one Suspension) bool { return one.Environment == environment })
	s.UpdatedAt = at
	return nil
}

// SuspendedIn reports whether the subscription is suspended in one environment,
// beside its state, which holds everywhere.
func (s Subscription) SuspendedIn(environment string) bool {
	return slices.ContainsFunc(s.Suspensions, func(one Suspension) bool { return one.Environment == environment })
}

// Stop is the consumer's own switch: a stopped subscription grants nothing
// until it is started again.
func (s *Subscription) Stop(stopped bool, at time.Time) error {
	if !s.Live() {
		if stopped {
			return s.refuse("cannot be stopped")
		}
		return s.refuse("cannot be started")
	}
	s.Stopped, s.UpdatedAt = stopped, at
	return nil
}

// Expire ends a subscription whose time is over.
func (s *Subscription) Expire(at time.Time) error {
	switch {
	case s.State != Active && s.State != Suspended:
		return s.refuse("cannot expire")
	case s.EndsAt.IsZero() || at.Before(s.EndsAt):
		return Errorf(Conflict, "the subscription's end is not reached").WithCode("not_ended")
	}
	s.State, s.UpdatedAt = Expired, at
	return nil
}

// LeaveEnvironment takes an environment that is to be no more out of what a
// subscription covers. One that covers nothing else ends; one for all
// environments stays for all.
func (s *Subscription) LeaveEnvironment(environment, reason string, at time.Time) error {
	s.Suspensions = slices.DeleteFunc(slices.Clone(s.Suspensions), func(one Suspension) bool { return one.Environment == environment })
	s.UpdatedAt = at
	if !slices.Contains(s.Environments, environment) {
		return nil
	}
	if len(s.Environments) == 1 { // without it the list would mean all
		return s.End(reason, at)
	}
	s.Environments = slices.DeleteFunc(slices.Clone(s.Environments), func(one string) bool { return one == environment })
	return nil
}

// End ends a live subscription with what it hangs on, a plan or its only
// environment: it expires, and a request that waits is turned down. The
// application's people see the reason.
func (s *Subscription) End(reason string, at time.Time) error {
	switch s.State {
	case Active, Suspended:
		s.State, s.EndsAt = Expired, at
	case Pending:
		s.State, s.DecidedAt = Rejected, at
	default:
		return s.refuse("has nothing that could end")
	}
	s.Note, s.PlanChange, s.UpdatedAt = reason, PlanChange{}, at
	return nil
}

// decidable refuses a decision on a request that is not waiting, and says who
// was first.
func (s *Subscription) decidable(verb string) error {
	if s.State == Pending {
		return nil
	}
	if s.DecidedAt.IsZero() || s.State == Cancelled {
		return s.refuse("cannot be " + verb)
	}
	return Errorf(Conflict, "%s decided at %s: the request is %s", orSomebody(s.Decider), s.DecidedAt.UTC().Format("15:04:05 on 2 January 2006"), s.State).WithCode("already_decided")
}

func (s *Subscription) refuse(what string) error {
	return Errorf(Conflict, "the subscription is %s and %s", s.State, what).WithCode("subscription_state")
}

func needsReason(why string) error {
	return &Error{Kind: Invalid, Message: "a reason is needed", Fields: []FieldError{{"reason", "required", why}}}
}

func orSomebody(name string) string {
	if name == "" {
		return "the plan itself"
	}
	return name
}

// Covers reports whether the subscription is for an environment. One that
// names none covers all.
func (s Subscription) Covers(environment string) bool {
	return len(s.Environments) == 0 || slices.Contains(s.Environments, environment)
}
