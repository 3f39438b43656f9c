package contract_test

import (
	"encoding/json"
	"net/url"
	"testing"
	"unicode/utf8"

	"portico/gateway/contract"
	"portico/internal/entry"
)

// FuzzParameters: a text is the same by whatever way it comes, and no other text
// is; and a query that net/url can read has the parameters that it has there.
func FuzzParameters(f *testing.F) {
	for _, s := range []string{"a", "", "null", "1", "true", "a,b|c d+e;f=%20", "é\x00"} {
		f.Add(s, "b", "a=1&b%5B=2&&=c&d")
		f.Add("b", s, "a=%zz&b;c")
	}
	parameter := func(in, name, style string, explode bool, kind string, want any) entry.ContractParameter {
		raw, err := json.Marshal(map[string]any{"type": kind, "const": want})
		if err != nil {
			f.Fatal(err)
		}
		return entry.ContractParameter{Name: name, In: in, Style: style, Explode: explode, Required: true, Schema: raw}
	}
	none := compiled(f, &entry.Contract{})
	f.Fuzz(func(t *testing.T, one, two, query string) {
		if want, err := url.ParseQuery(query); err == nil && len(query) < 2000 {
			unknown := texts(none.Parameters(head{query: query}, contract.Strictness{Unknown: true}))
			n := 0
			for name := range want {
				n += len(want[name])
			}
			if len(unknown) != min(n, 20) && (n < 20 || len(unknown) < 20) { // more are not told
				t.Fatalf("%q holds %q, we say %q", query, want, unknown)
			}
		}
		if !utf8.ValidString(one) || !utf8.ValidString(two) {
			return
		}
		c := compiled(t, &entry.Contract{Parameters: []entry.ContractParameter{
			parameter("query", "q", "form", true, "string", one), parameter("query", "many", "form", true, "array", []string{one, two}),
			parameter("query", "few", "form", false, "array", []string{two + "x", one}), parameter("path", "p", "simple", false, "string", one), parameter("header", "H", "simple", false, "string", one),
		}})
		good := url.Values{"q": {one}, "many": {one, two}}.Encode() + "&few=" + url.QueryEscape(two+"x") + "," + url.QueryEscape(one)
		wrong := func(query, path, header string) []string {
			return texts(c.Parameters(head{query: query, path: map[string]string{"p": path}, header: map[string]string{"H": header}}, contract.Strictness{Unknown: true}))
		}
		if got := wrong(good, one, one); len(got) > 0 {
			t.Fatalf("%q, %q, as %q: %q", one, two, good, got)
		}
		if one == two {
			return
		}
		other := url.Values{"q": {two}, "many": {two, one}}.Encode() + "&few=" + url.QueryEscape(two+"x") + "," + url.QueryEscape(two)
		if got := wrong(other, two, two); len(got) != 5 {
			t.Fatalf("%q, %q, as %q: %q", one, two, other, got)
		}
	})
}
