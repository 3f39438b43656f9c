package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// The lengths of a key's parts, in base62 characters.
const (
	idDigits     = 12
	secretDigits = 43
	crcDigits    = 6
)

// The usual prefixes of keys, for the two kinds of environment.
const (
	PrefixLive = "portico_live"
	PrefixTest = "portico_test"
)

// OwnPrefix is what keys begin with before _live or _test, where a tenant has
// chosen nothing of its own.
const OwnPrefix = "portico"

// CheckTenantPrefix says why a tenant cannot have a prefix, nil when it can. It
// is short, so that keys stay so, has no underscore, so that scanners can tell
// its end, and is nobody else's.
func CheckTenantPrefix(prefix string) error {
	if len(prefix) < 3 || len(prefix) > 20 || strings.Contains(prefix, "_") || CheckPrefix(prefix) != nil {
		return errors.New("use 3 to 20 lower-case letters and digits, a letter first")
	}
	if strings.HasPrefix(prefix, OwnPrefix) {
		return fmt.Errorf("%q is Portico's own", prefix)
	}
	for _, other := range []string{"ghp", "gho", "ghs", "ghr", "github", "glpat", "whsec", "xoxb", "xoxp", "npm", "pypi", "akia", "aws"} {
		if prefix == other {
			return fmt.Errorf("%q begins other services' secrets; scanners would report yours to them", prefix)
		}
	}
	return nil
}

// KeyPrefix returns what keys of a tenant begin with: its own prefix, "" for
// none, for live or for test keys.
func KeyPrefix(own string, test bool) string {
	if own == "" {
		own = OwnPrefix
	}
	if test {
		return own + "_test"
	}
	return own + "_live"
}

// maxPrefix bounds a prefix, and with it a key.
const maxPrefix = 32

// alphabet is base62 in ASCII order.
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// ErrKey says that a text is no API key: wrong form, or its checksum does not
// fit, as when part of it was not copied.
var ErrKey = errors.New("not an API key")

// Key is an API key: {prefix}_{id}_{secret}_{crc}. The id is public and finds
// the key; the secret has 43 base62 characters (256 bits); the CRC-32 over all
// that precedes it lets scanners and typing mistakes be told from keys.
type Key struct {
	Prefix string
	ID     string
	text   string
}

// MintKey makes a key from crypto/rand. The prefix is lower-case letters,
// digits and underscores, at most 32, a letter first.
func MintKey(prefix string) (Key, error) {
	if err := CheckPrefix(prefix); err != nil {
		return Key{}, err
	}
	id := random(idDigits)
	body := prefix + "_" + id + "_" + random(secretDigits)
	return Key{Prefix: prefix, ID: id, text: body + "_" + checksum(body)}, nil
}

// CheckPrefix says why a prefix cannot begin a key, nil when it can.
func CheckPrefix(prefix string) error {
	if prefix == "" || len(prefix) > maxPrefix || prefix[0] < 'a' || prefix[0] > 'z' || strings.HasSuffix(prefix, "_") {
		return fmt.Errorf("key prefix %q: use 1 to %d lower-case letters, digits and underscores, a letter first and no underscore last", prefix, maxPrefix)
	}
	for _, c := range []byte(prefix) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return fmt.Errorf("key prefix %q: %q is not a lower-case letter, digit or underscore", prefix, c)
		}
	}
	return nil
}

// ParseKey reads a key and checks its checksum, without any secret: a caller
// that sends garbage is told so before anything is looked up.
func ParseKey(s string) (Key, error) {
	const tail = 1 + idDigits + 1 + secretDigits + 1 + crcDigits
	if len(s) <= tail || len(s) > maxPrefix+tail {
		return Key{}, ErrKey
	}
	prefix, rest := s[:len(s)-tail], s[len(s)-tail:]
	id, sec, crc := rest[1:1+idDigits], rest[2+idDigits:2+idDigits+secretDigits], rest[len(rest)-crcDigits:]
	if rest[0] != '_' || rest[1+idDigits] != '_' || rest[len(rest)-crcDigits-1] != '_' ||
		CheckPrefix(prefix) != nil || !base62(id) || !base62(sec) || !base62(crc) {
		return Key{}, ErrKey
	}
	if checksum(s[:len(s)-crcDigits-1]) != crc {
		return Key{}, ErrKey
	}
	return Key{Prefix: prefix, ID: id, text: s}, nil
}

// Reveal returns the whole key, to show it once.
func (k Key) Reveal() string { return k.text }

// String returns the key up to and with its id, which is no secret.
func (k Key) String() string { return k.Prefix + "_" + k.ID }

// Format is String, for every verb of fmt.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LastFour returns the key's last characters, to tell keys apart by what
// people see at the end of theirs.
func (k Key) LastFour() string {
	if len(k.text) < 4 {
		return ""
	}
	return k.text[len(k.text)-4:]
}

// Hash returns the SHA-256 of the whole key, which is what is stored and what
// nodes know.
func (k Key) Hash() [sha256.Size]byte { return sha256.Sum256([]byte(k.text)) }

// HashHex returns the lower-case hexadecimal SHA-256 of a secret text.
func HashHex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// MintToken returns a text of 43 base62 characters (256 bits) after a prefix
// and an underscore: API tokens, one-time links. Store its HashHex.
func MintToken(prefix string) Text { return Text(prefix + "_" + random(secretDigits)) }

// checksum is the CRC-32 (IEEE) in base62, padded to crcDigits.
func checksum(s string) string {
	n := crc32.ChecksumIEEE([]byte(s))
	var out [crcDigits]byte
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = alphabet[n%62]
		n /= 62
	}
	return string(out[:])
}

// random returns n base62 characters without bias: bytes that do not fit are
// thrown away.
func random(n int) string {
	const fits = 256 - 256%62
	out := make([]byte, 0, n)
	var buf [64]byte
	for len(out) < n {
		_, _ = rand.Read(buf[:]) // never returns an error since Go 1.24
		for _, b := range buf {
			if b < fits && len(out) < n {
				out = append(out, alphabet[b%62])
			}
		}
	}
	return string(out)
}

func base62(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
