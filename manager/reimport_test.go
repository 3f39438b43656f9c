package manager_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

const reimported = `openapi: 3.1.0
info: {title: Stock, version: 1.0.0}
servers: [{url: "https://stock.example"}]
security: [{key: []}]
components: {securitySchemes: {key: {type: apiKey, in: header, name: X-Key}}}
paths:
  /items:
    get: {operationId: list_items, summary: List, responses: {"200": {description: Fine}}}
    post: {operationId: add_item, responses: {"201": {description: Made}}}
  /items/{id}:
    get: {operationId: get_item, responses: {"200": {description: Fine}}}
    delete: {operationId: drop_item, responses: {"204": {description: Gone}}}
  /health:
    get: {operationId: health, security: [], responses: {"200": {description: Fine}}}
  /version:
    get: {operationId: version, security: [], responses: {"200": {description: Fine}}}
`

// replaced is a text with parts of it replaced: old, new, old, new.
func replaced(text string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			panic(fmt.Sprintf("%q is not in the document", pairs[i]))
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

// newDocument differs from reimported in every way that is told apart.
var newDocument = replaced(reimported,
	"https://stock.example", "https://new.stock.example",
	"    post: {operationId: add_item,", "    put: {operationId: add_item,", // another method
	"/items/{id}", "/items/{item}", "operationId: get_item", "operationId: read_item", // renamed, with its parameter
	`    delete: {operationId: drop_item, responses: {"204": {description: Gone}}}`+"\n", "", // removed
	"operationId: list_items, summary: List", "operationId: list_items, security: [], deprecated: true, summary: List all", // open now
	"operationId: health, security: []", "operationId: health", // asks for a key now
	"  /version:", "  /orders:\n    get: {operationId: list_orders, responses: {\"200\": {description: Fine}}}\n  /version:")

func operations(list []apim.Route) string {
	var out []string
	for _, r := range list {
		out = append(out, r.Operation)
	}
	return strings.Join(out, " ")
}

func changes(list []manager.RouteChange) string {
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s→%s: %s", c.From.Operation, c.To.Operation, strings.Join(c.What, " ")))
	}
	return strings.Join(out, "; ")
}

func flags(v apim.Version) string {
	var out []string
	for _, r := range v.Runtime.Routes {
		one := r.Operation
		if r.Public {
			one += " public"
		}
		if r.Off {
			one += " off"
		}
		out = append(out, one)
	}
	return strings.Join(out, ", ")
}

// TestReimportIsComparedThreeWays: what was edited stays, what only the
// document changed follows it, and what both changed is asked.
func TestReimportIsComparedThreeWays(t *testing.T) {
	postgres.Both(t, testReimportIsComparedThreeWays)
}

func testReimportIsComparedThreeWays(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	first := p.stage(p.provider, p.shop.ID, reimported)
	v := must[apim.Version](t)(p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, first.ID, manager.AcceptImport{Access: "document"}))
	p.draft(v, manager.DraftChange{
		UpstreamURLs: &[]string{"http://mine.example", "http://mine-too.example"},
		Public:       map[string]bool{"add_item": true}, Off: map[string]bool{"get_item": true, "drop_item": true},
	})
	i := p.stage(p.provider, p.shop.ID, newDocument)
	got := must[manager.ImportChanges](t)(p.catalog.CompareImport(ctx, p.provider, p.shop.ID, i.ID, v.ID))
	for _, c := range [][3]string{
		{"added", operations(got.Added), "list_orders"},
		{"removed", operations(got.Removed), "drop_item"},
		{"changed", changes(got.Changed), "list_items→list_items: access deprecated summary; add_item→add_item: method; health→health: access"},
		{"renamed", changes(got.Renamed), "get_item→read_item: path"},
		{"kept", strings.Join(got.Kept, " "), "add_item read_item"},
		{"upstream", strings.Join(got.Upstream, " "), "http://mine.example http://mine-too.example"},
	} {
		if c[1] != c[2] {
			t.Errorf("%s: got %q, want %q", c[0], c[1], c[2])
		}
	}
	want := []manager.ImportConflict{
		{ID: "upstream", Was: "https://stock.example", Mine: "http://mine.example, http://mine-too.example", New: "https://new.stock.example"},
		{ID: "access:list_items", Operation: "list_items", Was: "key", Mine: "key", New: "public"},
	}
	if diff := cmp.Diff(got.Conflicts, want); diff != "" {
		t.Errorf("conflicts, got (-), want (+):\n%s", diff)
	}
	_, err := p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, i.ID, manager.AcceptImport{API: v.API, Label: v.Label, TakeNew: []string{"access:health"}})
	wantFields(t, err, "take_new")
	mine := must[apim.Version](t)(p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, i.ID, manager.AcceptImport{API: v.API, Label: v.Label}))
	if got, want := flags(mine), "list_items, add_item public, read_item off, health, list_orders, version public"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := strings.Join(mine.Runtime.Upstreams[0].URLs, " "); got != "http://mine.example http://mine-too.example" {
		t.Errorf("got the upstream %s", got)
	}
}

