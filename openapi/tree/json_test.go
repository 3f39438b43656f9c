package tree_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"portico/openapi/tree"
)

var limits = tree.Limits{MaxBytes: 1 << 20, MaxDepth: 100, MaxValues: 100_000}

// plain is a value as encoding/json would decode it, with numbers as text.
func plain(n tree.Node) any {
	switch n.Kind() {
	case tree.Object:
		out := map[string]any{}
		for c := range n.Children() {
			out[c.Key()] = plain(c)
		}
		return out
	case tree.Array:
		out := []any{}
		for c := range n.Children() {
			out = append(out, plain(c))
		}
		return out
	case tree.String:
		return n.Text()
	case tree.Number:
		return json.Number(n.Text())
	case tree.Bool:
		return n.True()
	}
	return nil
}

func decode(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestJSONIsReadAsEncodingJSONReadsIt(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `-1.5e+10`, `true`, `false`, `null`, ` [ ] `, "\t{\n}\r\n",
		`{"a":1,"b":[1,2,{"c":null}],"":{"":[]}}`, `[[],[[]],{}]`, `{"a":{"b":{"c":{}}},"d":1}`,
		`"\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude00"`, `"\ud800x"`, `"\udc00\ud800"`, `{"\u0061\"":1}`, `"é😀"`,
	} {
		got, err := tree.ParseJSON([]byte(text), limits)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(plain(got.Root()), decode(t, text)); diff != "" {
			t.Errorf("%s: got (-), want (+):\n%s", text, diff)
		}
		for _, indent := range []string{"", "  "} {
			again := string(got.Root().AppendJSON(nil, indent))
			if diff := cmp.Diff(decode(t, again), decode(t, text)); diff != "" {
				t.Errorf("%s written again: got (-), want (+):\n%s", text, diff)
			}
		}
	}
}

