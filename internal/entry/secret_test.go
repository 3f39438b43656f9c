package entry_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"portico/internal/entry"
)

// holder is a configuration with secrets wherever they may stand.
type holder struct {
	Name   string       `json:"name"`
	Secret entry.Secret `json:"secret,omitzero"`
	Group  struct {
		Inner entry.Secret `json:"inner,omitzero"`
	} `json:"group"`
	Pointed *struct {
		Deep entry.Secret `json:"deep,omitzero"`
	} `json:"pointed,omitempty"`
	List   []row           `json:"list,omitempty"`
	Raw    json.RawMessage `json:"raw,omitempty"`
	Hidden entry.Secret    `json:"-"`
}

type row struct {
	Password entry.Secret `json:"password,omitzero"`
}

func (*holder) Kind() entry.PolicyKind { return "holder" }

func TestSecretsOfAConfigurationAreFound(t *testing.T) {
	var h holder
	if err := entry.Strict([]byte(`{"name":"x","secret":"${a}","group":{"inner":"${b}"},"pointed":{"deep":"${c}"},"list":[{},{"password":"${d}"}],"raw":{"secret":"${e}"}}`), &h); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range entry.Secrets(&h) {
		got = append(got, s.Field+"="+s.Name())
	}
	if want := "secret=a group.inner=b pointed.deep=c list[0].password= list[1].password=d"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, s := range entry.Secrets(&h) {
		*s.Secret = entry.Secret{Sealed: &entry.Sealed{Key: 1, Box: "Ym94"}}
	}
	if h.List[1].Password.Sealed == nil || h.Pointed.Deep.Sealed == nil {
		t.Error("what is set in a field is not set in the configuration")
	}
	if entry.Secrets(nil) != nil || entry.Secrets(&entry.JWTPolicy{}) != nil {
		t.Error("found secrets where there are none")
	}
}

func TestSecretsTravelSealedOrAsAReference(t *testing.T) {
	for raw, want := range map[string]string{
		`{"secret":"${api_secret}"}`:                   `"secret":"${api_secret}"`,
		`{"secret":{"sealed":{"key":3,"box":"Ym94"}}}`: `"secret":{"sealed":{"key":3,"box":"Ym94"}}`,
		`{"secret":null}`:                              "",
		`{}`:                                           "",
		`{"secret":{"sealed":{"key":3,"box":"","x":1}}}`:     "refused",
		`{"secret":{"opened":"canary"}}`:                     "refused",
		`{"secret":{"sealed":{"key":3,"box":""},"Ref":"x"}}`: "refused",
		`{"secret":5}`:          "refused",
		`{"secret":["canary"]}`: "refused",
	} {
		var h holder
		if err := entry.Strict([]byte(raw), &h); (err != nil) != (want == "refused") || err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v", raw, err)
			continue
		} else if err != nil {
			continue
		}
		h.Secret.Opened = "canary" // what a node has opened is written nowhere
		if want == "" {
			h.Secret.Opened = ""
		}
		out, err := json.Marshal(&h)
		if err != nil || !strings.Contains(string(out), want) || strings.Contains(string(out), "canary") || want == "" && strings.Contains(string(out), "secret") {
			t.Errorf("%s: written as %s, %v", raw, out, err)
		}
	}
}

func TestSecretsArePrintedNowhere(t *testing.T) {
	h := holder{Secret: entry.Secret{Opened: "canary"}, List: []row{{entry.Secret{Ref: "canary-as-a-literal"}}}, Pointed: nil}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, what := range []any{h, &h, h.Secret, &h.Secret, h.List} {
			if got := fmt.Sprintf(verb, what); strings.Contains(got, "canary") {
				t.Errorf("%s prints %s", verb, got)
			}
		}
	}
}

func TestNamesOfSecretsAreStrict(t *testing.T) {
	for ref, want := range map[string]string{
		"${a}": "a", "${api_secret2}": "api_secret2", "": "", "a": "", "${A}": "", "${}": "", "x${a}": "", "${a}x": "", "${a}${b}": "", "${a}\n": "",
	} {
		if got := (entry.Secret{Ref: ref}).Name(); got != want {
			t.Errorf("%q: got %q, want %q", ref, got, want)
		}
	}
}

func TestASecretIsSealedForItsPlaceAlone(t *testing.T) {
	seen := map[string]bool{}
	for _, info := range []string{
		entry.PolicySecretInfo("v", "", 0, "k", "f"), entry.PolicySecretInfo("w", "", 0, "k", "f"), entry.PolicySecretInfo("v", "op", 0, "k", "f"),
		entry.PolicySecretInfo("v", "", 1, "k", "f"), entry.PolicySecretInfo("v", "", 0, "l", "f"), entry.PolicySecretInfo("v", "", 0, "k", "g"),
		entry.PolicySecretInfo("v", `"|0|`, 0, "k", "f"), entry.HeaderInfo("v", "", "f"), entry.UpstreamKeyInfo("v", "f"),
	} {
		if seen[info] {
			t.Errorf("%s names two places", info)
		}
		seen[info] = true
	}
}
