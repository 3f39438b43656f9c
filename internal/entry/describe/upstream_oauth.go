package describe

var upstreamOAuth = About{
	Title:   "Upstream: OAuth client credentials",
	Summary: "Proves to the upstream who calls it, by an access token that the gateway gets from an issuer.",
	Text: `The gateway asks the issuer for a token as a client (RFC 6749, section 4.4) and sends it with every call as Authorization: Bearer. What a caller sent in Authorization goes no further, nor does what a policy for headers, an identity token or the upstream's own headers set there.

A gateway keeps one token for all calls. It asks for the first one when a call needs it, and from then on for the next when four fifths of a token's time have passed, beside the calls, as long as there are calls. An issuer that does not say how long a token is good is taken to mean five minutes. A publish that does not change the policy keeps the token.

While the issuer is away calls go on with the token at hand. Without one they are answered 503 with the code upstream_token_unavailable, and the issuer is asked again after a second, then after longer and longer, up to a minute. When the upstream answers 401 the gateway gets another token, though not more often than every five seconds; the call is made once more with it where its body is at most 8 KiB or there is none, and otherwise the caller gets the 401.

An answer that is no token is refused: a redirect, a page, one of more than a mebibyte, one of another token type than Bearer.

Client id and secret are secret values of the environment, to which the policy refers by name. They are sealed until a gateway asks for a token, and are shown nowhere again; neither is the token.

An API with several upstreams may have a policy for each, which says its name: it counts for what is called in its place too, such as the candidate of a split. One that says none holds for all that have no policy of their own, also for the calls of a composition. What stands at an operation takes the place of what its API says.`,
	Examples: []Example{
		{"Two scopes", `{"token_url": "https://id.example.com/oauth/token", "client_id": "${orders_client_id}", "client_secret": "${orders_client_secret}", "scopes": ["orders:read", "orders:write"]}`},
		{"An audience and a parameter of the issuer's own, with the secret in the body", `{"token_url": "https://id.example.com/oauth/token", "client_id": "${orders_client_id}", "client_secret": "${orders_client_secret}", "authentication": "post", "audience": "https://orders.internal", "parameters": {"organization": "acme"}, "timeout_ms": 2000}`},
	},
}
