package manager

import (
	"context"
	"time"

	"portico/internal/apim"
)

// Tenants is what concerns people: first run, sign-in, tenants, members and
// API tokens.
type Tenants struct {
	Core
	// OpenSignUp lets anybody make an account in the portal.
	OpenSignUp bool
}

// FirstRun makes the first operator. TenantName and TenantSlug make a tenant
// to own; both empty joins the tenant that exists already (the demo's).
type FirstRun struct {
	Name, Email, Password  string
	TenantName, TenantSlug string
}

// SignUp makes an account and, for a consumer who belongs to no tenant yet,
// a tenant of its own.
type SignUp struct {
	Name, Email, Password string
	Organisation          string // name of the tenant; "" is the person's name
}

// Membership is one tenant of a person.
type Membership struct {
	Tenant apim.Tenant
	Roles  []apim.Role
}

// FirstRunLink returns a new one-time link of 24 h for the console, or "" when
// there is an operator already. Making one ends the one before.
func (t *Tenants) FirstRunLink(ctx context.Context) (string, error) { return "", errUnbuilt }

// CheckFirstRun refuses a token that is not the current one. joins is the
// tenant that the first operator will join, zero when they are to make one.
func (t *Tenants) CheckFirstRun(ctx context.Context, token string) (joins apim.Tenant, err error) {
	return apim.Tenant{}, errUnbuilt
}

// FirstRun makes the first operator with the link's token, which it uses up.
func (t *Tenants) FirstRun(ctx context.Context, token string, in FirstRun) (apim.Person, error) {
	return apim.Person{}, errUnbuilt
}

// SignIn checks a password. Wrong ones are limited by account and address, and
// the answer never tells whether the account exists.
func (t *Tenants) SignIn(ctx context.Context, email, password, address string) (apim.Person, error) {
	return apim.Person{}, errUnbuilt
}

// SignUp makes an account where OpenSignUp allows it.
func (t *Tenants) SignUp(ctx context.Context, in SignUp, address string) (apim.Person, error) {
	return apim.Person{}, errUnbuilt
}

// Person returns a person by id, for a session.
func (t *Tenants) Person(ctx context.Context, id apim.ID) (apim.Person, error) {
	return apim.Person{}, errUnbuilt
}

// SetTheme keeps the actor's theme: "light", "dark" or "".
func (t *Tenants) SetTheme(ctx context.Context, actor apim.Actor, theme string) error {
	return errUnbuilt
}

// Memberships returns the tenants that the actor belongs to, by name; an
// operator's are all tenants.
func (t *Tenants) Memberships(ctx context.Context, actor apim.Actor) ([]Membership, error) {
	return nil, errUnbuilt
}

// Tenant returns a tenant by slug or id that the actor belongs to. Another's
// is NotFound.
func (t *Tenants) Tenant(ctx context.Context, actor apim.Actor, ref string) (apim.Tenant, error) {
	return apim.Tenant{}, errUnbuilt
}

// CreateTenant makes a tenant, for operators.
func (t *Tenants) CreateTenant(ctx context.Context, actor apim.Actor, slug, name string) (apim.Tenant, error) {
	return apim.Tenant{}, errUnbuilt
}

// Members lists a tenant's members, by name.
func (t *Tenants) Members(ctx context.Context, actor apim.Actor, tenant apim.ID, page apim.Page) (apim.List[apim.Member], error) {
	return apim.List[apim.Member]{}, errUnbuilt
}

// Can reports whether the actor may do something in a tenant, for pages that
// show or hide a button. It decides nothing: use cases check again.
func (t *Tenants) Can(ctx context.Context, actor apim.Actor, tenant apim.ID, verb apim.Verb, object apim.Object) bool {
	return false
}

// CreateToken mints an API token for the actor; its text is shown this once.
func (t *Tenants) CreateToken(ctx context.Context, actor apim.Actor, tenant apim.ID, name string, expires time.Time) (apim.Token, string, error) {
	return apim.Token{}, "", errUnbuilt
}

// Tokens lists the actor's own API tokens in a tenant, newest first.
func (t *Tenants) Tokens(ctx context.Context, actor apim.Actor, tenant apim.ID, page apim.Page) (apim.List[apim.Token], error) {
	return apim.List[apim.Token]{}, errUnbuilt
}

// RevokeToken ends one of the actor's own API tokens.
func (t *Tenants) RevokeToken(ctx context.Context, actor apim.Actor, tenant, id apim.ID) error {
	return errUnbuilt
}

// TokenActor returns who a token's text speaks for.
func (t *Tenants) TokenActor(ctx context.Context, text string) (apim.Actor, error) {
	return apim.Actor{}, errUnbuilt
}

// EnsureBootstrapToken makes an operator's token of the given text (at least
// 32 characters) when the installation has none yet.
func (t *Tenants) EnsureBootstrapToken(ctx context.Context, text string) error { return errUnbuilt }

// AuditLog lists a tenant's audit rows, newest first.
func (t *Tenants) AuditLog(ctx context.Context, actor apim.Actor, tenant apim.ID, page apim.Page) (apim.List[apim.Audit], error) {
	return apim.List[apim.Audit]{}, errUnbuilt
}
