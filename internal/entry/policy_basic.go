package entry

import "crypto/sha256"

// PolicyBasic is the kind of BasicPolicy.
const PolicyBasic PolicyKind = "basic"

// BasicPolicy is the configuration of the policy "basic": a user name and a
// password in Authorization: Basic (RFC 7617).
type BasicPolicy struct {
	Realm string `json:"realm,omitempty" help:"What the user name and password are for, as browsers show it to people." default:"portico"`
}

// Kind implements PolicyConfig.
func (*BasicPolicy) Kind() PolicyKind { return PolicyBasic }

// BasicHash is what a user name and a password are registered by at an
// application: the hash of their grant, as a key's is of the key itself. The
// password is one that was generated: it is too long to be guessed from a plain
// hash. Neither holds a control character, and the user name no colon, so that
// nothing else has the same hash.
func BasicHash(user, password string) [sha256.Size]byte {
	return sha256.Sum256([]byte("basic\n" + user + "\n" + password))
}
