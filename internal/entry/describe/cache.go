package describe

var cache = About{
	Title:   "Response cache",
	Summary: "Answers from memory what was asked before, after RFC 9111.",
	Text: `Answers to GET are kept in the memory of each gateway node for as long as they say themselves: s-maxage, max-age or Expires, counted from Date and Age. One that says nothing is kept only where a default is set here, or a share of the time since its Last-Modified. HEAD, ranges (bytes) and conditional calls (If-None-Match, If-Modified-Since) are answered from a whole stored answer. Once it is fresh no more, the upstream is asked whether it still holds, with its ETag or Last-Modified.

What callers say counts: no-store, no-cache, max-age, min-fresh, max-stale, and only-if-cached, which is answered 504 with the code not_cached where nothing is stored. Age tells how old an answer is, and Cache-Status (RFC 9211) where it came from.

Answers are kept apart by version and revision of the API, operation, host, path, query, and by application, and token where one was shown, unless they are declared public; and by what they name in Vary (in Accept-Language, Accept-Encoding and Accept-Charset case and white space make no difference). Never kept are answers that say no-store or private, that set cookies, have trailers, are parts (206), event streams, or do not fit; and those to calls with a body, with cookies (unless these are ignored), or with a header that asks for another method or address. An answer to a call with Authorization is kept only where it says public, s-maxage or must-revalidate.

A call with another method that succeeds, such as POST, makes the node forget what it has of the same path. The headers Cache-Tag and Surrogate-Key give an answer names by which it can be purged; callers do not see them.

Memory is bounded for the node as a whole, and what is used least is evicted. Several callers who miss the same answer at the same time wait for one call to the upstream, for five seconds at most.`,
	Examples: []Example{
		{"What says itself for how long it is fresh, for each application apart", `{}`},
		{"Files that say only when they changed last", `{"public": true, "heuristic_percent": 10, "max_ttl_ms": 3600000}`},
		{"A public catalogue: five minutes, an hour more where its service fails", `{"public": true, "default_ttl_ms": 300000, "stale_while_revalidate_ms": 60000, "stale_if_error_ms": 3600000, "ignore_query": ["utm_source", "utm_medium"]}`},
	},
}
