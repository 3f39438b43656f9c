package entry

// PolicyIntrospection is the kind of IntrospectionPolicy.
const PolicyIntrospection PolicyKind = "introspection"

// IntrospectionPolicy is the configuration of the policy "introspection": which
// issuer is asked about tokens (RFC 7662), how the gateway proves there who it
// is, where the tokens stand, and how a token finds its application. Either
// ClientID and ClientSecret are set, or Token.
type IntrospectionPolicy struct {
	URL    string `json:"url" help:"Where the issuer is asked about a token: its introspection endpoint (RFC 7662). Use https."`
	Issuer string `json:"issuer" help:"Who issues the tokens, as applications register it. Where the answer has iss, it has to be exactly this."`

	ClientID     string `json:"client_id,omitempty" help:"The gateway's own client at the issuer, which may ask about tokens."`
	ClientSecret Secret `json:"client_secret,omitzero" help:"The secret of that client: ${name} of a secret value of the environment."`
	ClientAuth   string `json:"client_auth,omitempty" help:"How the client shows its secret: basic is in Authorization, post is in the body." enum:"basic,post" default:"basic"`
	Token        Secret `json:"token,omitzero" help:"A bearer token with which the gateway asks, in the place of a client and its secret: ${name} of a secret value of the environment."`

	Audiences []string `json:"audiences,omitempty" help:"The answer's aud has to name one of these. Empty: it is not looked at, and a token for any other service of the issuer is taken."`

	In   string `json:"in,omitempty" help:"Where the token stands: bearer is Authorization: Bearer." enum:"bearer,header,cookie" default:"bearer"`
	Name string `json:"name,omitempty" help:"The name of the header or cookie. Empty for bearer."`

	Claim        string          `json:"claim,omitempty" help:"The member of the answer that names the application, as it is registered there: client_id, azp, sub." default:"client_id"`
	Unregistered bool            `json:"unregistered,omitempty" help:"Take tokens that no application has registered. Such a caller needs no subscription, and no plan limits it."`
	Scopes       string          `json:"scopes,omitempty" help:"The member of the answer that holds the token's scopes: a text with spaces, or a list." default:"scope"`
	Required     []RequiredClaim `json:"required,omitempty" help:"Members that the answer must have."`
	SkewMS       int64           `json:"skew_ms,omitempty" help:"How far the issuer's clock may differ from the gateway's." min:"0" max:"300000" default:"0"`

	CacheMS     int64 `json:"cache_ms,omitempty" help:"How long an answer is good for the same token. A token that is revoked may be taken for so long. Never beyond its exp." min:"1000" max:"3600000" default:"60000"`
	TimeoutMS   int64 `json:"timeout_ms,omitempty" help:"How long an answer is waited for. After that the call is answered 503." min:"100" max:"10000" default:"3000"`
	Concurrency int   `json:"concurrency,omitempty" help:"How many questions a gateway node may have open at the issuer at once, for all operations that ask it as the same client. A quarter of them is for tokens that were good before." min:"1" max:"256" default:"32"`
}

// Kind implements PolicyConfig.
func (*IntrospectionPolicy) Kind() PolicyKind { return PolicyIntrospection }
