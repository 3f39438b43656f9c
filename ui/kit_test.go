package ui_test

import (
	"bytes"
	"context"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"portico/ui"
)

// update rewrites the golden files: go test ./ui -update; read the diff.
var update = flag.Bool("update", false, "rewrite the golden files")

func render(t *testing.T, c templ.Component) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func parse(t *testing.T, page string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func kit(t *testing.T) (string, *html.Node) {
	t.Helper()
	page := render(t, ui.Kit(ui.Theme{Action: "/theme", Back: "/kit"}))
	return page, parse(t, page)
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

// words is the text that is read out for n: hidden parts left out.
func words(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	if attr(n, "aria-hidden") == "true" || has(n, "hidden") {
		return ""
	}
	var b strings.Builder
	for c := range n.ChildNodes() {
		b.WriteString(words(c) + " ")
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func elements(doc *html.Node) []*html.Node {
	var all []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

func TestKitIsAsReviewed(t *testing.T) {
	page, _ := kit(t)
	// Hashes of assets change with every edit of them; tags stand on their own lines for the diff.
	page = regexp.MustCompile(`\.[0-9a-f]{16}\.`).ReplaceAllString(page, ".HASH.")
	page = strings.ReplaceAll(page, "><", ">\n<")
	const golden = "testdata/kit.golden.html"
	if *update {
		if err := os.WriteFile(golden, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(page, "\n"), strings.Split(string(want), "\n")); diff != "" {
		t.Errorf("kit differs from %s (-got +want); run with -update if it is meant:\n%s", golden, diff)
	}
}

func TestNothingIsInline(t *testing.T) {
	_, doc := kit(t)
	for _, n := range elements(doc) {
		if n.Data == "style" {
			t.Error("a style element")
		}
		if n.Data == "script" && (attr(n, "src") == "" || n.FirstChild != nil) {
			t.Error("an inline script")
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
			if strings.HasPrefix(strings.TrimSpace(strings.ToLower(a.Val)), "javascript:") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
			if strings.HasPrefix(a.Key, "hx-trigger") && strings.Contains(a.Val, "[") {
				t.Errorf("a trigger with a condition, which htmx evaluates: %q", a.Val)
			}
		}
	}
}

func TestIdsAreUniqueAndReferencesHaveTheirTarget(t *testing.T) {
	_, doc := kit(t)
	ids := map[string]int{}
	for _, n := range elements(doc) {
		if id := attr(n, "id"); id != "" {
			ids[id]++
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %q is there %d times", id, n)
		}
	}
	for _, n := range elements(doc) {
		for _, key := range []string{"for", "aria-describedby", "aria-labelledby", "aria-controls"} {
			if id := attr(n, key); id != "" && ids[id] == 0 {
				t.Errorf("<%s %s=%q>: nothing has that id", n.Data, key, id)
			}
		}
		if copied := attr(n, "data-copy"); copied != "" && ids[strings.TrimPrefix(copied, "#")] == 0 {
			t.Errorf("copies %s, which is not there", copied)
		}
	}
}

func TestEverythingInteractiveHasAName(t *testing.T) {
	_, doc := kit(t)
	labels := map[string]string{}
	for _, n := range elements(doc) {
		if n.Data == "label" {
			labels[attr(n, "for")] = words(n)
		}
		if id := attr(n, "id"); id != "" {
			labels["#"+id] = words(n)
		}
	}
	seen := 0
	for _, n := range elements(doc) {
		var name string
		switch {
		case attr(n, "type") == "hidden":
			continue
		case n.Data == "a", n.Data == "button", n.Data == "summary":
			name = words(n)
		case n.Data == "input", n.Data == "select", n.Data == "textarea":
			name = labels[attr(n, "id")]
			for p := n.Parent; p != nil && name == ""; p = p.Parent {
				if p.Data == "label" {
					name = words(p)
				}
			}
		case n.Data == "dialog", n.Data == "nav", n.Data == "fieldset", slices.Contains([]string{"img", "meter", "progressbar", "tablist", "tabpanel", "listbox", "group", "region"}, attr(n, "role")):
			name = labels["#"+attr(n, "aria-labelledby")]
			if n.Data == "fieldset" {
				name = words(n.FirstChild)
			}
		default:
			continue
		}
		seen++
		if name == "" && attr(n, "aria-label") == "" {
			var b bytes.Buffer
			if err := html.Render(&b, n); err != nil {
				t.Fatal(err)
			}
			t.Errorf("no accessible name: %.200s", b.String())
		}
	}
	if seen < 100 {
		t.Errorf("only %d elements were looked at", seen)
	}
}

func TestEveryChangeIsAPostAndWorksWithoutAScript(t *testing.T) {
	_, doc := kit(t)
	for _, n := range elements(doc) {
		switch {
		case n.Data == "form" && attr(n, "method") != "post" && attr(n, "role") != "search":
			t.Errorf("form to %q with method %q", attr(n, "action"), attr(n, "method"))
		case n.Data == "form" && attr(n, "action") == "":
			t.Error("a form without an action")
		case has(n, "hx-get") && n.Data == "a" && attr(n, "href") == "":
			t.Errorf("a link that only a script can follow: %q", words(n))
		case has(n, "hx-delete"), has(n, "hx-put"), has(n, "hx-patch"):
			t.Errorf("<%s> asks for a method that a form does not have", n.Data)
		}
	}
}

func TestTextsAreEscaped(t *testing.T) {
	const evil = `"><script>alert(1)</script><b onclick="x" style="y">`
	for name, c := range map[string]templ.Component{
		"badge":   ui.Badge(evil, ui.Tone(evil)),
		"button":  ui.Button(evil, ui.Look{Title: evil, Key: evil, Name: evil, Value: evil}),
		"link":    ui.LinkButton("javascript:alert(1)", evil),
		"post":    ui.PostButton("javascript:alert(1)", evil, ui.Look{Hidden: []ui.Pair{{Key: evil, Value: evil}}}),
		"field":   ui.Field(ui.FieldView{Label: evil, Name: evil, Value: evil, Err: evil, Placeholder: evil}),
		"area":    ui.Field(ui.FieldView{Kind: "area", Label: evil, Name: "a", Value: "</textarea>" + evil}),
		"code":    ui.Code(ui.CodeView{ID: "c", Title: evil, Tokens: []ui.Token{{Kind: ui.TokenKind(evil), Text: evil}, {Text: evil}}}),
		"palette": ui.PaletteResults([]ui.PaletteGroup{{Label: evil, Items: []ui.PaletteItem{{Before: evil, Match: evil, After: evil, Href: "javascript:x"}}}}),
		"picker":  ui.PickerResults(evil, []ui.PaletteItem{{Before: evil, Match: evil, After: evil, Href: "javascript:x", Note: evil}}, true),
		"menu":    ui.Menu(ui.MenuView{Label: evil, Items: []ui.MenuItem{{Label: evil, Href: "javascript:x", Note: evil}}}),
		"toast":   ui.ToastMessage(ui.Toast{Tone: ui.Tone(evil), Title: evil, Text: evil}),
		"chart":   ui.Bars(ui.ChartView{Label: evil, Y: []string{evil}, Marks: []ui.Mark{{Label: evil}}, Series: []ui.Series{{Points: []float64{1}}}}),
		"avatar":  ui.Avatar(ui.AvatarView{Name: evil}),
		"method":  ui.MethodBadge(evil),
		"page":    ui.Document(ui.Frame{Head: ui.Head{Title: evil, Lang: evil, Description: evil, Theme: ui.Theme{Chosen: evil}}, Brand: ui.Brand{Name: evil}}),
		"diff":    ui.Diff(evil, []ui.DiffLine{{Kind: ui.DiffKind(evil), Text: evil}}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, n := range elements(parse(t, render(t, c))) {
				if n.Data == "script" && attr(n, "src") == "" {
					t.Error("a script got in")
				}
				if has(n, "onclick") || has(n, "style") {
					t.Errorf("an attribute got in: %+v", n.Attr)
				}
				for _, a := range n.Attr {
					if strings.HasPrefix(a.Val, "javascript:") {
						t.Errorf("%s=%q", a.Key, a.Val)
					}
				}
			}
		})
	}
}

// TestExportedNamesHoldNoNounOfOurs keeps the package to shapes: what names
// a thing of the glossary is a page.
func TestExportedNamesHoldNoNounOfOurs(t *testing.T) {
	nouns := strings.Fields("Tenant Member Team Role Environment Api API Version Revision Sequence Operation Route Upstream " +
		"Policy Product Plan Plans Application Subscription Credential Caller Gateway Node Provider Model Prompt Portico")
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			var names []string
			switch d := decl.(type) {
			case *ast.FuncDecl:
				names = append(names, d.Name.Name)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok {
						names = append(names, s.Name.Name)
					}
				}
			}
			for _, name := range names {
				if !ast.IsExported(name) {
					continue
				}
				seen++
				for _, word := range regexp.MustCompile(`[A-Z][a-z]*`).FindAllString(name, -1) {
					if slices.Contains(nouns, word) {
						t.Errorf("%s: %s names a noun of the glossary", file, name)
					}
				}
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d names were looked at", seen)
	}
}
