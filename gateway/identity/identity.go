// Package identity signs who is calling, for upstreams: short-lived JSON Web
// Tokens (RFC 7519) by ES256, and the key set (RFC 7517) they are checked with.
//
// The key is derived from the environment's key, which its nodes have anyway: all
// nodes of an environment sign alike, and nobody else can. It changes with the
// environment's key, when a node is removed, and what was signed before is then
// good for nothing: the node that went away had that key.
//
// It knows nothing of requests: the policy "identity_token" says what is signed.
package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/golang-jwt/jwt/v5"

	"portico/internal/secret"
)

// use names what the environment's key is derived for.
const use = "identity tokens"

// Signer signs with an environment's key. The zero value has none yet. It is safe
// for concurrent use.
type Signer struct{ current atomic.Pointer[signing] }

type signing struct {
	id  string
	key *ecdsa.PrivateKey
	set []byte // the JSON Web Key Set
}

// ErrNoKey says that the node does not have its environment's key.
var ErrNoKey = errors.New("this node does not have its environment's key")

// Use makes the signer one of an environment's key.
func (s *Signer) Use(environment [32]byte) error {
	next, err := newSigning(environment)
	if err == nil {
		s.current.Store(next)
	}
	return err
}

// Forget ends all signing, for a node whose key was taken away.
func (s *Signer) Forget() { s.current.Store(nil) }

func newSigning(environment [32]byte) (*signing, error) {
	key, err := derive(environment)
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	const half = 32 // of the point, after its first byte (SEC 1 section 2.3.3)
	base64url := base64.RawURLEncoding.EncodeToString
	x, y := base64url(point[1:1+half]), base64url(point[1+half:])
	thumbprint := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`)) // RFC 7638
	id := base64url(thumbprint[:])
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": id, "alg": "ES256", "use": "sig",
	}}})
	if err != nil {
		return nil, err
	}
	return &signing{id, key, set}, nil
}

// derive makes a private key. A derived number can be too large for one, which
// happens once in four billion times.
func derive(environment [32]byte) (*ecdsa.PrivateKey, error) {
	for try := range 8 {
		raw, err := secret.Derive(environment, fmt.Sprintf("%s %d", use, try))
		if err != nil {
			return nil, err
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw[:]); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("no key can be derived")
}

// KeyID names the key that signs now, "" for none.
func (s *Signer) KeyID() string {
	if now := s.current.Load(); now != nil {
		return now.id
	}
	return ""
}

// Sign returns a signed token with the claims. It is ErrNoKey without a key.
func (s *Signer) Sign(claims map[string]any) (string, error) {
	now := s.current.Load()
	if now == nil {
		return "", ErrNoKey
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims(claims))
	token.Header["kid"] = now.id
	return token.SignedString(now.key)
}

// KeySet returns the JSON Web Key Set, nil without a key.
func (s *Signer) KeySet() []byte {
	if now := s.current.Load(); now != nil {
		return now.set
	}
	return nil
}
