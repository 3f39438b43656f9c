package describe

var scopes = About{
	Title:   "Scopes",
	Summary: "Asks the caller's token for scopes.",
	Text: `Put it at an operation, or at the whole API. The token is that of an identify policy such as jwt, which says what claim its scopes stand in. A call without the scopes is answered 403 with the code insufficient_scope, and WWW-Authenticate names those that it needs (RFC 6750); an anonymous one 401 with credential_missing.

Callers that have come with an API key have no scopes, and are refused unless this policy lets them through. Operations that are public ask nobody for scopes.`,
	Examples: []Example{
		{"To change orders", `{"all": ["orders:write"]}`},
		{"One of two, and whoever has a key", `{"any": ["orders:read", "orders:admin"], "pass_keys": true}`},
	},
}
