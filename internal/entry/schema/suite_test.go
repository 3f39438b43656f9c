package schema_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"portico/internal/entry/schema"
)

// group is tests of one schema.
type group struct {
	Description string
	Schema      json.RawMessage
	Tests       []vector
}

type vector struct {
	Description string
	Data        json.RawMessage
	Valid       bool
}

// hold returns an error unless a schema finds what it should.
func (v *vector) hold(s *schema.Schema) error {
	value, err := schema.Parse(v.Data, schema.DefaultLimits())
	if err != nil {
		return err
	}
	wrong := s.Check(value, schema.Options{})
	if got := len(wrong) == 0; got != v.Valid {
		return fmt.Errorf("%s: got %v %v, want %v", v.Data, got, wrong, v.Valid)
	}
	return nil
}

// otherwise lists the files of optional tests of which some do not hold, with the
// reason.
func otherwise() map[string]string {
	return map[string]string{
		"cross-draft.json":                "a schema is of this draft, whatever it refers to; nothing is fetched",
		"dependencies-compatibility.json": "a keyword of older drafts, which this one has in two parts; contracts leave it out as any that is unknown",
	}
}

// TestPublicVectors holds the package to the required part of the
// JSON-Schema-Test-Suite for draft 2020-12.
func TestPublicVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/draft2020-12/*.json")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	passed, all := 0, 0
	for _, file := range files {
		var groups []group
		read(t, file, &groups)
		for _, g := range groups {
			s, err := compiled(t, g.Schema, false)
			for _, c := range g.Tests {
				name := filepath.Base(file) + ": " + g.Description + ": " + c.Description
				all++
				if err != nil {
					t.Errorf("%s: does not compile: %v", name, err)
				} else if err := c.hold(s); err != nil {
					t.Errorf("%s: %v", name, err)
				} else {
					passed++
				}
			}
		}
	}
	t.Logf("%d of %d vectors", passed, all)
}

// TestPublicVectorsOfOptions holds the package to the optional part, with
// formats. Files that are listed above may have tests that do not hold, and have.
func TestPublicVectorsOfOptions(t *testing.T) {
	listed := otherwise()
	needed := map[string]bool{}
	for _, pattern := range []string{"testdata/optional/*.json", "testdata/optional/format/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 10 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		passed, all := 0, 0
		for _, file := range files {
			var groups []group
			read(t, file, &groups)
			for _, g := range groups {
				s, failed := compiled(t, g.Schema, true)
				for _, c := range g.Tests {
					name := filepath.Base(file) + ": " + g.Description + ": " + c.Description
					all++
					err := failed
					if err == nil {
						err = c.hold(s)
					}
					reason, known := listed[filepath.Base(file)]
					switch {
					case err == nil:
						passed++
					case known:
						needed[filepath.Base(file)] = true
						t.Logf("%s: %v: %s", name, err, reason)
					default:
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		}
		t.Logf("%s: %d of %d vectors", pattern, passed, all)
	}
	for file := range listed {
		if !needed[file] {
			t.Errorf("%s is listed, and holds", file)
		}
	}
}

func compiled(t *testing.T, raw []byte, formats bool) (*schema.Schema, error) {
	t.Helper()
	c := schema.NewCompiler(formats)
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
