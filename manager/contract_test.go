package manager_test

import (
	"encoding/json"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

func TestValidatedVersionsTravelWithTheirContracts(t *testing.T) {
	postgres.Both(t, testValidatedVersionsTravelWithTheirContracts)
}

const stockDocument = `openapi: 3.1.0
info: {title: Stock, version: 1.0.0}
servers: [{url: "https://stock.upstream.example"}]
paths:
  /items:
    get:
      operationId: list
      parameters: [{name: limit, in: query, schema: {type: integer}}]
      responses: {"200": {description: OK, content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Item'}}, example: [{name: tea}]}}}}
    post:
      operationId: make
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Item'}}}}
      responses: {"201": {description: made}}
  /odd:
    post:
      operationId: odd
      requestBody: {content: {application/json: {schema: {type: string, pattern: '(?=a)b'}}}}
      responses: {"200": {description: OK}}
components:
  schemas:
    Item: {type: object, required: [name], properties: {name: {type: string}, parts: {type: array, items: {$ref: '#/components/schemas/Item'}}}}
`

func testValidatedVersionsTravelWithTheirContracts(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	staged := p.stage(p.provider, p.shop.ID, stockDocument)
	v := must[apim.Version](t)(p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, staged.ID, manager.AcceptImport{Name: "Stock", Slug: "stock", Access: "document"}))

	validate := apim.Policy{Kind: "validate", Config: json.RawMessage(`{"request": "refuse"}`)}
	mock := apim.Policy{Kind: "mock", Config: json.RawMessage(`{"pending": true}`)}
	v = p.draft(v, manager.DraftChange{RoutePolicies: map[string][]apim.Policy{"make": {validate}, "list": {mock}}, Lock: v.Lock})
	p.publish(v)
	api, ok := p.live(v)
	if !ok {
		t.Fatal("it is not live")
	}
	if want := `{"Item":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"parts":{"type":"array","items":{"$ref":"#/$defs/Item"}}}}}`; string(api.Schemas) != want {
		t.Errorf("schemas: got %s, want %s", api.Schemas, want)
	}
	for _, r := range api.Routes {
		got := r.Contract
		switch {
		case r.Operation == "odd" && got != nil:
			t.Error("an operation that nobody validates has a contract")
		case r.Operation == "make" && (got == nil || !got.BodyRequired || string(got.Body[0].Schema) != `{"$ref":"#/$defs/Item"}` || len(got.Answers) != 0):
			t.Errorf("make: got %+v", got)
		case r.Operation == "list" && (got == nil || len(got.Parameters) != 0 || got.Answers[0].Content[0].Schema != nil ||
			got.Answers[0].Content[0].Examples[0] != (entry.ContractExample{Name: "example", Body: `[{"name":"tea"}]`})):
			t.Errorf("list: got %+v", got)
		}
	}

	// For all operations it cannot be: one has a pattern that RE2 does not know.
	fresh := must[manager.VersionDetail](t)(p.catalog.Version(ctx, p.provider, p.shop.ID, v.ID))
	p.draft(fresh.Version, manager.DraftChange{Policies: &[]apim.Policy{validate}, Lock: fresh.Version.Lock})
	_, err := p.catalog.Publish(ctx, p.provider, p.shop.ID, v.ID, "production", "")
	if refused(t, err, apim.Invalid); !strings.Contains(errorText(err), "odd") || !strings.Contains(errorText(err), "(?=a)b") {
		t.Errorf("got %s, want a word about odd's pattern", errorText(err))
	}
}

// errorText is an error with what it says of fields.
func errorText(err error) string {
	raw, _ := json.Marshal(err)
	return err.Error() + string(raw)
}
