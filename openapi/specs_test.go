package openapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"portico/openapi"
	"portico/openapi/lint"
)

// documents are the fixtures that can be scanned and, where they are present,
// the real documents beside the repository. The latter are not of this
// repository, so that there may be fewer.
func documents(t testing.TB) map[string][]byte {
	t.Helper()
	out := make(map[string][]byte)
	fixtures, err := filepath.Glob("testdata/scan/*.txt")
	if err != nil || len(fixtures) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range fixtures {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, document, _ := strings.Cut(string(text), "== document\n")
		document, _, _ = strings.Cut(document, "== result\n")
		if !strings.HasPrefix(filepath.Base(file), "error_") {
			out[filepath.Base(file)] = []byte(document)
		}
	}
	for _, pattern := range []string{"../../shared/specs/*.json", "../../shared/specs/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out[filepath.Base(file)] = text
		}
	}
	return out
}

// count is an independent count of operations: the methods under the paths of
// a document decoded into maps, which keep one of two equal names.
func count(t *testing.T, raw []byte) (operations int, swagger bool) {
	t.Helper()
	var doc map[string]any
	if json.Unmarshal(raw, &doc) != nil {
		if err := yaml.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
	}
	paths, _ := doc["paths"].(map[string]any)
	for path, item := range paths {
		members, _ := item.(map[string]any)
		if ref, ok := members["$ref"].(string); ok && strings.HasPrefix(ref, "#/components/pathItems/") {
			members = doc["components"].(map[string]any)["pathItems"].(map[string]any)[strings.TrimPrefix(ref, "#/components/pathItems/")].(map[string]any)
		}
		if strings.HasPrefix(path, "x-") {
			continue
		}
		for name, value := range members {
			switch name {
			case "get", "put", "post", "delete", "options", "head", "patch", "trace", "query":
				if _, ok := value.(map[string]any); ok {
					operations++
				}
			case "additionalOperations":
				operations += len(value.(map[string]any))
			}
		}
	}
	return operations, doc["swagger"] != nil
}

func TestEveryDocumentHasAsManyOperationsAsItsPaths(t *testing.T) {
	for name, raw := range documents(t) {
		want, swagger := count(t, raw)
		if name == "same_key_twice.txt" {
			want = 1 // maps keep the last of two equal paths, the scan the first
		}
		out, err := openapi.Scan(context.Background(), raw, openapi.ScanOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if swagger != (out.SpecVersion == "2.0") {
			t.Errorf("%s: is said to be OpenAPI %s", name, out.SpecVersion)
		}
		if got := len(out.Operations); got != want {
			t.Errorf("%s: %d operations, want %d", name, got, want)
		}
		ids, slugs := make(map[string]bool), make(map[string]bool)
		for _, o := range out.Operations {
			if o.ID == "" || ids[o.ID] || slugs[o.Slug] || o.Line < 1 || !strings.HasPrefix(o.Pointer, "/") {
				t.Errorf("%s: operation %+v", name, o)
			}
			if !o.DocumentationOnly && (!strings.HasPrefix(o.Path, "/") || strings.ContainsAny(o.Path, "?#")) {
				t.Errorf("%s: routes %q", name, o.Path)
			}
			ids[o.ID], slugs[o.Slug] = true, true
		}
		for _, s := range out.Servers {
			if strings.ContainsAny(s.URL, "{}") {
				t.Errorf("%s: server %q still has a variable", name, s.URL)
			}
		}
	}
}

// TestEveryDocumentHasAWholeReference: an operation each, within its size, and
// as plain data that survives being stored.
func TestEveryDocumentHasAWholeReference(t *testing.T) {
	for name, raw := range documents(t) {
		doc, err := openapi.Load(context.Background(), raw, openapi.LoadOptions{})
		if err != nil {
			if !strings.Contains(err.Error(), "Swagger") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		i := 0
		for ref := range doc.References() {
			text, err := json.Marshal(ref)
			if err != nil || len(text) > openapi.MaxReferenceBytes {
				t.Errorf("%s %s: %d bytes, %v", name, ref.ID, len(text), err)
			}
			if o := doc.Outline.Operations[i]; ref.ID != o.ID || ref.Slug != o.Slug {
				t.Errorf("%s: reference %d is %s, want %s", name, i, ref.ID, o.ID)
			}
			var again openapi.Reference
			if err := json.Unmarshal(text, &again); err != nil {
				t.Errorf("%s %s: %v", name, ref.ID, err)
			}
			checkExamples(t, name, ref)
			i++
		}
		if i != len(doc.Outline.Operations) {
			t.Errorf("%s: %d references for %d operations", name, i, len(doc.Outline.Operations))
		}
		for s := range doc.Schemas() {
			if text, err := json.Marshal(s); err != nil || len(text) > openapi.MaxReferenceBytes {
				t.Errorf("%s schema %s: %d bytes, %v", name, s.Name, len(text), err)
			}
		}
		if r := lint.Run(context.Background(), doc); r.Score < 0 || r.Score > 100 || r.Passed > r.Rules || r.Rules != len(lint.Rules()) {
			t.Errorf("%s: lint report %+v", name, r)
		}
	}
}

// checkExamples wants every JSON example to be JSON.
func checkExamples(t *testing.T, name string, ref openapi.Reference) {
	t.Helper()
	media := []openapi.Media{}
	if ref.Body != nil {
		media = append(media, ref.Body.Media...)
	}
	for _, r := range ref.Responses {
		media = append(media, r.Media...)
	}
	for _, m := range media {
		if m.Example != nil && m.Example.Language == "json" && !json.Valid([]byte(m.Example.Text)) {
			t.Errorf("%s %s: the example of %s is no JSON: %.200s", name, ref.ID, m.Type, m.Example.Text)
		}
	}
}

// TestLargeDocumentsAreScannedFast makes a document of GitHub's size, since
// the real one may not be there.
func TestLargeDocumentsAreScannedFast(t *testing.T) {
	var b strings.Builder
	b.WriteString(head + `"paths":{`)
	for i := range 1200 {
		fmt.Fprintf(&b, `"/things/%d/{id}":{"get":{"operationId":"op%d","description":%q,"responses":{"200":{"description":"ok","content":{"application/json":{"schema":{"type":"object","properties":{`, i, i, strings.Repeat("text ", 1000))
		for j := range 100 {
			fmt.Fprintf(&b, `"p%d":{"type":"string","example":"x"},`, j)
		}
		b.WriteString(`"last":{}}}}}}}}},`)
	}
	b.WriteString(`"/last":{"get":{"operationId":"last"}}}}`)
	start := time.Now()
	out, err := openapi.Scan(context.Background(), []byte(b.String()), openapi.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 2*time.Second { // about 30 ms on a machine with nothing else to do
		t.Errorf("%d bytes took %v", b.Len(), took)
	}
	if len(out.Operations) != 1201 {
		t.Errorf("%d operations, want 1201", len(out.Operations))
	}
}

// BenchmarkScan scans the largest document that is there: GitHub's, where the
// real ones are.
func BenchmarkScan(b *testing.B) {
	var largest []byte
	for _, raw := range documents(b) {
		if len(raw) > len(largest) {
			largest = raw
		}
	}
	b.SetBytes(int64(len(largest)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := openapi.Scan(context.Background(), largest, openapi.ScanOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
