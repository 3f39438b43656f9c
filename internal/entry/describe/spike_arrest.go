package describe

var spikeArrest = About{
	Title:   "Spike arrest",
	Summary: "Keeps calls evenly apart, so that no burst reaches the upstream.",
	Text: `10 in a second admit one call in 100 ms: a second one within those 100 ms is refused, also when it is only the second in an hour. 30 in a minute are one in 2 s. It guards a service against bursts, whoever makes them; a rate limit says how much somebody may call, and lets them do so at once.

A call that comes too soon is answered 429 with the code spike_arrested and Retry-After, in whole seconds. It does not use up what other limits count. RateLimit does not tell of it, as nothing is ever left of it.

With a queue, calls that come too soon wait and go on one after another, at the pace of the limit, in the order in which they came: a burst is smoothed instead of refused. One that would wait for longer than wait_ms, or for which there is no place, is refused at once.

It counts by what a rate limit can count by, at a plan within each subscription; each gateway node for itself.`,
	Examples: []Example{
		{"One call in 20 ms to the API, no two closer", `{"requests": 50, "per": "second", "by": "api"}`},
		{"At a plan: bursts of each subscription are smoothed to 20 a second", `{"requests": 20, "per": "second", "by": "subscription", "queue": {"length": 40, "wait_ms": 2000}}`},
		{"Bursts of each application are smoothed to 10 a second", `{"requests": 10, "per": "second", "by": "caller", "queue": {"length": 20, "wait_ms": 2000}}`},
	},
}
