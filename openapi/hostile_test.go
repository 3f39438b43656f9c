package openapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"portico/openapi"
)

const head = `{"openapi":"3.0.0","info":{"title":"x","version":"1"},"servers":[{"url":"https://example.com"}],`

// ring is a document of n schemas each of which has the next as a property.
func ring(n int) string {
	var b strings.Builder
	b.WriteString(head + `"paths":{"/a":{"get":{"operationId":"a","responses":{"200":{"description":"x","content":{"application/json":{"schema":{"$ref":"#/components/schemas/S0"}}}}}}}},"components":{"schemas":{`)
	for i := range n {
		fmt.Fprintf(&b, `"S%d":{"type":"object","properties":{"next":{"$ref":"#/components/schemas/S%d"}}},`, i, (i+1)%n)
	}
	return b.String() + `"Last":{"type":"string"}}}}`
}

// hub is a ring in which one schema more refers to all, so that no way is long.
func hub(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"p%d":{"$ref":"#/components/schemas/S%d"},`, i, i)
	}
	text := strings.Replace(ring(n), `"Last":{"type":"string"}`, `"Hub":{"properties":{`+strings.TrimSuffix(b.String(), ",")+`}}`, 1)
	return strings.Replace(text, `"schema":{"$ref":"#/components/schemas/S0"}`, `"schema":{"$ref":"#/components/schemas/Hub"}`, 1)
}

func aliasBomb(levels int) string {
	var b strings.Builder
	b.WriteString("openapi: 3.0.0\nl0: &l0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < levels; i++ {
		fmt.Fprintf(&b, "l%d: &l%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d, ", i-1), 9), ", "))
	}
	return b.String()
}

// TestBombsAreRefusedInMilliseconds: each with the line, and without taking
// memory beyond a small multiple of the document.
func TestBombsAreRefusedInMilliseconds(t *testing.T) {
	deep := func(open, inner, closing string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(closing, n)
	}
	chain := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"S%d":{"$ref":"#/components/schemas/S%d"},`, i, i+1)
		}
		return head + `"paths":{"/a":{"get":{"operationId":"a"}}},"components":{"schemas":{` + b.String() + fmt.Sprintf(`"S%d":{"type":"string"}}}}`, n)
	}
	for _, c := range []struct {
		name, document, code, pointer string
		limits                        openapi.Limits
	}{
		{
			name: "a schema 20,000 deep", code: "too_deep", pointer: "/components/schemas/A/properties",
			document: head + `"paths":{"/a":{"get":{}}},"components":{"schemas":{"A":` + deep(`{"properties":{"a":`, "{}", "}}", 20_000) + "}}}",
		},
		{name: "a list 100,000 deep", code: "too_deep", pointer: "/x", document: `{"x":` + deep("[", "", "]", 100_000) + "}"},
		{name: "YAML 20,000 deep", code: "too_deep", document: "openapi: 3.0.0\nx: " + deep("[", "", "]", 20_000)},
		{name: "YAML 500 deep", code: "too_deep", document: "openapi: 3.0.0\nx: " + deep("{a: ", "1", "}", 500)},
		{name: "a ring of 4,000 schemas", code: "ref_chain_too_long", pointer: "/components/schemas/S", document: ring(4000)},
		{name: "a chain of 4,000 references", code: "ref_chain_too_long", pointer: "/components/schemas/S", document: chain(4000)},
		{name: "an alias bomb", code: "alias_bomb", document: aliasBomb(12)},
		{
			name: "an alias that repeats a long text", code: "alias_bomb",
			document: "openapi: 3.0.0\nt: &t '" + strings.Repeat("y", 1<<16) + "'\nz: [" + strings.Repeat("*t, ", 10_000) + "]\n",
		},
		{name: "an alias inside itself", code: "alias_bomb", document: "openapi: 3.0.0\nx: &x {a: [*x]}\n"},
		{name: "a merge of itself", code: "alias_bomb", document: "openapi: 3.0.0\nx: &x {<<: *x}\n"},
		{name: "too many bytes", code: "too_large", document: head + strings.Repeat(" ", 2000), limits: openapi.Limits{MaxBytes: 1000}},
		{name: "too many values", code: "too_large", limits: openapi.Limits{MaxValues: 50_000}, document: `{"x":[` + strings.Repeat("1,", 400_000) + "1]}"},
		{name: "too many YAML values", code: "too_large", limits: openapi.Limits{MaxValues: 50_000}, document: "x:\n" + strings.Repeat("- a\n", 400_000)},
		{
			name: "too many operations", code: "too_many_operations", pointer: "/paths/~1b/get", limits: openapi.Limits{MaxOperations: 1},
			document: head + `"paths":{"/a":{"get":{}},"/b":{"get":{}}}}`,
		},
		{name: "too many schemas", code: "too_many_schemas", pointer: "/components/schemas", limits: openapi.Limits{MaxSchemas: 3}, document: ring(10)},
	} {
		t.Run(c.name, func(t *testing.T) {
			start, before := time.Now(), allocated()
			_, err := openapi.Scan(context.Background(), []byte(c.document), openapi.ScanOptions{Limits: c.limits})
			took, used := time.Since(start), allocated()-before
			var refused *openapi.Error
			if !errors.As(err, &refused) || refused.Code != c.code {
				t.Fatalf("%v, want the code %q", err, c.code)
			}
			if !strings.HasPrefix(refused.Pointer, c.pointer) {
				t.Errorf("pointer %q, want it to begin with %q", refused.Pointer, c.pointer)
			}
			if c.code != "too_large" && refused.Line == 0 {
				t.Errorf("no line in %+v", refused)
			}
			if len(refused.Message) > 1500 {
				t.Errorf("a message of %d bytes", len(refused.Message))
			}
			if took > 3*time.Second { // milliseconds on a machine with nothing else to do
				t.Errorf("took %v", took)
			}
			if most := uint64(40*len(c.document) + 8<<20); used > most {
				t.Errorf("allocated %d bytes for %d, want at most %d", used, len(c.document), most)
			}
			if _, err := openapi.Load(context.Background(), []byte(c.document), openapi.LoadOptions{Limits: c.limits}); err == nil {
				t.Error("Load takes what Scan refuses")
			}
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestDeepReferencesKeepTheSecondReaderOut: the document is read, and
// kin-openapi, which would take minutes, is not asked.
func TestDeepReferencesKeepTheSecondReaderOut(t *testing.T) {
	var rings strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&rings, `"R%d":{"$ref":"#/components/schemas/R%d"},`, i, (i+1)%4000)
	}
	for name, document := range map[string]string{
		"a ring with a hub":   hub(4000),
		"a way with a hub":    strings.Replace(hub(4000), `#/components/schemas/S0"}}},"Hub`, `#/components/schemas/Q"}}},"Q":{"type":"string"},"Hub`, 1),
		"references in rings": strings.Replace(ring(3), `"Last"`, rings.String()+`"Last"`, 1),
	} {
		start := time.Now()
		doc, err := openapi.Load(context.Background(), []byte(document), openapi.LoadOptions{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		skipped := false
		for _, f := range doc.Findings {
			skipped = skipped || f.Code == "load_skipped"
		}
		if !skipped {
			t.Errorf("%s: no load_skipped among %v", name, doc.Findings)
		}
		for ref := range doc.References() {
			if ref.ID != "a" || len(ref.Responses) != 1 {
				t.Errorf("%s: reference %+v", name, ref)
			}
		}
	}
}

// TestWideSchemasCostLittle: a page of one is bounded, and so is the time for
// many.
func TestWideSchemasCostLittle(t *testing.T) {
	var fields, options, operations strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&fields, `"f%d":{"$ref":"#/components/schemas/Last"},`, i)
		fmt.Fprintf(&options, `{"$ref":"#/components/schemas/Last"},`)
	}
	for i := range 300 {
		fmt.Fprintf(&operations, `"/p%d":{"get":{"operationId":"p%d","responses":{"200":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Wide"}},"text/json":{"schema":{"$ref":"#/components/schemas/Choice"}}}}}}},`, i, i)
	}
	document := strings.Replace(ring(2), `"Last"`, `"Wide":{"properties":{`+fields.String()+`"z":{}}},"Choice":{"anyOf":[`+options.String()+`{}]},"All":{"allOf":[`+options.String()+`{}]},"Last"`, 1)
	document = strings.Replace(document, `"paths":{`, `"paths":{`+operations.String(), 1)
	doc, err := openapi.Load(context.Background(), []byte(document), openapi.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.Findings) != 1 || doc.Findings[0].Code != "load_skipped" {
		t.Errorf("findings %v, want load_skipped alone", doc.Findings)
	}
	start, pages := time.Now(), 0
	for ref := range doc.References() {
		pages++
		if ref.ID == "p0" {
			wide := ref.Responses[0].Media[0].Schema
			if got := len(wide.Properties) + wide.More; got != 20_001 || len(wide.Properties) > 200 {
				t.Errorf("%d fields shown and %d more, want 20001 in all", len(wide.Properties), wide.More)
			}
		}
	}
	for range doc.Schemas() {
		pages++
	}
	if took := time.Since(start); took > 10*time.Second || pages < 300 { // about half a second on a machine with nothing else to do
		t.Errorf("%d pages took %v", pages, took)
	}
}

func TestRecursiveSchemasAreFine(t *testing.T) {
	for _, n := range []int{1, 2, 50, 400} {
		doc, err := openapi.Load(context.Background(), []byte(ring(n)), openapi.LoadOptions{})
		if err != nil {
			t.Errorf("a ring of %d: %v", n, err)
			continue
		}
		for _, f := range append(doc.Outline.Findings, doc.Findings...) {
			t.Errorf("a ring of %d: %v", n, f)
		}
	}
}

const whole = `{
 "openapi": "3.1.0",
 "info": {"title": "H\u00e9llo \"x\"", "version": "1.0", "x": [1, -2.5e+3, true, false, null]},
 "paths": {"/a/{id}": {"get": {"summary": "List", "responses": {"200": {"description": "ok"}}}}}
}`

// TestHalfADocumentSaysWhereItEnds cuts a document at every byte.
func TestHalfADocumentSaysWhereItEnds(t *testing.T) {
	if _, err := openapi.Scan(context.Background(), []byte(whole), openapi.ScanOptions{}); err != nil {
		t.Fatalf("the whole document: %v", err)
	}
	for cut := 1; cut < len(whole); cut++ {
		_, err := openapi.Scan(context.Background(), []byte(whole[:cut]), openapi.ScanOptions{})
		var refused *openapi.Error
		if !errors.As(err, &refused) {
			t.Fatalf("cut at %d: %v, want an Error", cut, err)
		}
		last := strings.Count(whole[:cut], "\n") + 1
		if refused.Line < 1 || refused.Line > last || refused.Column < 1 {
			t.Errorf("cut at %d: line %d column %d, want a place up to line %d", cut, refused.Line, refused.Column, last)
		}
		if refused.Code != "truncated" && refused.Code != "malformed" {
			t.Errorf("cut at %d: code %q", cut, refused.Code)
		}
	}
}

// TestHalfAYAMLDocumentNeverPanics: half of it may be a document as well.
func TestHalfAYAMLDocumentNeverPanics(t *testing.T) {
	text := readFile(t, "testdata/scan/servers.txt")
	for cut := range len(text) {
		if _, err := openapi.Scan(context.Background(), []byte(text[:cut]), openapi.ScanOptions{}); err != nil {
			var refused *openapi.Error
			if !errors.As(err, &refused) || refused.Message == "" {
				t.Fatalf("cut at %d: %v, want an Error", cut, err)
			}
		}
	}
}

func TestTextThatIsNotUTF8IsReadWithAFinding(t *testing.T) {
	document := strings.Replace(head, `"title":"x"`, "\"title\":\"caf\xe9\"", 1) + `"paths":{"/a":{"get":{"operationId":"a"}}}}`
	out, err := openapi.Scan(context.Background(), []byte(document), openapi.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if out.Title != "caf\uFFFD" || len(out.Findings) != 1 || out.Findings[0].Code != "not_utf8" {
		t.Errorf("title %q, findings %v", out.Title, out.Findings)
	}
	for name, raw := range map[string][]byte{
		"UTF-16": []byte("\xff\xfe{\x00}\x00"), "binary": []byte("openapi: 3.0.0\nx: \x00"), "gzip": {0x1f, 0x8b, 8},
	} {
		_, err := openapi.Scan(context.Background(), raw, openapi.ScanOptions{})
		var refused *openapi.Error
		if !errors.As(err, &refused) || refused.Code != "not_a_document" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := openapi.Scan(context.Background(), append([]byte("\xef\xbb\xbf"), document...), openapi.ScanOptions{}); err != nil {
		t.Errorf("with a byte order mark: %v", err)
	}
}

func TestFindingsAreBoundedAndCounted(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(head + `"paths":{`)
	for i := range 500 {
		fmt.Fprintf(&b, `"p%d":{"get":{}},`, i)
	}
	b.WriteString(`"/last":{"get":{"operationId":"x"}}}}`)
	out, err := openapi.Scan(context.Background(), b.Bytes(), openapi.ScanOptions{Limits: openapi.Limits{MaxFindings: 100}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Findings) != 20 || out.FindingsOmitted != 980 { // ten of each of two codes
		t.Errorf("%d findings and %d omitted, want 20 and 980", len(out.Findings), out.FindingsOmitted)
	}
}
