package entry

// PolicyQuery is the kind of QueryPolicy.
const PolicyQuery PolicyKind = "query"

// QueryPolicy is the configuration of the policy "query": what becomes of a
// request's query parameters before the upstream. A name stands in one list
// alone.
type QueryPolicy struct {
	Set    []NamedValue `json:"set,omitempty" help:"Parameters to send in the place of any that the caller sent under these names."`
	Add    []NamedValue `json:"add,omitempty" help:"Parameters to send beside those that the caller sent under these names."`
	Rename []Renaming   `json:"rename,omitempty" help:"Parameters to send under another name."`
	Remove []string     `json:"remove,omitempty" help:"Parameters to leave out. A * at the end stands for any ending, such as utm_*."`
}

// Kind implements PolicyConfig.
func (*QueryPolicy) Kind() PolicyKind { return PolicyQuery }
