package openapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/internal/entry/schema"
	"portico/openapi"
)

func contracts(t testing.TB, document string, needs openapi.ContractNeeds) *openapi.Contracts {
	t.Helper()
	doc, err := openapi.Open(context.Background(), []byte(document), openapi.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]openapi.ContractNeeds{}
	for _, op := range doc.Outline.Operations {
		wanted[op.ID] = needs
	}
	out, err := doc.Contracts(wanted, 32<<20)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const petDocument = `openapi: 3.0.3
info: {title: Pets, version: "1"}
paths:
  /pets/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: integer, minimum: 0, exclusiveMinimum: true}}]
    put:
      operationId: put
      parameters:
        - {name: filter, in: query, style: deepObject, explode: true, schema: {$ref: '#/components/schemas/Filter'}}
        - {name: q, in: query, content: {application/json: {schema: {type: array, items: {type: string}}}}}
      requestBody: {$ref: '#/components/requestBodies/Pet'}
      responses:
        "200": {description: OK, headers: {X-Rate: {required: true, schema: {type: integer}, example: 7}},
          content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}, examples: {tom: {value: {kind: cat, name: Tom}}, ref: {$ref: '#/components/examples/Rex'}}}}}
        4xx: {description: wrong, content: {application/json: {schema: {type: object, properties: {code: {type: string}}, required: [code]}}}}
        default: {description: other}
components:
  examples: {Rex: {value: {kind: dog, name: Rex}}}
  requestBodies: {Pet: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}}
  schemas:
    Filter: {type: object, properties: {age: {type: integer, nullable: true}}}
    Pet:
      oneOf: [{$ref: '#/components/schemas/Cat'}, {$ref: '#/components/schemas/Dog'}]
      discriminator: {propertyName: kind, mapping: {cat: '#/components/schemas/Cat', hound: Dog}}
    Cat: {type: object, description: dropped, example: {dropped: 1}, properties: {kind: {type: string}, name: {type: string}, friends: {type: array, items: {$ref: '#/components/schemas/Pet'}}}}
    Dog: {type: object, properties: {kind: {type: string}, size: {type: string, nullable: true, enum: [big, small]}, owner: {nullable: true, allOf: [{$ref: '#/components/schemas/Owner'}]}}}
    Owner: {type: object, required: [id, name], properties: {id: {type: string, readOnly: true}, name: {type: string}}}
`

// TestContractsStandForThemselves: what travels needs the document no more.
func TestContractsStandForThemselves(t *testing.T) {
	got := contracts(t, petDocument, openapi.ContractNeeds{Request: true, Answers: true, Examples: true})
	var schemas map[string]json.RawMessage
	if err := json.Unmarshal(got.Schemas, &schemas); err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for name, s := range schemas {
		have[name] = string(s)
	}
	want := map[string]string{
		"Filter": `{"type":"object","properties":{"age":{"type":["integer","null"]}}}`,
		"Pet":    `{"oneOf":[{"$ref":"#/$defs/Cat"},{"$ref":"#/$defs/Dog"}],"discriminator":{"propertyName":"kind","mapping":{"cat":"#/$defs/Cat","hound":"#/$defs/Dog"}}}`,
		"Cat":    `{"type":"object","properties":{"kind":{"type":"string"},"name":{"type":"string"},"friends":{"type":"array","items":{"$ref":"#/$defs/Pet"}}}}`,
		"Dog":    `{"type":"object","properties":{"kind":{"type":"string"},"size":{"type":["string","null"],"enum":["big","small",null]},"owner":{"anyOf":[{"type":"null"},{"allOf":[{"$ref":"#/$defs/Owner"}]}]}}}`,
		"Owner":  `{"type":"object","required":["id","name"],"properties":{"id":{"type":"string","readOnly":true},"name":{"type":"string"}}}`,
	}
	if diff := cmp.Diff(have, want); diff != "" {
		t.Errorf("schemas: got (-), want (+):\n%s", diff)
	}
	ref := []byte(`{"$ref":"#/$defs/Pet"}`)
	wantOne := &openapi.Contract{
		Parameters: []openapi.ContractParameter{
			{Name: "id", In: "path", Style: "simple", Required: true, Schema: []byte(`{"type":"integer","exclusiveMinimum":0}`)},
			{Name: "filter", In: "query", Style: "deepObject", Explode: true, Schema: []byte(`{"$ref":"#/$defs/Filter"}`)},
			{Name: "q", In: "query", Type: "application/json", Schema: []byte(`{"type":"array","items":{"type":"string"}}`)},
		},
		BodyRequired: true,
		Body:         []openapi.ContractContent{{Type: "application/json", Schema: ref}},
		Answers: []openapi.ContractAnswer{
			{
				Status: "200", Headers: []openapi.ContractParameter{{Name: "X-Rate", In: "header", Style: "simple", Required: true, Schema: []byte(`{"type":"integer"}`), Sample: "7"}},
				Content: []openapi.ContractContent{{Type: "application/json", Schema: ref, Examples: []openapi.ContractExample{
					{Name: "tom", Body: `{"kind":"cat","name":"Tom"}`}, {Name: "ref", Body: `{"kind":"dog","name":"Rex"}`},
				}}},
			},
			{Status: "4XX", Content: []openapi.ContractContent{{
				Type: "application/json", Schema: []byte(`{"type":"object","properties":{"code":{"type":"string"}},"required":["code"]}`),
				Examples: []openapi.ContractExample{{Body: `{"code":"string"}`}},
			}}},
			{Status: "default"},
		},
	}
	if diff := cmp.Diff(got.Operations["put"], wantOne); diff != "" {
		t.Errorf("contract: got (-), want (+):\n%s", diff)
	}
}

// TestContractsOfDialects: the same words mean other things in 3.1.
func TestContractsOfDialects(t *testing.T) {
	document := func(version, schema string) string {
		return "openapi: " + version + "\ninfo: {title: T, version: '1'}\npaths:\n  /x:\n    post:\n      operationId: x\n      requestBody: {content: {application/json: {schema: " + schema + "}}}\n      responses: {}\n" +
			"components: {schemas: {A: {type: string}}}\n"
	}
	for _, c := range []struct{ version, given, want string }{
		{"3.0.0", `{$ref: '#/components/schemas/A', maxLength: 3}`, `{"$ref":"#/$defs/A"}`},
		{"3.1.0", `{$ref: '#/components/schemas/A', maxLength: 3}`, `{"$ref":"#/$defs/A","maxLength":3}`},
		{"3.0.0", `{type: string, nullable: true}`, `{"type":["string","null"]}`},
		{"3.1.0", `{type: string, nullable: true}`, `{"type":"string"}`},
		{"3.1.0", `{type: [string, "null"], examples: [a], deprecated: true}`, `{"type":["string","null"]}`},
		{"3.1.0", `{exclusiveMaximum: 5, if: {type: integer}, then: {const: 3}, unevaluatedProperties: false}`, `{"exclusiveMaximum":5,"if":{"type":"integer"},"then":{"const":3},"unevaluatedProperties":false}`},
		{"3.0.0", `{type: integer, maximum: 5, exclusiveMaximum: true}`, `{"type":"integer","exclusiveMaximum":5}`},
		{"3.0.0", `{type: integer, maximum: 5, exclusiveMaximum: false}`, `{"type":"integer","maximum":5}`},
		{"3.1.0", `true`, `true`},
		{"3.1.0", `{x-mine: 1, description: d}`, `{}`},
	} {
		got := contracts(t, document(c.version, c.given), openapi.ContractNeeds{Request: true}).Operations["x"].Body[0].Schema
		if string(got) != c.want {
			t.Errorf("%s %s: got %s, want %s", c.version, c.given, got, c.want)
		}
	}
	for given, want := range map[string]string{
		`{$ref: '#/components/schemas/Nobody'}`:  "leads to nothing",
		`{$dynamicRef: '#node'}`:                 "$dynamicRef cannot be followed",
		`{type: array, items: [{type: string}]}`: "a schema is",
	} {
		doc, err := openapi.Open(context.Background(), []byte(document("3.1.0", given)), openapi.ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := doc.Contracts(map[string]openapi.ContractNeeds{"x": {Request: true}}, 1<<20); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "operation x") {
			t.Errorf("%s: got %v, want one of operation x that says %q", given, err, want)
		}
	}
	doc, err := openapi.Open(context.Background(), []byte(petDocument), openapi.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := doc.Contracts(map[string]openapi.ContractNeeds{"put": {Request: true}}, 300); err == nil || !strings.Contains(err.Error(), "more bytes") {
		t.Errorf("beyond the bound: got %v", err)
	}
}

// TestMadeUpExamplesFitTheirSchemas compiles all of our own document's contracts,
// and those of the documents that are at hand, and holds what is made up to them.
func TestMadeUpExamplesFitTheirSchemas(t *testing.T) {
	own, err := os.ReadFile(filepath.Join("spec", "management.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all := documents(t)
	all["management.yaml"] = own
	for name, raw := range all {
		doc, err := openapi.Open(context.Background(), raw, openapi.ScanOptions{})
		if err != nil {
			continue // others see to that
		}
		made, unfit, refused := 0, 0, 0
		wanted := map[string]openapi.ContractNeeds{}
		for _, op := range doc.Outline.Operations {
			wanted[op.ID] = openapi.ContractNeeds{Request: true, Answers: true, Examples: true}
		}
		got, err := doc.Contracts(wanted, 64<<20)
		if err != nil {
			if name == "management.yaml" {
				t.Error(err)
			}
			continue // a fixture that is wrong on purpose
		}
		set, err := schema.NewSet(got.Schemas)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, op := range doc.Outline.Operations {
			for _, a := range got.Operations[op.ID].Answers {
				for _, c := range a.Content {
					if len(c.Schema) == 0 {
						continue
					}
					s, err := set.Compile(c.Schema)
					if err != nil {
						refused++
						continue
					}
					for _, x := range c.Examples {
						if v, err := schema.Parse([]byte(x.Body), schema.DefaultLimits()); x.Name == "" && err == nil {
							if made++; len(s.Check(v, schema.Options{Direction: schema.Answer})) > 0 {
								if unfit++; name == "management.yaml" {
									t.Errorf("%s %s: made up %.200s: %v", op.ID, a.Status, x.Body, s.Check(v, schema.Options{Direction: schema.Answer}))
								}
							}
						}
					}
				}
			}
		}
		if made+refused > 20 {
			t.Logf("%s: %d of %d made-up examples fit; %d refused", name, made-unfit, made, refused)
		}
		if name == "management.yaml" && (made < 5 || refused > 0) {
			t.Errorf("our own document: %d made up, %d refused", made, refused)
		}
	}
}

// TestWhatIsRequiredIsMadeUp however deep it is, in a form that fits, and no more
// of it than can be sent.
func TestWhatIsRequiredIsMadeUp(t *testing.T) {
	document := "openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths:\n  /x:\n    get:\n      operationId: x\n      responses: {'200': {description: OK, content: {application/json: {schema: {$ref: '#/components/schemas/L0'}}}}}\ncomponents:\n  schemas:\n"
	deep := document
	for i := range 12 {
		deep += fmt.Sprintf("    L%d: {type: object, required: [a], properties: {a: {$ref: '#/components/schemas/L%d'}, b: {type: string}}}\n", i, i+1)
	}
	deep += "    L12: {type: string, pattern: '^(ab|c)[0-9]{3}-x+$'}\n"
	body := contracts(t, deep, openapi.ContractNeeds{Examples: true}).Operations["x"].Answers[0].Content[0].Examples[0].Body
	if want := `"ab000-x"`; !strings.Contains(body, want) || !json.Valid([]byte(body)) {
		t.Errorf("got %s, want %s at its end", body, want)
	}
	wide := document
	for i := range 9 {
		wide += fmt.Sprintf("    L%d: {type: object, required: [a1, a2, a3, a4, a5, a6, a7, a8], properties: {", i)
		for j := 1; j <= 8; j++ {
			wide += fmt.Sprintf("a%d: {$ref: '#/components/schemas/L%d'}, ", j, i+1)
		}
		wide += "}}\n"
	}
	wide += "    L9: {type: string}\n"
	body = contracts(t, wide, openapi.ContractNeeds{Examples: true}).Operations["x"].Answers[0].Content[0].Examples[0].Body
	if len(body) > 64<<10 || !json.Valid([]byte(body)) {
		t.Errorf("got %d bytes", len(body))
	}
}