func TestConflictsAreSettledForTheDocumentWhereThatIsSaid(t *testing.T) {
	postgres.Both(t, testConflictsAreSettledForTheDocumentWhereThatIsSaid)
}

func testConflictsAreSettledForTheDocumentWhereThatIsSaid(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	first := p.stage(p.provider, p.shop.ID, reimported)
	v := must[apim.Version](t)(p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, first.ID, manager.AcceptImport{}))
	p.draft(v, manager.DraftChange{UpstreamURLs: &[]string{"http://mine.example"}})
	i := p.stage(p.provider, p.shop.ID, newDocument)
	taken := must[apim.Version](t)(p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, i.ID, manager.AcceptImport{API: v.API, Label: v.Label, TakeNew: []string{"upstream", "access:list_items"}}))
	if got, want := flags(taken), "list_items public, add_item, read_item, health, list_orders, version"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := taken.Runtime.Upstreams[0].URLs[0]; got != "https://new.stock.example" {
		t.Errorf("got the upstream %s", got)
	}
}

// TestUntouchedDraftFollowsTheDocument: nobody edited anything, so that there
// is nothing to keep and nothing to ask.
func TestUntouchedDraftFollowsTheDocument(t *testing.T) {
	postgres.Both(t, testUntouchedDraftFollowsTheDocument)
}

func testUntouchedDraftFollowsTheDocument(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	first := p.stage(p.provider, p.shop.ID, reimported)
	v := must[apim.Version](t)(p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, first.ID, manager.AcceptImport{}))
	i := p.stage(p.provider, p.shop.ID, replaced(reimported, "https://stock.example", "https://new.stock.example"))
	got := must[manager.ImportChanges](t)(p.catalog.CompareImport(ctx, p.provider, p.shop.ID, i.ID, v.ID))
	if len(got.Added)+len(got.Removed)+len(got.Changed)+len(got.Renamed)+len(got.Kept)+len(got.Conflicts) != 0 {
		t.Errorf("got %+v, want another upstream alone", got)
	}
	next := must[apim.Version](t)(p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, i.ID, manager.AcceptImport{API: v.API, Label: v.Label}))
	if got := next.Runtime.Upstreams[0].URLs[0]; got != "https://new.stock.example" {
		t.Errorf("got the upstream %s", got)
	}
}

var files = map[string]string{
	"api/openapi.yaml": `openapi: 3.0.3
info: {title: Parts, version: "1"}
servers: [{url: "https://parts.example"}]
paths:
  /a: {$ref: paths/a.yaml}
  /b: {get: {operationId: b, responses: {"200": {$ref: "gone.yaml"}}}}
`,
	"api/paths/a.yaml":   "get:\n  operationId: a\n  responses:\n    \"200\": {$ref: \"../answers.json#/Fine\"}\n",
	"api/answers.json":   `{"Fine": {"description": "Fine"}}`,
	"api/unused.yaml":    "x: y",
	"readme/notes.txt":   "nothing",
	"readme/other.JSON":  "{}",
	"api/.hidden.yaml":   "{}",
	"api/paths/b.yml.md": "",
}

// TestDocumentInSeveralFilesIsImported by zip, as a folder and by its address:
// the same routes, the same files, and findings that name their file.
func TestDocumentInSeveralFilesIsImported(t *testing.T) {
	postgres.Both(t, testDocumentInSeveralFilesIsImported)
}

