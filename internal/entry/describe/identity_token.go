package describe

var identityToken = About{
	Title:   "Identity token",
	Summary: "Tells the upstream who is calling, by a token that the gateway signs.",
	Text: `The upstream gets a JSON Web Token, signed by ES256, and need not know anything of keys, plans or portals. What it says: iss, the address of the gateway; aud, as it is set here; sub, the application's id, or anonymous where nobody was identified; application, its name; tenant, the id of its organisation; subscription and plan, by id and name; api, the version that was called; iat and exp.

A caller whose own token was verified, but which no application has registered, is not anonymous: sub is then the issuer and the subject of that token with a | between them, and token_issuer and token_subject hold the two apart.

The keys to check it with are at /.well-known/portico/jwks.json of each gateway. They change when a node is removed from the environment; tokens that were signed before are then worth nothing. An upstream is to fetch them again when a token names a key that it does not know.

What the caller sent in the same header is replaced. A gateway that does not have its environment's key yet answers 503 with the code not_ready.`,
	Examples: []Example{
		{"In the Authorization header", `{"audience": "https://orders.internal"}`},
		{"In a header of its own, for five minutes", `{"audience": "orders", "header": "X-Portico-Identity", "lifetime_ms": 300000}`},
	},
}
