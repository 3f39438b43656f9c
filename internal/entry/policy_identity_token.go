package entry

// PolicyIdentityToken is the kind of IdentityToken.
const PolicyIdentityToken PolicyKind = "identity_token"

// IdentityKeysPath is where a gateway node shows the keys that identity tokens are
// checked with, unless an API is mounted there.
const IdentityKeysPath = "/.well-known/portico/jwks.json"

// IdentityToken tells the upstream who is calling, by a token that the gateway
// signs.
type IdentityToken struct {
	Audience   string `json:"audience" help:"What the token is for: the upstream is to refuse tokens that do not name it."`
	Header     string `json:"header,omitempty" help:"The header that carries the token. In Authorization it follows the word Bearer." default:"Authorization"`
	LifetimeMS int64  `json:"lifetime_ms,omitempty" help:"How long a token is good for, in milliseconds. One may be sent with many calls until half of it has passed." default:"60000" min:"10000" max:"3600000"`
}

// Kind implements PolicyConfig.
func (*IdentityToken) Kind() PolicyKind { return PolicyIdentityToken }
