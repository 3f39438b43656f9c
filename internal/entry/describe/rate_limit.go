package describe

var rateLimit = About{
	Title:   "Rate limit",
	Summary: "Admits so many calls in a period.",
	Text: `There are two ways to count. With gcra (the generic cell rate algorithm) a burst may come at once; after it the next call is admitted when its share of the period has passed, so that calls are spread evenly. In any time there are at most the burst, and as many as that time has shares. With sliding_window all of a period's calls may come at once, and in no time as long as the period are there more, wherever it begins. A call is forgotten when the period is over, at most a tenth of the period late: the period is counted in tenths.

Calls are counted by caller (the application), by subscription (the application's, to the product that the call is made under), by credential (each of its keys), by address (a customer's whole /64 of IPv6), by api (all together; at an environment: all calls of the node), by the value of a header or a query parameter (the first where there are several), by a claim of the verified token (of each issuer), or by what an expression comes to. Capitals matter in a value; it is counted as it is when the limit is asked, after an API key was taken away. A call that lacks what is counted by, or whose expression comes to nothing, is counted by its address. Whoever calls chooses what a header says, and so its limit: put a limit by caller or address beside one by header.

At a plan each subscription counts for itself, whatever calls are counted by: by header is each value that one subscriber sends, by api each API version that it calls.

Several limits hold at once: the plan's, the API's and the operation's. All must admit a call; what the others took is given back when one refuses it. A call over the limit is answered 429 with the code rate_limited and Retry-After, and told whose limit it was. RateLimit-Policy on every answer names all limits, and RateLimit says what is left of the tightest.

With a queue, calls over the limit wait, in the order in which they came, until they are admitted. One that would wait for longer than wait_ms, or for which there is no place, is refused at once; a node lets 2,500 calls wait of all APIs of a tenant. A call whose caller hangs up leaves the queue; on a node that drains, those that wait are refused, and find another node when they come again.

Each gateway node counts for itself.`,
	Examples: []Example{
		{"60 a minute for each application, 10 at once", `{"requests": 60, "period_ms": 60000, "burst": 10, "by": "caller"}`},
		{"At a plan: never more than 1,000 in any hour for each subscription", `{"requests": 1000, "period_ms": 3600000, "algorithm": "sliding_window", "by": "subscription"}`},
		{"1,000 a second for the whole API", `{"requests": 1000, "period_ms": 1000, "by": "api"}`},
		{"Never more than 100 in any hour for each of a partner's customers", `{"requests": 100, "period_ms": 3600000, "algorithm": "sliding_window", "by": "header", "name": "X-Customer"}`},
		{"10 a second for each person that signs in", `{"requests": 10, "period_ms": 1000, "by": "claim", "name": "sub"}`},
		{"100 a minute for each region and plan", `{"requests": 100, "period_ms": 60000, "by": "expression", "expression": "request.headers[\"x-region\"] + \"/\" + caller.plan"}`},
		{"50 a second to a slow service; up to 100 more wait, for 2 seconds at most", `{"requests": 50, "period_ms": 1000, "burst": 1, "by": "api", "queue": {"length": 100, "wait_ms": 2000}}`},
	},
}
