package entry_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portico/internal/entry"
)

func TestKeysAreBuiltFromHexadecimalOnly(t *testing.T) {
	id := strings.Repeat("0a", 16)
	for _, c := range []struct {
		build func(string) (entry.Key, error)
		id    string
		want  string // "" for refused
	}{
		{entry.APIKey, id, "api." + id},
		{entry.TermsKey, id, "terms." + id},
		{entry.GrantKey, id + id, "grant." + id + id},
		{entry.CertKey, id, "cert." + id},
		{entry.APIKey, strings.ToUpper(id), ""},
		{entry.APIKey, id[1:], ""},
		{entry.APIKey, id + "0", ""},
		{entry.APIKey, "", ""},
		{entry.APIKey, strings.Repeat(".", 32), ""},
		{entry.APIKey, strings.Repeat("*", 32), ""},
		{entry.APIKey, "llama3.2:3b", ""},
		{entry.GrantKey, id, ""},
	} {
		got, err := c.build(c.id)
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: got %q %v, want %q", c.id, got, err, c.want)
		}
		if err == nil {
			if again, err := entry.ParseKey(string(got)); again != got || err != nil {
				t.Errorf("%q: parsed as %q %v", got, again, err)
			}
		}
	}
	for _, s := range []string{"", "api", "api.", "env.", "head.x", "cert." + id[1:], "mcp." + id, "api." + id + ".x", "API." + id, " env"} {
		if key, err := entry.ParseKey(s); err == nil {
			t.Errorf("%q: got %q, want it refused", s, key)
		}
	}
}

func TestPositionsAreATotalOrder(t *testing.T) {
	number := rapid.SampledFrom([]uint64{0, 1, 2, math.MaxUint64})
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) entry.Position {
			return entry.Position{Epoch: number.Draw(t, label+" epoch"), Sequence: number.Draw(t, label+" sequence")}
		}
		p, q, r := draw("p"), draw("q"), draw("r")
		if p.After(q) && q.After(p) || p.After(p) {
			t.Fatal("not an order")
		}
		if p != q && !p.After(q) && !q.After(p) {
			t.Fatal("not total")
		}
		if p.After(q) && q.After(r) && !p.After(r) {
			t.Fatal("not transitive")
		}
		if p.Epoch > q.Epoch && !p.After(q) {
			t.Fatal("a newer epoch does not come first")
		}
	})
}

func TestBodiesSurviveTheWire(t *testing.T) {
	at := entry.Position{Epoch: 3, Sequence: 7}
	rapid.Check(t, func(t *rapid.T) {
		roundTrip(t, entry.EnvKey, at, rapid.MakeCustom[entry.Env](custom()).Draw(t, "env"))
		roundTrip(t, key(entry.TermsKey), at, rapid.MakeCustom[entry.Terms](custom()).Draw(t, "terms"))
		roundTrip(t, key(entry.APIKey), at, rapid.MakeCustom[entry.API](custom()).Draw(t, "api"))
		grant, _ := entry.GrantKey(strings.Repeat("0", 64))
		roundTrip(t, grant, at, rapid.MakeCustom[entry.Grant](custom()).Draw(t, "grant"))
	})
}

func custom() rapid.MakeConfig {
	text := rapid.StringN(0, 5, -1)
	return rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
		reflect.TypeFor[json.RawMessage](): rapid.Custom(func(t *rapid.T) any {
			return json.RawMessage(rapid.SampledFrom([]string{`true`, `{"type":"string"}`, `{"A":{"$ref":"#/$defs/A"}}`}).Draw(t, "schema"))
		}),
		reflect.TypeFor[entry.Policy](): rapid.Custom(func(t *rapid.T) any {
			if rapid.Bool().Draw(t, "key") {
				return entry.Policy{Config: &entry.KeyPolicy{Bearer: rapid.Bool().Draw(t, "bearer"), Header: text.Draw(t, "header")}}
			}
			return entry.Policy{Config: &entry.RateLimit{Requests: rapid.Int().Draw(t, "requests"), By: text.Draw(t, "by")}}
		}),
	}}
}

func key(build func(string) (entry.Key, error)) entry.Key {
	k, _ := build(strings.Repeat("0", 32))
	return k
}

