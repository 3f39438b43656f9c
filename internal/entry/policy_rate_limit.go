package entry

// PolicyRateLimit is the kind of RateLimit.
const PolicyRateLimit PolicyKind = "rate_limit"

// RateLimit admits Requests per PeriodMS: on average and Burst at once (GCRA),
// or in any time of that length (a sliding window). The Limits of a plan are always
// by subscription, do not wait, and leave By, Name, Expression and Queue empty; what
// stands in its Policies may say all of it.
type RateLimit struct {
	Requests   int    `json:"requests" help:"How many calls may be made in a period." min:"1" max:"1000000000"`
	PeriodMS   int64  `json:"period_ms" help:"The period in milliseconds: 60000 is a minute." min:"1"`
	Burst      int    `json:"burst,omitempty" help:"How many calls may come at once. 0: as many as a period admits. Of gcra only." min:"0"`
	Algorithm  string `json:"algorithm,omitempty" help:"How calls are counted: gcra spreads them evenly after the burst; sliding_window never admits more than the number in any period, and all of them at once." enum:"gcra,sliding_window" default:"gcra"`
	By         string `json:"by,omitempty" help:"What is counted. A call that lacks it is counted by its address." enum:"subscription,caller,credential,address,api,header,query,claim,expression"`
	Name       string `json:"name,omitempty" help:"The name of the header, query parameter or claim that calls are counted by."`
	Expression string `json:"expression,omitempty" help:"What calls are counted by, as an expression over request, caller and claims that comes to a text." lines:"true"`
	Queue      Queue  `json:"queue,omitzero" help:"Lets calls over the limit wait instead of refusing them. Empty: they are refused at once."`
}

// Kind implements PolicyConfig.
func (*RateLimit) Kind() PolicyKind { return PolicyRateLimit }

// The algorithms of a RateLimit; none is AlgorithmGCRA.
const (
	AlgorithmGCRA          = "gcra"
	AlgorithmSlidingWindow = "sliding_window"
)

// Queue lets calls over a limit wait their turn. The zero value lets none.
type Queue struct {
	Length int   `json:"length,omitempty" help:"How many calls may wait for one key. 0: none." min:"0" max:"1000"`
	WaitMS int64 `json:"wait_ms,omitempty" help:"How long a call waits at most, in milliseconds." min:"0" max:"60000"`
}
