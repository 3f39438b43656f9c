package entry

// PolicyPath is the kind of PathPolicy.
const PolicyPath PolicyKind = "path"

// PathPolicy is the configuration of the policy "path": which path the upstream
// is called by. It is one of a Template, a Prefix and a Pattern.
type PathPolicy struct {
	Template    string `json:"template,omitempty" help:"The whole path, over the operation's own parameters, such as /v2/orders/{id}."`
	Prefix      string `json:"prefix,omitempty" help:"What the path begins with, by whole segments, and what is replaced, such as /api."`
	Pattern     string `json:"pattern,omitempty" help:"A regular expression (RE2) whose first match in the path is replaced, such as ^/items/([0-9]+)$."`
	Replacement string `json:"replacement,omitempty" help:"What takes the place of the prefix or of the match. Empty: nothing. Of a match, $1 and ${name} are its groups."`
}

// Kind implements PolicyConfig.
func (*PathPolicy) Kind() PolicyKind { return PolicyPath }
