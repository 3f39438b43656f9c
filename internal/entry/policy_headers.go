package entry

// PolicyHeaders and PolicyAnswerHeaders are the kinds of HeadersPolicy and
// AnswerHeadersPolicy.
const (
	PolicyHeaders       PolicyKind = "headers"
	PolicyAnswerHeaders PolicyKind = "answer_headers"
)

// HeadersPolicy is the configuration of the policy "headers": what becomes of a
// request's headers before the upstream. A name stands in one list alone.
type HeadersPolicy struct {
	Set    []NamedValue `json:"set,omitempty" help:"Headers to send in the place of any that the caller sent under these names."`
	Add    []NamedValue `json:"add,omitempty" help:"Headers to send beside those that the caller sent under these names."`
	Rename []Renaming   `json:"rename,omitempty" help:"Headers to send under another name."`
	Remove []string     `json:"remove,omitempty" help:"Headers to leave out. A * at the end stands for any ending, such as X-Internal-*."`
}

// AnswerHeadersPolicy is the configuration of the policy "answer_headers": what
// becomes of an answer's headers before the caller.
type AnswerHeadersPolicy struct {
	Set      []NamedValue `json:"set,omitempty" help:"Headers to answer with in the place of any that the upstream sent under these names."`
	Add      []NamedValue `json:"add,omitempty" help:"Headers to answer with beside those that the upstream sent under these names."`
	Rename   []Renaming   `json:"rename,omitempty" help:"Headers to answer with under another name."`
	Remove   []string     `json:"remove,omitempty" help:"Headers to leave out, such as Server and X-Powered-By. A * at the end stands for any ending, such as X-Internal-*."`
	Statuses string       `json:"statuses,omitempty" help:"Only answers of these statuses, such as 200-299, 404. Empty: all."`
	Own      bool         `json:"own,omitempty" help:"Change the gateway's own answers too, refusals included."`
}

// NamedValue gives something a value.
type NamedValue struct {
	Name  string `json:"name" help:"The name."`
	Value string `json:"value" help:"The value. Places such as ${caller.application} are filled in for each call."`
}

// Renaming gives something another name.
type Renaming struct {
	From string `json:"from" help:"The name that it comes by."`
	To   string `json:"to" help:"The name that it gets."`
}

// Kind implements PolicyConfig.
func (*HeadersPolicy) Kind() PolicyKind { return PolicyHeaders }

// Kind implements PolicyConfig.
func (*AnswerHeadersPolicy) Kind() PolicyKind { return PolicyAnswerHeaders }
