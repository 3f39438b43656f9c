package entry

// PolicyConcurrency is the kind of ConcurrencyLimit.
const PolicyConcurrency PolicyKind = "concurrency"

// ConcurrencyLimit admits so many calls that are under way at the same time.
type ConcurrencyLimit struct {
	Calls int    `json:"calls" help:"How many calls may be under way at the same time." min:"1" max:"1000000"`
	By    string `json:"by" help:"What is counted. A call that lacks it is counted by its address." enum:"caller,credential,address,api,header,query"`
	Name  string `json:"name,omitempty" help:"The name of the header or query parameter that calls are counted by."`
	Queue Queue  `json:"queue,omitzero" help:"Lets calls over the limit wait instead of refusing them. Empty: they are refused at once."`
}

// Kind implements PolicyConfig.
func (*ConcurrencyLimit) Kind() PolicyKind { return PolicyConcurrency }