func testDocumentInSeveralFilesIsImported(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	var names []string
	for name, text := range files {
		names = append(names, name)
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, text)
	}))
	defer server.Close()
	next := 0
	folder := func() (string, io.Reader, error) {
		if next == len(names) {
			return "", nil, io.EOF
		}
		next++
		return names[next-1], strings.NewReader(files[names[next-1]]), nil
	}
	for how, c := range map[string]struct {
		upload       manager.Upload
		source, root string
	}{
		"zip":     {manager.Upload{FileName: `C:\parts.zip`, Body: bytes.NewReader(archive.Bytes())}, "parts.zip › api/openapi.yaml", "api/openapi.yaml"},
		"folder":  {manager.Upload{Folder: folder}, "api/openapi.yaml", "api/openapi.yaml"},
		"address": {manager.Upload{URL: server.URL + "/api/openapi.yaml?token=canary"}, server.URL + "/api/openapi.yaml", server.URL + "/api/openapi.yaml"},
	} {
		t.Run(how, func(t *testing.T) {
			i := must[apim.Import](t)(p.catalog.StageImport(t.Context(), p.provider, p.shop.ID, c.upload))
			if i.Document.Source != c.source || len(i.Files) != 3 || i.Files[0] != c.root || i.Document.Format != "yaml" || operations(i.Routes) != "a b" {
				t.Errorf("got %q of %v with %s", i.Document.Source, i.Files, operations(i.Routes))
			}
			i = must[apim.Import](t)(p.catalog.StagedImport(t.Context(), p.provider, p.shop.ID, i.ID))
			if len(i.Files) != 3 || i.Findings[0].Code != "external_ref" || i.Findings[0].File != c.root || i.Findings[0].Line != 6 {
				t.Errorf("got %v and %+v", i.Files, i.Findings)
			}
			v := must[apim.Version](t)(p.catalog.AcceptImport(t.Context(), p.provider, p.shop.ID, i.ID, manager.AcceptImport{Slug: how}))
			d, raw, err := p.catalog.DocumentBytes(t.Context(), p.provider, p.shop.ID, v.Document)
			if err != nil || d.Format != "json" || !bytes.Contains(raw, []byte(`"description": "Fine"`)) || bytes.Contains(raw, []byte("paths/a.yaml")) {
				t.Errorf("got %s, %v, want one document", raw, err)
			}
		})
	}
}

func TestFileToBeginWithIsAskedFor(t *testing.T) { postgres.Both(t, testFileToBeginWithIsAskedFor) }

func testFileToBeginWithIsAskedFor(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	stage := func(root string, two ...string) (apim.Import, error) {
		next := 0
		return p.catalog.StageImport(t.Context(), p.provider, p.shop.ID, manager.Upload{Root: root, Folder: func() (string, io.Reader, error) {
			if next == len(two) {
				return "", nil, io.EOF
			}
			next++
			return fmt.Sprintf("%d.yaml", next), strings.NewReader(two[next-1]), nil
		}})
	}
	_, err := stage("", reimported, ordersDocument)
	wantFields(t, err, "root")
	if !strings.Contains(err.Error(), "1.yaml, 2.yaml") {
		t.Errorf("got %v, want both named", err)
	}
	_, err = stage("3.yaml", reimported, ordersDocument)
	wantFields(t, err, "root")
	i := must[apim.Import](t)(stage("2.yaml", reimported, ordersDocument))
	if i.Document.Title != "Orders" || len(i.Files) != 0 || i.Document.Source != "2.yaml" {
		t.Errorf("got %+v", i)
	}
	_, err = stage("", "a: b", "a: [")
	refused(t, err, apim.Invalid)
	_, err = stage("", reimported+"\n  x: [", "a: b")
	var e *apim.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Fields[0].Field, "1.yaml:") {
		t.Errorf("got %v, want the file and its line", err)
	}
	_, err = p.catalog.StageImport(t.Context(), p.provider, p.shop.ID, manager.Upload{Root: "x", Body: strings.NewReader(reimported)})
	wantFields(t, err, "root")
}
