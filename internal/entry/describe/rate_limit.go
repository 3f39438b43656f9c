package describe

var rateLimit = About{
	Title:   "Rate limit",
	Summary: "Admits so many calls in a period.",
	Text: `Calls are spread evenly: after the burst, the next call is admitted when its share of the period has passed (the generic cell rate algorithm). Each gateway node counts for itself.

A call over the limit is answered 429 with the code rate_limited and Retry-After. RateLimit and RateLimit-Policy on every answer say what is left; where several limits hold, the tightest is reported.`,
	Examples: []Example{
		{"60 a minute for each application, 10 at once", `{"requests": 60, "period_ms": 60000, "burst": 10, "by": "caller"}`},
		{"1,000 a second for the whole API", `{"requests": 1000, "period_ms": 1000, "by": "api"}`},
	},
}
