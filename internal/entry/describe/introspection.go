package describe

var introspection = About{
	Title:   "Token introspection",
	Summary: "Identifies the calling application by a token that its issuer is asked about.",
	Text: `The gateway asks the issuer whether a token is good (OAuth 2.0 Token Introspection, RFC 7662), and takes it when the answer says active. Tokens may be of any form, up to 8 KiB: what they hold is read by the issuer alone. The answer's iss, aud, exp, nbf and iat are checked as well where they are there: a token whose exp is past is refused, also where the issuer calls it active, and aud must be there where audiences are named. Refresh and ID tokens are refused as far as the answer tells them apart. A token that is bound to a client certificate (RFC 8705) is taken with that certificate alone, and one that is bound to a key of a proof (RFC 9449) is refused.

The gateway proves who asks by a client of its own at the issuer, or by a token. Both secrets are secret values of the environment, made on its page: write ${name} here. They are sealed on their way to the nodes and shown nowhere.

An answer is kept for the time set here, a minute unless another is, and never beyond the token's end; so a token that is revoked may be taken for so long. That a token is not active is kept for up to ten seconds. Calls that bring the same token at once share one question, and no more questions than set here are open at the issuer at a time, of all operations that ask it as the same client, and 512 of one provider's on a node. A token that was good before is asked about again however many unknown ones come: a quarter of these questions, and half the room to wait, are for such tokens. The gateway keeps a token's hash and never the token.

The member named here, client_id unless another is, finds the application: its people register issuer and value there, as for a JWT, or an operator does where tokens are opaque and prove nothing by themselves. A token that nobody has registered is answered 403 with the code application_unknown, unless unregistered tokens are taken.

An issuer that is away, slow, redirects, answers with anything but 200, or says what cannot be read, lets nobody through: calls are answered 503 with the code introspection_unavailable. A token that is not active is answered 401 with credential_invalid, or credential_expired, and WWW-Authenticate says invalid_token (RFC 6750). The token is taken away before the upstream is called. Policies behind this one may look at the answer's members as claims, and at its scopes.

Nothing tells such a token from an API key or a JWT beside it: where one of these reads Authorization: Bearer, take tokens from a header of their own.`,
	Examples: []Example{
		{"Tokens of an issuer, asked about by a client of the gateway's own", `{"url": "https://id.example.com/oauth2/introspect", "issuer": "https://id.example.com/", "client_id": "gateway", "client_secret": "${gateway_client_secret}", "audiences": ["https://api.example.com"]}`},
		{"With the secret in the body, answers kept for ten seconds, and a member that must be there", `{"url": "https://id.example.com/realms/acme/protocol/openid-connect/token/introspect", "issuer": "https://id.example.com/realms/acme", "client_id": "gateway", "client_secret": "${gateway_client_secret}", "client_auth": "post", "claim": "azp", "required": [{"name": "department", "values": ["sales"]}], "cache_ms": 10000}`},
		{"Asked with a bearer token, about tokens in a header", `{"url": "https://id.example.com/introspect", "issuer": "https://id.example.com/", "token": "${introspection_token}", "in": "header", "name": "X-Token", "unregistered": true, "timeout_ms": 1000, "concurrency": 8}`},
	},
}
