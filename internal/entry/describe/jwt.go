package describe

var jwt = About{
	Title:   "JWT",
	Summary: "Identifies the calling application by a signed token of an issuer.",
	Text: `A token is taken when a key of the issuer has signed it with one of the algorithms named here, and its claims iss, aud, exp, nbf and iat are as they should be. What a token says of how to check it opens nothing: keys and addresses that it brings along are ignored, and other algorithms refused. Tokens are read up to 8 KiB. One that is bound to a client certificate (RFC 8705) is taken with that certificate alone, and one that is bound to a key of a proof (RFC 9449) is refused.

The claim named here, azp unless another is, finds the application: its people register issuer and value there. They prove that the client is theirs by a token that it got for itself (grant type client_credentials), which is checked once, by the keys that the issuer publishes below its own address (OpenID Connect Discovery or RFC 8414), and not kept. So nobody can take or block the name of another's client, and nobody learns who has registered it. Of an issuer that publishes nothing there, an operator registers clients. A token that nobody has registered is answered 403 with the code application_unknown, unless unregistered tokens are taken: such a caller has no application, needs no subscription, and is limited by the API's own policies alone, by a claim for example. One that an application has registered is under that application's subscription all the same.

The issuer's keys are fetched beside the calls, kept as long as its answer says, between a minute and an hour, and fetched again when a token names a key that is not among them. One that names none is tried with each of the issuer's keys for its algorithm, up to four, as there are while keys are rotated. While the issuer is away the keys that are known go on being used, for a day unless set otherwise. Without keys calls are answered 503 with the code issuer_unavailable.

A call without a token is answered 401 with credential_missing, one whose token is not taken 401 with credential_invalid, or credential_expired, and WWW-Authenticate says invalid_token (RFC 6750). The token is taken away before the upstream is called. Policies behind this one may look at its claims and scopes.

Beside a policy for API keys both may read Authorization: Bearer: what has a dot is a token.`,
	Examples: []Example{
		{"Access tokens of an issuer for this API", `{"issuer": "https://id.example.com/", "jwks_url": "https://id.example.com/.well-known/jwks.json", "algorithms": ["ES256", "RS256"], "audiences": ["https://api.example.com"]}`},
		{"Any client of a realm, by client_id, with a claim that must be there", `{"issuer": "https://id.example.com/realms/acme", "jwks_url": "https://id.example.com/realms/acme/protocol/openid-connect/certs", "algorithms": ["RS256"], "audiences": ["orders"], "claim": "client_id", "unregistered": true, "required": [{"name": "department", "values": ["sales", "support"]}], "skew_ms": 5000}`},
		{"A cookie, and a key that is written down here", `{"issuer": "https://id.example.com/", "jwks": "{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"kid\": \"1\", \"x\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}", "algorithms": ["EdDSA"], "in": "cookie", "name": "session"}`},
	},
}
