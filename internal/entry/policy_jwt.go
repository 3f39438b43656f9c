package entry

import "crypto/sha256"

// PolicyJWT is the kind of JWTPolicy.
const PolicyJWT PolicyKind = "jwt"

// JWTPolicy is the configuration of the policy "jwt": whose tokens are taken,
// where they stand, and how a token finds its application. Either JWKSURL or
// JWKS is set.
type JWTPolicy struct {
	Issuer     string   `json:"issuer" help:"Who issues the tokens, exactly as in their claim iss."`
	JWKSURL    string   `json:"jwks_url,omitempty" help:"Where the issuer publishes its keys. They are fetched beside the calls, and again when they change. Use https."`
	JWKS       string   `json:"jwks,omitempty" help:"The issuer's public keys themselves, a JSON Web Key Set, in the place of an address." lines:"true"`
	Algorithms []string `json:"algorithms" help:"The signature algorithms that are taken: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA. What a token says of itself opens no other."`
	Audiences  []string `json:"audiences,omitempty" help:"The token's aud has to name one of these. Empty: it is not looked at, and a token for any other service of the issuer is taken."`

	In   string `json:"in,omitempty" help:"Where the token stands: bearer is Authorization: Bearer." enum:"bearer,header,cookie" default:"bearer"`
	Name string `json:"name,omitempty" help:"The name of the header or cookie. Empty for bearer."`

	Claim          string          `json:"claim,omitempty" help:"The claim that names the application, as it is registered there: azp, client_id, sub." default:"azp"`
	Unregistered   bool            `json:"unregistered,omitempty" help:"Take tokens that no application has registered. Such a caller needs no subscription, and no plan limits it."`
	Scopes         string          `json:"scopes,omitempty" help:"The claim that holds the token's scopes: a text with spaces, or a list." default:"scope"`
	Required       []RequiredClaim `json:"required,omitempty" help:"Claims that a token must have."`
	AccessOnly     bool            `json:"access_only,omitempty" help:"Take only tokens that say to be access tokens: typ at+jwt (RFC 9068)."`
	SkewMS         int64           `json:"skew_ms,omitempty" help:"How far the issuer's clock may differ from the gateway's." min:"0" max:"300000" default:"0"`
	KeysMaxStaleMS int64           `json:"keys_max_stale_ms,omitempty" help:"How long keys are used that cannot be fetched again. After that calls are answered 503." min:"0" max:"604800000" default:"86400000"`
}

// RequiredClaim is a claim that a token must have.
type RequiredClaim struct {
	Name   string   `json:"name" help:"The claim's name."`
	Values []string `json:"values,omitempty" help:"The claim has to be, or as a list to hold, one of these. Empty: any value but null."`
}

// Kind implements PolicyConfig.
func (*JWTPolicy) Kind() PolicyKind { return PolicyJWT }

// TokenHash is what an issuer's tokens are registered by at an application: the
// hash of its grant, as a key's is of the key itself. value is of the claim that
// the API's policy looks at. Neither holds a line break, so that nothing else
// has the same hash; and no API key begins with its first line.
func TokenHash(issuer, value string) [sha256.Size]byte {
	return sha256.Sum256([]byte("jwt\n" + issuer + "\n" + value))
}
