package describe

var expression = About{
	Title:   "Expression",
	Summary: "Lets calls through for which an expression is true.",
	Text: `An expression looks at three things. request has method, host, path, operation, address, secure, and headers, query and params, each asked by a name that is written out: request.headers["x-tenant"]; what is not there is "". caller has by ("key", "jwt", "anonymous", or "" on a public operation), application, name, tenant, plan (ids as the console shows them) and scopes. claims has those of the caller's token.

It compares with ==, !=, <, <=, >, >=, in, contains, startsWith, endsWith and matches (a regular expression in quotes), joins with and, or and not, and may use all, any, none, one, count, len, lower, upper, trim, int, float, string, hasPrefix, hasSuffix, indexOf and abs. It has no loops in loops, no variables, and reaches nothing else.

Where it is not true, or comes to nothing because a claim is not there that it needs, the call is answered 403 with the code not_allowed and the detail that is set here.`,
	Examples: []Example{
		{"Only tokens of the tenant that the path names", `{"expression": "claims.tenant == request.params[\"tenant\"]", "detail": "Your token is for another tenant. Sign in to this one."}`},
		{"Reading is free, changing is for members of a group", `{"expression": "request.method in [\"GET\", \"HEAD\"] or any(claims.groups, # == \"editors\")"}`},
	},
}
