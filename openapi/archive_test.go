package openapi_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portico/openapi"
)

const (
	rootFile = `{"openapi":"3.0.0","info":{"title":"x","version":"1"},"servers":[{"url":"https://example.com"}],"paths":{"/a":{"get":{"operationId":"a","responses":{"200":{"$ref":"b.json"}}}}}}`
	partFile = `{"description":"Fine"}`
)

func zipped(t testing.TB, files ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err == nil {
			_, err = w.Write([]byte(files[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// lying is an archive whose directory says that its file is shorter than it is.
func lying(t testing.TB) []byte {
	t.Helper()
	raw := zipped(t, "a.json", strings.Repeat(" ", 10_000))
	directory := bytes.Index(raw, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(raw[directory+24:], 100)
	return raw
}

func packed(t testing.TB, a *openapi.Archive) []byte {
	t.Helper()
	raw, _, err := openapi.Pack(t.Context(), a, nil, openapi.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestDishonestArchivesAreRefused: each with the file that is at fault, and
// without unpacking more than is allowed.
func TestDishonestArchivesAreRefused(t *testing.T) {
	link := func() []byte {
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		h := &zip.FileHeader{Name: "openapi.yaml"}
		h.SetMode(fs.ModeSymlink | 0o777)
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write([]byte("/etc/passwd"))
		}
		if err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	many := make([]string, 0, 4100)
	for i := range 2050 {
		many = append(many, fmt.Sprintf("f%d.json", i), "{}")
	}
	whole := zipped(t, "a.json", rootFile, "b.json", partFile)
	for _, c := range []struct {
		name, code, file string
		raw              []byte
	}{
		{"a bomb", "too_large", "b.json", zipped(t, "a.json", rootFile, "b.json", strings.Repeat(" ", 65<<20))},
		{"many files that are a bomb together", "too_large", "c.json", zipped(t, "a.json", strings.Repeat(" ", 30<<20), "b.json", strings.Repeat(" ", 30<<20), "c.json", strings.Repeat(" ", 30<<20))},
		{"a way out", "archive", "", zipped(t, "../../a.json", rootFile)},
		{"a way out in Windows' words", "archive", "", zipped(t, `..\a.json`, rootFile)},
		{"an absolute name", "archive", "", zipped(t, "/etc/a.json", rootFile)},
		{"a drive", "archive", "", zipped(t, "C:/a.json", rootFile)},
		{"a link", "archive", "openapi.yaml", link()},
		{"too many files", "archive", "", zipped(t, many...)},
		{"a name twice", "archive", "a.json", zipped(t, "a.json", rootFile, "./a.json", rootFile)},
		{"half an archive", "archive", "", whole[:len(whole)-30]},
		{"a header that lies", "archive", "a.json", lying(t)},
		{"nothing of use", "archive", "", zipped(t, "a.txt", "x", ".hidden.json", "{}", "__MACOSX/a.json", "{}")},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := allocated()
			_, err := openapi.Scan(t.Context(), c.raw, openapi.ScanOptions{})
			var refused *openapi.Error
			if !errors.As(err, &refused) || refused.Code != c.code || refused.File != c.file {
				t.Fatalf("got %#v, want %s of %q", err, c.code, c.file)
			}
			if used := allocated() - before; used > 400<<20 {
				t.Errorf("allocated %d bytes", used)
			}
		})
	}
}

func TestRootIsFoundOrAskedFor(t *testing.T) {
	a := func(root string) *openapi.Archive {
		return &openapi.Archive{Root: root, Files: map[string][]byte{"a.json": []byte(rootFile), "b.json": []byte(partFile), "c.json": []byte(rootFile)}}
	}
	var refused *openapi.Error
	if _, _, err := openapi.Pack(t.Context(), a(""), nil, openapi.Limits{}); !errors.As(err, &refused) || refused.Code != "several_documents" || !strings.Contains(refused.Message, "a.json, c.json") {
		t.Errorf("got %v, want both documents named", err)
	}
	if _, _, err := openapi.Pack(t.Context(), a("d.json"), nil, openapi.Limits{}); !errors.As(err, &refused) || refused.Code != "no_such_file" {
		t.Errorf("got %v, want the file that is not there", err)
	}
	raw := packed(t, a("c.json"))
	again, err := openapi.ReadArchive(raw, openapi.Limits{})
	if err != nil || again.Root != "c.json" || len(again.Files) != 2 {
		t.Errorf("got %v and %v, want c.json and what it needs", again, err)
	}
	if other := packed(t, again); !bytes.Equal(raw, other) {
		t.Error("the same files make other bytes")
	}
}

// TestFilesAreOneDocument: what is put together is OpenAPI to others too, with
// names made of the files' own, and each part once.
func TestFilesAreOneDocument(t *testing.T) {
	_, document, _ := sections(t, readFile(t, "testdata/files/files.txt"))
	text, err := raw(t.Context(), document)
	if err != nil {
		t.Fatal(err)
	}
	one, err := openapi.Single(text)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components map[string]map[string]any `json:"components"`
	}
	if err := json.Unmarshal(one, &doc); err != nil {
		t.Fatal(err)
	}
	for section, names := range map[string]string{
		"schemas": "Order Order_2 limit tree Pet Cat Dog", "parameters": "limit", "responses": "Order", "headers": "Location", "requestBodies": "Pet",
	} {
		for name := range strings.FieldsSeq(names) {
			if _, ok := doc.Components[section][name]; !ok {
				t.Errorf("no %s in %s, which has %v", name, section, doc.Components[section])
			}
		}
		if got := len(doc.Components[section]); got != len(strings.Fields(names)) {
			t.Errorf("%d %s, want %s", got, section, names)
		}
	}
	for _, want := range []string{`"cat": "#/components/schemas/Cat"`, `"dog": "#/components/schemas/Dog"`, `"$ref": "not/a/reference.yaml"`} {
		if !strings.Contains(string(one), want) {
			t.Errorf("lacks %s:\n%s", want, one)
		}
	}
	out, err := openapi.Scan(t.Context(), one, openapi.ScanOptions{})
	if err != nil || len(out.Operations) != 4 {
		t.Errorf("got %+v, %v", out, err)
	}
	if same, _ := openapi.Single([]byte(rootFile)); string(same) != rootFile {
		t.Errorf("a document in one file became %s", same)
	}
}

// TestFilesAreFetchedWhereTheDocumentCameFrom: relative to each file, once
// each, within limits; nothing but http and https.
func TestFilesAreFetchedWhereTheDocumentCameFrom(t *testing.T) {
	there := map[string]string{
		"https://docs.example/api/paths/a.yaml":     `get: {operationId: a, responses: {"200": {$ref: "../parts/b.yaml#/x"}, "201": {$ref: "file:///etc/passwd"}, "202": {$ref: "//other.example/c.yaml"}}}`,
		"https://docs.example/api/parts/b.yaml":     `x: {description: Fine, headers: {H: {$ref: "/h.yaml"}}}`,
		"https://docs.example/h.yaml":               `schema: {type: string}`,
		"https://other.example/c.yaml":              `description: {$ref: "https://docs.example/api/openapi.yaml"}`,
		"https://docs.example/api/never/asked.yaml": `x`,
	}
	asked := map[string]int{}
	fetch := func(_ context.Context, address string) ([]byte, error) {
		asked[address]++
		text, ok := there[address]
		if !ok {
			return nil, errors.New("404")
		}
		return []byte(text), nil
	}
	root := "https://docs.example/api/openapi.yaml"
	a := &openapi.Archive{Root: root, Files: map[string][]byte{root: []byte(`{openapi: 3.0.0, info: {title: x, version: "1"}, paths: {/a: {$ref: paths/a.yaml}, /b: {$ref: paths/gone.yaml}}}`)}}
	text, files, err := openapi.Pack(t.Context(), a, fetch, openapi.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := openapi.Scan(t.Context(), text, openapi.ScanOptions{SourceURL: root})
	if err != nil || len(out.Operations) != 1 || out.Servers[0].URL != "https://docs.example" {
		t.Fatalf("got %+v, %v", out, err)
	}
	if len(files) != 5 || files[0] != root || len(asked) != 5 || asked["https://docs.example/api/paths/gone.yaml"] != 1 || asked["https://docs.example/api/never/asked.yaml"] != 0 {
		t.Errorf("asked for %v", asked)
	}
	for address, n := range asked {
		if n != 1 || strings.HasPrefix(address, "file:") {
			t.Errorf("asked for %s %d times", address, n)
		}
	}
	var refused *openapi.Error
	endless := &openapi.Archive{Root: root, Files: map[string][]byte{root: []byte(`{"openapi":"3.0.0","paths":{"/a":{"$ref":"0.json"}}}`)}}
	next := 0
	_, _, err = openapi.Pack(t.Context(), endless, func(context.Context, string) ([]byte, error) {
		next++
		return fmt.Appendf(nil, `{"$ref":"%d.json"}`, next), nil
	}, openapi.Limits{})
	if !errors.As(err, &refused) || refused.Code != "too_large" || next > 250 {
		t.Errorf("got %v after %d files, want an end", err, next)
	}
}

// TestFilesThatLeadRoundEnd: rings between files, as components and in place.
func TestFilesThatLeadRoundEnd(t *testing.T) {
	files := map[string][]byte{"root.json": []byte(`{"openapi":"3.0.0","info":{"title":"x","version":"1"},"paths":{"/a":{"$ref":"p.json"},"/b":{"get":{"operationId":"b","responses":{"200":{"description":"x","content":{"application/json":{"schema":{"$ref":"s0.json"}}}}}}}}}`)}
	files["p.json"] = []byte(`{"$ref":"q.json"}`)
	files["q.json"] = []byte(`{"$ref":"p.json"}`)
	for i := range 300 {
		files[fmt.Sprintf("s%d.json", i)] = fmt.Appendf(nil, `{"type":"object","properties":{"next":{"$ref":"s%d.json"}}}`, (i+1)%300)
	}
	started := time.Now()
	out, err := openapi.Scan(t.Context(), packed(t, &openapi.Archive{Files: files}), openapi.ScanOptions{})
	if err != nil || len(out.Operations) != 1 || out.Schemas < 300 {
		t.Fatalf("got %+v, %v", out, err)
	}
	ring := false
	for _, f := range out.Findings {
		ring = ring || f.Code == "ref_ring" && f.File == "q.json"
	}
	if !ring {
		t.Errorf("no finding of the ring in %+v", out.Findings)
	}
	if took := time.Since(started); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestFilesThatMultiplyAreBounded: a value that is put in place many times, in
// a value that is, and so on.
func TestFilesThatMultiplyAreBounded(t *testing.T) {
	files := map[string][]byte{"root.json": []byte(`{"openapi":"3.0.0","info":{"$ref":"f0.json"},"paths":{"/a":{"get":{}}}}`)}
	for i := range 12 {
		ref := fmt.Sprintf(`{"$ref":"f%d.json"}`, i+1)
		files[fmt.Sprintf("f%d.json", i)] = []byte(`{"x":[` + strings.Repeat(ref+",", 9) + ref + `]}`)
	}
	files["f12.json"] = []byte(`{"x":"end"}`)
	before := allocated()
	_, err := openapi.Scan(t.Context(), packed(t, &openapi.Archive{Files: files}), openapi.ScanOptions{Limits: openapi.Limits{MaxValues: 100_000}})
	var refused *openapi.Error
	if !errors.As(err, &refused) || refused.Code != "too_large" {
		t.Fatalf("got %v, want a refusal", err)
	}
	if used := allocated() - before; used > 100<<20 {
		t.Errorf("allocated %d bytes", used)
	}
}

// TestRealDocumentsInAZip: a folder of real documents, where it is present.
func TestRealDocumentsInAZip(t *testing.T) {
	found, _ := filepath.Glob("../../shared/specs/multi-file/*.json")
	for _, root := range found {
		a := &openapi.Archive{Root: filepath.Base(root)}
		for _, file := range found {
			text, err := os.ReadFile(file)
			if err == nil {
				err = a.Add(filepath.Base(file), text, openapi.Limits{})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		want, _ := count(t, a.Files[a.Root])
		out, err := openapi.Scan(t.Context(), packed(t, a), openapi.ScanOptions{})
		var refused *openapi.Error
		if want == 0 && errors.As(err, &refused) && refused.Code == openapi.ErrNoOperations {
			continue // title.json holds a title alone
		}
		if err != nil || len(out.Operations) != want {
			t.Errorf("%s: got %+v, %v, want %d operations", root, out, err, want)
		}
	}
}

// FuzzFiles: whatever three files hold, they are one document or refused.
func FuzzFiles(f *testing.F) {
	f.Add(rootFile, partFile, "x: 1")
	f.Add(`{openapi: 3.0.0, paths: {/a: {$ref: b.json}}}`, `{"get": {"$ref": "c.yaml#/x"}, "$ref": "a.json"}`, `x: {responses: {$ref: "a.json#/paths"}}`)
	f.Add(`{swagger: "2.0", paths: {/a: {get: {parameters: [{$ref: b.json}]}}}, definitions: {A: {$ref: c.yaml}}}`, `{"in": "body", "schema": {"$ref": "c.yaml"}}`, `{$ref: "b.json#/schema"}`)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		text, _, err := openapi.Pack(t.Context(), &openapi.Archive{Root: "a.json", Files: map[string][]byte{"a.json": []byte(a), "b.json": []byte(b), "c.yaml": []byte(c)}}, nil, openapi.Limits{})
		if err == nil {
			_, err = openapi.Scan(t.Context(), text, openapi.ScanOptions{})
		}
		var refused *openapi.Error
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("%#v is no *Error", err)
		}
		if err == nil {
			if one, err := openapi.Single(text); err != nil || openapi.IsArchive(text) && !json.Valid(one) {
				t.Fatalf("scanned, but no one document: %v", err)
			}
		}
	})
}
