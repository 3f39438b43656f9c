package secret_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portico/internal/secret"
)

func TestMintedKeyParsesAndCarriesItsParts(t *testing.T) {
	for _, prefix := range []string{secret.PrefixLive, secret.PrefixTest, "acme", "a_b_9"} {
		key, err := secret.MintKey(prefix)
		if err != nil {
			t.Fatal(err)
		}
		got, err := secret.ParseKey(key.Reveal())
		if err != nil || got != key {
			t.Errorf("%s: got %v, %v, want %v", prefix, got, err, key)
		}
		if len(got.ID) != 12 || len(got.LastFour()) != 4 || !strings.HasSuffix(key.Reveal(), got.LastFour()) || !strings.HasPrefix(key.Reveal(), prefix+"_"+got.ID+"_") {
			t.Errorf("%s: got id %q, last four %q of a key of %d characters", prefix, got.ID, got.LastFour(), len(key.Reveal()))
		}
	}
}

func TestDamagedKeysAreRefused(t *testing.T) {
	key, err := secret.MintKey(secret.PrefixLive)
	if err != nil {
		t.Fatal(err)
	}
	good := key.Reveal()
	for i := range good {
		changed := []byte(good)
		changed[i] ^= 1
		if _, err := secret.ParseKey(string(changed)); !errors.Is(err, secret.ErrKey) {
			t.Errorf("character %d changed: got %v, want %v", i, err, secret.ErrKey)
		}
	}
	for _, bad := range []string{"", "_", good[1:], good[:len(good)-1], good + "x", " " + good, strings.Repeat("a", 5000), "portico_live_x_y_z"} {
		if _, err := secret.ParseKey(bad); !errors.Is(err, secret.ErrKey) {
			t.Errorf("%.40q: got %v, want %v", bad, err, secret.ErrKey)
		}
	}
}

func TestPrefixesThatCannotBeReadBackAreRefused(t *testing.T) {
	for _, bad := range []string{"", "1a", "_a", "a_", "A", "a-b", "é", strings.Repeat("a", 33)} {
		if _, err := secret.MintKey(bad); err == nil {
			t.Errorf("prefix %q was taken", bad)
		}
	}
}

func TestKeysDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		key, err := secret.MintKey(secret.PrefixLive)
		if err != nil {
			t.Fatal(err)
		}
		if seen[key.ID] || seen[key.Reveal()] {
			t.Fatal("a key came twice")
		}
		seen[key.ID], seen[key.Reveal()] = true, true
	}
}

func TestSecretsPrintRedacted(t *testing.T) {
	const canary = "canary-value"
	text := secret.Text(canary)
	key, err := secret.MintKey("acme")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "text", text, "held", struct{ T secret.Text }{text})
	raw, err := json.Marshal(map[string]any{"t": text, "k": key})
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(raw)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10s", "%U"} {
		for _, value := range []any{text, key, &text, &key, struct{ T secret.Text }{text}, struct{ K secret.Key }{key}, []secret.Text{text}, map[string]any{"t": text, "k": key}} {
			all += fmt.Sprintf(verb+"\n", value)
		}
	}
	hidden := key.Reveal()[len(key.String()):]
	for _, s := range []string{canary, hidden} {
		if strings.Contains(all, s) || strings.Contains(all, hex.EncodeToString([]byte(s))) || strings.Contains(all, strings.ToUpper(hex.EncodeToString([]byte(s)))) {
			t.Errorf("a secret was printed: %s", all)
		}
	}
	if text.Reveal() != canary || secret.Text("").String() != "" {
		t.Error("the secret itself is lost, or no secret prints as one")
	}
}

func TestSealedValueOpensOnlyInItsPlace(t *testing.T) {
	box, err := secret.NewBox([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	other, err := secret.NewBox([32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := box.Seal([]byte("upstream password"), "ten_1|upstream|up_1|secret")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := box.Open(sealed, "ten_1|upstream|up_1|secret"); err != nil || string(got) != "upstream password" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := box.Open(sealed, "ten_2|upstream|up_1|secret"); err == nil {
		t.Error("it opened in another place")
	}
	if _, err := other.Open(sealed, "ten_1|upstream|up_1|secret"); err == nil {
		t.Error("it opened with another key")
	}
	sealed[len(sealed)/2] ^= 1
	if _, err := box.Open(sealed, "ten_1|upstream|up_1|secret"); err == nil {
		t.Error("it opened though a bit was flipped")
	}
}

func TestKeyFileIsMadeOnceAndKeptPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	first, made, err := secret.KeyFile(path)
	if err != nil || !made {
		t.Fatalf("got made %v, %v", made, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info.Mode(), err)
	}
	second, made, err := secret.KeyFile(path)
	if err != nil || made || second != first {
		t.Errorf("the second start got another key, made %v, %v", made, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := secret.KeyFile(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others may read: got %v", err)
	}
	for _, bad := range []string{"", "zz", strings.Repeat("a", 63), strings.Repeat("a", 66)} {
		broken := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(broken, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := secret.KeyFile(broken); err == nil {
			t.Errorf("a key file of %q was taken", bad)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	key, err := secret.MintKey(secret.PrefixLive)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key.Reveal())
	f.Add("portico_live_x_y_z")
	f.Fuzz(func(t *testing.T, s string) {
		if key, err := secret.ParseKey(s); err == nil && key.Reveal() != s {
			t.Errorf("%q parsed as another key", s)
		}
	})
}
