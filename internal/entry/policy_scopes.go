package entry

// PolicyScopes is the kind of ScopesPolicy.
const PolicyScopes PolicyKind = "scopes"

// ScopesPolicy is the configuration of the policy "scopes": what a caller's token
// must allow. At least one scope is named; where both lists are set, both hold.
type ScopesPolicy struct {
	All      []string `json:"all,omitempty" help:"The token must have all of these."`
	Any      []string `json:"any,omitempty" help:"The token must have at least one of these."`
	PassKeys bool     `json:"pass_keys,omitempty" help:"Let callers through that have come with an API key and so have no scopes: their plan says what they may call."`
}

// Kind implements PolicyConfig.
func (*ScopesPolicy) Kind() PolicyKind { return PolicyScopes }
