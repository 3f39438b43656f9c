package describe

var concurrency = About{
	Title:   "Concurrent calls",
	Summary: "Admits so many calls that are under way at the same time.",
	Text: `A call is under way from here until the last byte of its answer was sent, or its caller has hung up: streams and WebSockets for as long as they are open. However it ends, its place is free again. Since that is after the answer, a caller that makes one call after another over new connections may need one place more than it thinks.

A call over the limit is answered 429 with the code concurrency_limited and Retry-After: 1. What other limits had counted of it is given back.

With a queue, calls over the limit wait, in the order in which they came, until a place is free: for wait_ms at most, and so many for each key; a node lets 2,500 calls wait of all APIs of a tenant. A call whose caller hangs up leaves the queue; on a node that drains, those that wait are refused.

It counts by what a rate limit can count by, at a plan within each subscription; each gateway node for itself. A limit whose number is changed begins at zero: calls that are under way at that moment do not count any more.`,
	Examples: []Example{
		{"5 at a time for each application", `{"calls": 5, "by": "caller"}`},
		{"At a plan: 10 at a time for each subscription", `{"calls": 10, "by": "subscription"}`},
		{"20 at a time to a slow service; up to 50 more wait, for 5 seconds at most", `{"calls": 20, "by": "api", "queue": {"length": 50, "wait_ms": 5000}}`},
	},
}
