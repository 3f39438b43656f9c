package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"portico/test/process"
)

// spec is a document to import, and what an independent reader finds in it.
type spec struct {
	name, media string
	raw         []byte
	operations  int
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// specOf counts the operations of a document: methods on paths, where paths
// that differ in the names of parameters alone are one path.
func specOf(t *testing.T, name string, raw []byte) spec {
	t.Helper()
	s := spec{name: name, raw: raw, media: "application/json"}
	var doc struct {
		Paths map[string]map[string]any `json:"paths" yaml:"paths"`
	}
	err := error(nil)
	if strings.HasSuffix(name, ".yaml") {
		s.media = "application/yaml"
		err = yaml.Unmarshal(raw, &doc)
	} else {
		err = json.Unmarshal(raw, &doc)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	seen := map[string]bool{}
	for path, item := range doc.Paths {
		for _, method := range []string{"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"} {
			if item[method] != nil {
				seen[method+" "+parameter.ReplaceAllString(path, "{}")] = true
			}
		}
	}
	s.operations = len(seen)
	return s
}

// shared are the documents beside the repository, where there are any, and two
// of our own that are always there.
func shared(t *testing.T) []spec {
	t.Helper()
	out := []spec{
		specOf(t, "own.json", []byte(process.MinimalDocument("Own JSON", "https://own.example", 12))),
		specOf(t, "own.yaml", []byte(ownYAML)),
	}
	found, err := filepath.Glob(filepath.Join(process.Root(), "..", "shared", "specs", "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		name := filepath.Base(file)
		if strings.HasSuffix(name, ".md") {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, specOf(t, name, raw))
	}
	return out
}

// large is GitHub's document, or one of the same size where it is not there.
func large(t *testing.T) spec {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(process.Root(), "..", "shared", "specs", "github-api.json"))
	if err == nil {
		return specOf(t, "github-api.json", raw)
	}
	text := strings.Repeat("What it does, at length. ", 420)
	doc := process.MinimalDocument("Large", "https://large.example", 1200)
	return specOf(t, "large.json", []byte(strings.ReplaceAll(doc, `"summary":`, fmt.Sprintf(`"description":%q,"summary":`, text))))
}

const ownYAML = `openapi: 3.0.3
info: {title: Own YAML, version: 2.1.0}
servers: [{url: "https://own.example/base"}]
paths:
  /shelves:
    get: {operationId: list_shelves, responses: {"200": {description: All}}}
    post: {operationId: add_shelf, responses: {"201": {description: Made}}}
  /shelves/{shelf}.json:
    get: {operationId: get_shelf, responses: {"200": {description: One}}}
`
