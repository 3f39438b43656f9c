package tree_test

import (
	"errors"
	"testing"

	"portico/openapi/tree"
)

func TestYAMLIsReadAsTheJSONThatItMeans(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\nb: [x, 'y', \"z\\n\"]":                         `{"a":1,"b":["x","y","z\n"]}`,
		"200: ok\ntrue: yes it is\n1.5: f\nnull: n":           `{"200":"ok","true":"yes it is","1.5":"f","null":"n"}`,
		"a: 0x1f\nb: 1_000\nc: .5\nd: -7\ne: 1e3\nf: 012":     `{"a":31,"b":1000,"c":0.5,"d":-7,"e":1e3,"f":10}`,
		"a: .inf\nb: .nan":                                    `{"a":".inf","b":".nan"}`,
		"a: true\nb: False\nc: yes\nd: ~\ne:\nf: 'true'":      `{"a":true,"b":false,"c":"yes","d":null,"e":null,"f":"true"}`,
		"a: 2024-06-01\nb: 2024-06-01T10:00:00Z":              `{"a":"2024-06-01","b":"2024-06-01T10:00:00Z"}`,
		"a: |\n  two\n  lines\nb: >\n  one\n  line\n":         `{"a":"two\nlines\n","b":"one line\n"}`,
		"a: &x {k: 1}\nb: *x\nc: [*x, *x]":                    `{"a":{"k":1},"b":{"k":1},"c":[{"k":1},{"k":1}]}`,
		"a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}":               `{"a":{"k":1,"l":2},"b":{"k":3,"l":2}}`,
		"a: &x {k: 1}\nb: &y {l: 2}\nc: {<<: [*x, *y]}":       `{"a":{"k":1},"b":{"l":2},"c":{"k":1,"l":2}}`,
		"a: &x {k: 1}\nb: &y {<<: *x, l: 2}\nc: {<<: *y}":     `{"a":{"k":1},"b":{"l":2,"k":1},"c":{"l":2,"k":1}}`,
		"&k key: 1\nb: *k":                                    `{"key":1,"b":"key"}`,
		"--- \na: 1\n--- \na: 2\n":                            `{"a":1}`,
		"a: !!str 1\nb: !!int '2'\nc: !custom x":              `{"a":"1","b":2,"c":"x"}`,
		"{a: {b: [1, {c: d}]}}":                               `{"a":{"b":[1,{"c":"d"}]}}`,
		"a: \"\\u00e9 \\U0001F600\"\nb: 12345678901234567890": `{"a":"é 😀","b":12345678901234567890}`,
	} {
		doc, err := tree.ParseYAML([]byte(text), limits)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := string(doc.Root().AppendJSON(nil, "")); got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestYAMLKnowsItsPlaces(t *testing.T) {
	doc, err := tree.ParseYAML([]byte("a:\n  b:\n    - x\n    - y: 1\n"), limits)
	if err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string][2]int{"/a": {1, 1}, "/a/b": {2, 3}, "/a/b/0": {3, 7}, "/a/b/1/y": {4, 7}} {
		if line, column := doc.Follow(pointer).Position(); line != want[0] || column != want[1] {
			t.Errorf("%s is at %d:%d, want %d:%d", pointer, line, column, want[0], want[1])
		}
	}
}

func TestWhatIsNoYAMLIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                          tree.CodeTruncated,
		"# nothing but a remark":    tree.CodeTruncated,
		"a: [1, 2":                  tree.CodeMalformed,
		"a: \"x":                    tree.CodeTruncated,
		"a: 1\n b: 2":               tree.CodeMalformed,
		"a: *nobody":                tree.CodeMalformed,
		"\ta: 1":                    tree.CodeMalformed,
		"a: &a [*a]":                tree.CodeAliasBomb,
		"a: &a {<<: *a}":            tree.CodeAliasBomb,
		"a: {<<: 1}":                tree.CodeMalformed,
		"a: &a [&b [*a]]":           tree.CodeAliasBomb,
		"a: 1\n...\nb: !!binary [x": "",
		"%YAML 3.0\n---\na: 1":      tree.CodeMalformed,
		"a: {b: }}":                 tree.CodeMalformed,
		"- a\nb: c":                 tree.CodeMalformed,
		"a: @x":                     tree.CodeMalformed,
		"a: b: c":                   tree.CodeMalformed,
	} {
		_, err := tree.ParseYAML([]byte(text), limits)
		var got *tree.Error
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (!errors.As(err, &got) || got.Code != want || got.Message == ""):
			t.Errorf("%q: %#v, want %s", text, err, want)
		}
	}
}

// FuzzYAML: whatever the bytes, there is a tree within the limits or an Error.
func FuzzYAML(f *testing.F) {
	for _, text := range []string{"a: &x [1]\nb: *x\n", "{<<: {a: 1}}", "? [a]\n: b", "- - - a", "a: |2\n   x", "&a *a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := tree.ParseYAML([]byte(text), limits)
		if err != nil {
			var e *tree.Error
			if !errors.As(err, &e) || e.Code == "" || e.Message == "" {
				t.Fatalf("%#v is no Error with a message", err)
			}
			return
		}
		if doc.Values() > limits.MaxValues {
			t.Fatalf("%d values", doc.Values())
		}
		if _, err := tree.ParseJSON(doc.Root().AppendJSON(nil, ""), limits); err != nil {
			t.Fatalf("written as what is no JSON: %v", err)
		}
	})
}
