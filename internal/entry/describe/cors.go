package describe

var cors = About{
	Title:   "CORS",
	Summary: "Lets pages of other origins call the API from browsers.",
	Text: `A browser lets a page of another origin read answers only when they say that it may. This policy says so for the origins that are named: on every answer, refusals of the gateway included, so that a page can tell a missing key from a network that is down. What the upstream says about CORS is taken away.

Before calls that are more than a simple form could make, browsers ask with an OPTIONS request. The gateway answers it itself: it looks for the operation by the method that is asked about, and of the policies runs this one alone, since browsers send no keys and no cookies with it. Where a version is selected by a header, or an operation by a header's value, any that would fit counts, for the same reason. What is not allowed is answered 403 with the code cors_refused and the reason.

Where several hold for an operation, its own comes before the version's, and that before the environment's. CORS protects visitors of pages, not the API: programs other than browsers send whatever Origin they like. A path that no operation has is answered with the version's policy, or the environment's.

An origin is scheme, host and port, as browsers write it. In https://*.example.com the star is one label: https://shop.example.com fits, https://example.com and https://a.b.example.com do not.`,
	Examples: []Example{
		{"A shop and its previews", `{"origins": ["https://shop.example.com", "https://*.preview.example.com"], "headers": ["Authorization", "Content-Type"], "exposed_headers": ["X-Request-Id", "RateLimit"], "max_age_ms": 600000}`},
		{"A public API without cookies", `{"origins": ["*"], "headers": ["*"], "max_age_ms": 86400000}`},
		{"Pages that log in by cookie", `{"origins": ["https://app.example.com"], "methods": ["GET", "POST"], "headers": ["Content-Type"], "credentials": true}`},
	},
}
