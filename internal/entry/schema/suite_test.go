package schema_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"portico/internal/entry/schema"
)

// TestPublicVectors holds the package to the required part of the
// JSON-Schema-Test-Suite for draft 2020-12.
func TestPublicVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/draft2020-12/*.json")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	passed, all := 0, 0
	for _, file := range files {
		var groups []struct {
			Description string
			Schema      json.RawMessage
			Tests       []struct {
				Description string
				Data        json.RawMessage
				Valid       bool
			}
		}
		read(t, file, &groups)
		for _, g := range groups {
			s, err := compiled(t, g.Schema)
			for _, c := range g.Tests {
				name := filepath.Base(file) + ": " + g.Description + ": " + c.Description
				all++
				if err != nil {
					t.Errorf("%s: does not compile: %v", name, err)
					continue
				}
				v, err := schema.Parse(c.Data, schema.DefaultLimits())
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				wrong := s.Check(v, schema.Options{})
				if got := len(wrong) == 0; got != c.Valid {
					t.Errorf("%s: got %v %v, want %v", name, got, wrong, c.Valid)
					continue
				}
				passed++
			}
		}
	}
	t.Logf("%d of %d vectors", passed, all)
}

func compiled(t *testing.T, raw []byte) (*schema.Schema, error) {
	t.Helper()
	c := schema.NewCompiler(false)
	var remotes map[string]json.RawMessage
	read(t, "testdata/remotes.json", &remotes)
	for address, document := range remotes {
		if err := c.Add(address, parsed(t, document)); err != nil {
			return nil, err
		}
	}
	const here = "test:///schema"
	if err := c.Add(here, parsed(t, raw)); err != nil {
		return nil, err
	}
	return c.Compile(here)
}

func parsed(t *testing.T, raw []byte) schema.Value {
	t.Helper()
	v, err := schema.Parse(raw, schema.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}
