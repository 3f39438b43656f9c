package entry

// PolicyMock is the kind of Mock.
const PolicyMock PolicyKind = "mock"

// Mock is the configuration of the policy "mock": calls are answered with the
// document's examples in the place of the upstream. What it says of a route
// travels in its Contract.
type Mock struct {
	Status  int   `json:"status,omitempty" help:"The status that is answered where the caller prefers none. 0: the first success that the document describes." min:"0" max:"599"`
	DelayMS int64 `json:"delay_ms,omitempty" help:"How long an answer is held back, in milliseconds." min:"0" max:"30000"`
	Pending bool  `json:"pending,omitempty" help:"Only applications whose subscription waits for approval get the mock; all others reach the upstream."`
}

// Kind implements PolicyConfig.
func (*Mock) Kind() PolicyKind { return PolicyMock }
