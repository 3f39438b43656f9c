package entry_test

import (
	"testing"
	"time"
	"unicode/utf8"

	"portico/internal/entry"
)

// FuzzExplainToken: what was signed is opened with the same key, and as nothing
// else; with one byte changed, put in or taken away it is no token.
func FuzzExplainToken(f *testing.F) {
	f.Add("0123", "production", "t", "", int64(60), uint16(3), byte('A'))
	f.Add("0123", "production", "t", "a", int64(400), uint16(90), byte('\n'))
	key := [32]byte{1}
	now := time.Unix(1_000_000, 0)
	f.Fuzz(func(t *testing.T, id, environment, tenant, api string, left int64, at uint16, c byte) {
		token := entry.ExplainToken{ID: id, Environment: environment, Tenant: tenant, API: api, ExpiresAt: now.Unix() + left%10_000}
		if !utf8.ValidString(id + "," + environment + "," + tenant + "," + api) {
			return
		}
		text, err := token.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := entry.OpenExplainToken(text, key, now)
		good := left%10_000 > 0 && time.Duration(left%10_000)*time.Second <= entry.ExplainFor && len(text) <= 512
		if good && (!ok || got != token) || ok && left%10_000 <= 0 {
			t.Fatalf("%+v is opened as %+v, %v", token, got, ok)
		}
		i := int(at) % len(text)
		for _, other := range []string{text[:i] + string([]byte{c}) + text[i+1:], text[:i] + string([]byte{c}) + text[i:], text[:i] + text[i+1:], text + string([]byte{c})} {
			if _, ok := entry.OpenExplainToken(other, key, now); ok && other != text {
				t.Fatalf("%q is opened as well as %q", other, text)
			}
		}
		if _, ok := entry.OpenExplainToken(text, [32]byte{2}, now); ok {
			t.Fatalf("%q is opened with another key", text)
		}
	})
}
