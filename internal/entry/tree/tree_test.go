package tree_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portico/internal/entry/tree"
)

// wire is an operation as the vectors write it.
type wire struct {
	Op    string          `json:"op"`
	Path  *string         `json:"path"`
	From  *string         `json:"from"`
	Value json.RawMessage `json:"value"`
}

func (w wire) operation(t *testing.T) (o tree.Operation, ok bool) {
	t.Helper()
	needsValue := w.Op == "add" || w.Op == "replace" || w.Op == "test"
	needsFrom := w.Op == "move" || w.Op == "copy"
	if w.Path == nil || needsValue && w.Value == nil || needsFrom && w.From == nil {
		return o, false
	}
	var err error
	o.Op = w.Op
	if o.Path, err = tree.ParsePointer(*w.Path); err != nil {
		return o, false
	}
	if needsFrom {
		if o.From, err = tree.ParsePointer(*w.From); err != nil {
			return o, false
		}
	}
	if needsValue {
		o.Value = decode(t, string(w.Value))
	}
	return o, true
}

// TestPublicVectorsOfJSONPatch runs json-patch-tests (npm json-patch-test-suite
// 1.1.0, Apache-2.0), all but those that are disabled there or hold no case.
func TestPublicVectorsOfJSONPatch(t *testing.T) {
	ran := 0
	for _, file := range []string{"spec_tests.json", "tests.json"} {
		raw, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		var cases []struct {
			Comment, Error string
			Doc            json.RawMessage
			Patch          []json.RawMessage
			Expected       *json.RawMessage
			Disabled       bool
		}
		if err := json.Unmarshal(raw, &cases); err != nil {
			t.Fatal(err)
		}
		for i, c := range cases {
			if c.Disabled || c.Doc == nil || c.Patch == nil {
				continue
			}
			ran++
			got, err := patched(t, string(c.Doc), c.Patch)
			switch {
			case c.Error != "" && err == nil:
				t.Errorf("%s %d %s: got %s, want an error: %s", file, i, c.Comment, encode(t, got), c.Error)
			case c.Error == "" && err != nil:
				t.Errorf("%s %d %s: %v", file, i, c.Comment, err)
			case c.Error == "" && c.Expected != nil && !tree.Equal(got, decode(t, string(*c.Expected))):
				t.Errorf("%s %d %s: got %s, want %s", file, i, c.Comment, encode(t, got), *c.Expected)
			}
		}
	}
	if ran < 90 {
		t.Errorf("ran %d vectors", ran)
	}
	t.Logf("%d vectors", ran)
}

func patched(t *testing.T, doc string, patch []json.RawMessage) (any, error) {
	t.Helper()
	var operations []tree.Operation
	for _, raw := range patch {
		var w wire
		if err := json.Unmarshal(raw, &w); err != nil {
			return nil, err
		}
		o, ok := w.operation(t)
		if !ok {
			return nil, os.ErrInvalid
		}
		operations = append(operations, o)
	}
	return tree.Patch(decode(t, doc), operations)
}

// TestMergePatchDoesAsTheRFCSays holds the cases of RFC 7396, appendix A.
func TestMergePatchDoesAsTheRFCSays(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		got, err := tree.Merge(decode(t, c[0]), decode(t, c[1]))
		if err != nil || encode(t, got) != c[2] {
			t.Errorf("%s with %s: got %s, %v, want %s", c[0], c[1], encode(t, got), err, c[2])
		}
	}
}

func TestPathsSelectAndOmit(t *testing.T) {
	const doc = `{"id":7,"items":[{"n":1,"price":1.10,"x":{"y":1,"z":2}},{"n":2,"price":3}],"a/b":{"secret":1,"open":2},"z":null}`
	for _, c := range []struct {
		name           string
		paths          []string
		selects, omits string
	}{
		{
			"a member",
			[]string{"/id"},
			`{"id":7}`,
			`{"a/b":{"open":2,"secret":1},"items":[{"n":1,"price":1.10,"x":{"y":1,"z":2}},{"n":2,"price":3}],"z":null}`,
		},
		{
			"of every element, and under a name with a slash",
			[]string{"/items/*/price", "/a~1b/secret"},
			`{"a/b":{"secret":1},"items":[{"price":1.10},{"price":3}]}`,
			`{"a/b":{"open":2},"id":7,"items":[{"n":1,"x":{"y":1,"z":2}},{"n":2}],"z":null}`,
		},
		{
			"an element, and one below all",
			[]string{"/items/1", "/items/*/x/y"},
			`{"items":[{"x":{"y":1}},{"n":2,"price":3}]}`,
			`{"a/b":{"open":2,"secret":1},"id":7,"items":[{"n":1,"price":1.10,"x":{"z":2}}],"z":null}`,
		},
		{"nothing that is there", []string{"/nope/x"}, `{}`, doc},
		{"everything", []string{""}, doc, `null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _, err := tree.ParsePaths(c.paths)
			if err != nil {
				t.Fatal(err)
			}
			if got := encode(t, p.Select(decode(t, doc))); got != encode(t, decode(t, c.selects)) {
				t.Errorf("selects %s, want %s", got, c.selects)
			}
			if got := encode(t, p.Omit(decode(t, doc))); got != encode(t, decode(t, c.omits)) {
				t.Errorf("omits to %s, want %s", got, c.omits)
			}
		})
	}
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	const doc = `[1.10,12345678901234567890,0.1234567890123456789,1e400,-0]`
	if got := encode(t, decode(t, doc)); got != doc {
		t.Errorf("got %s, want %s", got, doc)
	}
}

func TestBombsAreRefusedBeforeTheyAreRead(t *testing.T) {
	for name, doc := range map[string]string{
		"deep":     strings.Repeat("[", 1<<20),
		"wide":     "[" + strings.Repeat("[],", 1<<19) + "1]",
		"two":      `{} {}`,
		"cut":      `{"a":`,
		"constant": `NaN`,
		"empty":    ``,
	} {
		if v, err := tree.Decode([]byte(doc)); err == nil {
			t.Errorf("%s was read: %v", name, v)
		}
	}
}

func TestPatchThatCopiesItselfIsStopped(t *testing.T) {
	var ops []tree.Operation
	for i := range 64 {
		ops = append(ops, tree.Operation{Op: "copy", From: tree.Pointer{}, Path: tree.Pointer{"a" + string(rune('0'+i))}})
	}
	if _, err := tree.Patch(map[string]any{}, ops); err == nil {
		t.Error("64 doublings were made")
	}
}

func TestWritingEndsAtItsLimit(t *testing.T) {
	v := any("0123456789")
	for range 60 { // 2^60 times ten bytes, if they were all written
		v = []any{v, v}
	}
	if _, err := tree.Append(nil, v, 1<<20); err == nil {
		t.Error("all of it was written")
	}
}

func decode(t *testing.T, doc string) any {
	t.Helper()
	v, err := tree.Decode([]byte(doc))
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return v
}

func encode(t *testing.T, v any) string {
	t.Helper()
	out, err := tree.Append(nil, v, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
