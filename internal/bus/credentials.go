package bus

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"portico/internal/secret"
)

// Credentials are those of one user: what it may, signed, and the seed of the
// key that proves that it is that user.
type Credentials struct {
	JWT  string
	Seed secret.Text
}

// ReadCredentials reads a file as WriteSetup makes it.
func ReadCredentials(path string) (Credentials, error) {
	raw, err := readPrivate(path)
	if err != nil {
		return Credentials{}, err
	}
	token, err := jwt.ParseDecoratedJWT(raw)
	if err != nil {
		return Credentials{}, fmt.Errorf("%s holds no user of the bus: %w", path, err)
	}
	pair, err := jwt.ParseDecoratedUserNKey(raw)
	if err != nil {
		return Credentials{}, fmt.Errorf("%s holds no key of a user of the bus: %w", path, err)
	}
	seed, err := pair.Seed()
	return Credentials{JWT: token, Seed: secret.Text(seed)}, err
}

// option is how the client library takes them.
func (c Credentials) option() (nats.Option, error) {
	pair, err := nkeys.FromSeed([]byte(c.Seed.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("the user's key: %w", err)
	}
	return nats.UserJWT(func() (string, error) { return c.JWT, nil }, pair.Sign), nil
}

// NodeKey is a gateway node's private key, from which the two follow that it
// works with: one proves to the bus who it is, with the other it opens what was
// sealed for it. The manager sees the public halves alone.
type NodeKey [32]byte

// User returns the public key of the node's user, as an nkey.
func (k NodeKey) User() (string, error) {
	pair, err := k.user()
	if err != nil {
		return "", err
	}
	return pair.PublicKey()
}

// Credentials returns those of the node's user, with what the manager signed.
func (k NodeKey) Credentials(signed string) (Credentials, error) {
	pair, err := k.user()
	if err != nil {
		return Credentials{}, err
	}
	seed, err := pair.Seed()
	return Credentials{JWT: signed, Seed: secret.Text(seed)}, err
}

// Box returns the X25519 key with which the node opens what is sealed for it.
func (k NodeKey) Box() (*ecdh.PrivateKey, error) {
	raw, err := hkdf.Key(sha256.New, k[:], nil, "portico node box", 32)
	if err != nil {
		return nil, err
	}
	return ecdh.X25519().NewPrivateKey(raw)
}

// BoxPublic returns the public half of Box, in base64.
func (k NodeKey) BoxPublic() (string, error) {
	key, err := k.Box()
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(key.PublicKey().Bytes()), nil
}

// Copy returns the key that encrypts the node's copy on disk.
func (k NodeKey) Copy() (key [32]byte, err error) {
	raw, err := hkdf.Key(sha256.New, k[:], nil, "portico node copy", 32)
	copy(key[:], raw)
	return key, err
}

func (k NodeKey) user() (nkeys.KeyPair, error) {
	raw, err := hkdf.Key(sha256.New, k[:], nil, "portico node user", 32)
	if err != nil {
		return nil, err
	}
	return nkeys.FromRawSeed(nkeys.PrefixByteUser, raw)
}
