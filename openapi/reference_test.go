package openapi_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/openapi"
)

// TestReferenceShowsWhatTheDocumentSays: each file of testdata/reference is a
// document, the pages made of it as an outline, and its code samples.
func TestReferenceShowsWhatTheDocumentSays(t *testing.T) {
	files, err := filepath.Glob("testdata/reference/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text := readFile(t, file)
			_, document, want := sections(t, text)
			got := pages(load(t, document))
			if *update {
				if err := os.WriteFile(file, []byte("== document\n"+document+"== result\n"+got), 0o644); err != nil {
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

func load(t *testing.T, document string) *openapi.Document {
	t.Helper()
	doc, err := openapi.Load(context.Background(), []byte(document), openapi.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// pages is a document's reference as text.
func pages(doc *openapi.Document) string {
	var b strings.Builder
	for ref := range doc.References() {
		fmt.Fprintf(&b, "# %s %s %s %q %q %v %s %q\n", ref.ID, ref.Method, ref.Path, ref.Summary, ref.Description, ref.Tags, ref.DocsURL, ref.SecurityText)
		for _, g := range ref.Parameters {
			fmt.Fprintf(&b, "in %s\n", g.In)
			properties(&b, g.Parameters, "  ")
		}
		if ref.Body != nil {
			fmt.Fprintf(&b, "body required=%v %q\n", ref.Body.Required, ref.Body.Description)
			media(&b, ref.Body.Media)
		}
		for _, r := range ref.Responses {
			fmt.Fprintf(&b, "answer %s %q\n", r.Status, r.Description)
			properties(&b, r.Headers, "  ")
			media(&b, r.Media)
		}
		target := openapi.SampleTarget{BaseURL: "https://gateway.example/v1/", Auth: openapi.SampleAuth{In: "bearer"}}
		for _, s := range openapi.Samples(ref, target) {
			fmt.Fprintf(&b, "--- %s\n%s\n", s.Title, strings.TrimSuffix(s.Text(), "\n"))
		}
		b.WriteByte('\n')
	}
	for s := range doc.Schemas() {
		fmt.Fprintf(&b, "## %s %s %q\n", s.Name, s.Slug, s.Description)
		properties(&b, []openapi.Property{s.Property}, "  ")
		fmt.Fprintf(&b, "%s\n", s.Example.Text)
	}
	return b.String()
}

func media(b *strings.Builder, list []openapi.Media) {
	for _, m := range list {
		fmt.Fprintf(b, "  as %s\n", m.Type)
		if m.Schema != nil {
			properties(b, []openapi.Property{*m.Schema}, "    ")
		}
		for _, e := range append([]openapi.Example{deref(m.Example)}, m.Others...) {
			if e.Text != "" {
				fmt.Fprintf(b, "  example %q %q %s synthesised=%v\n%s\n", e.Name, e.Summary, e.Language, e.Synthesised, e.Text)
			}
		}
	}
}

func deref(e *openapi.Example) openapi.Example {
	if e == nil {
		return openapi.Example{}
	}
	return *e
}

func properties(b *strings.Builder, list []openapi.Property, margin string) {
	for _, p := range list {
		fmt.Fprintf(b, "%s%s: %s", margin, p.Name, strings.Join(append([]string{p.Type}, p.Constraints...), " · "))
		for _, f := range []struct {
			name string
			set  bool
		}{
			{"required", p.Required},
			{"deprecated", p.Deprecated},
			{"nullable", p.Nullable},
			{"read-only", p.ReadOnly},
			{"write-only", p.WriteOnly},
			{"recursive", p.Recursive},
		} {
			if f.set {
				fmt.Fprintf(b, " %s", f.name)
			}
		}
		for _, f := range []struct{ name, value string }{
			{"ref", p.Ref}, {"default", p.Default}, {"example", p.Example}, {"enum", strings.Join(p.Enum, "|")}, {"", p.Description},
		} {
			if f.value != "" {
				fmt.Fprintf(b, " %s=%s", f.name, f.value)
			}
		}
		if p.More > 0 {
			fmt.Fprintf(b, " and %d more", p.More)
		}
		b.WriteByte('\n')
		properties(b, p.Properties, margin+"  ")
		if p.Choice != "" {
			fmt.Fprintf(b, "%s  %s:\n", margin, p.Choice)
			properties(b, p.Options, margin+"    ")
		}
	}
}
