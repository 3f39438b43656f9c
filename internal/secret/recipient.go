package secret

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/base64"
	"errors"
	"fmt"
)

// SealFor encrypts plain so that only the holder of an X25519 key opens it
// (HPKE in base mode, RFC 9180). public is the key's public half and the answer
// the box, both in base64; info names what it is for, and must be the same at
// opening.
func SealFor(public string, plain []byte, info string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(public)
	if err != nil {
		return "", errors.New("the public key is not base64")
	}
	key, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return "", errors.New("the public key is no X25519 key of 32 bytes")
	}
	to, err := hpke.NewDHKEMPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	box, err := hpke.Seal(to, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info), plain)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	return base64.StdEncoding.EncodeToString(box), nil
}

// OpenFor decrypts what SealFor made for key's public half.
func OpenFor(key *ecdh.PrivateKey, box, info string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(box)
	if err != nil {
		return nil, errors.New("open: the box is not base64")
	}
	from, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	plain, err := hpke.Open(from, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info), raw)
	if err != nil {
		return nil, errors.New("open: it was sealed for another key or use, or was changed")
	}
	return plain, nil
}
