package entry

// PolicySpikeArrest is the kind of SpikeArrest.
const PolicySpikeArrest PolicyKind = "spike_arrest"

// SpikeArrest admits one call in each share of a second or a minute, and none
// sooner: there is no burst.
type SpikeArrest struct {
	Requests   int    `json:"requests" help:"How many calls may be made in a second or a minute, evenly apart: 10 in a second is one in 100 ms." min:"1" max:"1000000"`
	Per        string `json:"per" help:"The time that the number is of." enum:"second,minute"`
	By         string `json:"by" help:"What is counted. A call that lacks it is counted by its address." enum:"subscription,caller,credential,address,api,header,query,claim,expression"`
	Name       string `json:"name,omitempty" help:"The name of the header, query parameter or claim that calls are counted by."`
	Expression string `json:"expression,omitempty" help:"What calls are counted by, as an expression over request, caller and claims that comes to a text." lines:"true"`
	Queue      Queue  `json:"queue,omitzero" help:"Lets calls that come too soon wait until it is their turn, instead of refusing them. Empty: they are refused at once."`
}

// Kind implements PolicyConfig.
func (*SpikeArrest) Kind() PolicyKind { return PolicySpikeArrest }
