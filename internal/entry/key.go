package entry

import (
	"fmt"
	"strings"
)

// Kind says what an entry's body holds. The zero value is no kind.
type Kind string

// The kinds of schema 1.
const (
	KindKeys     Kind = "keys"     // Keys: the environment's key, sealed for each node
	KindEnv      Kind = "env"      // Env: the environment itself
	KindCert     Kind = "cert"     // Cert: a certificate of the gateway's hosts
	KindTerms    Kind = "terms"    // Terms: what a plan gives
	KindAPI      Kind = "api"      // API: one version's live revision
	KindGrant    Kind = "grant"    // Grant: what one credential may call
	KindHead     Kind = "head"     // no body: its position is the newest one written
	KindComplete Kind = "complete" // no body: a bucket of this epoch holds everything
)

// Kinds returns all kinds of this schema in the order in which a publisher
// writes them: what is referred to comes before what refers to it.
func Kinds() []Kind {
	return []Kind{KindKeys, KindEnv, KindCert, KindTerms, KindAPI, KindGrant, KindComplete, KindHead}
}

// Key names an entry within its environment: "api.<uuid>", "terms.<uuid>",
// "cert.<uuid>", "grant.<sha-256>", "keys", "env", "head" or "complete", where a uuid is
// 32 and a SHA-256 64 lower-case hexadecimal digits. Build one with the functions below:
// a bus accepts keys on writing that it refuses on reading.
type Key string

// APIKey returns the key of an API version's entry.
func APIKey(versionUUID string) (Key, error) { return newKey(KindAPI, versionUUID, 32) }

// TermsKey returns the key of a plan's entry.
func TermsKey(planUUID string) (Key, error) { return newKey(KindTerms, planUUID, 32) }

// CertKey returns the key of a certificate's entry.
func CertKey(uuid string) (Key, error) { return newKey(KindCert, uuid, 32) }

// GrantKey returns the key of a credential's entry, from the lower-case hex
// SHA-256 of what the caller presents.
func GrantKey(sha256Hex string) (Key, error) { return newKey(KindGrant, sha256Hex, 64) }

// The keys of which an environment has one each.
const (
	KeysKey     Key = "keys"
	EnvKey      Key = "env"
	HeadKey     Key = "head"
	CompleteKey Key = "complete"
)

// ParseKey checks a key that came from outside.
func ParseKey(s string) (Key, error) {
	switch Key(s) {
	case KeysKey, EnvKey, HeadKey, CompleteKey:
		return Key(s), nil
	}
	kind, id, _ := strings.Cut(s, ".")
	switch Kind(kind) {
	case KindAPI, KindTerms, KindCert:
		return newKey(Kind(kind), id, 32)
	case KindGrant:
		return newKey(KindGrant, id, 64)
	}
	return "", fmt.Errorf("entry key %q: unknown kind", s)
}

// Kind returns the kind that the key is for.
func (k Key) Kind() Kind {
	kind, _, _ := strings.Cut(string(k), ".")
	return Kind(kind)
}

// ID returns what follows the kind: a uuid, a hash, or nothing.
func (k Key) ID() string {
	_, id, _ := strings.Cut(string(k), ".")
	return id
}

func newKey(kind Kind, id string, digits int) (Key, error) {
	if len(id) != digits {
		return "", fmt.Errorf("entry key %s.%s: want %d hexadecimal digits, got %d", kind, id, digits, len(id))
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", fmt.Errorf("entry key %s.%s: %q is not a lower-case hexadecimal digit", kind, id, c)
		}
	}
	return Key(string(kind) + "." + id), nil
}
