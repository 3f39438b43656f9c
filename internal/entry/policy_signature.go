package entry

import "crypto/sha256"

// PolicySignature is the kind of SignaturePolicy.
const PolicySignature PolicyKind = "signature"

// SignaturePolicy is the configuration of the policy "signature": how a call is
// signed with a secret that its application and the gateway share.
type SignaturePolicy struct {
	Form         string   `json:"form,omitempty" help:"How a call is signed: message is HTTP message signatures (RFC 9421) with hmac-sha256, simple is the header X-Signature." enum:"message,simple" default:"message"`
	Components   []string `json:"components,omitempty" help:"Headers and derived components, such as content-type or @authority, that a message signature has to cover beside method, path and query."`
	Nonce        string   `json:"nonce,omitempty" help:"Whether a message signature has to hold a nonce, which is then taken once." enum:"optional,required" default:"optional"`
	UnsignedBody bool     `json:"unsigned_body,omitempty" help:"Take bodies that the message signature does not cover by content-digest. They then stream, and somebody on the way could change them."`
	MaxAgeMS     int64    `json:"max_age_ms,omitempty" help:"How old a signature may be." min:"0" max:"3600000" default:"300000"`
	SkewMS       int64    `json:"skew_ms,omitempty" help:"How far the caller's clock may differ from the gateway's." min:"0" max:"300000" default:"30000"`
	MaxBodyBytes int64    `json:"max_body_bytes,omitempty" help:"How large a body may be that is signed: it is read whole before the upstream is called." min:"0" max:"67108864" default:"1048576"`
}

// Kind implements PolicyConfig.
func (*SignaturePolicy) Kind() PolicyKind { return PolicySignature }

// SignatureHash is what a key id is registered by at an application: the hash of
// its grant, which holds the secret. A key id holds no control character.
func SignatureHash(keyID string) [sha256.Size]byte {
	return sha256.Sum256([]byte("signature\n" + keyID))
}

// GrantSecretInfo names what the secret of a grant is sealed as, so that it opens
// as nothing else. credential is a uuid.
func GrantSecretInfo(credential string) string { return "grant_secret|" + credential }

// MinSignatureSecretBytes is how long the secret of a signature is at least.
const MinSignatureSecretBytes = 16
