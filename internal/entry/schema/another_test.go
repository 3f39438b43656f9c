package schema_test

import (
	"bytes"
	"encoding/json"
	"testing"

	other "github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"portico/internal/entry/schema"
)

// says draws a schema and a value that have something to do with one another,
// and holds what we say of them to what another library says. Patterns, formats
// and sizes beyond reason are left out: there the two differ on purpose.
func says(t *rapid.T) {
	raw, err := json.Marshal(map[string]any{"$defs": map[string]any{"A": drawSchema(t, 2), "B": drawSchema(t, 2)}, "allOf": []any{drawSchema(t, 3)}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(drawValue(t, 3))
	if err != nil {
		t.Fatal(err)
	}
	const where = "https://x.example/s"
	parsed, err := schema.Parse(raw, schema.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	mine := schema.NewCompiler(false)
	if err := mine.Add(where, parsed); err != nil {
		t.Fatal(err)
	}
	ours, err := mine.Compile(where)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	doc, err := other.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := other.NewCompiler()
	if err := c.AddResource(where, doc); err != nil {
		t.Fatal(err)
	}
	theirs, err := c.Compile(where)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	v, err := schema.Parse(data, schema.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	value, err := other.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ours.Check(v, schema.Options{}), theirs.Validate(value); (len(got) == 0) != (want == nil) {
		t.Fatalf("%s of %s: we say %v, they %v", raw, data, got, want)
	}
}

var (
	names   = rapid.SampledFrom([]string{"a", "b", "c", "é"})
	numbers = rapid.SampledFrom([]json.Number{"0", "1", "1.0", "-1", "2", "2.5", "1e2", "100", "0.1", "0.3", "12345678901234567890", "-0"})
	texts   = rapid.SampledFrom([]string{"", "a", "b", "é", "\U0001F600", "abc"})
	counts  = rapid.IntRange(0, 3)
)

func drawValue(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 6).Draw(t, "kind")
	if depth == 0 {
		kind %= 4
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return numbers.Draw(t, "number")
	case 3:
		return texts.Draw(t, "text")
	case 4:
		list := []any{}
		for range counts.Draw(t, "length") {
			list = append(list, drawValue(t, depth-1))
		}
		return list
	}
	object := map[string]any{}
	for range counts.Draw(t, "members") {
		object[names.Draw(t, "name")] = drawValue(t, depth-1)
	}
	return object
}

func drawSchema(t *rapid.T, depth int) any {
	if depth == 0 {
		return rapid.SampledFrom([]any{true, false, map[string]any{"type": "string"}, map[string]any{"type": []string{"integer", "null"}}, map[string]any{"required": []string{"a"}}}).Draw(t, "leaf")
	}
	s := map[string]any{}
	for range rapid.IntRange(1, 3).Draw(t, "keywords") {
		keyword := rapid.SampledFrom(keywords).Draw(t, "keyword")
		switch keyword {
		case "type":
			s[keyword] = rapid.SampledFrom([]string{"object", "array", "string", "number", "integer", "null", "boolean"}).Draw(t, "type")
		case "const":
			s[keyword] = drawValue(t, 2)
		case "enum":
			s[keyword] = []any{drawValue(t, 2), drawValue(t, 1)}
		case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
			s[keyword] = numbers.Draw(t, "bound")
		case "multipleOf":
			s[keyword] = rapid.SampledFrom([]json.Number{"1", "2", "0.1", "0.5", "1e-2", "3"}).Draw(t, "factor")
		case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains":
			s[keyword] = counts.Draw(t, "count")
		case "uniqueItems":
			s[keyword] = true
		case "required":
			s[keyword] = []string{names.Draw(t, "name")}
		case "dependentRequired":
			s[keyword] = map[string]any{names.Draw(t, "if"): []string{names.Draw(t, "then")}}
		case "properties", "dependentSchemas":
			s[keyword] = map[string]any{names.Draw(t, "name"): drawSchema(t, depth-1), "b": drawSchema(t, depth-1)}
		case "prefixItems", "allOf", "anyOf", "oneOf":
			s[keyword] = []any{drawSchema(t, depth-1), drawSchema(t, depth-1)}
		case "$ref":
			s[keyword] = rapid.SampledFrom([]string{"#/$defs/A", "#/$defs/B"}).Draw(t, "to")
			if depth < 3 { // or one may hold itself and nothing else
				delete(s, keyword)
			}
		default:
			s[keyword] = drawSchema(t, depth-1)
		}
	}
	return s
}

var keywords = []string{
	"type", "const", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems",
	"minProperties", "maxProperties", "minContains", "maxContains", "uniqueItems", "required", "dependentRequired", "properties", "dependentSchemas", "prefixItems",
	"allOf", "anyOf", "oneOf", "$ref", "not", "if", "then", "else", "items", "contains", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "propertyNames",
}

func TestSchemasSayWhatAnotherLibrarySays(t *testing.T) { rapid.Check(t, says) }

func FuzzAgainstAnother(f *testing.F) { f.Fuzz(rapid.MakeFuzz(says)) }