func TestWhatIsNoJSONIsRefusedAtItsPlace(t *testing.T) {
	for _, c := range []struct {
		text         string
		code         string
		line, column int
		pointer      string
	}{
		{``, tree.CodeTruncated, 1, 1, ""},
		{"{\n  \"a\": [1, 2", tree.CodeTruncated, 2, 13, "/a"},
		{"{\n  \"a\": ", tree.CodeTruncated, 2, 8, ""},
		{`{"a"`, tree.CodeTruncated, 1, 5, ""},
		{`{"a`, tree.CodeTruncated, 1, 2, ""},
		{`{"a": "x\`, tree.CodeTruncated, 1, 7, ""},
		{`{"a": "x\u00`, tree.CodeTruncated, 1, 7, ""},
		{`{"a": tr`, tree.CodeTruncated, 1, 9, ""},
		{`{"a": 1,}`, tree.CodeMalformed, 1, 9, ""},
		{`[1,]`, tree.CodeMalformed, 1, 4, ""},
		{`[,1]`, tree.CodeMalformed, 1, 2, ""},
		{`[1 2]`, tree.CodeMalformed, 1, 4, ""},
		{`{"a" 1}`, tree.CodeMalformed, 1, 6, ""},
		{`{a: 1}`, tree.CodeMalformed, 1, 2, ""},
		{`{"a": 'x'}`, tree.CodeMalformed, 1, 7, ""},
		{`{"a": 01}`, tree.CodeMalformed, 1, 7, ""},
		{`[1.]`, tree.CodeMalformed, 1, 2, ""},
		{`[-]`, tree.CodeMalformed, 1, 2, ""},
		{`[1e]`, tree.CodeMalformed, 1, 2, ""},
		{`["\x"]`, tree.CodeMalformed, 1, 3, ""},
		{`["\u12g4"]`, tree.CodeMalformed, 1, 3, ""},
		{"[\"a\tb\"]", tree.CodeMalformed, 1, 4, ""},
		{"[\"a\nb\"]", tree.CodeMalformed, 1, 2, ""},
		{`[1] [2]`, tree.CodeMalformed, 1, 5, ""},
		{`]`, tree.CodeMalformed, 1, 1, ""},
		{`{"a": [}`, tree.CodeMalformed, 1, 8, "/a"},
		{`{"x": {"y~/z": [[[` + strings.Repeat("[", 100), tree.CodeTooDeep, 1, 114, "/x/y~0~1z" + strings.Repeat("/0", 97)},
	} {
		_, err := tree.ParseJSON([]byte(c.text), limits)
		var got *tree.Error
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got.Code != c.code || got.Line != c.line || got.Column != c.column || got.Pointer != c.pointer {
			t.Errorf("%s: %s at %d:%d %q (%s), want %s at %d:%d %q", c.text, got.Code, got.Line, got.Column, got.Pointer, got.Message, c.code, c.line, c.column, c.pointer)
		}
	}
}

func TestLimitsHold(t *testing.T) {
	for text, small := range map[string]tree.Limits{
		`[1,2,3]`: {MaxBytes: 6, MaxDepth: 9, MaxValues: 9},
		`[1,2]`:   {MaxBytes: 9, MaxDepth: 9, MaxValues: 2},
		`[[1]]`:   {MaxBytes: 9, MaxDepth: 1, MaxValues: 9},
	} {
		if _, err := tree.ParseJSON([]byte(text), small); err == nil {
			t.Errorf("%s is read with %+v as JSON", text, small)
		}
		if _, err := tree.ParseYAML([]byte(text), small); err == nil {
			t.Errorf("%s is read with %+v as YAML", text, small)
		}
	}
}

const document = `{
  "paths": {
    "/a/{b}": {"get": [10, {"x~y": "here"}]}
  },
  "last": true
}`

func TestEveryValueKnowsItsPointerAndItsPlace(t *testing.T) {
	doc, err := tree.ParseJSON([]byte(document), limits)
	if err != nil {
		t.Fatal(err)
	}
	for i := range doc.Values() {
		n := doc.At(i)
		if again := doc.Follow(n.Pointer()); !again.Same(n) {
			t.Errorf("%q leads to %q", n.Pointer(), again.Pointer())
		}
	}
	here := doc.Root().Get("paths").Get("/a/{b}").Get("get")
	for pointer, want := range map[string][2]int{
		"": {1, 1}, "/paths": {2, 3}, "/paths/~1a~1{b}/get": {3, 16}, "/paths/~1a~1{b}/get/0": {3, 24},
		"/paths/~1a~1{b}/get/1/x~0y": {3, 29}, "/last": {5, 3},
	} {
		line, column := doc.Follow(pointer).Position()
		if line != want[0] || column != want[1] {
			t.Errorf("%q is at %d:%d, want %d:%d", pointer, line, column, want[0], want[1])
		}
	}
	if got := doc.Follow("/paths/~1a~1%7Bb%7D/get"); !got.Same(here) {
		t.Error("a percent-encoded token is not followed")
	}
	for _, pointer := range []string{"/nothing", "/paths/~1a~1{b}/get/2", "/paths/~1a~1{b}/get/-1", "/paths/~1a~1{b}/get/x", "/last/x", "last", "/last/"} {
		if doc.Follow(pointer).Exists() {
			t.Errorf("%q leads somewhere", pointer)
		}
	}
	if !doc.Root().Contains(here) || here.Contains(doc.Root()) || here.Size() != 4 || here.Len() != 2 {
		t.Error("the value's extent is wrong")
	}
}

func TestNothingIsSafeToAsk(t *testing.T) {
	var none tree.Node
	if none.Exists() || none.Get("x").Exists() || none.Text() != "" || none.Key() != "" || none.Len() != 0 || none.Line() != 0 ||
		none.Pointer() != "" || none.Size() != 0 || none.True() || none.Kind() != tree.Missing || none.Contains(none) || none.KeyIs("") {
		t.Error("the zero Node is something")
	}
	if got := string(none.AppendJSON(nil, "")); got != "null" {
		t.Errorf("written as %s", got)
	}
}

// TestLargeObjectsAreLookedUpByTheFirstOfEqualNames: small ones are walked,
// large ones indexed, and both answer alike.
func TestLargeObjectsAreLookedUpByTheFirstOfEqualNames(t *testing.T) {
	for _, size := range []int{3, 15, 16, 17, 100} {
		text := `{"k": 1, "k": 2`
		for i := range size {
			text += `,"k` + strings.Repeat("x", i) + `y": ` + strings.Repeat("1", i+1)
		}
		doc, err := tree.ParseJSON([]byte(text+"}"), limits)
		if err != nil {
			t.Fatal(err)
		}
		if got := doc.Root().Get("k").Text(); got != "1" {
			t.Errorf("%d members: k is %s, want the first", size, got)
		}
		last := "k" + strings.Repeat("x", size-1) + "y"
		if got := doc.Root().Get(last).Text(); got != strings.Repeat("1", size) {
			t.Errorf("%d members: the last is %q", size, got)
		}
		if doc.Root().Get("none").Exists() {
			t.Errorf("%d members: there is one called none", size)
		}
	}
}

// FuzzJSON: we accept what encoding/json accepts, and read the same.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{document, `{"a":[1,-2.5e3,true,null,"\u00e9\ud83d\ude00"]}`, `[`, `"\`, `{"a":}`, "[1 ]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := tree.ParseJSON([]byte(text), tree.Limits{MaxBytes: 1 << 20, MaxDepth: 5000, MaxValues: 1 << 20})
		if valid := json.Valid([]byte(text)); valid != (err == nil) {
			t.Fatalf("valid %v, but %v", valid, err)
		}
		if err != nil || !utf8.ValidString(text) {
			return
		}
		written := doc.Root().AppendJSON(nil, "")
		if diff := cmp.Diff(decode(t, string(written)), decode(t, text)); diff != "" {
			t.Fatalf("got (-), want (+):\n%s", diff)
		}
		for i := range doc.Values() {
			doc.At(i).Position()
		}
	})
}
