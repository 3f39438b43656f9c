package keyset_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"portico/internal/entry/keyset"
)

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func ec(t *testing.T, more string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q%s}`, text(point[1:33]), text(point[33:]), more)
}

func rsaKey(t *testing.T, bits int, more string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"kty":"RSA","e":"AQAB","n":%q%s}`, text(key.N.Bytes()), more)
}

func set(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

func TestKeysCheckWhatTheyAreFor(t *testing.T) {
	got, err := keyset.Parse(set(
		ec(t, `,"kid":"a","use":"sig"`), ec(t, `,"kid":"b","alg":"ES256","key_ops":["verify"]`), rsaKey(t, 2048, `,"kid":"c","alg":"PS256"`), rsaKey(t, 2048, `,"kid":"d"`),
		ec(t, `,"kid":"enc","use":"enc"`), ec(t, `,"kid":"ops","key_ops":["deriveKey"]`), ec(t, `,"kid":"alg","alg":"ECDH-ES"`),
		`{"kty":"AKP","alg":"ML-DSA-44","kid":"new","pub":"AAAA"}`, `{"kty":"oct","kid":"oct","k":"AAAA"}`, `{}`, `1`, `null`,
		`{"kty":"EC","crv":"P-256","kid":"off","x":"AAAA","y":"AAAA"}`,
	))
	if err != nil {
		t.Fatal(err)
	}
	if got.Len() != 4 || !got.Private {
		t.Errorf("got %d keys, private %v", got.Len(), got.Private)
	}
	for _, c := range []struct {
		id, algorithm string
		want          int
	}{
		{"a", "ES256", 1},
		{"b", "ES256", 1},
		{"a", "ES384", 0},
		{"a", "RS256", 0},
		{"a", "HS256", 0},
		{"a", "none", 0},
		{"c", "PS256", 1},
		{"c", "RS256", 0},
		{"d", "RS256", 1},
		{"d", "PS512", 1},
		{"enc", "ES256", 0},
		{"oct", "HS256", 0},
		{"off", "ES256", 0},
		{"z", "ES256", 0},
		{"", "ES256", 2},
		{"", "RS256", 1},
	} {
		if n := len(got.Find(c.id, c.algorithm)); n != c.want {
			t.Errorf("%q by %s: got %d keys, want %d", c.id, c.algorithm, n, c.want)
		}
	}
}

func TestWhatIsNoKeySetIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ data, want string }{
		"empty":        {"", "not a JSON Web Key Set"},
		"a list":       {"[]", "not a JSON Web Key Set"},
		"one key":      {ec(t, ""), "not a JSON Web Key Set"},
		"no keys":      {`{"keys":[]}`, "no public key"},
		"a short key":  {string(set(rsaKey(t, 1024, ""))), "2048"},
		"too many":     {string(set(strings.Repeat("{},", 300) + "{}")), "more than"},
		"too large":    {strings.Repeat(" ", 600<<10), "larger"},
		"shared alone": {`{"keys":[{"kty":"oct","k":"AAAA"}]}`, "no public key"},
	} {
		if _, err := keyset.Parse([]byte(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want it to hold %q", name, err, c.want)
		}
	}
}

func TestManyKeysThatMayHaveSignedAreNotAllTried(t *testing.T) {
	var keys []string
	for n := 1; n <= 5; n++ {
		keys = append(keys, ec(t, `,"kid":"same"`))
		got, err := keyset.Parse(set(keys...))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"same", ""} {
			if found := len(got.Find(id, "ES256")); found != n%5 || !got.Has(id, "ES256") {
				t.Errorf("of %d keys, id %q: got %d, there are some: %v", n, id, found, got.Has(id, "ES256"))
			}
		}
		if got.Has("other", "ES256") || got.Has("same", "RS256") {
			t.Error("it has keys that it has not")
		}
	}
}
