package lint_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"portico/openapi"
	"portico/openapi/lint"
)

// good keeps every rule. Each case below breaks one.
const good = `openapi: 3.1.0
info:
  title: Orders
  version: "1"
  description: Takes orders.
  contact: {name: Order team}
  license: {name: Apache-2.0}
servers: [{url: https://api.example.com}, {url: http://localhost:8080}]
tags: [{name: orders, description: All about orders}]
security: [{key: []}]
paths:
  /work-orders/{order_id}:
    parameters:
      - {name: order_id, in: path, required: true, description: The order, schema: {type: string, format: uuid}}
    get:
      operationId: getOrder
      summary: Get an order
      description: Answers one order.
      tags: [orders]
      responses:
        "200": {description: ok, content: {application/json: {schema: {$ref: "#/components/schemas/Order"}, example: {id: x}}}}
        "404": {$ref: "#/components/responses/Problem"}
    delete:
      operationId: deleteOrder
      summary: Delete an order
      description: Deletes one order.
      tags: [orders]
      responses:
        "204": {description: done}
        default: {$ref: "#/components/responses/Problem"}
  /order-lines:
    post:
      operationId: addLine
      summary: Add a line
      description: Adds a line.
      tags: [orders]
      security: []
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}}
      responses: {"201": {description: made}, "400": {$ref: "#/components/responses/Problem"}}
components:
  securitySchemes: {key: {type: apiKey, in: header, name: X-Key}}
  responses: {Problem: {description: Wrong}}
  schemas:
    Order: {type: object, properties: {id: {type: string}}, discriminator: {propertyName: id, mapping: {x: Special}}}
    Special: {type: object}
`

