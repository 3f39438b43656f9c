// Package keyset reads the public keys of an issuer of tokens: a JSON Web Key
// Set (RFC 7517), as it is published or typed.
//
// It takes asymmetric keys for signatures and nothing else. It deliberately
// fetches nothing, and never looks at keys, chains or addresses that a token
// brings along.
package keyset

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// Bounds of a set.
const (
	MaxBytes = 512 << 10
	MaxKeys  = 200
	minRSA   = 2048 // bits
	maxRSA   = 8192
	maxID    = 512 // bytes, with which a set of many keys stays small
)

// Algorithms returns the signature algorithms that can be taken. Those with a
// shared secret are not among them and never will be: who can check such a
// token can make one.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// Key is one public key.
type Key struct {
	ID         string
	Public     crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	algorithms []string         // that it may check
}

// Set are the keys of an issuer. It never changes.
type Set struct {
	keys    []Key
	Private bool // it holds a private or shared key, which nobody should publish
}

// ErrNone says that a set holds no key that can be used, though it is one: whoever
// publishes it has withdrawn those that there were.
var ErrNone = errors.New("holds no public key for signatures that can be used: RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519")

// Parse reads a set. Keys of unknown kinds, and those that are not for
// signatures, are left out; where none can be used it returns an empty set with
// ErrNone.
func Parse(data []byte) (*Set, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("is larger than %d KiB", MaxBytes>>10)
	}
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &raw); err != nil || raw.Keys == nil {
		return nil, errors.New(`is not a JSON Web Key Set: an object whose "keys" is a list`)
	}
	if len(raw.Keys) > MaxKeys {
		return nil, fmt.Errorf("holds more than %d keys", MaxKeys)
	}
	set, garbage := &Set{}, false
	for _, one := range raw.Keys {
		garbage = garbage || !isKey(one)
		parsed, err := jwk.ParseKey(one)
		if err != nil {
			continue
		}
		private, err := jwk.IsPrivateKey(parsed)
		if err != nil || private { // an error is of a key that is neither, a shared one
			set.Private = true
			continue
		}
		if key, ok := usable(parsed); ok {
			set.keys = append(set.keys, key)
		}
	}
	switch {
	case len(set.keys) > 0:
		return set, nil
	case garbage:
		return nil, errors.New("is not a JSON Web Key Set: what it holds are no keys")
	}
	return set, ErrNone
}

// isKey reports whether a member is a key of some kind: it has to say which (RFC
// 7517, section 4.1).
func isKey(one json.RawMessage) bool {
	var key struct {
		Kind string `json:"kty"`
	}
	return json.Unmarshal(one, &key) == nil && key.Kind != ""
}

func usable(parsed jwk.Key) (Key, bool) {
	if use, ok := parsed.KeyUsage(); ok && use != "sig" {
		return Key{}, false
	}
	if operations, ok := parsed.KeyOps(); ok && !slices.Contains(operations, jwk.KeyOpVerify) {
		return Key{}, false
	}
	key := Key{}
	if key.ID, _ = parsed.KeyID(); len(key.ID) > maxID {
		return Key{}, false
	}
	var public any
	if err := jwk.Export(parsed, &public); err != nil {
		return Key{}, false
	}
	key.Public = public
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA || k.E < 3 {
			return Key{}, false
		}
		key.algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			key.algorithms = []string{"ES256"}
		case 384:
			key.algorithms = []string{"ES384"}
		case 521:
			key.algorithms = []string{"ES512"}
		}
	case ed25519.PublicKey:
		key.algorithms = []string{"EdDSA"}
	}
	if named, ok := parsed.Algorithm(); ok && slices.Contains(key.algorithms, named.String()) {
		key.algorithms = []string{named.String()}
	} else if ok && named.String() != "Ed25519" { // another name of EdDSA
		return Key{}, false
	}
	return key, len(key.algorithms) > 0
}

// Find returns the keys that may have made a signature: of that algorithm, and of
// that id. Without an id, which a token need not have (RFC 7515 section 4.1.4), they
// are those of the algorithm. Of more than can be tried it returns none.
func (s *Set) Find(id, algorithm string) []Key {
	var found []Key
	for i := range s.keys {
		if s.keys[i].fits(id, algorithm) {
			found = append(found, s.keys[i])
		}
	}
	if len(found) > maxTried {
		return nil
	}
	return found
}

// maxTried is how many keys are tried that may have made one signature.
const maxTried = 4

// Has reports whether there is a key that may have made a signature, however many
// there are.
func (s *Set) Has(id, algorithm string) bool {
	return slices.ContainsFunc(s.keys, func(k Key) bool { return k.fits(id, algorithm) })
}

func (k *Key) fits(id, algorithm string) bool {
	return slices.Contains(k.algorithms, algorithm) && (id == "" || k.ID == id)
}

// Len returns how many keys there are.
func (s *Set) Len() int { return len(s.keys) }
