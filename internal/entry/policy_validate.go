package entry

// PolicyValidate is the kind of Validate.
const PolicyValidate PolicyKind = "validate"

// Validate is the configuration of the policy "validate": calls and answers are
// held to the version's document. What that says of a route travels in its
// Contract.
type Validate struct {
	Request       string `json:"request,omitempty" help:"What happens to a request that is not as the document says." enum:"refuse,report,off" default:"refuse"`
	Answer        string `json:"answer,omitempty" help:"What happens to an answer that is not as the document says. Refused ones become 502." enum:"off,report,refuse" default:"off"`
	RefuseUnknown bool   `json:"refuse_unknown,omitempty" help:"Query parameters that the document does not name are errors."`
	Strict        bool   `json:"strict,omitempty" help:"Properties that are read-only are errors in requests, and write-only ones in answers."`
	MaxBytes      int64  `json:"max_bytes,omitempty" help:"The largest body that is read to be validated. 0: 1 MiB." min:"0" max:"67108864"`
	Large         string `json:"large,omitempty" help:"What happens to a larger body: it is treated as an error, or passes without being validated." enum:"error,pass" default:"error"`
}

// Kind implements PolicyConfig.
func (*Validate) Kind() PolicyKind { return PolicyValidate }
