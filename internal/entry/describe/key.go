package describe

var key = About{
	Title:   "API key",
	Summary: "Identifies the calling application by an API key.",
	Text: `The key is read from the places that are named here, and taken away there before the upstream is called: an application's key may open products of several providers, and none of them is to see it.

A call without a key is answered 401 with the code credential_missing, one with a key that is not known, or several different ones, 401 with credential_invalid, and one whose key has expired 401 with credential_expired. On operations that are open to everybody no key is asked for; one that comes is taken away all the same.`,
	Examples: []Example{
		{"In the Authorization header", `{"bearer": true}`},
		{"In a header of its own, and in the query for old callers", `{"header": "X-API-Key", "query": "api_key"}`},
	},
}
