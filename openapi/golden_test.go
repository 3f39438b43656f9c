package openapi_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/openapi"
)

var update = flag.Bool("update", false, "rewrite the expected results in testdata")

// TestScanReadsWhatTheFixturesSay: each file of testdata/scan is a document
// of one shape, of testdata/files one of several files, where it came from if that matters, and what is made of it.
func TestScanReadsWhatTheFixturesSay(t *testing.T) {
	for _, file := range fixtures(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text := readFile(t, file)
			source, document, want := sections(t, text)
			got := describe(document, source)
			if *update {
				if err := os.WriteFile(file, []byte(strings.TrimSuffix(text, "== result\n"+want)+"== result\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("got (-), want (+):\n%s", diff)
			}
		})
	}
}

// TestEveryFindingCodeHasAFixture reads the codes from the source, so that a
// new one cannot come without a document that shows it.
func TestEveryFindingCodeHasAFixture(t *testing.T) {
	all := ""
	for _, file := range fixtures(t) {
		_, _, want := sections(t, readFile(t, file))
		all += want
	}
	elsewhere := map[string]string{ // shown by tests that make their documents
		"not_utf8": "hostile_test.go", "load_skipped": "hostile_test.go",
		"too_large": "hostile_test.go", "too_deep": "hostile_test.go", "too_many_operations": "hostile_test.go",
		"no_such_file": "archive_test.go", "too_many_schemas": "hostile_test.go", "ref_chain_too_long": "hostile_test.go",
	}
	codes := 0
	for _, m := range regexp.MustCompile(`(?m)^\s(?:Find|Err)\w+\s*= (?:"(\w+)"|tree\.Code(\w+))`).FindAllStringSubmatch(readFile(t, "finding.go")+readFile(t, "error.go"), -1) {
		codes++
		code := m[1]
		if code == "" {
			code = strings.ToLower(regexp.MustCompile(`\B[A-Z]`).ReplaceAllString(m[2], "_$0"))
		}
		if place, ok := elsewhere[code]; ok {
			if !strings.Contains(readFile(t, place), `"`+code+`"`) {
				t.Errorf("%s is shown neither by a fixture nor in %s", code, place)
			}
			continue
		}
		if !strings.Contains(all, " "+code+" ") {
			t.Errorf("no fixture shows the code %s", code)
		}
	}
	if codes < 40 {
		t.Errorf("found %d codes in the source; the pattern no longer fits", codes)
	}
}

func fixtures(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/scan/*.txt")
	several, _ := filepath.Glob("testdata/files/*.txt")
	if err != nil || len(files) == 0 || len(several) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	return append(files, several...)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sections splits a fixture into "== source …", "== document" and "== result".
func sections(t *testing.T, text string) (source, document, result string) {
	t.Helper()
	if rest, ok := strings.CutPrefix(text, "== source "); ok {
		source, text, _ = strings.Cut(rest, "\n")
	}
	rest, ok := strings.CutPrefix(text, "== document\n")
	if !ok {
		t.Fatal("the fixture has no document")
	}
	document, result, _ = strings.Cut(rest, "== result\n")
	return source, document, result
}

// raw is a fixture's document; where it is written as several files, each after
// a line "-- name --", they are packed.
func raw(ctx context.Context, document string) ([]byte, error) {
	if !strings.HasPrefix(document, "-- ") {
		return []byte(document), nil
	}
	a := &openapi.Archive{}
	for one := range strings.SplitSeq(strings.TrimPrefix(document, "-- "), "\n-- ") {
		name, text, _ := strings.Cut(one, " --\n")
		if err := a.Add(name, []byte(text+"\n"), openapi.Limits{}); err != nil {
			return nil, err
		}
	}
	text, _, err := openapi.Pack(ctx, a, nil, openapi.Limits{})
	return text, err
}

// describe is what the scan and the load make of a document, a line each.
func describe(document, source string) string {
	var b strings.Builder
	ctx := context.Background()
	text, err := raw(ctx, document)
	var out *openapi.Outline
	if err == nil {
		out, err = openapi.Scan(ctx, text, openapi.ScanOptions{SourceURL: source})
	}
	if err != nil {
		var e *openapi.Error
		if !errors.As(err, &e) {
			return "an error of the wrong type: " + err.Error() + "\n"
		}
		return fmt.Sprintf("refused %s %s%d:%d %q: %s\n", e.Code, place(e.File), e.Line, e.Column, e.Pointer, e.Message)
	}
	fmt.Fprintf(&b, "%q version %q, OpenAPI %s in %s, %d schemas\n", out.Title, out.Version, out.SpecVersion, out.Format, out.Schemas)
	for _, s := range out.Servers {
		fmt.Fprintf(&b, "server %q of %q %s\n", s.URL, s.Template, variables(s))
	}
	if up, ok := out.Upstream(); ok {
		fmt.Fprintf(&b, "upstream %s\n", up.URL)
	}
	for _, s := range out.SecuritySchemes {
		fmt.Fprintf(&b, "scheme %s: %s %s %s %s %s %v line %d\n", s.ID, s.Kind, s.In, s.Name, s.Scheme, s.Format, s.Flows, s.Line)
	}
	for _, tag := range out.Tags {
		fmt.Fprintf(&b, "tag %+v\n", tag)
	}
	for _, o := range out.Operations {
		fmt.Fprintf(&b, "%s %s = %s%s line %d %s\n", o.Method, o.Path, o.ID, flags(o), o.Line, o.Pointer)
	}
	for _, w := range out.Webhooks {
		fmt.Fprintf(&b, "webhook %s\n", w)
	}
	list := out.Findings
	if doc, err := openapi.Load(ctx, text, openapi.LoadOptions{SourceURL: source}); err != nil {
		fmt.Fprintf(&b, "load: %v\n", err)
	} else {
		list = append(list, doc.Findings...)
	}
	for _, f := range list {
		fmt.Fprintf(&b, "%s %s %s%d %s: %s\n", f.Severity, f.Code, place(f.File), f.Line, f.Pointer, f.Message)
	}
	return b.String()
}

func place(file string) string {
	if file == "" {
		return ""
	}
	return file + ":"
}

func variables(s openapi.Server) string {
	var parts []string
	for _, v := range s.Variables {
		parts = append(parts, fmt.Sprintf("%s=%s%v", v.Name, v.Default, v.Enum))
	}
	return strings.Join(parts, " ")
}

func flags(o openapi.Operation) string {
	out := ""
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"synthesised", o.Synthesised},
		{"deprecated", o.Deprecated},
		{"public", o.Public},
		{"inherited", o.SecurityInherited},
		{"documentation", o.DocumentationOnly},
		{"body", o.HasBody},
		{"input", o.NeedsInput},
	} {
		if f.set {
			out += " " + f.name
		}
	}
	if o.Slug != o.ID {
		out += " slug=" + o.Slug
	}
	if o.PathGiven != o.Path {
		out += fmt.Sprintf(" given=%q", o.PathGiven)
	}
	for _, p := range o.Predicates {
		out += fmt.Sprintf(" if:%s:%s=%s", p.In, p.Name, p.Value)
	}
	for _, s := range o.Servers {
		out += " at:" + s.URL
	}
	if len(o.Security) > 0 {
		out += fmt.Sprintf(" security=%v", o.Security)
	}
	return out
}
