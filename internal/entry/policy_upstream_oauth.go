package entry

// PolicyUpstreamOAuth is the kind of UpstreamOAuth.
const PolicyUpstreamOAuth PolicyKind = "upstream_oauth"

// UpstreamOAuth proves to the upstream who calls it by a token that the gateway
// gets as a client (RFC 6749 section 4.4).
type UpstreamOAuth struct {
	TokenURL       string            `json:"token_url" help:"Where the issuer gives tokens. Use https."`
	ClientID       Secret            `json:"client_id" help:"The gateway's client id at the issuer, from a secret value, so that each environment has its own."`
	ClientSecret   Secret            `json:"client_secret" help:"The client's secret, from a secret value."`
	Authentication string            `json:"authentication,omitempty" help:"How the client says who it is: basic is the header Authorization (client_secret_basic), post the request's body (client_secret_post)." enum:"basic,post" default:"basic"`
	Scopes         []string          `json:"scopes,omitempty" help:"The scopes that are asked for. Empty: those that the issuer gives by itself."`
	Audience       string            `json:"audience,omitempty" help:"What the token is for, for issuers that read the parameter audience."`
	Resource       string            `json:"resource,omitempty" help:"The address of what the token is for, for issuers that read the parameter resource (RFC 8707)."`
	Parameters     map[string]string `json:"parameters,omitempty" help:"Further parameters of the request for a token, such as an organisation. They are no place for secrets."`
	TimeoutMS      int64             `json:"timeout_ms,omitempty" help:"How long the issuer may take to give a token, in milliseconds." default:"5000" min:"100" max:"20000"`
	Upstream       string            `json:"upstream,omitempty" help:"The name of the upstream that this is for, its candidate included, and the mirror where it is the API's first. Empty: all that the API has."`
}

// Kind implements PolicyConfig.
func (*UpstreamOAuth) Kind() PolicyKind { return PolicyUpstreamOAuth }
