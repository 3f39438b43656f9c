package describe

var signature = About{
	Title:   "Signature",
	Summary: "Identifies the calling application by a signature of the call, made with a secret that is never sent.",
	Text: `The application's people register a signature credential and are shown its key id and its secret, once. Every call is then signed with HMAC-SHA256. What is read is taken away before the upstream is called; Content-Digest stays.

The form message is HTTP message signatures (RFC 9421): the headers Signature-Input and Signature hold one signature, with the parameters created and keyid, and alg, where it stands, hmac-sha256. It has to cover @method, the address, which is @target-uri, @request-target, or @path and where there is a query @query too, and every component that is named here. Headers are covered by their plain names; parameters of components are not taken, and neither are headers of the connection, or such as the gateway writes itself, as traceparent where calls are traced. A call with a body has to cover content-digest (RFC 9530), by sha-256 or sha-512, and the body is compared with it; where unsigned bodies are taken that is so only when content-digest is covered.

The form simple signs with the headers X-Key-Id, X-Timestamp, which is seconds since 1970, and X-Signature, which is the HMAC-SHA256 in hexadecimal of: timestamp, line break, method, line break, path with query as they are sent, line break, and the SHA-256 of the body in lower-case hexadecimal, which is e3b0c442… without one.

A signature is taken for as long as is set here, five minutes unless set otherwise; within that time somebody who has read a call could send it once more. Where a nonce is required each is taken once for each key id: nodes remember them by themselves, so that a call could be repeated once at each other node. A node remembers some 500,000 of them, of one organisation a quarter of that and of one credential an eighth, as long as the signatures are taken: a shorter time lets more calls through. It refuses further ones with 503 and the code signatures_overloaded.

A body that is signed is read whole before the upstream is called, up to the size set here, and a larger one is answered 413. Calls that stream, gRPC among them, need unsigned bodies.

A call without a signature is answered 401 with the code credential_missing; one that is not good, or was taken before, 401 with credential_invalid; one that is too old, or whose credential has expired, 401 with credential_expired.`,
	Examples: []Example{
		{"Message signatures", `{}`},
		{"Each call once, and host and content type signed too", `{"nonce": "required", "components": ["@authority", "content-type"], "max_age_ms": 60000, "skew_ms": 5000}`},
		{"The simple form", `{"form": "simple"}`},
	},
}
