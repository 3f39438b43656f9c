package secret

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Box seals values with AES-256-GCM. The associated data names where a value
// lives (tenant, table, row, column): a sealed value that was moved does not
// open. It is safe for concurrent use.
type Box struct {
	aead tink.AEAD
	mark [32]byte // key of marks
}

// NewBox returns a box with the given key.
func NewBox(key [32]byte) (*Box, error) {
	aead, err := subtle.NewAESGCM(key[:])
	if err != nil {
		return nil, fmt.Errorf("make a box: %w", err)
	}
	mark, err := Derive(key, "marks of secrets")
	if err != nil {
		return nil, fmt.Errorf("make a box: %w", err)
	}
	return &Box{aead: aead, mark: mark}, nil
}

// Mark returns what tells a secret from another one in the same place, and
// nothing else of it: an HMAC, for records that say whether a secret changed.
func (b *Box) Mark(plain []byte, place string) string {
	h := hmac.New(sha256.New, b.mark[:])
	_, _ = h.Write([]byte(place + "\x00")) // never returns an error
	_, _ = h.Write(plain)
	return "hmac:" + hex.EncodeToString(h.Sum(nil)[:16])
}

// Seal encrypts plain under a fresh nonce.
func (b *Box) Seal(plain []byte, associated string) ([]byte, error) {
	sealed, err := b.aead.Encrypt(plain, []byte(associated))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Open decrypts what Seal made with the same key and associated data.
func (b *Box) Open(sealed []byte, associated string) ([]byte, error) {
	plain, err := b.aead.Decrypt(sealed, []byte(associated))
	if err != nil {
		return nil, errors.New("open: the key, the place or the bytes are not those it was sealed with")
	}
	return plain, nil
}

// Derive returns a key for one use of another key: those of two uses tell
// nothing of one another.
func Derive(key [32]byte, use string) (out [32]byte, err error) {
	raw, err := hkdf.Key(sha256.New, key[:], nil, "portico "+use, len(out))
	copy(out[:], raw)
	return out, err
}

// KeyFile is ReadKeyFile, but makes the file where there is none, and says so.
// The file's folder must exist.
func KeyFile(path string) (key [32]byte, made bool, err error) {
	key, err = ReadKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKeyFile(path)
		return key, err == nil, err
	}
	return key, false, err
}

// ReadKeyFile reads a 256-bit key, 64 hexadecimal digits, from a file that only
// its owner may read.
func ReadKeyFile(path string) (key [32]byte, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return key, fmt.Errorf("read the key file: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return key, fmt.Errorf("read the key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return key, fmt.Errorf("key file %s may be read by others (%#o): chmod 600 it, and think of replacing the key", path, info.Mode().Perm())
	}
	digits := strings.TrimSpace(string(raw))
	decoded, err := hex.DecodeString(digits)
	if err != nil || len(decoded) != len(key) {
		return key, fmt.Errorf("key file %s does not hold 64 hexadecimal digits", path)
	}
	copy(key[:], decoded)
	return key, nil
}

// makeKeyFile writes the key under another name first, so that a crash leaves
// a whole file or none.
func makeKeyFile(path string) (key [32]byte, err error) {
	_, _ = rand.Read(key[:])                                // never returns an error since Go 1.24
	tmp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // made 0600
	if err != nil {
		return key, fmt.Errorf("make the key file: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // there is none once it was renamed
	if _, err = tmp.WriteString(hex.EncodeToString(key[:]) + "\n"); err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return key, fmt.Errorf("make the key file: %w", err)
	}
	return key, nil
}
