package manager

import "portico/internal/apim"

// Tenants is what concerns people: first run, sign-in, tenants, members and
// API tokens.
type Tenants struct {
	Core
	// OpenSignUp lets anybody make an account in the portal.
	OpenSignUp bool

	attempts attempts // at passwords
	hashing  hashing  // bounds the memory of checking passwords
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
	Roles  []apim.Role      // on all of the tenant
	Grants []apim.RoleGrant // on teams, their teams' own too, and objects
}
