package entry

// PolicyGraphQL is the kind of GraphQL.
const PolicyGraphQL PolicyKind = "graphql"

// GraphQL is the configuration of the policy "graphql": which operations of
// GraphQL may reach the upstream.
type GraphQL struct {
	MaxDepth      int           `json:"max_depth,omitempty" help:"How deep fields may stand in one another." min:"1" max:"200" default:"12"`
	MaxCost       int64         `json:"max_cost,omitempty" help:"What a call may cost: every field costs 1, or its weight, as often as the lists that it stands in are long. 0: no limit." min:"0"`
	MaxAliases    int           `json:"max_aliases,omitempty" help:"How many fields of a call may be renamed by an alias." min:"1" max:"1000" default:"30"`
	MaxBatch      int           `json:"max_batch,omitempty" help:"How many operations may come in one call, as a list." min:"1" max:"100" default:"1"`
	Introspection bool          `json:"introspection,omitempty" help:"Callers may read the schema: __schema and __type."`
	Operations    []string      `json:"operations,omitempty" help:"The types of operations that may be called: query, mutation, subscription. None: query and mutation."`
	Allow         []string      `json:"allow,omitempty" help:"Only these fields, and what they hold, may be asked for: paths from the root such as /orders/items, in which * stands for any field. None: all."`
	Deny          []string      `json:"deny,omitempty" help:"These fields may not be asked for: paths from the root such as /orders/margin, or names such as password for fields of that name anywhere."`
	Weights       []FieldWeight `json:"weights,omitempty" help:"Fields that cost more or less than 1, and those that are lists."`
	SizeArguments []string      `json:"size_arguments,omitempty" help:"Arguments that say how long a list is, also as members of objects. None: first, last and limit."`
	MaxBytes      int64         `json:"max_bytes,omitempty" help:"How large a request may be." min:"1" max:"1048576" default:"102400"`
	WebSocket     string        `json:"web_socket,omitempty" help:"Operations over a WebSocket cannot be looked at: calls for one are refused, or passed on." enum:"refuse,pass" default:"refuse"`
}

// FieldWeight is what a field costs.
type FieldWeight struct {
	Field string `json:"field" help:"The field: a name, or a path from the root such as /orders/items."`
	Cost  int64  `json:"cost" help:"What one costs." min:"0" max:"1000000"`
	List  int64  `json:"list,omitempty" help:"How many there are where no argument says so. 0: one." min:"0" max:"1000000"`
}

// Kind implements PolicyConfig.
func (*GraphQL) Kind() PolicyKind { return PolicyGraphQL }