func run(t *testing.T, document string) lint.Report {
	t.Helper()
	doc, err := openapi.Load(context.Background(), []byte(document), openapi.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return lint.Run(context.Background(), doc)
}

func TestADocumentThatKeepsEveryRuleScores100(t *testing.T) {
	r := run(t, good)
	if r.Score != 100 || len(r.Findings) != 0 || r.Passed != len(lint.Rules()) || r.Rules != r.Passed {
		t.Errorf("%+v", r)
	}
}

func TestEachRuleFindsWhatBreaksIt(t *testing.T) {
	cases := []struct{ code, from, to, pointer, message string }{
		{"style/operation-summary", "      summary: Add a line\n", "", "/paths/~1order-lines/post", "has no summary"},
		{"style/operation-summary", "summary: Add a line", "summary: " + strings.Repeat("é", 61), "/paths/~1order-lines/post/summary", "61 characters"},
		{"docs/operation-description", "      description: Adds a line.\n", "", "/paths/~1order-lines/post", "no description"},
		{"docs/parameter-description", "description: The order, ", "", "/paths/~1work-orders~1{order_id}/parameters/0", `"order_id"`},
		{"docs/api-description", "  description: Takes orders.\n", "", "/info", "no description"},
		{"docs/contact-license", "  contact: {name: Order team}\n", "", "/info", "no contact"},
		{"docs/contact-license", "  license: {name: Apache-2.0}\n", "", "/info", "no licence"},
		{"docs/tag-declared", "Add a line\n      description: Adds a line.\n      tags: [orders]", "Add a line\n      description: Adds a line.\n      tags: [lines]", "/paths/~1order-lines/post/tags", `"lines"`},
		{"docs/tag-declared", "Adds a line.\n      tags: [orders]", "Adds a line.", "/paths/~1order-lines/post", "no tag"},
		{"design/success-response", `{"201": {description: made}, `, "{", "/paths/~1order-lines/post", "no successful answer"},
		{"docs/error-response", `, "400": {$ref: "#/components/responses/Problem"}`, "", "/paths/~1order-lines/post", "no 4xx"},
		{"docs/success-example", ", example: {id: x}", "", "/paths/~1work-orders~1{order_id}/get/responses/200", "no example"},
		{"design/operation-id", "      operationId: addLine\n", "", "/paths/~1order-lines/post", "no operation id"},
		{"design/operation-id", "operationId: addLine", "operationId: getOrder", "/paths/~1order-lines/post/operationId", "also that of GET"},
		{"design/get-with-body", "operationId: deleteOrder", "operationId: deleteOrder\n      requestBody: {content: {}}", "/paths/~1work-orders~1{order_id}/delete/requestBody", "DELETE"},
		{"design/unused-component", "{x: Special}", "{x: Order}", "/components/schemas/Special", "schemas/Special"},
		{"design/unused-component", "{key: {type: apiKey, in: header, name: X-Key}}", "{key: {type: apiKey, in: header, name: X-Key}, other: {type: http, scheme: basic}}", "/components/securitySchemes/other", "other"},
		{"style/path-casing", "  /order-lines:", "  /orderLines/some-thing:", "/paths/~1orderLines~1some-thing", "camelCase"},
		{"style/trailing-slash", "  /order-lines:", "  /order-lines/:", "/paths/~1order-lines~1", "ends with a slash"},
		{"security/https-only", "https://api.example.com", "http://api.example.com", "/servers/0", "http://api.example.com"},
		{"security/operation-security", "security: [{key: []}]\npaths", "paths", "/paths/~1work-orders~1{order_id}/get", "which credential"},
		{"security/numeric-id", "schema: {type: string, format: uuid}", "schema: {type: integer}", "/paths/~1work-orders~1{order_id}/parameters/0", "order_id"},
	}
	tried := make(map[string]bool)
	for _, c := range cases {
		tried[c.code] = true
		broken := strings.Replace(good, c.from, c.to, 1)
		if broken == good {
			t.Fatalf("%s: the case changes nothing", c.code)
		}
		r := run(t, broken)
		i := slices.IndexFunc(r.Findings, func(f openapi.Finding) bool { return f.Code == c.code })
		if i < 0 {
			t.Errorf("%s finds nothing; findings are %v", c.code, r.Findings)
			continue
		}
		if f := r.Findings[i]; f.Pointer != c.pointer || !strings.Contains(f.Message, c.message) || f.Line < 1 || f.Hint == "" {
			t.Errorf("%s: %+v, want pointer %s and %q", c.code, f, c.pointer, c.message)
		}
		for _, f := range r.Findings {
			also := c.code == "security/operation-security" && f.Code == "design/unused-component" // the scheme is no longer used
			if f.Code != c.code && !also {
				t.Errorf("the case of %s also breaks %s: %s", c.code, f.Code, f.Message)
			}
		}
		if r.Score > 99 || r.Score < 80 || r.Passed >= r.Rules {
			t.Errorf("%s: score %d, %d of %d passed", c.code, r.Score, r.Passed, r.Rules)
		}
	}
	for _, rule := range lint.Rules() {
		if !tried[rule.Code] {
			t.Errorf("no case for %s", rule.Code)
		}
		if group, name, ok := strings.Cut(rule.Code, "/"); !ok || group == "" || name == "" || rule.Title == "" || rule.Fix == "" || rule.Severity == "" {
			t.Errorf("rule %+v", rule)
		}
	}
}

// TestScoreIsTheWeightedShareOfPlaces works one out by hand: an operation of
// three breaks one rule of weight 3, and all else holds.
func TestScoreIsTheWeightedShareOfPlaces(t *testing.T) {
	most := 0.0
	for _, rule := range lint.Rules() {
		switch rule.Severity {
		case openapi.SeverityError:
			most += 5
		case openapi.SeverityWarning:
			most += 3
		default:
			most++
		}
	}
	want := int(100*(most-3.0/3)/most + 0.5)
	if got := run(t, strings.Replace(good, "      summary: Add a line\n", "", 1)).Score; got != want {
		t.Errorf("score %d, want %d", got, want)
	}
}

func TestFindingsOfARuleAreBoundedAndTheRestCounted(t *testing.T) {
	var b strings.Builder
	b.WriteString("openapi: 3.0.0\ninfo: {title: x, version: '1'}\npaths:\n")
	for i := range 150 {
		b.WriteString("  /p" + strings.Repeat("x", i) + ": {get: {}}\n")
	}
	r := run(t, b.String())
	perRule := make(map[string]int)
	for _, f := range r.Findings {
		perRule[f.Code]++
	}
	if perRule["docs/operation-description"] != 100 || r.Omitted < 50 {
		t.Errorf("%v listed, %d omitted", perRule, r.Omitted)
	}
	if r.Score >= 50 || r.Score < 0 {
		t.Errorf("a document with nothing but paths scores %d", r.Score)
	}
}

func TestEndedContextLeavesRulesOut(t *testing.T) {
	doc, err := openapi.Load(context.Background(), []byte(good), openapi.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r := lint.Run(ctx, doc); r.Rules != 0 || r.Passed != 0 {
		t.Errorf("%+v", r)
	}
}
