package entry

// PolicyConcurrency is the kind of ConcurrencyLimit.
const PolicyConcurrency PolicyKind = "concurrency"

// ConcurrencyLimit admits so many calls that are under way at the same time.
type ConcurrencyLimit struct {
	Calls      int    `json:"calls" help:"How many calls may be under way at the same time." min:"1" max:"1000000"`
	By         string `json:"by" help:"What is counted. A call that lacks it is counted by its address." enum:"subscription,caller,credential,address,api,header,query,claim,expression"`
	Name       string `json:"name,omitempty" help:"The name of the header, query parameter or claim that calls are counted by."`
	Expression string `json:"expression,omitempty" help:"What calls are counted by, as an expression over request, caller and claims that comes to a text." lines:"true"`
	Queue      Queue  `json:"queue,omitzero" help:"Lets calls over the limit wait instead of refusing them. Empty: they are refused at once."`
}

// Kind implements PolicyConfig.
func (*ConcurrencyLimit) Kind() PolicyKind { return PolicyConcurrency }
