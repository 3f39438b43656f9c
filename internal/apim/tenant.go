package apim

import "time"

// Tenant is an organisation, the isolation boundary.
type Tenant struct {
	ID        ID
	Slug      string
	Name      string
	KeyPrefix string // of its applications' keys; "" is portico
	CreatedAt time.Time
	Lock      int64 // grows with every change; see CheckLock
}

// Person is somebody who signs in. A person is global; a Member joins them to
// a tenant.
type Person struct {
	ID        ID
	Email     string // lower case, unique
	Name      string
	Operator  bool
	Theme     string // "light", "dark" or "" for the browser's
	CreatedAt time.Time
	SignedIn  time.Time // when last; zero: never
	Lock      int64
}

// Member is a person's place in a tenant.
type Member struct {
	Tenant   ID
	Person   ID
	Name     string
	Email    string
	Roles    []Role      // on all of the tenant
	Grants   []RoleGrant // on teams and single objects
	Teams    []ID        // that they belong to
	JoinedAt time.Time
	SignedIn time.Time // when last; zero: never
	Lock     int64
}

// Session is one browser in which a person has signed in.
type Session struct {
	ID        ID
	Person    ID
	Use       string // "console" or "portal"
	Address   string // of the last request
	Agent     string // the browser, as it calls itself
	StartedAt time.Time
	SeenAt    time.Time // to the minute
	ExpiresAt time.Time
}

// Token lets a program act for a person, or, made by PORTICO_BOOTSTRAP_TOKEN,
// as an operator. Only the hash of its text is kept.
type Token struct {
	ID        ID
	Person    ID // "" for the bootstrap token
	Tenant    ID // "" spans what its person may reach
	Name      string
	Hint      string // last four characters
	Scopes    Scopes // what it may, of what its person may
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	LastUsed  time.Time // zero: never
}

// MadeToken is a token with the name of the person who made it, "" for none.
type MadeToken struct {
	Token
	Maker string
}

// Expired reports whether the token has ended.
func (t Token) Expired(now time.Time) bool { return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) }

// Event is what is to be told to a tenant's people and programs.
type Event struct {
	ID        ID
	Tenant    ID
	Kind      string // "subscription.approve", as in the audit log
	Object    ID
	Body      string // JSON without secrets
	CreatedAt time.Time
	DueAt     time.Time // not before: what it tells of may still be undone
}

// CheckLock refuses a change that was based on an older state of an object.
// A zero want is a caller that did not say and takes the object as it is.
func CheckLock(noun string, have, want int64) error {
	if want != 0 && have != want {
		return Errorf(Conflict, "the %s was changed meanwhile; load it again and repeat the change", noun).WithCode("changed_meanwhile")
	}
	return nil
}
