package entry

// PolicyRateLimit is the kind of RateLimit.
const PolicyRateLimit PolicyKind = "rate_limit"

// RateLimit admits Requests per PeriodMS on average and Burst at once (GCRA).
// Limits of a plan are always by subscription and leave By empty.
type RateLimit struct {
	Requests int    `json:"requests" help:"How many calls may be made in a period, on average." min:"1"`
	PeriodMS int64  `json:"period_ms" help:"The period in milliseconds: 60000 is a minute." min:"1"`
	Burst    int    `json:"burst,omitempty" help:"How many calls may come at once. 0: as many as a period admits."`
	By       string `json:"by,omitempty" help:"What is counted: each application, each address, or all calls of the API together." enum:"caller,address,api"`
}

// Kind implements PolicyConfig.
func (*RateLimit) Kind() PolicyKind { return PolicyRateLimit }
