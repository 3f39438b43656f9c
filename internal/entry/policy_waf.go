package entry

// PolicyWAF is the kind of WAF.
const PolicyWAF PolicyKind = "waf"

// WAF looks at requests with the OWASP Core Rule Set, and refuses what it finds
// bad enough.
type WAF struct {
	Mode      string `json:"mode" help:"Refuse bad requests, or let them pass and only say in explanations what was found." enum:"block,observe"`
	Paranoia  int    `json:"paranoia" help:"How much is looked for: 1 rarely errs, 4 finds most and errs often." min:"1" max:"4"`
	Threshold int    `json:"threshold" help:"The score from which on a request is bad. A critical finding counts 5, an error 4, a warning 3, a notice 2." min:"1" max:"100"`
	// ExcludeRules are numbers of the rule set; ExcludeArguments names of
	// parameters of query, form or JSON body.
	ExcludeRules     []int    `json:"exclude_rules,omitempty" help:"Numbers of rules whose findings do not count, such as 942100."`
	ExcludeArguments []string `json:"exclude_arguments,omitempty" help:"Names of parameters in which nothing counts, such as a field for free text. In JSON bodies they begin with json."`
	SkipBody         bool     `json:"skip_body,omitempty" help:"Leave bodies out: for uploads and streams."`
	MaxBodyBytes     int64    `json:"max_body_bytes,omitempty" help:"The largest body that is read whole to be looked at; a larger one is refused with 413." default:"1 MiB" max:"8388608"`
}

// Kind implements PolicyConfig.
func (*WAF) Kind() PolicyKind { return PolicyWAF }
