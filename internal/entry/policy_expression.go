package entry

// PolicyExpression is the kind of ExpressionPolicy.
const PolicyExpression PolicyKind = "expression"

// ExpressionPolicy is the configuration of the policy "expression": calls for
// which the expression is not true are refused. Package entry/expression says
// what it may look at.
type ExpressionPolicy struct {
	Expression string `json:"expression" help:"What must be true of a call: over request, caller and claims." lines:"true"`
	Detail     string `json:"detail,omitempty" help:"What a refused caller reads: what to do, in a sentence or two." default:"The API's provider does not allow this call."`
}

// Kind implements PolicyConfig.
func (*ExpressionPolicy) Kind() PolicyKind { return PolicyExpression }
