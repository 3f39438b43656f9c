package entry

// PolicyCORS is the kind of CORSPolicy.
const PolicyCORS PolicyKind = "cors"

// CORSPolicy is the configuration of the policy "cors": which pages of other
// origins may call, after the Fetch standard.
type CORSPolicy struct {
	Origins        []string `json:"origins" help:"Origins whose pages may call: https://shop.example.com, or with one label left open https://*.example.com. A single * is every origin."`
	Methods        []string `json:"methods,omitempty" help:"Methods that these pages may use. Empty: all that the API has at the path."`
	Headers        []string `json:"headers,omitempty" help:"Headers that these pages may send beside the simple ones, such as Authorization and Content-Type. A single * is every header."`
	ExposedHeaders []string `json:"exposed_headers,omitempty" help:"Headers of answers that these pages may read beside the simple ones, such as X-Request-Id and RateLimit."`
	Credentials    bool     `json:"credentials,omitempty" help:"Let pages send cookies and TLS client certificates. Not together with the origin *."`
	MaxAgeMS       int64    `json:"max_age_ms,omitempty" help:"How long browsers may remember what they were allowed, in whole seconds. 0: what the browser takes, 5 seconds mostly." min:"0" max:"86400000"`
	PrivateNetwork bool     `json:"private_network,omitempty" help:"Let pages from the internet call this API where it is in a private network."`
}

// Kind implements PolicyConfig.
func (*CORSPolicy) Kind() PolicyKind { return PolicyCORS }
