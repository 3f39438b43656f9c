package authz

import "portico/internal/apim"

// member is what every member of a tenant is, whatever the roles.
const member = "member"

type permission struct {
	object apim.Object
	verb   apim.Verb
}

// matrix is what each role may do in its tenant. It is the one place.
func matrix() map[apim.Role][]permission {
	const any = "*"
	return map[apim.Role][]permission{
		apim.RoleOwner: {{any, any}},
		apim.RoleAdmin: {{any, any}}, // giving and taking "owner" is the owner's: checked where roles are given
		apim.RoleProvider: {
			{apim.ObjectAPI, apim.Read},
			{apim.ObjectAPI, apim.Write},
			{apim.ObjectAPI, apim.Publish},
			{apim.ObjectProduct, apim.Read},
			{apim.ObjectProduct, apim.Write},
			{apim.ObjectSubscription, apim.Read},
		},
		apim.RoleApprover: {
			{apim.ObjectAPI, apim.Read},
			{apim.ObjectProduct, apim.Read},
			{apim.ObjectSubscription, apim.Read},
			{apim.ObjectSubscription, apim.Approve},
		},
		apim.RoleConsumer: {
			{apim.ObjectApplication, apim.Read},
			{apim.ObjectApplication, apim.Write},
			{apim.ObjectSubscription, apim.Read},
			{apim.ObjectSubscription, apim.Write},
			{apim.ObjectCredential, apim.Read},
			{apim.ObjectCredential, apim.Write},
		},
		apim.RoleAuditor: {{any, apim.Read}},
		member: {
			{apim.ObjectTenant, apim.Read},
			{apim.ObjectMember, apim.Read},
			{apim.ObjectTeam, apim.Read},
			{apim.ObjectEnvironment, apim.Read},
			{apim.ObjectNode, apim.Read},
			{apim.ObjectToken, apim.Read},
			{apim.ObjectToken, apim.Write}, // their own
		},
	}
}

// May reports whether a role lets a member do this.
func May(role apim.Role, verb apim.Verb, object apim.Object) bool {
	for _, p := range append(matrix()[role], matrix()[member]...) {
		if (p.object == "*" || p.object == object) && (p.verb == "*" || p.verb == verb) {
			return true
		}
	}
	return false
}
