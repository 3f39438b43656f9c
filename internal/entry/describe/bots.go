package describe

var bots = About{
	Title:   "Bots",
	Summary: "Keeps programs away by what they say of themselves.",
	Text: `A program tells its name in the header User-Agent. This policy looks for names there: of well-known classes, whose list comes with the gateway, and of regular expressions of your own. What is allowed by a regular expression may call whatever else fits. Where a request has several such headers, each is looked at. What a name was found to be is remembered for those that come often, so that expressions cost nothing for them.

Refused calls are 403 with the code bot_refused. When observing, calls pass, and a call's explanation says what would have been refused; in both cases the metric portico_gateway_bot_calls_total counts them by class. Observe first: most callers of an API are programs, and many are libraries by these names.

This keeps honest programs away, and careless ones. Nobody has to tell the truth about a name: against those who do not, keys, rate limits and addresses help.`,
	Examples: []Example{
		{"No robots, but one", `{"classes": ["empty", "crawler", "headless"], "allow": ["(?i)googlebot/"]}`},
		{"See who calls by library", `{"mode": "observe", "classes": ["library"]}`},
		{"One old client", `{"deny": ["^acme-sync/1\\."]}`},
	},
}
