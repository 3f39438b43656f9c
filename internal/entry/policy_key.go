package entry

// PolicyKey is the kind of KeyPolicy.
const PolicyKey PolicyKind = "key"

// KeyPolicy is the configuration of the policy "key": where an API key may be
// presented. At least one place is set. What was read there is removed before
// the upstream.
type KeyPolicy struct {
	Bearer bool   `json:"bearer,omitempty" help:"Take a key from Authorization: Bearer."`
	Header string `json:"header,omitempty" help:"The header that may carry a key, such as X-API-Key. Empty: none."`
	Query  string `json:"query,omitempty" help:"The query parameter that may carry a key. Empty: none. Addresses end up in logs: prefer a header."`
}

// Kind implements PolicyConfig.
func (*KeyPolicy) Kind() PolicyKind { return PolicyKey }
