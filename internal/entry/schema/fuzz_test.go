package schema_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"portico/internal/entry/schema"
)

// FuzzParse compares with encoding/json: what is read here is JSON there too, and
// what is not read is no JSON, or one that is refused on purpose.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e3,true,null,"x\u00e9\ud83d\ude00\n"]}`, `[]`, `{}`, ` "a" `, `-`, `1e`, `"\u12"`, `{"a":1,}`, `[1 2]`, "\"\x7f\"", `{"a":1}{`, `tru`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := schema.Parse(data, schema.DefaultLimits())
		valid := json.Valid(data) && utf8.Valid(data)
		if err == nil && !valid {
			t.Fatalf("%q is read as %v", data, v)
		}
		if err != nil && valid && !strings.Contains(err.Error(), "stands twice") && !strings.Contains(err.Error(), "surrogate") &&
			!strings.Contains(err.Error(), "beyond all bounds") && !strings.Contains(err.Error(), "too many digits") && !strings.Contains(err.Error(), "too deeply") {
			t.Fatalf("%q is refused: %v", data, err)
		}
		if err != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil || !reflect.DeepEqual(plain(v), want) {
			t.Fatalf("%q is read as %v, not as %v, %v", data, plain(v), want, err)
		}
	})
}

// plain is a value as encoding/json has it.
func plain(v schema.Value) any {
	switch v := v.(type) {
	case schema.Number:
		return json.Number(v)
	case []schema.Value:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case *schema.Object:
		out := map[string]any{}
		for _, m := range v.Members {
			out[m.Name] = plain(m.Value)
		}
		return out
	}
	return v
}

// FuzzCheck holds values to schemas of all sorts: it ends, and does not fail.
func FuzzCheck(f *testing.F) {
	definitions, raw, body := order()
	f.Add([]byte(definitions), []byte(raw), []byte(body))
	f.Add([]byte(`{"A":{"anyOf":[{"$ref":"#/$defs/A"},{"not":{"$ref":"#/$defs/A"}}],"unevaluatedProperties":false}}`), []byte(`{"$ref":"#/$defs/A"}`), []byte(`{"a":[{}]}`))
	f.Add([]byte(`{}`), []byte(`{"$dynamicAnchor":"a","items":{"$dynamicRef":"#a"},"contains":{"multipleOf":1e-300},"$id":"b"}`), []byte(`[[1e300,0.1]]`))
	f.Fuzz(func(t *testing.T, definitions, raw, body []byte) {
		set, err := schema.NewSet(definitions)
		if err != nil {
			return
		}
		s, err := set.Compile(raw)
		if err != nil {
			return
		}
		v, err := schema.Parse(body, schema.DefaultLimits())
		if err != nil {
			return
		}
		if wrong := s.Check(v, schema.Options{Direction: schema.Request, Strict: true, Steps: 100_000}); len(wrong) > 21 {
			t.Fatalf("%d errors", len(wrong))
		}
		s.Kinds()
		s.Properties()
		if p := s.Property("a"); p != nil {
			p.Items()
		}
	})
}
