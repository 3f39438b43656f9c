package apim

import (
	"slices"
	"strings"
)

// Actor is who asks for something. The zero value is nobody: it may only sign
// in and read what is public.
type Actor struct {
	Person   ID     // "" for the system itself and for a bootstrap token
	Token    ID     // set when an API token speaks for the person
	Tenant   ID     // the one tenant that the token is good for; "" is no limit
	Scopes   Scopes // of the token: it may nothing else; none is no limit
	Name     string // for audit rows and "approved by"
	Operator bool   // runs the installation and spans tenants
	System   bool   // the program itself: demo, schedules
	Address  string // of the socket peer, for the audit log
	Request  string // request id, for the audit log
}

// Anonymous reports whether nobody is signed in.
func (a Actor) Anonymous() bool { return a.Person == "" && !a.System && a.Token == "" }

// Role is what a member may do in a tenant.
type Role string

// The roles of a tenant. Operator is no role of a tenant: it is a property of
// a person.
const (
	RoleOwner    Role = "owner"    // everything, also giving roles
	RoleAdmin    Role = "admin"    // everything but owners
	RoleProvider Role = "provider" // APIs and products
	RoleApprover Role = "approver" // decides on requests
	RoleConsumer Role = "consumer" // applications, subscriptions and keys
	RoleAuditor  Role = "auditor"  // reads everything, changes nothing
)

// Roles returns all roles of a tenant, the widest first.
func Roles() []Role {
	return []Role{RoleOwner, RoleAdmin, RoleProvider, RoleApprover, RoleConsumer, RoleAuditor}
}

// Verb is what a permission lets somebody do: "approve".
type Verb string

// Object is the kind of thing that a permission is about: "subscription".
type Object string

// The verbs of permissions.
const (
	Read    Verb = "read"
	Write   Verb = "write"   // make, change, end
	Publish Verb = "publish" // publish, roll back, deprecate, retire
	Approve Verb = "approve" // decide on another's request
	Manage  Verb = "manage"  // members, tokens, settings
)

// The kinds of object that permissions are about.
const (
	ObjectTenant       Object = "tenant"
	ObjectMember       Object = "member"
	ObjectAPI          Object = "api"
	ObjectProduct      Object = "product"
	ObjectApplication  Object = "application"
	ObjectSubscription Object = "subscription"
	ObjectCredential   Object = "credential"
	ObjectTeam         Object = "team"
	ObjectToken        Object = "token"
	ObjectAudit        Object = "audit"
	ObjectEnvironment  Object = "environment"
	ObjectNode         Object = "node"
)

// Verbs returns all verbs.
func Verbs() []Verb { return []Verb{Read, Write, Publish, Approve, Manage} }

// Objects returns all kinds of object.
func Objects() []Object {
	return []Object{
		ObjectTenant, ObjectMember, ObjectTeam, ObjectAPI, ObjectProduct, ObjectApplication, ObjectSubscription, ObjectCredential,
		ObjectToken, ObjectAudit, ObjectEnvironment, ObjectNode,
	}
}

// MayGive reports whether who has the role may give another and take it away:
// nobody gives a role above their own.
func (r Role) MayGive(other Role) bool {
	return r == RoleOwner || r == RoleAdmin && other != RoleOwner
}

// RoleGrant is a role on all of a tenant, on what a team owns, or on one object.
type RoleGrant struct {
	Role Role `json:"role"`
	On   ID   `json:"on,omitempty"` // "" for the tenant, a team, an API, a product or an application
}

// Reach is where in a tenant somebody may do something.
type Reach struct {
	All bool // everywhere
	In  []ID // where not everywhere: teams, for what they own, and objects
}

// Covers reports whether the reach holds any of the places: an object, the team
// that owns it.
func (r Reach) Covers(places ...ID) bool {
	return r.All || slices.ContainsFunc(places, func(p ID) bool { return p != "" && slices.Contains(r.In, p) })
}

// Places returns the part of the reach that is of one kind of id.
func (r Reach) Places(prefix string) []ID {
	var out []ID
	for _, id := range r.In {
		if strings.HasPrefix(string(id), prefix+"_") {
			out = append(out, id)
		}
	}
	return out
}

// SortRoles puts roles in the order of Roles, the widest first.
func SortRoles(roles []Role) []Role {
	slices.SortFunc(roles, func(a, b Role) int { return slices.Index(Roles(), a) - slices.Index(Roles(), b) })
	return roles
}