func roundTrip[B entry.Body](t *rapid.T, key entry.Key, at entry.Position, body B) {
	it, err := entry.Encode(key, at, body)
	if err != nil {
		t.Fatal(err)
	}
	wire, err := json.Marshal(it.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := entry.Open(key, wire)
	if err != nil {
		t.Fatal(err)
	}
	if opened.Position != at || opened.Kind != key.Kind() {
		t.Fatalf("got %+v", opened.Envelope)
	}
	again, err := entry.Decode[B](opened)
	if err != nil {
		t.Fatal(err)
	}
	// Empty and missing lists are the same on the wire.
	want, _ := json.Marshal(body)
	got, _ := json.Marshal(again)
	if strings.ReplaceAll(string(got), "[]", "null") != strings.ReplaceAll(string(want), "[]", "null") {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestWireFormIsWhatWasDecided(t *testing.T) {
	key, err := entry.APIKey(strings.Repeat("0", 32))
	if err != nil {
		t.Fatal(err)
	}
	it, err := entry.Encode(key, entry.Position{Epoch: 1, Sequence: 2}, entry.API{Policies: []entry.Policy{{Config: &entry.RateLimit{Requests: 1, PeriodMS: 2, By: "api"}}}})
	if err != nil {
		t.Fatal(err)
	}
	wire, err := json.Marshal(it.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"schema":1,"epoch":1,"sequence":2,"kind":"api","body":{"version":""`,
		`"policies":[{"kind":"rate_limit","config":{"requests":1,"period_ms":2,"by":"api"}}]`,
	} {
		if !strings.Contains(string(wire), want) {
			t.Errorf("got %s, want it to hold %s", wire, want)
		}
	}
	if _, err := entry.Encode(key, entry.Position{}, entry.API{Policies: []entry.Policy{{}}}); err == nil {
		t.Error("a policy of no kind was encoded")
	}
}

func TestEnvelopesAreReadStrictly(t *testing.T) {
	for value, want := range map[string]string{
		`{"schema":1,"epoch":1,"sequence":1,"kind":"env","body":{}}`:          "",
		`{"schema":2,"epoch":1,"sequence":1,"kind":"env","body":{}}`:          "schema 2",
		`{"epoch":1,"sequence":1,"kind":"env","body":{}}`:                     "schema 0",
		`{"schema":1,"epoch":1,"sequence":1,"kind":"terms","body":{}}`:        `holds kind "terms"`,
		`{"schema":1,"epoch":1,"sequence":1,"kind":"env","body":{},"x":1}`:    `unknown field "x"`,
		`{"schema":1,"epoch":1,"sequence":1,"kind":"env","body":{}} {}`:       "data after",
		`{"schema":1,"epoch":-1,"sequence":1,"kind":"env","body":{}}`:         "number -1",
		`{"schema":1,"epoch":1,"sequence":18446744073709551616,"kind":"env"}`: "number 18446744073709551616",
		``:     "EOF",
		`null`: "schema 0",
		`[]`:   "array",
		"{\"schema\":1,\"epoch\":1,\"sequence\":1,\"kind\":\"env\",\"body\":{": "EOF",
	} {
		_, err := entry.Open(entry.EnvKey, []byte(value))
		if got := fmt.Sprint(err); (err == nil) != (want == "") || err != nil && !strings.Contains(got, want) {
			t.Errorf("%s: got %v, want %q", value, err, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add("env", []byte(`{"schema":1,"epoch":1,"sequence":1,"kind":"env","body":{"name":"a"}}`))
	f.Add("api."+strings.Repeat("0", 32), []byte(`{"schema":1,"kind":"api","body":{"policies":[{"kind":"key","config":{}}]}}`))
	f.Add("api."+strings.Repeat("0", 32), []byte(`{"schema":1,"epoch":3,"sequence":9,"kind":"api","body":{"name":"<a&\u2028é \ud800","mounts":[],"policies":[{"kind":"headers","config":{"set":[{"name":"A","value":"b"}]}},{"kind":"upstream_basic","config":{"user":"a","password":{"sealed":"AA=="}}}]}}`))
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		key, err := entry.ParseKey(name)
		if err != nil {
			return
		}
		it, err := entry.Open(key, value)
		if err != nil {
			return
		}
		if it.Kind != key.Kind() || it.Schema != entry.Schema {
			t.Errorf("opened %q as %+v", value, it)
		}
		// Managers and nodes tell entries apart by what is written of them.
		written, err := json.Marshal(it.Envelope)
		if err != nil {
			t.Fatalf("%q is opened, and cannot be written: %v", value, err)
		}
		again, err := entry.Open(key, written)
		if err != nil || again.Position != it.Position || again.Digest != it.Digest {
			t.Fatalf("%q, written as %q, is opened as %+v, %v", value, written, again, err)
		}
		if twice, err := json.Marshal(again.Envelope); err != nil || !bytes.Equal(twice, written) {
			t.Fatalf("%q is written as %q, and then as %q, %v", value, written, twice, err)
		}
		api, err := entry.Decode[entry.API](it)
		if err != nil {
			return
		}
		encoded, err := entry.Encode(key, it.Position, api)
		if err != nil {
			t.Fatalf("%q is read, and cannot be encoded: %v", value, err)
		}
		back, err := entry.Decode[entry.API](encoded)
		if err != nil {
			t.Fatalf("%q is encoded as %q, and not read: %v", value, encoded.Body, err)
		}
		if twice, err := entry.Encode(key, it.Position, back); err != nil || !bytes.Equal(twice.Body, encoded.Body) {
			t.Fatalf("%q is encoded as %q, and then as %q, %v", value, encoded.Body, twice.Body, err)
		}
	})
}

// TestTokenHashIsAsItIsDocumented holds what control plane and nodes must agree
// on.
func TestTokenHashIsAsItIsDocumented(t *testing.T) {
	if got, want := entry.TokenHash("https://id.example.com/", "client"), sha256.Sum256([]byte("jwt\nhttps://id.example.com/\nclient")); got != want {
		t.Errorf("got %x, want %x", got, want)
	}
}

// TestHashesOfCredentialsAreOfTheirKind fixes what nodes and the control plane
// agree on.
func TestHashesOfCredentialsAreOfTheirKind(t *testing.T) {
	der := sha256.Sum256([]byte("der"))
	seen := map[[32]byte]string{}
	for name, c := range map[string]struct {
		got  [32]byte
		text string
	}{
		"basic":       {entry.BasicHash("a", "b:c"), "basic\na\nb:c"},
		"certificate": {entry.CertificateHash(der), "certificate\n" + hex.EncodeToString(der[:])},
		"signature":   {entry.SignatureHash("a"), "signature\na"},
		"token":       {entry.TokenHash("a", "b:c"), "jwt\na\nb:c"},
	} {
		if c.got != sha256.Sum256([]byte(c.text)) {
			t.Errorf("%s: is not the hash of %q", name, c.text)
		}
		if other, is := seen[c.got]; is {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[c.got] = name
	}
	if got := entry.GrantSecretInfo("x"); got != "grant_secret|x" {
		t.Errorf("got %s", got)
	}
}
